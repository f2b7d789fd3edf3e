"""Implementations of the submission workflow's steps; each may be repeated after a crash."""

from __future__ import annotations

from computor_core.assessment.report import Verdict
from computor_core.errors import NotFoundError
from computor_core.model import TestRun
from computor_core.plugin_api.workflows import NonRetryableError, RunState, Settlement, StepContext
from computor_core.services.core import services_of
from computor_core.submission_workflow.dtos import JobAlive, JobRef, TestOutcome, TestRequest

OFFICIAL_PRIORITY = 0
PRACTICE_PRIORITY = 10


async def prepare(ctx: StepContext, request: TestRequest) -> JobRef:
    """Put the run's job into the test queue."""
    services = services_of(ctx)
    async with services.uow(ctx.principal) as work:
        run = await work.session.get(TestRun, request.test_run_id)
        if run is None:
            raise NonRetryableError("the test run was erased")
        if run.state == "finished":
            return JobRef(job_id=run.id, terminal=True)
        priority = OFFICIAL_PRIORITY if run.official else PRACTICE_PRIORITY
        await services.queue.enqueue(work, run, priority=priority)
        return JobRef(job_id=run.id)


async def check(ctx: StepContext, job: JobRef) -> JobAlive:
    """Whether the job still waits for an agent or is in one's hands."""
    position = await services_of(ctx).queue.position(job.job_id)
    return JobAlive(alive=position is not None and position.state != "done")


async def record(ctx: StepContext, job: JobRef) -> TestOutcome:
    """Record the report as the run's one result."""
    verdict = await services_of(ctx).results.record(job.job_id)
    return TestOutcome(test_run_id=job.job_id, verdict=verdict)


async def settle(ctx: StepContext, settlement: Settlement) -> None:
    """Give a run that its workflow left without a result one that says so.

    The workflow's run id is the test run's id, so the finalizer needs no more than that.
    """
    if settlement.state is RunState.COMPLETED:
        return
    verdict = Verdict.CANCELLED if settlement.state is RunState.CANCELLED else Verdict.INFRASTRUCTURE_ERROR
    reason = settlement.failure.message if settlement.failure else "the test ended without a report"
    try:
        await services_of(ctx).results.close(settlement.run_id, verdict, reason)
    except NotFoundError:
        # Erased meanwhile: there is nothing left to settle.
        return
