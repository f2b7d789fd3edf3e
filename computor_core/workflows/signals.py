"""Signals reach the runs that wait for them.

A signal is committed with its cause. It is matched with the open waits in the database first,
and the run's engine is told afterwards, as often as it takes: a host that dies in between
leaves a wait that is answered and not yet told.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import select, update

from computor_core.errors import ComputorError
from computor_core.failpoints import failpoint
from computor_core.model.work import WorkflowRun, WorkflowSignal, WorkflowWait
from computor_core.plugin_api.providers.engine import Delivery
from computor_core.workflows.database_time import database_time
from computor_core.workflows.units import SYSTEM, Units
from computor_core.workflows.waits import answer_wait

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Table

    from computor_core.plugin_api.providers.engine import WorkflowEngine

__all__ = ["SignalDispatcher"]

_log = logging.getLogger("computor.workflows")
_run: Table = WorkflowRun.__table__  # type: ignore[assignment]
_wait: Table = WorkflowWait.__table__  # type: ignore[assignment]
_signal: Table = WorkflowSignal.__table__  # type: ignore[assignment]

_BATCH = 100
_AGAIN = timedelta(seconds=1)


class SignalDispatcher:
    """Matches signals with waits and tells engines.

    Args:
        units: Where signals and waits are.
        engines: Engine by instance name.
    """

    def __init__(self, units: Units, engines: Mapping[str, WorkflowEngine]) -> None:
        self._units = units
        self._engines = engines

    async def dispatch(self) -> timedelta | None:
        """Match and tell: the pass of the background loop."""
        more = await self._match()
        told = [await self._tell(name, engine) for name, engine in self._engines.items()]
        if more:
            return timedelta(0)
        return None if all(told) else _AGAIN

    async def _match(self) -> bool:
        """Answer open waits; True when there may be more."""
        matching = (
            select(_signal, _wait.c.run_id, _wait.c.position)
            .join(_wait, (_wait.c.name == _signal.c.name) & (_wait.c.key == _signal.c.key))
            .where(
                _signal.c.delivered_at.is_(None),
                _wait.c.arrived_at.is_(None),
                _wait.c.told_at.is_(None),
                _wait.c.closed_at.is_(None),
            )
            .order_by(_signal.c.id)
            .limit(_BATCH)
        )
        async with self._units.read(SYSTEM) as reading:
            rows = (await reading.connection.execute(matching)).all()
        for row in rows:
            failpoint("signal.before_arrival")
            async with self._units.uow(SYSTEM) as work:
                await answer_wait(work, row.run_id, row.position, row)
            failpoint("signal.arrived")
        return len(rows) == _BATCH

    async def _tell(self, instance: str, engine: WorkflowEngine) -> bool:
        """Tell an engine of the answered waits of its runs; False when it couldn't be told of all."""
        untold = (
            select(_wait.c.run_id, _wait.c.position, _wait.c.payload)
            .join(_run, _run.c.id == _wait.c.run_id)
            .where(
                _run.c.engine_instance == instance,
                _wait.c.arrived_at.is_not(None),
                _wait.c.told_at.is_(None),
                _wait.c.closed_at.is_(None),
            )
            .order_by(_wait.c.arrived_at)
            .limit(_BATCH)
        )
        async with self._units.read(SYSTEM) as reading:
            rows = (await reading.connection.execute(untold)).all()
        for row in rows:
            try:
                await engine.deliver(Delivery(row.run_id, row.position, row.payload or {}))
            except ComputorError as error:
                _log.warning("engine %s can't be told of an event of run %s: %s", instance, row.run_id, error)
                return False
            failpoint("signal.delivered")
            async with self._units.uow(SYSTEM) as work:
                await work.connection.execute(
                    update(_wait)
                    .where(_wait.c.run_id == row.run_id, _wait.c.position == row.position)
                    .values(told_at=database_time())
                )
            failpoint("signal.told")
        return len(rows) < _BATCH
