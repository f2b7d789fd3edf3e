"""The reconciler: what an engine with a state of its own knows, brought home.

A run on such an engine normally records its end itself. One that was terminated, timed out or
lost there doesn't; the reconciler asks from time to time and records what it learns. It also
repeats cancel requests that the engine hasn't acted on.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, exists, or_, select, update

from computor_core.errors import ComputorError
from computor_core.failpoints import failpoint
from computor_core.model.work import Outbox, WorkflowRun
from computor_core.plugin_api.providers.engine import EngineCapability, RunEnded
from computor_core.plugin_api.workflows import Failure, RunState
from computor_core.workflows.database_time import database_time
from computor_core.workflows.journal import TERMINAL_STATES
from computor_core.workflows.units import SYSTEM, Units

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Row, Table

    from computor_core.plugin_api.providers.engine import WorkflowEngine
    from computor_core.workflows.settlement import Settler

__all__ = ["Reconciler"]

_log = logging.getLogger("computor.workflows")
_run: Table = WorkflowRun.__table__  # type: ignore[assignment]
_outbox: Table = Outbox.__table__  # type: ignore[assignment]

_BATCH = 100


class Reconciler:
    """Asks engines about runs that haven't recorded an end.

    Args:
        units: Where the runs are.
        engines: Engine by instance name; those with ``EXTERNAL_STATE`` are asked.
        settler: Records ends.
        check_every: How long a run is left alone after it was checked, or entered.
    """

    def __init__(
        self,
        units: Units,
        engines: Mapping[str, WorkflowEngine],
        settler: Settler,
        check_every: timedelta,
    ) -> None:
        self._units = units
        self._engines = {
            name: engine
            for name, engine in engines.items()
            if EngineCapability.EXTERNAL_STATE in engine.capabilities
        }
        self._settler = settler
        self._check_every = check_every

    async def reconcile(self) -> timedelta | None:
        """Check the runs that weren't checked for long: the pass of the background loop."""
        more = False
        for name, engine in self._engines.items():
            rows = await self._unchecked(name)
            more |= len(rows) == _BATCH
            for row in rows:
                try:
                    await self._check(row, engine)
                except ComputorError as error:
                    _log.warning("engine %s can't be asked about its runs: %s", name, error)
                    break
        return timedelta(0) if more else None

    async def _unchecked(self, instance: str) -> list[Row[Any]]:
        before = database_time(-self._check_every)
        undispatched = exists().where(_outbox.c.run_id == _run.c.id, _outbox.c.dispatched_at.is_(None))
        statement = (
            select(_run)
            .where(
                _run.c.engine_instance == instance,
                _run.c.state.not_in(TERMINAL_STATES),
                or_(
                    _run.c.checked_at <= before,
                    and_(_run.c.checked_at.is_(None), _run.c.created_at <= before),
                ),
                ~undispatched,
            )
            .order_by(_run.c.checked_at.nulls_first(), _run.c.id)
            .limit(_BATCH)
        )
        async with self._units.read(SYSTEM) as reading:
            return list((await reading.connection.execute(statement)).all())

    async def _check(self, row: Row[Any], engine: WorkflowEngine) -> None:
        known = await engine.describe(row.id)
        failpoint("reconciler.asked")
        if known is not None and known.state.terminal:
            await self._settler.finish(RunEnded(row.id, known.state, known.output, known.failure))
            return
        if known is None and await self._may_have_vanished(row):
            failure = Failure("workflow_vanished", "the workflow engine doesn't know the run any more")
            await self._settler.finish(RunEnded(row.id, RunState.FAILED, None, failure))
            return
        if row.cancel_requested_at is not None:
            await engine.cancel(row.id)
        values: dict[str, Any] = {"checked_at": database_time()}
        if known is not None:
            values["state"] = known.state.value
        async with self._units.uow(SYSTEM) as work:
            await work.connection.execute(
                update(_run).where(_run.c.id == row.id, _run.c.state.not_in(TERMINAL_STATES)).values(**values)
            )

    async def _may_have_vanished(self, row: Row[Any]) -> bool:
        """A child is entered before its parent starts it, so only its parent's end decides."""
        if row.parent_id is None:
            return True
        async with self._units.read(SYSTEM) as reading:
            statement = select(_run.c.state).where(_run.c.id == row.parent_id)
            state = (await reading.connection.execute(statement)).scalar_one_or_none()
        return state is None or state in TERMINAL_STATES
