"""The in-process engine keeps every promise of the contract, on both databases."""

from collections.abc import AsyncIterator

import pytest

from computor_core.testing.engine import EngineConformance
from computor_core.testing.engine_host import EngineHostApp
from computor_core.workflows.in_process import InProcessEngine, InProcessSettings, create


class TestOnSqlite(EngineConformance):
    @pytest.fixture
    async def provider(self, app: EngineHostApp) -> AsyncIterator[InProcessEngine]:
        async with create(InProcessSettings(poll_seconds=0.2), app.context()) as engine:
            yield engine


@pytest.mark.postgres
class TestOnPostgres(EngineConformance):
    @pytest.fixture
    def database_url(self, postgres_url: str) -> str:
        return postgres_url

    @pytest.fixture
    async def provider(self, app: EngineHostApp) -> AsyncIterator[InProcessEngine]:
        async with create(InProcessSettings(poll_seconds=0.2), app.context()) as engine:
            yield engine
