"""The Temporal engine keeps every promise of the contract, on a real server."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from computor_engine_temporal.provider import TemporalEngine, create
from computor_engine_temporal.settings import TemporalSettings

from computor_core.testing.engine import EngineConformance
from computor_core.testing.engine_host import EngineHostApp


@pytest.mark.temporal
class TestTemporal(EngineConformance):
    patience = 60.0

    @pytest.fixture
    async def provider(self, app: EngineHostApp, temporal_address: str) -> AsyncIterator[TemporalEngine]:
        settings = TemporalSettings(
            address=temporal_address, task_queue=f"conformance-{uuid4()}", heartbeat_seconds=2
        )
        async with create(settings, app.context()) as engine:
            yield engine
