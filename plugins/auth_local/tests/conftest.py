from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from computor_auth_local.provider import open_auth

from plugins.auth_local.tests.bare_core import FAST, Core, LocalAccounts, context_for, migrated_core


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
async def core(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Core]:
    """A migrated database of each system, the second where there is a server."""
    url = f"sqlite+aiosqlite:///{tmp_path / 'test.db'}"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres_url")
    async with migrated_core(url) as opened:
        yield opened


@pytest.fixture
async def accounts(core: Core, tmp_path: Path) -> AsyncIterator[LocalAccounts]:
    async with open_auth(FAST, context_for(core, tmp_path)) as provider:
        yield LocalAccounts(core, provider)
