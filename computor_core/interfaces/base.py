"""What every entity's contract is made of: DTO base classes and the markers on their fields.

Everything under :mod:`computor_core.interfaces` imports pydantic alone, so that clients can use
the very classes that the server validates with.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

__all__ = [
    "UNCHANGED",
    "Archived",
    "AtLeast",
    "AtMost",
    "Contains",
    "CreateDto",
    "Dto",
    "EntityInterface",
    "Equals",
    "InputDto",
    "ListQuery",
    "OneOf",
    "ReadDto",
    "Requires",
    "StartsWith",
    "UpdateDto",
]


@dataclass(frozen=True, slots=True)
class Requires:
    """Marks a DTO field that needs an action of its own on the row.

    In a get or list DTO the value is null for callers who lack it, and filtering or sorting by
    the field leaves out the rows on which they lack it. In an update DTO setting the field is
    refused to them.

    Attributes:
        action: The action.
    """

    action: str


@dataclass(frozen=True, slots=True)
class Filter:
    """Root of the markers that bind a query field to a column.

    Attributes:
        column: The column; ``""`` means the field's own name.
    """

    column: str = ""


class Equals(Filter):
    """The column equals the value."""


class OneOf(Filter):
    """The column is one of the values; the field is a list."""


class AtLeast(Filter):
    """The column is greater than the value or equal."""


class AtMost(Filter):
    """The column is less than the value or equal."""


class Contains(Filter):
    """The text contains the value, whatever the case of ASCII letters."""


class StartsWith(Filter):
    """The text starts with the value, byte by byte; uses the column's index."""


class Archived(Filter):
    """True: only archived rows; false: only others; null: both."""


class Dto(BaseModel):
    """Root of all data transfer objects; unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", from_attributes=False)


class InputDto(Dto):
    """Root of what callers send.

    Text with NUL is refused, since PostgreSQL can't store it, and so is a time with an offset that
    moves it out of the years 1 to 9999 in UTC.
    """

    @model_validator(mode="before")
    @classmethod
    def _refuse_nul(cls, sent: Any) -> Any:  # noqa: ANN401 - whatever was sent
        if _holds_nul(sent):
            raise ValueError("text can't hold NUL")
        return sent

    @field_validator("*", mode="after")
    @classmethod
    def _refuse_times_without_utc(cls, value: Any) -> Any:  # noqa: ANN401 - a field of any type
        for moment in value if isinstance(value, list | tuple) else (value,):
            if isinstance(moment, datetime) and moment.tzinfo is not None:
                _require_utc(moment)
        return value


def _require_utc(moment: datetime) -> None:
    try:
        moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("in UTC it isn't within the years 1 to 9999") from None


def _holds_nul(value: object) -> bool:
    if isinstance(value, str):
        return "\x00" in value
    if isinstance(value, Mapping):
        return any(_holds_nul(key) or _holds_nul(inner) for key, inner in value.items())
    return isinstance(value, list | tuple) and any(map(_holds_nul, value))


class CreateDto(InputDto):
    """Root of the bodies that create a row."""


UNCHANGED: Any = None
"""Default of the fields of update DTOs: what isn't sent stays as it is, whatever its type."""


def _without_defaults(schema: dict[str, Any]) -> None:
    for field in schema.get("properties", {}).values():
        field.pop("default", None)


class UpdateDto(InputDto):
    """Root of the bodies that change a row.

    Every field has the default :data:`UNCHANGED`, which isn't a value of its type: only fields
    that were sent (:meth:`changes`) mean anything, and null may be sent only where the type says.
    """

    model_config = ConfigDict(json_schema_extra=_without_defaults)

    def changes(self) -> dict[str, Any]:
        """The fields that were sent, as Python values."""
        return {name: getattr(self, name) for name in sorted(self.model_fields_set)}


class ReadDto(Dto):
    """Root of what the API answers with."""


class EntityFields(ReadDto):
    """What every entity of its own answers with."""

    id: UUID = Field(description="The row's id, UUIDv7.")
    version: int = Field(description="Counts the changes; the value of `ETag` and `If-Match`.")
    created_at: datetime = Field(description="When the row was made, UTC.")
    updated_at: datetime = Field(description="When the row was changed last, UTC.")


class ListQuery(InputDto):
    """Root of the query DTOs: what every list understands."""

    limit: int = Field(50, ge=1, le=200, description="Most rows on the page.")
    cursor: str | None = Field(
        None, max_length=2048, description="`next_cursor` of the page before; bound to filters and sorting."
    )
    sort: str = Field(
        "", max_length=255, description="Fields separated by commas, `-` before one for descending order."
    )
    total: bool = Field(False, description="Whether to count all matching rows, too.")
    fields: str = Field(
        "", max_length=2048, description="Fields to answer with, separated by commas; all if empty."
    )
    id: Annotated[list[UUID] | None, OneOf()] = Field(None, max_length=200, description="Only these rows.")

    COMMON: ClassVar[frozenset[str]] = frozenset({"limit", "cursor", "sort", "total", "fields"})

    def filters(self) -> dict[str, Any]:
        """The entity's own filters that have a value or a default other than null."""
        return {
            name: value
            for name in type(self).model_fields
            if name not in self.COMMON and (value := getattr(self, name)) is not None
        }


class EntityInterface:
    """An entity's contract with the outside: its name and its five kinds of DTO.

    Attributes:
        endpoint: Plural, kebab-case; the path segment under ``/api/v1``.
        create: Body that creates a row; None where nothing is created through the API.
        get: A single row.
        list: A row in a list; its fields are a part of ``get``'s.
        update: Body that changes a row; None where nothing is changed through the API.
        query: Filters of the list.
    """

    endpoint: ClassVar[str]
    create: ClassVar[type[CreateDto] | None] = None
    get: ClassVar[type[ReadDto]]
    list: ClassVar[type[ReadDto]]
    update: ClassVar[type[UpdateDto] | None] = None
    query: ClassVar[type[ListQuery]]
