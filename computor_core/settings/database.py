"""The database that the settings name."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from computor_core.db.engine import Database
from computor_core.db.trouble import explained
from computor_core.settings.data_folder import prepare_data_folder

if TYPE_CHECKING:
    from computor_core.settings.model import Settings


def open_database(settings: Settings) -> Database:
    """The deployment's database, not connected yet.

    Raises:
        ConfigurationError: The address is malformed.
    """
    return Database(
        settings.database_url,
        pool_size=settings.database.pool_size,
        statement_timeout=settings.database.statement_timeout,
    )


@asynccontextmanager
async def opened_database(settings: Settings, *, may_make: bool = True) -> AsyncIterator[Database]:
    """The deployment's database.

    Args:
        settings: The settings.
        may_make: Whether a data folder that isn't there yet is made.

    Raises:
        ConfigurationError: The address is malformed, or the data folder can't be made.
        DatabaseUnusableError: The database can't be reached or written.
    """
    if may_make:
        prepare_data_folder(settings.data_dir)
    database = open_database(settings)
    try:
        with explained(database):
            yield database
    finally:
        await database.aclose()
