"""What durable work needs of the application: places to read and write."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, Protocol

from sqlalchemy.dialects import postgresql, sqlite

from computor_core.plugin_api.principal import Principal

if TYPE_CHECKING:
    from sqlalchemy import Table
    from sqlalchemy.sql.dml import Insert

    from computor_core.db.unit_of_work import ReadUnit, UnitOfWork

__all__ = ["SYSTEM", "Units", "insert_unless_there"]

SYSTEM = Principal.system("workflows")
"""Who writes the journal, the leases and the cursors."""


class Units(Protocol):
    """Opens units of work; :class:`~computor_core.plugin_api.services.CoreServices` is one."""

    def uow(self, principal: Principal) -> AbstractAsyncContextManager[UnitOfWork]:
        """A write unit of work; commits when the block ends without an exception."""
        ...

    def read(self, principal: Principal) -> AbstractAsyncContextManager[ReadUnit]:
        """A read unit."""
        ...


def insert_unless_there(
    table: Table, values: Mapping[str, Any] | list[dict[str, Any]], *, is_sqlite: bool
) -> Insert:
    """An INSERT that leaves a row with the same key as it is."""
    if is_sqlite:
        return sqlite.insert(table).values(values).on_conflict_do_nothing()
    return postgresql.insert(table).values(values).on_conflict_do_nothing()
