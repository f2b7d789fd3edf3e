"""A pytest plugin: a database with core's tables and roles, on SQLite and on PostgreSQL.

``database`` runs a test once on each; the PostgreSQL run carries the marker ``postgres``. The
tables are made from the models; the migrations have tests of their own.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from computor_core.db.engine import Database
    from tests.support.world import World

SYSTEMS = [
    pytest.param("sqlite", id="sqlite"),
    pytest.param("postgres", id="postgres", marks=pytest.mark.postgres),
]


@pytest.fixture(params=SYSTEMS)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty database."""
    if request.param == "sqlite":
        yield f"sqlite+aiosqlite:///{tmp_path / 'computor.db'}"
    else:
        yield request.getfixturevalue("postgres_url")


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A database with core's tables and roles."""
    # Imported here: this plugin is loaded in every run, also where no database is needed.
    from computor_core.db.engine import Database
    from tests.support.world import create_schema

    opened = Database(database_url, pool_size=4)
    try:
        await create_schema(opened)
        yield opened
    finally:
        await opened.aclose()


@pytest.fixture
def world(database: Database) -> World:
    """The database with access engine, entity services and row factories."""
    from tests.support.world import World

    return World(database)
