"""The database: engines for reading and for writing, with each system's rules applied.

SQLite gets WAL, foreign keys, ``BEGIN IMMEDIATE`` for every write unit (deferred ones fail
"database is locked" when they upgrade) and one writing connection, so that writers of a process
queue fairly instead of polling the file lock. PostgreSQL reads run in AUTOCOMMIT, which saves
the BEGIN and ROLLBACK round trips.
"""

from __future__ import annotations

import importlib
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from sqlalchemy import event, make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from computor_core.db.transaction_guard import refuse_early_commit
from computor_core.errors import ConfigurationError

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection
    from sqlalchemy.engine.interfaces import DBAPIConnection

_DRIVERS = {"sqlite": "aiosqlite", "postgresql": "asyncpg"}
_DISTRIBUTIONS = {"sqlite": "aiosqlite", "postgresql": "computor-core[postgres]"}


class Database:
    """Engines over one database.

    Args:
        url: SQLAlchemy address; ``sqlite+aiosqlite:///file`` or ``postgresql+asyncpg://…``.
        pool_size: Most connections at a time (reading, for SQLite).
        statement_timeout: Seconds after which PostgreSQL ends a statement.

    Raises:
        ConfigurationError: The address is malformed or names an unsupported system, or the
            system's driver isn't installed.
    """

    def __init__(self, url: str, *, pool_size: int = 8, statement_timeout: float = 30.0) -> None:
        try:
            parsed = make_url(url)
        except Exception as error:
            raise ConfigurationError(
                "database.url is not a database address",
                hint="for example sqlite+aiosqlite:///var/computor.db",
            ) from error
        system = parsed.get_backend_name()
        if system not in _DRIVERS:
            raise ConfigurationError(
                f"database.url names the unsupported system {system!r}",
                hint="sqlite and postgresql are supported",
            )
        if system == "sqlite" and parsed.database in (None, "", ":memory:"):
            raise ConfigurationError(
                "database.url names an in-memory SQLite database, which several connections can't share",
                hint="give a file",
            )
        _require_driver(system)
        parsed = parsed.set(drivername=f"{system}+{_DRIVERS[system]}")
        self.url = parsed
        self.is_sqlite = system == "sqlite"
        if self.is_sqlite:
            self.writer = create_async_engine(parsed, pool_size=1, max_overflow=0, pool_timeout=60)
            make_private(self.writer)
            event.listen(self.writer.sync_engine, "connect", _sqlite_connect)
            event.listen(self.writer.sync_engine, "begin", _sqlite_begin_immediate)
            self.reader = create_async_engine(
                parsed, pool_size=pool_size, max_overflow=0, isolation_level="AUTOCOMMIT"
            )
            make_private(self.reader)
            event.listen(self.reader.sync_engine, "connect", _sqlite_connect)
        else:
            arguments: dict[str, Any] = {
                "server_settings": {
                    "timezone": "UTC",
                    "statement_timeout": str(int(statement_timeout * 1000)),
                }
            }
            self.writer = create_async_engine(
                parsed,
                pool_size=pool_size,
                max_overflow=0,
                pool_timeout=30,
                pool_pre_ping=True,
                connect_args=arguments,
            )
            self.reader = self.writer.execution_options(isolation_level="AUTOCOMMIT")
        event.listen(self.writer.sync_engine, "commit", refuse_early_commit)

    @property
    def safe_url(self) -> str:
        """The address without its password, for messages."""
        return self.url.render_as_string(hide_password=True)

    @property
    def engines(self) -> tuple[AsyncEngine, ...]:
        """The engines that hold connections of their own."""
        return (self.writer, self.reader) if self.is_sqlite else (self.writer,)

    async def aclose(self) -> None:
        """Close all connections."""
        for engine in self.engines:
            await engine.dispose()


def make_private(engine: AsyncEngine) -> None:
    """Have a SQLite file made, when it isn't there yet, so that its owner alone may read it.

    Its journals take over its rights. A file that is there keeps them.
    """
    path = str(engine.url.database)

    def create(*_connecting: object) -> None:
        # What stands in the way of it, the driver meets in a moment and reports.
        with suppress(OSError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))

    event.listen(engine.sync_engine, "do_connect", create)


def _require_driver(system: str) -> None:
    try:
        importlib.import_module(_DRIVERS[system])
    except ImportError as error:
        raise ConfigurationError(
            f"database.url names {system}, whose driver {_DRIVERS[system]} can't be imported: {error}",
            hint=f"install {_DISTRIBUTIONS[system]}",
        ) from error


def _sqlite_connect(connection: DBAPIConnection, _record: object) -> None:
    # The driver's own transaction control would begin deferred transactions behind our back.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        "busy_timeout=30000",
        "temp_store=MEMORY",
        "cache_size=-16000",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _sqlite_begin_immediate(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
