"""Settlement: every run's finalizer runs, however the run ended.

A run that has ended is due for settlement from that moment. Whoever settles it first pushes the
due time out (so that two hosts don't do it at once), then runs the finalizer, then marks the
run. A finalizer that fails is tried again for ever, ever more slowly: giving up would leave a
submission without a result.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import select, update

from computor_core.errors import ComputorError
from computor_core.failpoints import failpoint
from computor_core.model.work import WorkflowRun
from computor_core.plugin_api.providers.engine import RunEnded, StepAttemptError
from computor_core.plugin_api.workflows import Retry, RunState, Settlement
from computor_core.workflows.database_time import database_time
from computor_core.workflows.failures import failure_from_json
from computor_core.workflows.journal import TERMINAL_STATES, end_values, end_with_run
from computor_core.workflows.units import SYSTEM, Units

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Row, Table

    from computor_core.workflows.registry import WorkflowRegistry
    from computor_core.workflows.steps import StepRunner

__all__ = ["Settler"]

_log = logging.getLogger("computor.workflows")
_run: Table = WorkflowRun.__table__  # type: ignore[assignment]

_BATCH = 50
_AGAIN = Retry(attempts=1, initial=timedelta(seconds=1), factor=2.0, maximum=timedelta(minutes=5))
_CLAIM = timedelta(seconds=10)


class Settler:
    """Records ends and runs finalizers.

    Args:
        units: Where the runs are.
        registry: Installed definitions.
        steps: Carries out finalizers.
        changed: Called with a run that has news.
    """

    def __init__(
        self,
        units: Units,
        registry: WorkflowRegistry,
        steps: StepRunner,
        changed: Callable[[UUID], None],
    ) -> None:
        self._units = units
        self._registry = registry
        self._steps = steps
        self._changed = changed

    async def finish(self, ended: RunEnded) -> bool:
        """Record a run's end, unless one is recorded, and settle it; True once it is settled."""
        async with self._units.uow(SYSTEM) as work:
            recorded = await work.connection.execute(
                update(_run)
                .where(_run.c.id == ended.run_id, _run.c.state.not_in(TERMINAL_STATES))
                .values(wake_at=None, **end_values(ended.state, ended.output, ended.failure))
            )
            if recorded.rowcount:
                await end_with_run(work, ended.run_id)
        failpoint("run.ended")
        self._changed(ended.run_id)
        return await self.settle(ended.run_id)

    async def settle(self, run_id: UUID) -> bool:
        """Run the finalizer of a run that has ended, if it is due; True once it is settled."""
        run = await self._claim(run_id)
        if run is None:
            return await self._is_settled(run_id)
        settlement = Settlement(
            run_id=run.id,
            workflow=run.workflow,
            version=run.workflow_version,
            state=RunState(run.state),
            input=run.input,
            output=run.output,
            failure=failure_from_json(run.error),
        )
        failpoint("settle.before")
        try:
            async with self._kept(run_id):
                definition = self._registry.definition(run.workflow, run.workflow_version)
                await self._steps.finalize(definition, settlement, run.settle_attempts)
        except (StepAttemptError, ComputorError) as error:
            wait = _AGAIN.delay(run.settle_attempts)
            _log.error("run %s isn't settled, next try in %s: %s", run_id, wait, error)
            await self._due_in(run_id, wait)
            return False
        except asyncio.CancelledError:
            await self._due_in(run_id, timedelta(0))
            raise
        failpoint("settle.after")
        async with self._units.uow(SYSTEM) as work:
            await work.connection.execute(
                update(_run).where(_run.c.id == run_id).values(settled_at=database_time(), settle_at=None)
            )
            if run.parent_id is not None:
                await work.connection.execute(
                    update(_run)
                    .where(_run.c.id == run.parent_id, _run.c.state.not_in(TERMINAL_STATES))
                    .values(news=_run.c.news + 1, wake_at=database_time())
                )
        failpoint("settle.recorded")
        self._changed(run_id)
        if run.parent_id is not None:
            self._changed(run.parent_id)
        return True

    async def settle_due(self) -> timedelta | None:
        """Settle what has ended unsettled: the pass of the background loop."""
        async with self._units.read(SYSTEM) as reading:
            statement = (
                select(_run.c.id, _run.c.settle_at, database_time().label("now"))
                .where(_run.c.settle_at.is_not(None))
                .order_by(_run.c.settle_at)
                .limit(_BATCH)
            )
            rows = (await reading.connection.execute(statement)).all()
        for row in rows:
            if row.settle_at > row.now:
                return row.settle_at - row.now  # type: ignore[no-any-return]
            await self.settle(row.id)
        return timedelta(0) if len(rows) == _BATCH else None

    async def retry_all(self) -> None:
        """Make everything unsettled due, on SQLite, where nobody else can be at it."""
        async with self._units.uow(SYSTEM) as work:
            if work.is_sqlite:
                await work.connection.execute(
                    update(_run)
                    .where(_run.c.settle_at.is_not(None), _run.c.settled_at.is_(None))
                    .values(settle_at=database_time())
                )

    async def _claim(self, run_id: UUID) -> Row[tuple[object, ...]] | None:
        async with self._units.uow(SYSTEM) as work:
            due = (
                _run.c.id == run_id,
                _run.c.state.in_(TERMINAL_STATES),
                _run.c.settled_at.is_(None),
                _run.c.settle_at <= database_time(),
            )
            claimed = (
                update(_run)
                .where(*due)
                .values(
                    settle_at=database_time(_CLAIM),
                    settle_attempts=_run.c.settle_attempts + 1,
                )
                .returning(*_run.c)
            )
            return (await work.connection.execute(claimed)).first()

    @asynccontextmanager
    async def _kept(self, run_id: UUID) -> AsyncIterator[None]:
        """Keep other hosts off while the finalizer runs."""

        async def keep() -> None:
            while True:
                await asyncio.sleep(_CLAIM.total_seconds() / 3)
                await self._due_in(run_id, _CLAIM)

        keeping = asyncio.create_task(keep(), name=f"settling {run_id}")
        try:
            yield
        finally:
            keeping.cancel()
            await asyncio.wait([keeping])

    async def _due_in(self, run_id: UUID, wait: timedelta) -> None:
        async with self._units.uow(SYSTEM) as work:
            await work.connection.execute(
                update(_run)
                .where(_run.c.id == run_id, _run.c.settled_at.is_(None))
                .values(settle_at=database_time(wait))
            )

    async def _is_settled(self, run_id: UUID) -> bool:
        async with self._units.read(SYSTEM) as reading:
            statement = select(_run.c.id).where(_run.c.id == run_id, _run.c.settled_at.is_not(None))
            return (await reading.connection.execute(statement)).first() is not None
