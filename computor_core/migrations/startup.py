"""What a host makes sure of before it works with a database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from computor_core.errors import SchemaVersionError
from computor_core.migrations.lineage import lineages
from computor_core.migrations.seed import roles_in_sync
from computor_core.migrations.state import require_current, require_present, states

if TYPE_CHECKING:
    from computor_core.db.engine import Database
    from computor_core.plugins.registries import Registries


async def require_migrated(database: Database, registries: Registries) -> None:
    """Refuse a database that isn't what the installed code and plugins need.

    Raises:
        SchemaVersionError: Its schema is older or newer, or its roles are others.
    """
    await require_present(database)
    require_current(await states(database, lineages(registries)))
    async with database.reader.connect() as connection:
        if not await roles_in_sync(connection, registries):
            raise SchemaVersionError(
                "the roles in the database aren't those of the installed code and plugins",
                hint="run computor db upgrade",
            )
