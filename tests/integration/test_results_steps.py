"""The submission workflow's steps, each of which may be repeated after a crash, and its patience."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import delete, func, select

from computor_core.assessment.report import Verdict
from computor_core.db.types import new_id
from computor_core.model import TestQueue, TestRun
from computor_core.plugin_api.workflows import (
    EventResult,
    Failure,
    NonRetryableError,
    RunState,
    Settlement,
    Step,
    StepContext,
)
from computor_core.services.core import services_of
from computor_core.submission_workflow import steps
from computor_core.submission_workflow.definition import test_submission as definition
from computor_core.submission_workflow.dtos import JobAlive, JobRef, TestOutcome, TestRequest
from tests.support.deployment import SYSTEM, Classroom, Deployment

pytestmark = pytest.mark.asyncio(loop_scope="module")


def context(site: Deployment, run_id: UUID) -> StepContext:
    return StepContext(site.app.services, run_id, "submission.test", 1, "step", "1", 1, SYSTEM)


def settlement(run_id: UUID, state: RunState, failure: Failure | None = None) -> Settlement:
    return Settlement(run_id, "submission.test", 1, state, {"test_run_id": str(run_id)}, failure=failure)


async def submitted(site: Deployment, room: Classroom, *, official: bool = True) -> UUID:
    return (await site.submit(room.student, await room.assignment(), official=official)).test_run_id


async def test_preparing_twice_queues_one_job_official_ones_first(site: Deployment, room: Classroom) -> None:
    for official, priority in ((True, 0), (False, 10)):
        run_id = await submitted(site, room, official=official)
        for _ in range(2):
            job = await steps.prepare(context(site, run_id), TestRequest(test_run_id=run_id))
            assert job == JobRef(job_id=run_id, terminal=False)
        count = select(func.count(), func.max(TestQueue.priority)).where(TestQueue.test_run_id == run_id)
        assert [tuple(row) for row in await site.rows(count)] == [(1, priority)]


async def test_a_finished_run_needs_no_job(site: Deployment, room: Classroom) -> None:
    run_id = await submitted(site, room)
    await site.app.services.results.close(run_id, Verdict.CANCELLED, "")
    job = await steps.prepare(context(site, run_id), TestRequest(test_run_id=run_id))
    assert job.terminal
    assert await site.queued(run_id) is None
    outcome = await steps.record(context(site, run_id), job)
    assert outcome == TestOutcome(test_run_id=run_id, verdict="cancelled")


async def test_a_run_that_was_erased_cant_be_prepared(site: Deployment, room: Classroom) -> None:
    run_id = await submitted(site, room)
    await site.change(delete(TestRun).where(TestRun.id == run_id))
    with pytest.raises(NonRetryableError, match="erased"):
        await steps.prepare(context(site, run_id), TestRequest(test_run_id=run_id))


async def test_a_job_is_alive_until_it_is_reported(site: Deployment, room: Classroom) -> None:
    run_id = await submitted(site, room)
    job = JobRef(job_id=run_id)

    async def alive() -> bool:
        return (await steps.check(context(site, run_id), job)).alive

    assert not await alive()
    await steps.prepare(context(site, run_id), TestRequest(test_run_id=run_id))
    assert await alive()
    lease = await site.leased(run_id)
    assert await alive()
    await site.app.services.queue.report(lease, {"error": "no"})
    assert not await alive()


@pytest.mark.parametrize(
    ("state", "failure", "verdict", "message"),
    [
        (RunState.CANCELLED, None, "cancelled", "the test ended without a report"),
        (RunState.TIMED_OUT, None, "infrastructure_error", "the test ended without a report"),
        (RunState.FAILED, Failure("step_failed", "a step failed"), "infrastructure_error", "a step failed"),
    ],
)
async def test_a_run_whose_workflow_ended_otherwise_gets_a_result_that_says_so(
    site: Deployment,
    room: Classroom,
    state: RunState,
    failure: Failure | None,
    verdict: str,
    message: str,
) -> None:
    accepted = await site.submit(room.student, await room.assignment())
    run_id = accepted.test_run_id
    for _ in range(2):
        await steps.settle(context(site, run_id), settlement(run_id, state, failure))
    run = await site.run_of(run_id)
    assert (run.verdict, run.message) == (verdict, message)
    assert await site.attempts_used(accepted.submission_group_id) == 0


async def test_settling_leaves_a_completed_run_and_an_erased_one_alone(
    site: Deployment, room: Classroom
) -> None:
    run_id = await submitted(site, room)
    await steps.settle(context(site, run_id), settlement(run_id, RunState.COMPLETED))
    assert (await site.run_of(run_id)).state == "queued"
    await steps.settle(context(site, new_id()), settlement(new_id(), RunState.FAILED))


async def test_cores_steps_need_the_application(site: Deployment) -> None:
    strange = StepContext(object(), new_id(), "w", 1, "s", "1", 1, SYSTEM)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="application's services"):
        services_of(strange)


class ScriptedContext:
    """A workflow's context: the job is done, or is asked about, in the given order."""

    def __init__(self, *, waits: list[bool], alive: list[bool], terminal: bool = False) -> None:
        self.waits, self.alive, self.terminal = waits, alive, terminal
        self.calls: list[str] = []

    async def step(self, step: Step[Any, Any], request: Any) -> Any:
        self.calls.append(step.name)
        if step.name == "submission.prepare":
            return JobRef(job_id=request.test_run_id, terminal=self.terminal)
        if step.name == "submission.check":
            return JobAlive(alive=self.alive.pop(0))
        return TestOutcome(test_run_id=request.job_id, verdict="passed")

    async def wait_event(self, name: str, key: Any, **_within: Any) -> EventResult[Any]:
        return EventResult(name, str(key), {"job_id": str(key)} if self.waits.pop(0) else None)


@pytest.mark.parametrize(
    ("script", "checks"),
    [
        pytest.param(ScriptedContext(waits=[True], alive=[]), 0, id="reported in time"),
        pytest.param(ScriptedContext(waits=[False, False, True], alive=[True, True]), 2, id="long queue"),
        pytest.param(ScriptedContext(waits=[False], alive=[False]), 1, id="job gone"),
        pytest.param(ScriptedContext(waits=[], alive=[], terminal=True), 0, id="finished before"),
    ],
)
async def test_a_long_queue_is_waited_for_and_a_job_that_is_gone_isnt(
    script: ScriptedContext, checks: int
) -> None:
    request = TestRequest(test_run_id=new_id())
    outcome = await definition.function(script, request)  # type: ignore[arg-type]
    assert outcome == TestOutcome(test_run_id=request.test_run_id, verdict="passed")
    assert script.calls == ["submission.prepare", *["submission.check"] * checks, "submission.record"]
