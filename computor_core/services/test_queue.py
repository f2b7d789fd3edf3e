"""The queue that test jobs wait in, and the leases under which agents work on them.

An agent holds a lease token and nothing else. The token is random, kept as SHA-256, and bound to
one lease of one job: when the lease ends the job goes back to the queue, and a late report with
the old token is refused. Exactly one report per job is accepted.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import func, select, update

from computor_core.errors import ConflictError, TooManyRequestsError
from computor_core.failpoints import failpoint
from computor_core.model import SubmissionGroup, TestQueue, TestRun
from computor_core.plugin_api.events import TestProgressed
from computor_core.plugin_api.principal import Principal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from computor_core.app import Computor
    from computor_core.db.unit_of_work import UnitOfWork

LEASE = timedelta(seconds=30)
"""How long a lease lasts unless the agent extends it."""

MAX_EXECUTIONS = 3
"""How often a job is handed out before it counts as impossible to run here."""

PRACTICE_RUNS = 3
"""Practice runs that a submission group may have under way at a time."""

JOB_DONE = "job.done"
"""Name of the signal that tells the workflow that a job's report is in."""

TOPIC = "test_queue"
"""Bus topic that wakes agents."""

_SYSTEM = Principal.system("core:test_queue")


class JobLeaseLostError(ConflictError):
    """The lease has ended, or the job was reported already; the agent's work is void."""

    code = "job_lease_lost"
    internal_code = 40960


@dataclass(frozen=True, slots=True)
class LeasedJob:
    """A job in an agent's hands.

    Attributes:
        job_id: The queue entry; equal to the test run's id.
        token: The lease token, shown once.
        until: When the lease ends.
        execution: How often the job has been handed out, from 1.
    """

    job_id: UUID
    token: str
    until: datetime
    execution: int


@dataclass(frozen=True, slots=True)
class QueuePosition:
    """Where a job stands: jobs before it (0: next or already leased), and its state."""

    ahead: int
    state: str


