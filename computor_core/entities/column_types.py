"""Whether a DTO's field and its column can hold the same values, as far as their types tell surely."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

if TYPE_CHECKING:
    from pydantic import BaseModel
    from sqlalchemy import Table

_PLAIN = (int, str, bool, float, UUID, datetime)
"""Types that a column holds as they are; an enumeration, a decimal or an object may be converted."""


def misfits(kind: str, dto: type[BaseModel], table: Table, *, read: bool) -> Iterator[str]:
    """Fields whose values their column can't hold, or the other way round, one sentence each.

    Args:
        kind: What the DTO is called, for messages.
        dto: The DTO.
        table: The entity's table.
        read: Whether the DTO shows rows; then a column that may be null needs a field that may.
    """
    for name, info in dto.model_fields.items():
        plain, optional = _plain(info.annotation)
        if plain is None or name not in table.c:
            continue
        column = table.c[name]
        try:
            held = column.type.python_type
        except NotImplementedError:
            continue
        if held in _PLAIN and held is not plain:
            yield f"field {name} of the {kind} DTO is {plain.__name__}, and its column holds {held.__name__}"
        elif read and column.nullable and not optional:
            yield f"field {name} of the {kind} DTO can't be null, and its column can"


def _plain(annotation: Any) -> tuple[type | None, bool]:  # noqa: ANN401 - any annotation
    """The one plain type of an annotation, or None where there is no such, and whether None fits it."""
    if typing.get_origin(annotation) is typing.Annotated:
        return _plain(typing.get_args(annotation)[0])
    if typing.get_origin(annotation) in {typing.Union, types.UnionType}:
        parts = [part for part in typing.get_args(annotation) if part is not type(None)]
        optional = len(parts) < len(typing.get_args(annotation))
        if len(parts) != 1:
            return None, optional
        plain, inner = _plain(parts[0])
        return plain, optional or inner
    return (annotation if annotation in _PLAIN else None), False
