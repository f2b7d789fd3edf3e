"""Filters of lists as SQL."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sqlalchemy import BindParameter, ColumnElement, String, and_, bindparam, func

from computor_core.interfaces import Archived, AtLeast, AtMost, Contains, Equals, OneOf, StartsWith

if TYPE_CHECKING:
    from sqlalchemy.types import TypeEngine

    from computor_core.entities.dto_fields import FilterField

_LAST = "\U0010ffff"
"""The highest code point; in UTF-8 its bytes come after those of any other."""


def _name(item: FilterField, suffix: str = "") -> str:
    return f"filter_{item.name}{suffix}"


def filter_parameter(item: FilterField, kind: TypeEngine[Any]) -> BindParameter[Any]:
    """The parameter with a filter's value."""
    return bindparam(_name(item), type_=kind, expanding=isinstance(item.marker, OneOf))


def variant_of(item: FilterField, value: object) -> str:
    """The part of a filter's value that decides the statement's text."""
    return str(bool(value)) if isinstance(item.marker, Archived) else ""


def condition(item: FilterField, variant: str, column: ColumnElement[Any]) -> ColumnElement[bool]:
    """What a filter asks of a column.

    Raises:
        TypeError: The marker is of a kind that nobody wrote SQL for.
    """
    match item.marker:
        case Archived():
            return column.is_not(None) if variant == "True" else column.is_(None)
        case Equals():
            return column == filter_parameter(item, column.type)
        case OneOf():
            return column.in_(filter_parameter(item, column.type))
        case AtLeast():
            return column >= filter_parameter(item, column.type)
        case AtMost():
            return column <= filter_parameter(item, column.type)
        case Contains():
            pattern = bindparam(_name(item), type_=String())
            return func.lower(column).like(func.lower(pattern), escape="\\")
        case StartsWith():
            upper = bindparam(_name(item, "_end"), type_=String())
            return and_(column >= filter_parameter(item, column.type), column < upper)
    raise TypeError(f"filter {item.name} has a marker without meaning: {item.marker!r}")


def parameters(items: Mapping[str, FilterField], values: Mapping[str, Any]) -> dict[str, Any]:
    """The values of the filters' parameters."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        item = items[name]
        match item.marker:
            case Archived():
                continue
            case Contains():
                escaped = str(value).replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
                found[_name(item)] = f"%{escaped}%"
            case StartsWith():
                found[_name(item)] = value
                found[_name(item, "_end")] = f"{value}{_LAST}"
            case OneOf():
                found[_name(item)] = list(value)
            case _:
                found[_name(item)] = value
    return found
