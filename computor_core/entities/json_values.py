"""Column values as JSON values, chosen once per column."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import JSON, Uuid

from computor_core.access.row_ids import require_storable
from computor_core.db.types import ScaledDecimal, UtcDateTime
from computor_core.errors import FieldProblem, InvalidError

if TYPE_CHECKING:
    from sqlalchemy.types import TypeEngine

Convert = Callable[[Any], Any]


def instant_text(value: datetime) -> str:
    """An instant as RFC 3339 text in UTC, with ``Z``."""
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def decimal_text(value: Decimal) -> str:
    """An exact decimal without trailing zeros and never in exponent form."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def to_json(kind: TypeEngine[Any]) -> Convert | None:
    """The conversion of a column's values; None where they are JSON values already."""
    if isinstance(kind, Uuid):
        return str
    if isinstance(kind, UtcDateTime):
        return instant_text
    if isinstance(kind, ScaledDecimal):
        return decimal_text
    return None


def json_value(value: object) -> object:
    """Any column value as a JSON value."""
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, datetime):
        return instant_text(value)
    if isinstance(value, Decimal):
        return decimal_text(value)
    return value


def from_json(kind: TypeEngine[Any], value: object) -> object:
    """A column value from its JSON value, as cursors carry them.

    Raises:
        ValueError: It isn't one.
        OverflowError: An instant that isn't within the years 1 to 9999 in UTC.
    """
    if isinstance(kind, JSON) or value is None:
        raise ValueError("not a value to sort by")
    if isinstance(kind, Uuid):
        return UUID(str(value))
    if isinstance(kind, UtcDateTime):
        instant = datetime.fromisoformat(str(value))
        if instant.tzinfo is None:
            raise ValueError("an instant without an offset")
        return instant.astimezone(UTC)
    if isinstance(kind, ScaledDecimal):
        number = Decimal(str(value))
        kind.require_exact(number)
        return number
    if not isinstance(value, kind.python_type) or isinstance(value, bool) != (kind.python_type is bool):
        raise ValueError("not a value of the column's type")
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise ValueError("more than the column can hold")
    if isinstance(value, str):
        require_storable(value)
    return value


def refuse(field: str, code: str, message: str) -> InvalidError:
    """The error for one field that breaks a rule."""
    return InvalidError(f"{field}: {message}", fields=[FieldProblem(field, code, message)])
