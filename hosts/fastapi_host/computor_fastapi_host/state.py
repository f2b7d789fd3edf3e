"""What a host keeps between requests."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from starlette.applications import Starlette

from computor_fastapi_host.metrics import Metrics

if TYPE_CHECKING:
    from computor_core.app import Computor
    from computor_fastapi_host.entity_routes import EntityOperation

__all__ = ["HostState", "Limits", "host_state"]


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes of bodies, in bytes.

    Attributes:
        body_bytes: Most bytes of an ordinary body.
        upload_bytes: Most bytes of an upload, and of a body for a mounted application.
    """

    body_bytes: int = 1024 * 1024
    upload_bytes: int = 64 * 1024 * 1024


@dataclass(slots=True)
class HostState:
    """The host's own state.

    Attributes:
        limits: Sizes of bodies.
        metrics: Counters.
        computor: The application; None before the lifespan began and after it ended.
        operations: The generated routes, for the documents.
        assembled: Whether the routes are in place.
    """

    limits: Limits = field(default_factory=Limits)
    metrics: Metrics = field(default_factory=Metrics)
    computor: Computor | None = None
    operations: tuple[EntityOperation, ...] = ()
    assembled: bool = False


def host_state(app: Starlette) -> HostState:
    """The host's state in an application that ``create_app`` made.

    Raises:
        TypeError: The application is something else.
    """
    state = getattr(app.state, "computor_host", None)
    if not isinstance(state, HostState):
        raise TypeError("this application wasn't made by computor_fastapi_host.create_app")
    return state
