"""The in-process engine: runs are carried by the host itself, from a journal in the database.

A host takes due runs under a lease and carries each in a task. What waits (a timer, an event, a
retry) is laid aside with the time at which it is due and holds no process. A host that dies
leaves leases that run out; another host, or the same one restarted, takes the runs up again.
On PostgreSQL any number of hosts share the runs (``SKIP LOCKED``); an SQLite file has one.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, ClassVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import ColumnElement, and_, case, func, or_, select, update

from computor_core.db.inserts import insert_unless_there
from computor_core.failpoints import failpoint
from computor_core.model.work import WorkflowRun
from computor_core.plugin_api.providers.base import Health, HealthState
from computor_core.plugin_api.providers.engine import Delivery, EngineRun, StartRun, WorkflowEngine
from computor_core.plugin_api.workflows import RunState
from computor_core.workflows.database_time import database_time
from computor_core.workflows.failures import failure_from_json
from computor_core.workflows.journal import TERMINAL_STATES
from computor_core.workflows.loops import Loop, running
from computor_core.workflows.run_task import RunTask
from computor_core.workflows.units import SYSTEM, Units

if TYPE_CHECKING:
    from enum import StrEnum

    from sqlalchemy import Table

    from computor_core.plugin_api.providers.base import AppContext
    from computor_core.plugin_api.providers.engine import EngineHost

__all__ = ["InProcessEngine", "InProcessSettings", "create"]

_log = logging.getLogger("computor.workflows")
_run: Table = WorkflowRun.__table__  # type: ignore[assignment]

_PARK_AFTER = timedelta(seconds=2)
_LET_GO = 15.0
"""Seconds that the runs have to be laid aside when the host stops."""


class InProcessSettings(BaseModel):
    """Settings of an in-process engine."""

    model_config = ConfigDict(extra="forbid")

    concurrency: int = Field(32, ge=1, description="Runs that one host carries at a time.")
    lease_seconds: float = Field(30.0, gt=0, description="How long a run stays with a host that is silent.")
    poll_seconds: float = Field(1.0, gt=0, description="How often a host looks for due runs unasked.")


@asynccontextmanager
async def create(settings: InProcessSettings, context: AppContext) -> AsyncIterator[InProcessEngine]:
    """Open an in-process engine on the application's database."""
    yield InProcessEngine(context.services, context.instance, settings)


