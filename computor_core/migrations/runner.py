"""Running the lineages of core and of all plugins.

Nothing migrates by itself: ``computor db upgrade`` does, and a host refuses to start with a
schema that isn't the installed code's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from alembic import command
from alembic.script import ScriptDirectory
from alembic.script.revision import RevisionError
from alembic.util import CommandError

from computor_core.errors import ConflictError, PluginError, UsageError
from computor_core.migrations.connection import migration_engine, migration_transaction
from computor_core.migrations.lineage import CORE, CORE_LINEAGE, Lineage, lineages
from computor_core.migrations.seed import seed_content_kinds, sync_roles
from computor_core.migrations.state import require_known, state_of

if TYPE_CHECKING:
    from alembic.runtime.migration import MigrationInfo
    from sqlalchemy import Connection

    from computor_core.db.engine import Database
    from computor_core.plugins.registries import Registries


@dataclass(frozen=True, slots=True)
class AppliedRevision:
    """A revision that was applied, or taken back (``upgrade`` is False)."""

    owner: str
    revision: str
    upgrade: bool


async def upgrade(
    database: Database, registries: Registries, *, only: str | None = None
) -> list[AppliedRevision]:
    """Bring the lineages to their newest revision, each in one transaction, core first.

    Rows that core itself needs (content kinds, roles and their actions) are brought up to date, too.

    Args:
        database: The database.
        registries: The registered lineages and roles.
        only: ``"core"`` or a plugin's name for one lineage; None for all.

    Raises:
        UsageError: ``only`` names no lineage.
        SchemaVersionError: The database is newer than the installed code.
        PluginError: A plugin needs a core revision that isn't applied.
        ConflictError: Rows refer to rows that aren't there.
    """
    applied: list[AppliedRevision] = []
    async with migration_engine(database) as engine:
        for lineage in chosen(registries, only):
            async with migration_transaction(engine) as connection:
                applied += await connection.run_sync(apply, lineage)
        if only in (None, CORE):
            async with migration_transaction(engine) as connection:
                await seed_content_kinds(connection)
                await sync_roles(connection, registries)
    return applied


async def downgrade(
    database: Database, registries: Registries, owner: str, target: str
) -> list[AppliedRevision]:
    """Take a lineage back; its tables' rows go with its tables.

    Args:
        database: The database.
        registries: The registered lineages, so that core isn't taken from under a plugin.
        owner: ``"core"`` or a plugin's name.
        target: A revision, ``"base"`` for before the first, or ``"-1"`` for one step.

    Raises:
        UsageError: There is no such lineage or revision.
        SchemaVersionError: The lineage is newer than the installed code, which can't take it back.
        ConflictError: A plugin's tables are built on what would go.
    """
    (lineage,) = chosen(registries, owner)
    plugins = [item for item in lineages(registries) if item.owner != CORE]
    async with migration_engine(database) as engine, migration_transaction(engine) as connection:
        require_known([await connection.run_sync(state_of, lineage)])
        if owner == CORE:
            await connection.run_sync(_refuse_taking_away, target, plugins)
        return await connection.run_sync(_downgrade, lineage, target)


def chosen(registries: Registries, owner: str | None) -> tuple[Lineage, ...]:
    """The lineage of an owner, or all of them.

    Raises:
        UsageError: The owner has no lineage.
    """
    known = lineages(registries)
    if owner is None:
        return known
    found = tuple(item for item in known if item.owner == owner)
    if not found:
        raise UsageError(
            f"{owner!r} has no migrations", hint=f"lineages here: {', '.join(item.owner for item in known)}"
        )
    return found


def apply(connection: Connection, lineage: Lineage) -> list[AppliedRevision]:
    """Bring one lineage to its newest revision, inside the caller's transaction.

    Raises:
        SchemaVersionError: The database is newer than the installed code.
        PluginError: The lineage needs a core revision that isn't applied.
    """
    require_known([state_of(connection, lineage)])
    if lineage.after_core is not None:
        _require_core(connection, lineage.owner, lineage.after_core)
    applied: list[AppliedRevision] = []
    command.upgrade(lineage.config(connection, _recorder(lineage, applied)), "head")
    return applied


def _downgrade(connection: Connection, lineage: Lineage, target: str) -> list[AppliedRevision]:
    applied: list[AppliedRevision] = []
    try:
        command.downgrade(lineage.config(connection, _recorder(lineage, applied)), target)
    except CommandError as error:
        message = f"the lineage of {lineage.owner} can't be taken back to {target!r}: {error}"
        raise UsageError(message) from error
    return applied


def _recorder(lineage: Lineage, applied: list[AppliedRevision]) -> Callable[..., None]:
    def record(*, step: MigrationInfo, **_rest: object) -> None:
        revision = step.up_revision_id if step.is_upgrade else step.source_revision_ids[0]
        applied.append(AppliedRevision(lineage.owner, str(revision), step.is_upgrade))

    return record


def _applied_core(connection: Connection, down_to: str) -> list[str]:
    script = ScriptDirectory.from_config(CORE_LINEAGE.config())
    current = state_of(connection, CORE_LINEAGE).current
    return [item.revision for item in script.iterate_revisions(current or "base", down_to)]


def _require_core(connection: Connection, plugin: str, wanted: str) -> None:
    if wanted not in _applied_core(connection, "base"):
        raise PluginError(
            f"the migrations of plugin {plugin} need core revision {wanted}, which isn't applied",
            hint="install a core that has it, then run computor db upgrade",
        )


def _refuse_taking_away(connection: Connection, target: str, plugins: Sequence[Lineage]) -> None:
    try:
        going = _applied_core(connection, target)
    except (RevisionError, CommandError) as error:
        raise UsageError(f"the lineage of core has no revision {target!r}") from error
    first = ScriptDirectory.from_config(CORE_LINEAGE.config()).get_base()
    for lineage in plugins:
        applied = state_of(connection, lineage).current is not None
        if applied and (lineage.after_core or first) in going:
            raise ConflictError(
                f"the tables of plugin {lineage.owner} are built on core's",
                hint=f"run computor db downgrade --plugin {lineage.owner} base first",
            )