class TestQueueService:
    """Hands test jobs to agents."""

    __test__ = False

    def __init__(self, app: Computor) -> None:
        self._app = app

    async def enqueue(self, work: UnitOfWork, run: TestRun, *, priority: int) -> None:
        """Put a test run into the queue; doing it again changes nothing.

        Args:
            work: The unit.
            run: The test run, whose id becomes the job's.
            priority: Lower goes first.
        """
        if await work.session.get(TestQueue, run.id) is None:
            work.session.add(
                TestQueue(
                    id=run.id,
                    course_id=run.course_id,
                    test_run_id=run.id,
                    runner_instance=run.runner_instance,
                    priority=priority,
                    available_at=work.now,
                )
            )
            await work.session.flush()
            work.wake(TOPIC)

    async def lease(self, runner_instance: str, agent: str) -> LeasedJob | None:
        """Lease the next job, or None when there is nothing to do.

        Expired leases count as waiting jobs. A job that was handed out ``MAX_EXECUTIONS`` times
        without a report is closed with one that says so.
        """
        async with self._app.uow(_SYSTEM) as work:
            row = await self._next(work, runner_instance)
            if row is None:
                return None
            run = await work.session.get_one(TestRun, row.test_run_id)
            if run.executions >= MAX_EXECUTIONS:
                self._close(work, row, {"error": "lost", "executions": run.executions})
                return None
            token = secrets.token_urlsafe(32)
            row.state = "leased"
            row.lease_hash = _hash(token)
            row.lease_epoch += 1
            row.leased_until = work.now + LEASE
            row.agent = agent
            run.executions += 1
            if run.state == "queued":
                run.state = "running"
                run.started_at = work.now
                work.emit(
                    TestProgressed(
                        course_id=run.course_id,
                        test_run_id=run.id,
                        submission_group_id=run.submission_group_id,
                        state="running",
                    )
                )
            leased = LeasedJob(row.id, token, row.leased_until, run.executions)
        failpoint("queue.leased")
        return leased

    async def require_practice_room(self, work: UnitOfWork, group_id: UUID) -> None:
        """Keep a submission group from filling the queue with what costs it nothing.

        Raises:
            TooManyRequestsError: Enough practice runs of the group are under way.
        """
        group = select(SubmissionGroup.id).where(SubmissionGroup.id == group_id)
        await work.connection.execute(group if work.is_sqlite else group.with_for_update())
        unfinished = await work.connection.scalar(
            select(func.count())
            .select_from(TestRun)
            .where(
                TestRun.submission_group_id == group_id,
                TestRun.official.is_(False),
                TestRun.state != "finished",
            )
        )
        if unfinished is not None and unfinished >= PRACTICE_RUNS:
            raise TooManyRequestsError(
                f"{PRACTICE_RUNS} practice runs are under way", retry_after=5, hint="wait for a result"
            )

    async def _next(self, work: UnitOfWork, runner_instance: str) -> TestQueue | None:
        waiting = (TestQueue.state == "queued") & (TestQueue.available_at <= work.now)
        expired = (TestQueue.state == "leased") & (TestQueue.leased_until < work.now)
        statement = (
            select(TestQueue)
            .where(TestQueue.runner_instance == runner_instance, waiting | expired)
            .order_by(TestQueue.priority, TestQueue.available_at, TestQueue.id)
            .limit(1)
        )
        if not work.is_sqlite:
            statement = statement.with_for_update(skip_locked=True)
        return (await work.session.execute(statement)).scalar_one_or_none()

    async def extend(self, job: LeasedJob) -> datetime:
        """Prolong a lease; returns its new end.

        Raises:
            JobLeaseLostError: The job went to somebody else or is done.
        """
        async with self._app.uow(_SYSTEM) as work:
            until = work.now + LEASE
            result = await work.connection.execute(
                update(TestQueue)
                .where(
                    TestQueue.id == job.job_id,
                    TestQueue.state == "leased",
                    TestQueue.lease_hash == _hash(job.token),
                )
                .values(leased_until=until)
            )
            if result.rowcount != 1:
                raise JobLeaseLostError("the lease has ended")
        return until

    async def report(self, job: LeasedJob, report: Mapping[str, Any]) -> None:
        """Hand in the report of a job; the only one that counts.

        Raises:
            JobLeaseLostError: The job went to somebody else or is done.
        """
        failpoint("queue.before_report")
        async with self._app.uow(_SYSTEM) as work:
            row = await work.session.get(TestQueue, job.job_id, with_for_update=not work.is_sqlite)
            if row is None or row.state != "leased" or row.lease_hash != _hash(job.token):
                raise JobLeaseLostError("the lease has ended")
            self._close(work, row, report)
        failpoint("queue.reported")

    async def give_back(self, job: LeasedJob, *, delay: timedelta) -> None:
        """Return a job that can't be run now, for instance because the runner is away.

        The hand-out doesn't count, so an outage doesn't use up the job's executions.
        """
        async with self._app.uow(_SYSTEM) as work:
            row = await work.session.get(TestQueue, job.job_id, with_for_update=not work.is_sqlite)
            if row is None or row.state != "leased" or row.lease_hash != _hash(job.token):
                return
            row.state, row.lease_hash, row.leased_until = "queued", None, None
            row.available_at = work.now + delay
            run = await work.session.get_one(TestRun, row.test_run_id)
            run.executions = max(0, run.executions - 1)

    async def release_leases(self, agent_prefix: str) -> int:
        """Void all leases of agents that are known to be dead; returns how many.

        An embedded host calls it at start for its own agents: the file lock proves that no
        other process runs them.
        """
        async with self._app.uow(_SYSTEM) as work:
            result = await work.connection.execute(
                update(TestQueue)
                .where(TestQueue.state == "leased", TestQueue.agent.startswith(agent_prefix, autoescape=True))
                .values(state="queued", lease_hash=None, leased_until=None)
            )
            return result.rowcount

    async def position(self, job_id: UUID) -> QueuePosition | None:
        """Where a job stands, or None when it isn't in the queue."""
        async with self._app.read(_SYSTEM) as unit:
            row = (
                await unit.connection.execute(select(TestQueue).where(TestQueue.id == job_id))
            ).one_or_none()
            if row is None:
                return None
            if row.state != "queued":
                return QueuePosition(0, row.state)
            before = (TestQueue.priority < row.priority) | (
                (TestQueue.priority == row.priority)
                & (
                    (TestQueue.available_at < row.available_at)
                    | ((TestQueue.available_at == row.available_at) & (TestQueue.id < row.id))
                )
            )
            ahead = await unit.connection.scalar(
                select(func.count())
                .select_from(TestQueue)
                .where(TestQueue.runner_instance == row.runner_instance, TestQueue.state == "queued", before)
            )
            return QueuePosition(ahead or 0, "queued")

    def _close(self, work: UnitOfWork, row: TestQueue, report: Mapping[str, Any]) -> None:
        row.state, row.report = "done", dict(report)
        row.lease_hash, row.leased_until = None, None
        work.signal(JOB_DONE, str(row.id), {"job_id": str(row.id)})


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
