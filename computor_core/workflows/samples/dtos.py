"""What the sample workflows pass around."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict


class Parcel(BaseModel):
    """A nested model of types that JSON doesn't have.

    Attributes:
        id: An id.
        sent_at: A time, UTC.
        inner: Another of its kind.
        weights: Numbers by name.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: UUID
    sent_at: datetime
    inner: Parcel | None = None
    weights: dict[str, float] = {}


@dataclass(frozen=True, slots=True)
class Plan:
    """What a sample is to do; each uses what it needs.

    Attributes:
        amount: A number to work on.
        fail_first: Attempts of a step that are to fail.
        key: Key of an event.
        milliseconds: A short duration.
    """

    amount: int = 0
    fail_first: int = 0
    key: str = ""
    milliseconds: int = 0


@dataclass(frozen=True, slots=True)
class Derived:
    """What a context derives: the same in every replay.

    Attributes:
        id: Of ``ctx.uuid``.
        number: Of ``ctx.random``.
        now: Of ``ctx.now``.
    """

    id: UUID
    number: float
    now: datetime
