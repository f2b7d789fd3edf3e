"""Connections for migrations: alone on the database, in one explicit transaction."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from computor_core.db.engine import make_private
from computor_core.errors import ConflictError

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection
    from sqlalchemy.engine.interfaces import DBAPIConnection

    from computor_core.db.engine import Database

_LOCK_KEY = 0x636F6D7075746F72
"""The advisory lock's key: the bytes of "computor"."""


@asynccontextmanager
async def migration_engine(database: Database) -> AsyncIterator[AsyncEngine]:
    """An engine for migrations; on PostgreSQL an advisory lock keeps a second migrator waiting.

    On SQLite foreign keys are off: alembic rebuilds a table by copying and dropping it, and with
    keys on the drop would delete the rows that refer to it. They are checked before the commit.
    """
    engine = create_async_engine(database.url, poolclass=NullPool)
    if database.is_sqlite:
        make_private(engine)
        event.listen(engine.sync_engine, "connect", _sqlite_connect)
        event.listen(engine.sync_engine, "begin", _sqlite_begin)
    try:
        if database.is_sqlite:
            yield engine
        else:
            async with engine.connect() as holder:
                outside = await holder.execution_options(isolation_level="AUTOCOMMIT")
                await outside.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _LOCK_KEY})
                yield engine  # closing the connection lets the lock go
    finally:
        await engine.dispose()


@asynccontextmanager
async def migration_transaction(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """One transaction; whatever fails in it leaves nothing behind.

    Raises:
        ConflictError: Rows refer to rows that aren't there (SQLite; PostgreSQL refuses by itself).
    """
    async with engine.begin() as connection:
        yield connection
        if connection.dialect.name == "sqlite":
            await connection.run_sync(_check_foreign_keys)


def _sqlite_connect(connection: DBAPIConnection, _record: object) -> None:
    # The driver's own transaction control would commit before DDL.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=30000", "foreign_keys=OFF"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _sqlite_begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _check_foreign_keys(connection: Connection) -> None:
    broken = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
    if broken:
        places = sorted({f"{row[0]} → {row[2]}" for row in broken})
        raise ConflictError(
            f"after the migration {len(broken)} rows refer to rows that aren't there: {', '.join(places)}",
            hint="nothing was changed; the rows were broken before, or the migration lost some",
        )
