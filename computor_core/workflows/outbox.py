"""The outbox: starts that were committed with their cause reach their engine.

Undispatched rows are selected, never a watermark, so a transaction that commits late is seen.
A row is claimed by pushing its next try out, then started, then marked: a host that dies in
between leaves a row that is started again, which changes nothing.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, and_, or_, select, update

from computor_core.db.inserts import insert_unless_there
from computor_core.errors import ComputorError, ProviderUnavailableError
from computor_core.failpoints import failpoint
from computor_core.model.work import Outbox, WorkflowRun
from computor_core.plugin_api.providers.engine import StartRun
from computor_core.plugin_api.workflows import Retry, RunState
from computor_core.workflows.database_time import database_time
from computor_core.workflows.units import SYSTEM, Units

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Row, Table

    from computor_core.plugin_api.providers.engine import WorkflowEngine
    from computor_core.workflows.registry import WorkflowRegistry

__all__ = ["OutboxDispatcher"]

_log = logging.getLogger("computor.workflows")
_outbox: Table = Outbox.__table__  # type: ignore[assignment]
_run: Table = WorkflowRun.__table__  # type: ignore[assignment]

_BATCH = 50
_CLAIM = timedelta(seconds=15)
_AGAIN = Retry(attempts=1, initial=timedelta(milliseconds=500), factor=2.0, maximum=timedelta(minutes=1))
_MAX_ERROR = 2000


class OutboxDispatcher:
    """Starts what the outbox holds.

    Args:
        units: Where the outbox is.
        registry: Installed definitions; starts of others wait, shown as parked runs.
        engines: Engine by instance name.
    """

    def __init__(
        self, units: Units, registry: WorkflowRegistry, engines: Mapping[str, WorkflowEngine]
    ) -> None:
        self._units = units
        self._registry = registry
        self._engines = engines

    async def dispatch(self) -> timedelta | None:
        """Start everything that is due: the pass of the background loop."""
        await self._park()
        rows = await self._claim()
        for row in rows:
            failpoint("outbox.before_dispatch")
            error = await self._start(row)
            failpoint("outbox.started")
            await self._mark(row, error)
            failpoint("outbox.after_dispatch")
        return timedelta(0) if len(rows) == _BATCH else await self._next_due()

    async def retry_all(self) -> None:
        """Make every undispatched row due, on SQLite, where nobody else can have claimed it."""
        async with self._units.uow(SYSTEM) as work:
            if work.is_sqlite:
                await work.connection.execute(
                    update(_outbox)
                    .where(_outbox.c.dispatched_at.is_(None))
                    .values(available_at=database_time())
                )

    def _due(self) -> ColumnElement[bool]:
        # A row's first try doesn't depend on any clock.
        return and_(
            _outbox.c.dispatched_at.is_(None),
            or_(_outbox.c.attempts == 0, _outbox.c.available_at <= database_time()),
        )

    def _known(self) -> ColumnElement[bool]:
        return or_(
            False,
            *(
                and_(_outbox.c.workflow == name, _outbox.c.workflow_version == version)
                for name, version in self._registry.targets
            ),
        )

    async def _claim(self) -> list[Row[Any]]:
        due = (self._due(), self._known())
        async with self._units.read(SYSTEM) as reading:
            if (await reading.connection.execute(select(_outbox.c.id).where(*due).limit(1))).first() is None:
                return []
        async with self._units.uow(SYSTEM) as work:
            picked = (
                select(_outbox.c.id)
                .where(*due)
                .order_by(_outbox.c.available_at)
                .limit(_BATCH)
                .with_for_update(skip_locked=True)
                .cte("picked")
            )
            claimed = await work.connection.execute(
                update(_outbox)
                .where(_outbox.c.id.in_(select(picked.c.id)))
                .values(available_at=database_time(_CLAIM), attempts=_outbox.c.attempts + 1)
                .returning(*_outbox.c)
            )
            rows = sorted(claimed.all(), key=lambda row: row.id)
            for row in rows:
                values = self._run_values(row)
                await work.connection.execute(insert_unless_there(_run, values, is_sqlite=work.is_sqlite))
                # A start that was shown as parked goes ahead now that its definition is here.
                await work.connection.execute(
                    update(_run)
                    .where(
                        _run.c.id == row.run_id,
                        _run.c.state == RunState.PARKED.value,
                        _run.c.wake_at.is_(None),
                    )
                    .values(state=RunState.PENDING.value, deadline_at=values["deadline_at"])
                )
        return rows

    def _run_values(self, row: Row[Any]) -> dict[str, Any]:
        limit = self._registry.definition(row.workflow, row.workflow_version).timeout
        return {**_common_values(row), "deadline_at": None if limit is None else database_time(limit)}

    async def _start(self, row: Row[Any]) -> ComputorError | None:
        """Start a run; the error when it couldn't be."""
        engine = self._engines.get(row.engine_instance)
        if engine is None:
            return ProviderUnavailableError(f"the workflow engine {row.engine_instance!r} isn't configured")
        try:
            await engine.start(StartRun(row.run_id, row.workflow, row.workflow_version, row.input))
        except ComputorError as error:
            return error
        except Exception:  # noqa: BLE001 - logged; one row mustn't hold up those behind it
            _log.exception("engine %s failed to start run %s", row.engine_instance, row.run_id)
            return ProviderUnavailableError("the engine failed unexpectedly; the log says how")
        return None

    async def _mark(self, row: Row[Any], error: ComputorError | None) -> None:
        values: dict[str, Any] = {"dispatched_at": database_time(), "last_error": ""}
        if error is not None:
            wait = _AGAIN.delay(row.attempts)
            _log.warning("run %s isn't started, next try in %s: %s", row.run_id, wait, error)
            values = {"available_at": database_time(wait), "last_error": str(error)[:_MAX_ERROR]}
        async with self._units.uow(SYSTEM) as work:
            await work.connection.execute(update(_outbox).where(_outbox.c.id == row.id).values(**values))

    async def _park(self) -> None:
        """Show starts of definitions that aren't installed as parked runs."""
        async with self._units.read(SYSTEM) as reading:
            statement = (
                select(_outbox)
                .outerjoin(_run, _run.c.id == _outbox.c.run_id)
                .where(_outbox.c.dispatched_at.is_(None), ~self._known(), _run.c.id.is_(None))
                .limit(_BATCH)
            )
            rows = (await reading.connection.execute(statement)).all()
        if not rows:
            return
        async with self._units.uow(SYSTEM) as work:
            for row in rows:
                values = {**_common_values(row), "state": RunState.PARKED.value, "deadline_at": None}
                await work.connection.execute(insert_unless_there(_run, values, is_sqlite=work.is_sqlite))
                reason = f"the workflow {row.workflow}@{row.workflow_version} isn't installed"
                _log.warning("run %s is parked: %s", row.run_id, reason)
                await work.connection.execute(
                    update(_outbox).where(_outbox.c.id == row.id).values(last_error=reason)
                )

    async def _next_due(self) -> timedelta | None:
        async with self._units.read(SYSTEM) as reading:
            statement = (
                select(_outbox.c.available_at, database_time())
                .where(_outbox.c.dispatched_at.is_(None), self._known())
                .order_by(_outbox.c.available_at)
                .limit(1)
            )
            row = (await reading.connection.execute(statement)).first()
        return None if row is None else max(row[0] - row[1], timedelta(milliseconds=50))


def _common_values(row: Row[Any]) -> dict[str, Any]:
    return {
        "id": row.run_id,
        "workflow": row.workflow,
        "workflow_version": row.workflow_version,
        "engine_instance": row.engine_instance,
        "state": RunState.PENDING.value,
        "input": row.input,
    }
