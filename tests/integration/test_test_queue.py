"""The test queue: a job has one holder at a time and one report for ever."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import anyio
import pytest
from sqlalchemy import select, text

from computor_core.db.engine import Database
from computor_core.db.types import new_id
from computor_core.db.unit_of_work import (
    ReadUnit,
    UnitHooks,
    UnitOfWork,
    WorkflowTarget,
    open_read,
    open_write,
)
from computor_core.model import Base, TestQueue, TestRun, WorkflowSignal
from computor_core.plugin_api.principal import Principal
from computor_core.services.test_queue import (
    LEASE,
    MAX_EXECUTIONS,
    JobLeaseLostError,
    LeasedJob,
    TestQueueService,
)

T0 = datetime(2026, 3, 1, tzinfo=UTC)
RUNNER = "default"


@dataclass
class QueueApp:
    """As much of an application as the queue needs, with a clock that the test sets."""

    database: Database
    now: datetime = T0
    topics: list[frozenset[str]] = field(default_factory=list)

    def _hooks(self) -> UnitHooks:
        async def intercept(event: object, work: UnitOfWork) -> None: ...

        return UnitHooks(intercept, self.topics.append, lambda _name: WorkflowTarget(1, "default"))

    def uow(self, principal: Principal) -> AbstractAsyncContextManager[UnitOfWork]:
        return open_write(self.database, principal, self._hooks(), now=self.now, request_id="t")

    def read(self, principal: Principal) -> AbstractAsyncContextManager[ReadUnit]:
        return open_read(self.database, principal, now=self.now, request_id="t")


async def prepare(database: Database) -> QueueApp:
    async with database.writer.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    if database.is_sqlite:
        # The queue's rows hang on a whole course; their own keys are enough here.
        async with database.writer.connect() as connection:
            raw = await connection.get_raw_connection()
            await raw.driver_connection.execute("PRAGMA foreign_keys=OFF")  # type: ignore[union-attr]
    return QueueApp(database)


@pytest.fixture
async def app(tmp_path: Path) -> AsyncIterator[QueueApp]:
    database = Database(f"sqlite:///{tmp_path}/queue.db")
    yield await prepare(database)
    await database.aclose()


@pytest.fixture
async def pg_app(postgres_url: str) -> AsyncIterator[QueueApp]:
    database = Database(postgres_url)
    async with database.writer.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
        for table in ("test_queue", "test_run"):
            for name in (
                await connection.scalars(
                    text(
                        "SELECT conname FROM pg_constraint WHERE contype = 'f' AND conrelid = "
                        f"'{table}'::regclass"
                    )
                )
            ).all():
                await connection.execute(text(f'ALTER TABLE {table} DROP CONSTRAINT "{name}"'))
    yield QueueApp(database)
    await database.aclose()


async def add_job(app: Any, *, priority: int = 0, official: bool = True) -> UUID:
    run_id = new_id()
    service = TestQueueService(app)
    async with app.uow(Principal.system("test")) as work:
        run = TestRun(
            id=run_id,
            course_id=UUID(int=1),
            submission_group_id=UUID(int=2),
            artifact_id=UUID(int=3),
            example_version_id=UUID(int=4),
            runner_instance=RUNNER,
            official=official,
        )
        work.session.add(run)
        await work.session.flush()
        await service.enqueue(work, run, priority=priority)
        await service.enqueue(work, run, priority=priority)
    return run_id


async def lease(app: Any, agent: str = "agent") -> LeasedJob | None:
    return await TestQueueService(app).lease(RUNNER, agent)


async def test_jobs_go_out_by_priority_then_age_and_each_once(app: QueueApp) -> None:
    practice = await add_job(app, priority=10)
    app.now += timedelta(seconds=1)
    first = await add_job(app)
    app.now += timedelta(seconds=1)
    second = await add_job(app)
    leased = [await lease(app), await lease(app), await lease(app)]
    assert [job.job_id for job in leased if job] == [first, second, practice]
    assert await lease(app) is None


async def test_a_lost_lease_is_handed_out_again_and_its_late_report_refused(app: QueueApp) -> None:
    service = TestQueueService(app)
    run_id = await add_job(app)
    first = await lease(app)
    assert first is not None
    app.now += LEASE + timedelta(seconds=1)
    second = await lease(app)
    assert second is not None
    assert (second.job_id, second.execution) == (run_id, 2)
    with pytest.raises(JobLeaseLostError):
        await service.report(first, {"verdict": "passed"})
    with pytest.raises(JobLeaseLostError):
        await service.extend(first)
    await service.report(second, {"verdict": "failed"})
    with pytest.raises(JobLeaseLostError):
        await service.report(second, {"verdict": "passed"})
    async with app.read(Principal.system("test")) as unit:
        row = (await unit.connection.execute(select(TestQueue.report, TestQueue.state))).one()
        signals = (await unit.connection.execute(select(WorkflowSignal.name, WorkflowSignal.key))).all()
    assert (row.report, row.state) == ({"verdict": "failed"}, "done")
    assert [tuple(signal) for signal in signals] == [("job.done", str(run_id))]


async def test_an_extended_lease_is_not_handed_out(app: QueueApp) -> None:
    service = TestQueueService(app)
    await add_job(app)
    job = await lease(app)
    assert job is not None
    app.now += LEASE - timedelta(seconds=1)
    await service.extend(job)
    app.now += LEASE - timedelta(seconds=1)
    assert await lease(app) is None


async def test_a_job_that_kills_every_agent_ends_with_a_report_of_its_own(app: QueueApp) -> None:
    run_id = await add_job(app)
    for execution in range(1, MAX_EXECUTIONS + 1):
        job = await lease(app)
        assert job is not None
        assert job.execution == execution
        app.now += LEASE + timedelta(seconds=1)
    assert await lease(app) is None
    position = await TestQueueService(app).position(run_id)
    assert position is not None
    assert position.state == "done"


async def test_a_job_given_back_waits_and_costs_no_execution(app: QueueApp) -> None:
    service = TestQueueService(app)
    await add_job(app)
    job = await lease(app)
    assert job is not None
    await service.give_back(job, delay=timedelta(seconds=10))
    assert await lease(app) is None
    app.now += timedelta(seconds=11)
    again = await lease(app)
    assert again is not None
    assert again.execution == 1


async def test_leases_of_a_dead_host_are_released_at_once_and_no_others(app: QueueApp) -> None:
    service = TestQueueService(app)
    mine, other = await add_job(app), await add_job(app)
    assert (await lease(app, "host_1:0")) is not None
    assert (await lease(app, "host%1:0")) is not None
    assert await service.release_leases("host_1:") == 1
    again = await lease(app, "host_1:0")
    assert again is not None
    assert {again.job_id} < {mine, other}
    assert await lease(app) is None


async def test_the_position_counts_only_those_in_front(app: QueueApp) -> None:
    service = TestQueueService(app)
    ids = []
    for _ in range(3):
        ids.append(await add_job(app))
        app.now += timedelta(seconds=1)
    ahead = [position.ahead for run_id in ids if (position := await service.position(run_id))]
    assert ahead == [0, 1, 2]
    assert await service.position(new_id()) is None


async def test_agents_of_several_hosts_never_get_the_same_job(pg_app: QueueApp) -> None:
    wanted = {await add_job(pg_app) for _ in range(40)}
    got: list[UUID] = []

    async def agent(name: str) -> None:
        while (job := await lease(pg_app, name)) is not None:
            got.append(job.job_id)

    async with anyio.create_task_group() as tasks:
        for index in range(8):
            tasks.start_soon(agent, f"agent-{index}")
    assert len(got) == len(set(got))
    assert set(got) == wanted
