"""An application on a real Temporal server, with a task queue of each test's own."""

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest
from computor_engine_temporal.provider import TemporalEngine, create
from computor_engine_temporal.settings import TemporalSettings

from computor_core.db.engine import Database
from computor_core.testing.engine_host import EngineHostApp, create_tables


@pytest.fixture
async def app(tmp_path: Path) -> AsyncIterator[EngineHostApp]:
    database = Database(f"sqlite+aiosqlite:///{tmp_path}/temporal.db")
    await create_tables(database)
    yield EngineHostApp(database, tmp_path)
    await database.aclose()


@pytest.fixture
def temporal_settings(temporal_address: str) -> TemporalSettings:
    return TemporalSettings(address=temporal_address, task_queue=f"test-{uuid4()}", heartbeat_seconds=2)


@pytest.fixture
async def engine(app: EngineHostApp, temporal_settings: TemporalSettings) -> AsyncIterator[TemporalEngine]:
    async with create(temporal_settings, app.context()) as engine:
        yield engine