class InProcessEngine(WorkflowEngine):
    """Carries runs in the host's own process.

    Args:
        units: The application's database.
        instance: Name of this instance in the settings.
        settings: Its settings.
    """

    capabilities: ClassVar[frozenset[StrEnum]] = frozenset()
    run_task: ClassVar[type[RunTask]] = RunTask

    def __init__(self, units: Units, instance: str, settings: InProcessSettings) -> None:
        self._units = units
        self._instance = instance
        self._settings = settings
        self._lease = timedelta(seconds=settings.lease_seconds)
        self._owner = f"{socket.gethostname()[:60]}:{os.getpid()}:{secrets.token_hex(6)}"
        self._host: EngineHost | None = None
        self._carried: dict[UUID, tuple[RunTask, asyncio.Task[None]]] = {}
        self._renewed = time.monotonic()
        poll = timedelta(seconds=settings.poll_seconds)
        self._claiming = Loop("engine claims", self._claim_pass, poll)
        self._renewing = Loop("engine leases", self._renew_pass, self._lease / 3)
        self._parking = Loop("engine parking", self._park_pass, poll * 5)

    async def health(self) -> Health:
        """Healthy; says how many runs this host carries."""
        return Health(HealthState.OK, facts={"carried": str(len(self._carried))})

    async def start(self, request: StartRun) -> None:
        """Make the run due, entering it unless core has."""
        values = {
            "id": request.run_id,
            "workflow": request.workflow,
            "workflow_version": request.version,
            "engine_instance": self._instance,
            "parent_id": request.parent_id,
            "state": RunState.PENDING.value,
            "input": request.input,
        }
        async with self._units.uow(SYSTEM) as work:
            await work.connection.execute(insert_unless_there(_run, values, is_sqlite=work.is_sqlite))
            await work.connection.execute(
                update(_run)
                .where(
                    _run.c.id == request.run_id,
                    _run.c.state.in_((RunState.PENDING.value, RunState.PARKED.value)),
                    _run.c.wake_at.is_(None),
                )
                .values(wake_at=database_time())
            )
        self.wake(request.run_id)

    async def deliver(self, delivery: Delivery) -> None:
        """Make the run due; the payload stands in the wait's row."""
        await self._nudge(delivery.run_id, {})

    async def cancel(self, run_id: UUID) -> None:
        """Mark the run and make it due."""
        await self._nudge(
            run_id, {"cancel_requested_at": func.coalesce(_run.c.cancel_requested_at, database_time())}
        )

    async def describe(self, run_id: UUID) -> EngineRun | None:
        """The run as its row says."""
        async with self._units.read(SYSTEM) as reading:
            row = (await reading.connection.execute(select(_run).where(_run.c.id == run_id))).first()
        if row is None:
            return None
        return EngineRun(run_id, RunState(row.state), row.output, failure_from_json(row.error))

    def wake(self, run_id: UUID | None = None) -> None:
        """Look for due runs now; a carried run looks for its news."""
        if run_id is not None and run_id in self._carried:
            self._carried[run_id][0].notify()
        self._claiming.wake()

    @asynccontextmanager
    async def run(self, host: EngineHost) -> AsyncIterator[None]:
        """Carry runs; on leaving, lay each aside with its steps interrupted."""
        self._host = host
        self._renewed = time.monotonic()
        await self._take_over()
        try:
            # Leases are kept until the last run is laid aside.
            async with running([self._renewing]):
                try:
                    async with running([self._claiming, self._parking]):
                        yield
                finally:
                    await self._let_go()
        finally:
            self._host = None

    # --- taking runs ----------------------------------------------------------------------

    async def _take_over(self) -> None:
        """On SQLite, which has one host, whoever holds a lease is this host's dead predecessor."""
        async with self._units.uow(SYSTEM) as work:
            if work.is_sqlite:
                await work.connection.execute(
                    update(_run)
                    .where(_run.c.engine_instance == self._instance, _run.c.lease_owner.is_not(None))
                    .values(lease_until=database_time())
                )

    def _carriable(self) -> ColumnElement[bool]:
        """Runs of this instance that haven't ended and whose definition is installed here."""
        known = self._host.definitions if self._host is not None else {}
        return and_(
            _run.c.engine_instance == self._instance,
            _run.c.state.not_in(TERMINAL_STATES),
            or_(
                False,
                *(
                    and_(_run.c.workflow == name, _run.c.workflow_version == version)
                    for name, version in known
                ),
            ),
        )

    async def _claim_pass(self) -> timedelta | None:
        free = self._settings.concurrency - len(self._carried)
        if free <= 0 or self._host is None:
            return None
        due_in = await self._next_due()
        if due_in is None or due_in > timedelta(0):
            return due_in
        claimed = await self._claim(free)
        for run_id, epoch in claimed:
            failpoint("run.claimed")
            task = self.run_task(self._units, self._host, self._instance, run_id, epoch)
            carrying = asyncio.create_task(self._carry(task), name=f"computor run {run_id}")
            self._carried[run_id] = (task, carrying)
        return timedelta(0) if claimed else None

    async def _next_due(self) -> timedelta | None:
        leased = and_(_run.c.lease_until.is_not(None), _run.c.lease_until > _run.c.wake_at)
        due = case((leased, _run.c.lease_until), else_=_run.c.wake_at)
        statement = select(func.min(due, type_=_run.c.wake_at.type), database_time()).where(
            self._carriable(),
            _run.c.wake_at.is_not(None),
            _run.c.id.not_in(list(self._carried)),
        )
        async with self._units.read(SYSTEM) as reading:
            first, now = (await reading.connection.execute(statement)).one()
        return None if first is None else first - now

    async def _claim(self, limit: int) -> list[tuple[UUID, int]]:
        due = (
            select(_run.c.id)
            .where(
                self._carriable(),
                _run.c.wake_at <= database_time(),
                or_(_run.c.lease_until.is_(None), _run.c.lease_until <= database_time()),
                _run.c.id.not_in(list(self._carried)),
            )
            .order_by(_run.c.wake_at)
            .limit(limit)
            .with_for_update(skip_locked=True)
            .cte("due")
        )
        statement = (
            update(_run)
            .where(_run.c.id.in_(select(due.c.id)))
            .values(
                state=RunState.RUNNING.value,
                lease_owner=self._owner,
                lease_until=database_time(self._lease),
                lease_epoch=_run.c.lease_epoch + 1,
            )
            .returning(_run.c.id, _run.c.lease_epoch)
        )
        async with self._units.uow(SYSTEM) as work:
            rows = await work.connection.execute(statement)
            return [(row.id, row.lease_epoch) for row in rows]

    async def _carry(self, task: RunTask) -> None:
        try:
            await task.carry()
        except Exception:  # noqa: BLE001 - logged; the lease runs out and the run is taken up again
            _log.exception("carrying run %s failed; it is tried again when its lease ends", task.run_id)
        finally:
            del self._carried[task.run_id]
            self._claiming.wake()

    async def _let_go(self) -> None:
        carried = list(self._carried.values())
        for task, _ in carried:
            task.stop()
        if not carried:
            return
        _, alive = await asyncio.wait([carrying for _, carrying in carried], timeout=_LET_GO)
        for carrying in alive:
            _log.error("%s isn't laid aside in time; its lease runs out", carrying.get_name())
            carrying.cancel()
        await asyncio.gather(*alive, return_exceptions=True)

    # --- keeping them ---------------------------------------------------------------------

    async def _renew_pass(self) -> timedelta | None:
        if not self._carried:
            self._renewed = time.monotonic()
            return None
        began = time.monotonic()
        statement = (
            update(_run)
            .where(_run.c.lease_owner == self._owner, _run.c.id.in_(list(self._carried)))
            .values(lease_until=database_time(self._lease))
            .returning(_run.c.id)
        )
        mine = dict(self._carried)
        try:
            async with self._units.uow(SYSTEM) as work:
                kept = set((await work.connection.execute(statement)).scalars())
        except Exception:
            if time.monotonic() - self._renewed >= self._lease.total_seconds():
                # Another host may carry them by now.
                for task, _ in mine.values():
                    task.lose()
            raise
        self._renewed = began
        for run_id, (task, _) in mine.items():
            if run_id not in kept and run_id in self._carried:
                task.notify()
        return None

    async def _park_pass(self) -> timedelta | None:
        """Show that due runs wait for a definition that isn't installed here."""
        orphaned = (
            _run.c.engine_instance == self._instance,
            _run.c.state.in_((RunState.PENDING.value, RunState.WAITING.value, RunState.RUNNING.value)),
            _run.c.wake_at <= database_time(-_PARK_AFTER),
            or_(_run.c.lease_until.is_(None), _run.c.lease_until <= database_time()),
            ~self._carriable(),
        )
        async with self._units.read(SYSTEM) as reading:
            found = (await reading.connection.execute(select(_run.c.id).where(*orphaned).limit(1))).first()
        if found is not None:
            async with self._units.uow(SYSTEM) as work:
                parked = await work.connection.execute(
                    update(_run).where(*orphaned).values(state=RunState.PARKED.value)
                )
            _log.warning("%d runs wait for a workflow definition that isn't installed", parked.rowcount)
        return None

    async def _nudge(self, run_id: UUID, values: dict[str, object]) -> None:
        async with self._units.uow(SYSTEM) as work:
            await work.connection.execute(
                update(_run)
                .where(_run.c.id == run_id, _run.c.state.not_in(TERMINAL_STATES))
                .values(news=_run.c.news + 1, wake_at=database_time(), **values)
            )
        self.wake(run_id)
