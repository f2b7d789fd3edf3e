"""What an operator does on the server, what isn't there, and hosts that are killed."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from computor_engine_temporal.provider import TemporalEngine
from computor_engine_temporal.settings import TemporalSettings
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import DeleteWorkflowExecutionRequest
from temporalio.client import Client

from computor_core.plugin_api.errors import ProviderUnavailableError
from computor_core.plugin_api.providers.base import HealthState
from computor_core.plugin_api.providers.engine import StartRun
from computor_core.plugin_api.registrations import WorkflowRegistration
from computor_core.plugin_api.workflows import RunState
from computor_core.testing.engine_host import EngineHostApp
from computor_core.workflows.samples import steps as samples
from computor_core.workflows.samples.ledger import Record, read

PATIENCE = 60
WORKER = Path(__file__).with_name("killable_worker.py")


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not await condition():  # noqa: ASYNC110 - what is looked at is elsewhere
            await asyncio.sleep(0.05)


async def until_waiting(app: EngineHostApp, run_id: UUID) -> None:
    async def waits() -> bool:
        return await app.waits(run_id)

    await until(waits)


@pytest.mark.temporal
async def test_a_run_that_an_operator_terminated_is_settled(
    app: EngineHostApp, engine: TemporalEngine, temporal_address: str
) -> None:
    runtime = app.runtime(engine)
    client = await Client.connect(temporal_address)
    async with app.running(runtime), asyncio.timeout(PATIENCE):
        run_id = await app.start("sample.wait", {"key": str(uuid4())})
        await until_waiting(app, run_id)
        await client.get_workflow_handle(str(run_id)).terminate("by hand")
        run = await runtime.wait(run_id)
    assert run.state is RunState.FAILED
    assert run.failure is not None
    assert run.failure.code == "workflow_terminated"
    assert len(app.ledger.of(run_id, "settled")) == 1


@pytest.mark.temporal
async def test_a_run_that_vanished_from_the_server_is_settled(
    app: EngineHostApp, engine: TemporalEngine, temporal_address: str
) -> None:
    runtime = app.runtime(engine)
    client = await Client.connect(temporal_address)
    async with app.running(runtime):
        run_id = await app.start("sample.wait", {"key": str(uuid4())})
        await until_waiting(app, run_id)
    execution = WorkflowExecution(workflow_id=str(run_id))
    await client.workflow_service.delete_workflow_execution(
        DeleteWorkflowExecutionRequest(namespace="default", workflow_execution=execution)
    )

    async def gone() -> bool:
        return await engine.describe(run_id) is None

    await until(gone)
    again = app.runtime(engine)
    async with app.running(again), asyncio.timeout(PATIENCE):
        run = await again.wait(run_id)
    assert run.failure is not None
    assert (run.state, run.failure.code) == (RunState.FAILED, "workflow_vanished")
    assert len(app.ledger.of(run_id, "settled")) == 1


@pytest.mark.temporal
async def test_a_run_waits_for_a_worker_that_has_its_definition(
    app: EngineHostApp, engine: TemporalEngine
) -> None:
    def versions(*numbers: int) -> list[WorkflowRegistration]:
        others = [item for item in samples.workflows() if item.name != "sample.versions"]
        return [*others, *(samples.version(number) for number in numbers)]

    complete = app.runtime(engine, versions(1, 2))
    async with app.running(complete):
        run_id = await app.start("sample.versions", {"key": str(uuid4())})
        await until_waiting(app, run_id)
    lacking = app.runtime(engine, versions(1))
    async with app.running(lacking), asyncio.timeout(PATIENCE):
        await lacking.cancel(run_id)
        assert await lacking.result(await app.start("sample.chain", {"amount": 1})) == 112
        assert not (await lacking.describe(run_id)).state.terminal
    back = app.runtime(engine, versions(1, 2))
    async with app.running(back), asyncio.timeout(PATIENCE):
        assert (await back.wait(run_id)).state is RunState.CANCELLED


@pytest.mark.temporal
async def test_a_host_without_workers_can_start_and_cancel(
    app: EngineHostApp, engine: TemporalEngine
) -> None:
    """Calls to the server need no worker in this process."""
    run_id = uuid4()
    await engine.start(StartRun(run_id, "sample.chain", 1, {"amount": 1}))
    described = await engine.describe(run_id)
    assert described is not None
    assert described.state is RunState.RUNNING
    await engine.cancel(run_id)


# --- a server that is away ----------------------------------------------------------------------


@pytest.fixture
def nowhere(app: EngineHostApp) -> TemporalEngine:
    settings = TemporalSettings(address="127.0.0.1:1", request_seconds=1)
    return TemporalEngine(settings, app.context().log)


async def test_a_server_that_is_away_is_said_to_be(nowhere: TemporalEngine) -> None:
    run_id = uuid4()
    for call in (
        lambda: nowhere.start(StartRun(run_id, "sample.chain", 1, {})),
        lambda: nowhere.cancel(run_id),
        lambda: nowhere.describe(run_id),
    ):
        with pytest.raises(ProviderUnavailableError, match=r"127\.0\.0\.1:1 can't be reached"):
            await call()
    health = await nowhere.health()
    assert (health.state, health.facts["address"]) == (HealthState.DOWN, "127.0.0.1:1")


async def test_a_host_starts_and_stops_while_its_server_is_away(
    app: EngineHostApp, nowhere: TemporalEngine
) -> None:
    """Starts are kept in the outbox meanwhile."""
    runtime = app.runtime(nowhere)
    async with app.running(runtime):
        run_id = await app.start("sample.chain", {})
        assert (await runtime.describe(run_id)).state is RunState.PENDING
    assert (await runtime.describe(run_id)).state is RunState.PENDING


# --- hosts that are killed ----------------------------------------------------------------------


def records(ledger: Path, what: str) -> list[Record]:
    return [item for item in read(ledger) if item.what == what]


@pytest.mark.temporal
@pytest.mark.parametrize(
    "failpoint",
    ["outbox.started", "step.after.sample.first", "signal.delivered", "settle.after"],
)
def test_another_host_goes_on_for_one_that_was_killed(
    failpoint: str, tmp_path: Path, temporal_address: str
) -> None:
    ledger = tmp_path / "ledger.jsonl"
    command = [
        sys.executable,
        str(WORKER),
        str(tmp_path),
        temporal_address,
        f"killed-{uuid4()}",
        str(uuid4()),
    ]

    def host(at: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "COMPUTOR_FAILPOINT": at}
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=120, check=False
        )

    killed = host(failpoint)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    resumed = host("")
    assert resumed.returncode == 0, resumed.stderr
    assert json.loads(resumed.stdout) == {"state": "completed", "output": 12 + 102 + 1000 + 113}
    effects = Counter(item.key for item in records(ledger, "did"))
    assert len(effects) == 8
    # Only what was under way when the host died may have had its effect twice.
    allowed = 1 if failpoint.startswith("step.after") else 0
    assert sum(effects.values()) - len(effects) <= allowed
    settled = Counter(item.run_id for item in records(ledger, "settled"))
    assert len(settled) == 2
    assert sum(settled.values()) <= (3 if failpoint == "settle.after" else 2)
