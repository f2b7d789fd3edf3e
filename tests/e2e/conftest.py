import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from computor_core.settings import Settings
from tests.e2e.host_harness import ADMIN, Host, add_user, migrate, serving, settings_for


@pytest.fixture(scope="session")
def migrated_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with a migrated SQLite database; copied, never used itself."""
    folder = tmp_path_factory.mktemp("migrated")
    asyncio.run(migrate(settings_for(folder)))
    return folder


@pytest.fixture
def data_dir(migrated_folder: Path, tmp_path: Path) -> Path:
    """A migrated data folder of the test's own."""
    folder = tmp_path / "var"
    shutil.copytree(migrated_folder, folder)
    return folder


@pytest.fixture
def settings(data_dir: Path) -> Settings:
    """The settings of a migrated deployment."""
    return settings_for(data_dir)


@pytest.fixture
async def host(settings: Settings) -> AsyncIterator[Host]:
    """A host without background work, with an administrator."""
    async with serving(settings) as opened:
        await add_user(opened.computor, ADMIN, "_admin")
        yield opened


@pytest.fixture
async def admin(host: Host) -> AsyncIterator[httpx.AsyncClient]:
    """The administrator's client."""
    async with await host.signed_in() as client:
        yield client
