"""Column types that mean the same on SQLite and PostgreSQL."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from sqlalchemy import JSON, BigInteger, DateTime, String
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeDecorator, TypeEngine
from uuid_utils.compat import uuid7

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy.engine import Dialect

__all__ = ["CreditType", "JsonType", "PathType", "PointsType", "ScaledDecimal", "UtcDateTime", "new_id"]


def new_id() -> UUID:
    """A new UUID version 7 (RFC 9562): sorts by creation time, roughly; never an event order."""
    return uuid7()


class UtcDateTime(TypeDecorator[datetime]):
    """An instant, stored in UTC; naive values are refused rather than guessed."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Convert to UTC; SQLite has no zones, so it gets the naive UTC value."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a naive datetime was given where an instant is needed")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return an aware value in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class ScaledDecimal(TypeDecorator[Decimal]):
    """An exact decimal kept as an integer number of ``10**-digits``.

    Args:
        digits: Decimal places; a value with more is refused, not rounded.
    """

    impl = BigInteger
    cache_ok = True

    def __init__(self, digits: int) -> None:
        super().__init__()
        self.digits = digits

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> int | None:
        """Scale to an integer."""
        if value is None:
            return None
        return self.require_exact(value)

    def require_exact(self, value: Decimal) -> int:
        """The integer that a value is kept as.

        Raises:
            ValueError: It isn't finite, has too many decimal places or doesn't fit 64 bits.
        """
        if not value.is_finite():
            raise ValueError(f"{value} isn't a number")
        scaled = value.scaleb(self.digits)
        whole = int(scaled)
        if scaled != whole:
            raise ValueError(f"{value} has more than {self.digits} decimal places")
        if not -(2**63) <= whole < 2**63:
            raise ValueError(f"{value} is too large")
        return whole

    def process_result_value(self, value: int | None, dialect: Dialect) -> Decimal | None:
        """Scale back, without trailing noise."""
        return None if value is None else Decimal(value).scaleb(-self.digits)


PointsType = ScaledDecimal(4)
"""Points: four decimal places."""

CreditType = ScaledDecimal(6)
"""Credit between 0 and 1: six decimal places."""

JsonType: TypeEngine[Any] = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
"""JSON that is stored and returned whole, never searched on a request's path."""


def path_type(length: int = 512) -> TypeEngine[str]:
    """Text compared byte by byte, so that ranges over materialised paths use the index."""
    return (
        String(length)
        .with_variant(String(length, collation="C"), "postgresql")
        .with_variant(String(length, collation="BINARY"), "sqlite")
    )


PathType = path_type()
"""A materialised path or a fractional position key."""
