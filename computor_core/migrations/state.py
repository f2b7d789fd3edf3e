"""Where the lineages stand in a database, compared with the installed code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.script.revision import RevisionError
from alembic.util import CommandError
from sqlalchemy import create_engine

from computor_core.errors import SchemaVersionError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from computor_core.db.engine import Database
    from computor_core.migrations.lineage import Lineage


@dataclass(frozen=True, slots=True)
class LineageState:
    """Where a lineage stands in a database.

    Attributes:
        owner: Whose lineage.
        current: Applied revision, or None.
        head: Newest revision of the installed code, or None for an empty lineage.
        pending: Revisions to apply, oldest first.
        known: Whether the installed code has the applied revision.
    """

    owner: str
    current: str | None
    head: str | None
    pending: tuple[str, ...]
    known: bool


def state_of(connection: Connection, lineage: Lineage) -> LineageState:
    """Where a lineage stands; changes nothing."""
    context = MigrationContext.configure(connection, opts={"version_table": lineage.version_table})
    heads = context.get_current_heads()
    current = heads[0] if heads else None
    script = ScriptDirectory.from_config(lineage.config())
    head = script.get_current_head()
    try:
        todo = [item.revision for item in script.iterate_revisions(head or "base", current or "base")]
    except (RevisionError, CommandError):
        return LineageState(lineage.owner, current, head, (), known=False)
    return LineageState(lineage.owner, current, head, tuple(reversed(todo)), known=True)


async def absent(database: Database) -> bool:
    """Whether a SQLite file isn't there yet; connecting would make an empty one."""
    return database.is_sqlite and not await anyio.Path(str(database.url.database)).exists()


async def require_present(database: Database) -> None:
    """Refuse a SQLite file that isn't there yet.

    Raises:
        SchemaVersionError: It isn't.
    """
    if await absent(database):
        raise SchemaVersionError(
            f"there is no database {database.url.database} yet", hint="run computor db upgrade"
        )


async def states(database: Database, lineages: Sequence[Lineage]) -> list[LineageState]:
    """Where all lineages stand; changes nothing, and takes a file that isn't there for an empty one."""
    if await absent(database):
        with create_engine("sqlite://").connect() as empty:
            return [state_of(empty, lineage) for lineage in lineages]
    async with database.reader.connect() as connection:
        return [await connection.run_sync(state_of, lineage) for lineage in lineages]


def require_known(found: Sequence[LineageState]) -> None:
    """Refuse a schema whose revisions the installed code doesn't have.

    Raises:
        SchemaVersionError: A lineage is newer; all are named.
    """
    newer = [f"{item.owner} is at revision {item.current}" for item in found if not item.known]
    if newer:
        raise SchemaVersionError(
            f"the database is newer than the installed code: {'; '.join(newer)}, which isn't known here",
            hint="install the release that migrated the database, or go back to a backup",
            details={"newer": newer},
        )


def require_current(found: Sequence[LineageState]) -> None:
    """Refuse a schema that isn't the installed code's.

    Raises:
        SchemaVersionError: A lineage is older or newer; all are named.
    """
    require_known(found)
    older = [
        f"{item.owner} is at {item.current or 'nothing'} and needs {item.head}"
        for item in found
        if item.pending
    ]
    if older:
        raise SchemaVersionError(
            f"the database is older than the installed code: {'; '.join(older)}",
            hint="make a backup, then run computor db upgrade",
            details={"older": older},
        )
