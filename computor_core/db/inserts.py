"""INSERT statements that both database systems know in a dialect of their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sqlalchemy.dialects import postgresql, sqlite

if TYPE_CHECKING:
    from sqlalchemy import Table
    from sqlalchemy.sql.dml import Insert

__all__ = ["insert_unless_there"]


def insert_unless_there(
    table: Table, values: Mapping[str, Any] | list[dict[str, Any]], *, is_sqlite: bool
) -> Insert:
    """An INSERT that leaves a row with the same key as it is."""
    if is_sqlite:
        return sqlite.insert(table).values(values).on_conflict_do_nothing()
    return postgresql.insert(table).values(values).on_conflict_do_nothing()
