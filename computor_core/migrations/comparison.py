"""Comparing a lineage's tables in the database with the mapped ones."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import Script, ScriptDirectory

from computor_core.errors import ConflictError
from computor_core.migrations.connection import migration_engine, migration_transaction
from computor_core.migrations.state import require_current, require_present, state_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from computor_core.db.engine import Database
    from computor_core.migrations.lineage import Lineage


def comparison_options(lineage: Lineage) -> dict[str, Any]:
    """Alembic's options for a comparison that sees nothing but the lineage's own tables.

    Tables that no installed code maps are left alone: they may be those of a removed plugin.
    """
    owned = lineage.table_names()

    def include_name(name: str | None, kind: str, _parents: object) -> bool:
        return kind != "table" or name in owned

    def include_object(item: Any, _name: object, kind: str, _reflected: object, _other: object) -> bool:  # noqa: ANN401
        return kind != "table" or item.name in owned

    return {
        "include_name": include_name,
        "include_object": include_object,
        "compare_type": True,
        "autogenerate_plugins": ["alembic.autogenerate.*", "alembic.ext.checkconstraint_byname"],
    }


async def drift(database: Database, lineages: Sequence[Lineage]) -> dict[str, list[str]]:
    """Differences between the database and the mapped tables, by owner; one sentence each.

    Raises:
        SchemaVersionError: There is no database yet.
    """
    await require_present(database)
    async with database.reader.connect() as connection:
        return {lineage.owner: await connection.run_sync(_drift, lineage) for lineage in lineages}


async def revise(database: Database, lineage: Lineage, message: str) -> str:
    """Write a new revision from the differences; for developers.

    Returns:
        Path of the file.

    Raises:
        SchemaVersionError: The database isn't at the newest revision.
    """
    await require_present(database)
    async with migration_engine(database) as engine, migration_transaction(engine) as connection:
        return await connection.run_sync(_revise, lineage, message)


def _drift(connection: Connection, lineage: Lineage) -> list[str]:
    from computor_core.model import Base

    options = {**comparison_options(lineage), "version_table": lineage.version_table}
    context = MigrationContext.configure(connection, opts={**options, "target_metadata": Base.metadata})
    return [_describe(item) for item in compare_metadata(context, Base.metadata)]


def _describe(difference: Any) -> str:  # noqa: ANN401 - alembic's tuples have no type
    if isinstance(difference, list):
        return "; ".join(_describe(item) for item in difference)
    return " ".join(str(getattr(part, "name", None) or part) for part in difference if part is not None)


def _revise(connection: Connection, lineage: Lineage, message: str) -> str:
    require_current([state_of(connection, lineage)])
    config = lineage.config(connection)
    number = len(list(ScriptDirectory.from_config(config).walk_revisions())) + 1
    written = command.revision(
        config, message, autogenerate=True, rev_id=f"{number:04d}", version_path=str(lineage.versions)
    )
    if not isinstance(written, Script):
        raise ConflictError(f"alembic wrote no single revision for {lineage.owner}")
    path = Path(str(written.path))
    path.write_text(re.sub(r"^ *# ### .*\n", "", path.read_text(), flags=re.MULTILINE))  # alembic's reminders
    return str(path)
