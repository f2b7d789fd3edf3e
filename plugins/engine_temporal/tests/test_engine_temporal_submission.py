"""The submission workflow's own definition on a real Temporal server, with steps that stand in."""

import asyncio
import sys
from collections.abc import Iterator
from types import ModuleType
from uuid import UUID, uuid4

import pytest
from computor_engine_temporal.provider import TemporalEngine

from computor_core.plugin_api.registrations import StepRegistration, WorkflowRegistration
from computor_core.plugin_api.workflows import RunState, Settlement, StepContext
from computor_core.submission_workflow import definition
from computor_core.submission_workflow.dtos import JobAlive, JobRef, TestOutcome, TestRequest
from computor_core.testing.engine_host import EngineHostApp

pytestmark = pytest.mark.temporal

FLOW = WorkflowRegistration(
    "submission.test", 1, "computor_core.submission_workflow.definition:test_submission"
)


class StandIns(ModuleType):
    """Implementations that only take notes."""

    def __init__(self) -> None:
        super().__init__("submission_stand_ins")
        self.notes: list[str] = []

    async def prepare(self, ctx: StepContext, request: TestRequest) -> JobRef:
        self.notes.append("prepare")
        return JobRef(job_id=request.test_run_id)

    async def check(self, ctx: StepContext, job: JobRef) -> JobAlive:
        self.notes.append("check")
        return JobAlive(alive=True)

    async def record(self, ctx: StepContext, job: JobRef) -> TestOutcome:
        self.notes.append("record")
        return TestOutcome(test_run_id=job.job_id, verdict="passed")

    async def settle(self, ctx: StepContext, settlement: Settlement) -> None:
        self.notes.append(f"settle {settlement.state.value}")


@pytest.fixture
def stand_ins() -> Iterator[StandIns]:
    module = StandIns()
    sys.modules[module.__name__] = module
    yield module
    del sys.modules[module.__name__]


def steps() -> list[StepRegistration]:
    declared = (definition.prepare, definition.check, definition.record, definition.settle)
    return [
        StepRegistration(step.name, f"submission_stand_ins:{step.name.rpartition('.')[2]}")
        for step in declared
    ]


async def until_waiting(app: EngineHostApp, run_id: UUID) -> None:
    while not await app.waits(run_id):  # noqa: ASYNC110 - what is looked at is in the database
        await asyncio.sleep(0.05)


async def test_a_submission_is_prepared_awaited_and_recorded(
    app: EngineHostApp, engine: TemporalEngine, stand_ins: StandIns
) -> None:
    runtime = app.runtime(engine, [FLOW], steps())
    test_run = uuid4()
    async with app.running(runtime), asyncio.timeout(60):
        run_id = await app.start("submission.test", {"test_run_id": str(test_run)})
        await until_waiting(app, run_id)
        await app.signal("job.done", str(test_run), {"job_id": str(test_run)})
        output = await runtime.result(run_id)
    assert output == {"test_run_id": str(test_run), "verdict": "passed"}
    assert stand_ins.notes == ["prepare", "record", "settle completed"]


async def test_a_cancelled_submission_is_settled(
    app: EngineHostApp, engine: TemporalEngine, stand_ins: StandIns
) -> None:
    runtime = app.runtime(engine, [FLOW], steps())
    async with app.running(runtime), asyncio.timeout(60):
        run_id = await app.start("submission.test", {"test_run_id": str(uuid4())})
        await until_waiting(app, run_id)
        await runtime.cancel(run_id)
        assert (await runtime.wait(run_id)).state is RunState.CANCELLED
    assert stand_ins.notes == ["prepare", "settle cancelled"]
