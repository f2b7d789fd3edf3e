"""Recorded histories replay, and a definition that changed under its version is noticed."""

import asyncio
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from computor_engine_temporal.catalogue import Worker, entered
from computor_engine_temporal.provider import PASSED_THROUGH, TemporalEngine
from computor_engine_temporal.settings import TemporalSettings
from computor_engine_temporal.workflow import ComputorRun
from temporalio.client import Client, WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions
from temporalio.workflow import NondeterminismError

from computor_core.testing.engine_host import EngineHostApp
from computor_core.workflows.samples import steps as samples

pytestmark = pytest.mark.temporal


async def record(
    app: EngineHostApp, engine: TemporalEngine, address: str, workflow: str, key: str, version: int
) -> WorkflowHistory:
    """The history of a run that waited for an event and completed."""
    runtime = app.runtime(engine)
    async with app.running(runtime), asyncio.timeout(60):
        run_id = await app.start_version(workflow, version, {"amount": 1, "key": key, "fail_first": 1})
        while not await app.waits(run_id):  # noqa: ASYNC110 - what is looked at is in the database
            await asyncio.sleep(0.05)
        await app.signal("sample.go", key, {"amount": 1000})
        await runtime.result(run_id)
        return await history_of(address, run_id)


async def history_of(address: str, run_id: UUID) -> WorkflowHistory:
    client = await Client.connect(address)
    handle = client.get_workflow_handle(str(run_id))
    await handle.result()
    return await handle.fetch_history()


BUILD = "test"
REPLAY_QUEUE = f"replay-{BUILD}"
"""The task queue that the replayer says it serves."""


def replayer() -> Replayer:
    restrictions = SandboxRestrictions.default.with_passthrough_modules(*PASSED_THROUGH)
    return Replayer(
        workflows=[ComputorRun],
        data_converter=pydantic_data_converter,
        build_id=BUILD,
        workflow_runner=SandboxedWorkflowRunner(restrictions=restrictions),
    )


def worker(**changed: str) -> Worker:
    targets = {f"{item.name}@{item.version}": item.target for item in samples.workflows()}
    return Worker({**targets, **changed}, timedelta(seconds=2))


async def test_a_history_of_everything_replays(
    app: EngineHostApp, engine: TemporalEngine, temporal_settings: TemporalSettings
) -> None:
    history = await record(app, engine, temporal_settings.address, "sample.everything", str(uuid4()), 1)
    with entered(REPLAY_QUEUE, worker()):
        await replayer().replay_workflow(history)


async def test_reordered_steps_are_noticed(
    app: EngineHostApp, engine: TemporalEngine, temporal_settings: TemporalSettings
) -> None:
    history = await record(app, engine, temporal_settings.address, "sample.versions", str(uuid4()), 1)
    changed = worker(**{"sample.versions@1": samples.version(2).target})
    with entered(REPLAY_QUEUE, changed), pytest.raises(NondeterminismError):
        await replayer().replay_workflow(history)
