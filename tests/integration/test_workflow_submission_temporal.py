"""The application's submissions, carried by a real Temporal server from acceptance to result."""

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import func, select
from temporalio.client import Client

from computor_core.model import TestCaseResult, WorkflowRun
from computor_core.plugin_api.providers.engine import WorkflowEngine
from computor_core.settings.instances import EMBEDDED
from tests.support.deployment import (
    RIGHT,
    WRONG,
    Classroom,
    Deployment,
    migrate,
    opened,
    settings_for,
    until,
)

pytestmark = pytest.mark.temporal


@pytest.fixture
async def site(tmp_path: Path, temporal_address: str) -> AsyncIterator[Deployment]:
    queue = f"submissions-{uuid4()}"
    engine = {"type": "temporal", "address": temporal_address, "task_queue": queue, "heartbeat_seconds": 2}
    settings = settings_for(
        tmp_path / "data",
        plugins={"enabled": [*EMBEDDED, "engine_temporal"]},
        engine={"instances": {"default": engine}},
    )
    await migrate(settings)
    async with opened(settings, running=True) as deployment:
        yield deployment


@pytest.fixture
async def room(site: Deployment, tmp_path: Path) -> Classroom:
    return await site.classroom(tmp_path)


async def test_each_submission_comes_to_its_verdict(site: Deployment, room: Classroom) -> None:
    assignment = await room.assignment()
    right = await site.submit(room.student, assignment, RIGHT)
    wrong = await site.submit(room.student, assignment, WRONG)
    verdicts = [(await site.finished(accepted.test_run_id)).verdict for accepted in (right, wrong)]
    assert verdicts == ["passed", "failed"]
    cases = select(func.count()).where(TestCaseResult.test_run_id == right.test_run_id)
    assert await site.scalars(cases) == [3]
    (run,) = await site.rows(select(WorkflowRun.__table__).where(WorkflowRun.id == right.test_run_id))
    assert (run.state, run.engine_instance) == ("completed", "default")
    engine = site.app.providers.get(WorkflowEngine, "default")

    async def server_has_the_same() -> bool:
        known = await engine.describe(right.test_run_id)
        return known is not None and known.state.terminal and known.output == run.output

    await until(server_has_the_same)
    assert len(site.runner.jobs) == 2


async def test_a_submission_whose_workflow_is_terminated_has_a_result_all_the_same(
    site: Deployment, room: Classroom, temporal_address: str
) -> None:
    """By an operator, while the job waits for an agent; core's reconciler notices."""
    assignment = await room.assignment()
    client = await Client.connect(temporal_address)

    async def never(job: object) -> None:
        await client.get_workflow_handle(str(accepted.test_run_id)).terminate("by hand")
        raise LookupError("the agent has trouble as well")

    with site.runner.does(never):  # type: ignore[arg-type]
        accepted = await site.submit(room.student, assignment, RIGHT)

        async def is_finished() -> bool:
            return (await site.run_of(accepted.test_run_id)).state == "finished"

        await until(is_finished)
    assert (await site.run_of(accepted.test_run_id)).verdict == "infrastructure_error"
