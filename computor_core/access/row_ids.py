"""Ids of rows as callers give them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import Uuid

if TYPE_CHECKING:
    from sqlalchemy.types import TypeEngine


def require_storable(text: str) -> None:
    """Refuse text that PostgreSQL can't store: NUL and lone surrogates.

    Raises:
        ValueError: It holds one.
    """
    if "\x00" in text:
        raise ValueError("text can't hold NUL")
    text.encode()


def row_id_of(kind: TypeEngine[Any], row_id: UUID | str) -> UUID | str:
    """A row's id in the type of the id column; what can't be any row's id is as good as absent.

    Raises:
        ValueError: It isn't one.
    """
    if isinstance(kind, Uuid):
        return row_id if isinstance(row_id, UUID) else UUID(row_id)
    require_storable(str(row_id))
    return str(row_id)
