"""A pytest plugin: whole deployments on SQLite and on PostgreSQL, shared by the tests of a module.

``site`` runs a test once on each database; the PostgreSQL run carries the marker ``postgres``. Its
background work is off, so that a test takes each step by itself; ``busy_site`` has it on. Starting
an application costs as much as many tests, so each test makes a course of its own instead. Modules
that use them run on one event loop: ``pytestmark = pytest.mark.asyncio(loop_scope="module")``.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from tests.db_fixtures import SYSTEMS

if TYPE_CHECKING:
    from computor_core.settings import Settings
    from tests.support.deployment import Classroom, Deployment


@pytest.fixture(scope="session")
def migrated_data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with a migrated SQLite database; copied, never used itself."""
    # Imported here: this plugin is loaded in every run, also where no deployment is needed.
    from tests.support.deployment import migrate, settings_for

    folder = tmp_path_factory.mktemp("migrated")
    asyncio.run(migrate(settings_for(folder)))
    return folder


@pytest.fixture(scope="module", params=SYSTEMS)
def deployment_settings(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The settings of a migrated deployment."""
    from tests.support.deployment import migrate, settings_for

    folder = tmp_path_factory.mktemp("deployment")
    if request.param == "sqlite":
        shutil.copytree(request.getfixturevalue("migrated_data_dir"), folder, dirs_exist_ok=True)
        return settings_for(folder)
    settings = settings_for(folder, database={"url": request.getfixturevalue("postgres_module_url")})
    asyncio.run(migrate(settings))
    return settings


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(deployment_settings: Settings) -> AsyncIterator[Deployment]:
    """A started deployment whose background work is off."""
    from tests.support.deployment import opened

    async with opened(deployment_settings, running=False) as started:
        yield started


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def busy_site(deployment_settings: Settings) -> AsyncIterator[Deployment]:
    """A started deployment with its background work; the runner is scripted."""
    from tests.support.deployment import opened

    async with opened(deployment_settings, running=True) as started:
        yield started


@pytest_asyncio.fixture(loop_scope="module")
async def room(site: Deployment, tmp_path: Path) -> Classroom:
    """A course of the test's own on ``site``."""
    return await site.classroom(tmp_path)


@pytest_asyncio.fixture(loop_scope="module")
async def busy_room(busy_site: Deployment, tmp_path: Path) -> Classroom:
    """A course of the test's own on ``busy_site``."""
    return await busy_site.classroom(tmp_path)
