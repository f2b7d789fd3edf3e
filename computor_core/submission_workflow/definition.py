"""Definition of ``submission.test``: imports nothing but DTOs and step declarations."""

from __future__ import annotations

from computor_core.plugin_api.workflows import (
    Retry,
    Settlement,
    Step,
    WorkflowContext,
    minutes,
    workflow,
)
from computor_core.submission_workflow.dtos import JobAlive, JobRef, TestOutcome, TestRequest

prepare = Step[TestRequest, JobRef]("submission.prepare", timeout=minutes(1), retry=Retry(5))
check = Step[JobRef, JobAlive]("submission.check", timeout=minutes(1), retry=Retry(5))
record = Step[JobRef, TestOutcome]("submission.record", timeout=minutes(1), retry=Retry(5))
settle = Step[Settlement, None]("submission.settle", timeout=minutes(1), retry=Retry(5))


@workflow("submission.test", version=1, finalizer=settle)
async def test_submission(ctx: WorkflowContext, request: TestRequest) -> TestOutcome:
    """Queue the job, wait for its report however long the queue is, and record the result."""
    job = await ctx.step(prepare, request)
    while not job.terminal:
        done = await ctx.wait_event("job.done", job.job_id, timeout=minutes(10))
        # A long queue is no failure; a job that is gone from it is.
        if not done.timed_out or not (await ctx.step(check, job)).alive:
            break
    return await ctx.step(record, job)
