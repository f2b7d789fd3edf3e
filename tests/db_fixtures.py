"""A pytest plugin: a database with core's tables and roles, on SQLite and on PostgreSQL.

``database`` runs a test once on each; the PostgreSQL run carries the marker ``postgres``. The
tables are made from the models; the migrations have tests of their own.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from computor_core.db.engine import Database
    from tests.support.world import World

# What tests need of the system is imported where it is needed: this plugin is loaded in every run.

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


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite file with core's tables and roles, to be copied."""
    from computor_core.db.engine import Database
    from tests.support.world import create_schema

    file = tmp_path_factory.mktemp("template") / "computor.db"

    async def make() -> None:
        database = Database(f"sqlite+aiosqlite:///{file}")
        await create_schema(database)
        await database.aclose()

    with asyncio.Runner() as runner:
        runner.run(make())
    return file


@pytest.fixture
async def database(database_url: str, sqlite_template: Path) -> AsyncIterator[Database]:
    """A database with core's tables and roles."""
    from computor_core.db.engine import Database
    from tests.support.world import create_schema

    opened = Database(database_url, pool_size=4)
    try:
        if opened.is_sqlite:
            shutil.copy(sqlite_template, str(opened.url.database))
        else:
            await create_schema(opened)
        yield opened
    finally:
        await opened.aclose()


@pytest.fixture
def world(database: Database) -> World:
    """The database with access engine, entity services and row factories."""
    from tests.support.world import World

    return World(database)
