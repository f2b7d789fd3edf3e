"""The runtime of workflows: everything around the engines, and the face that callers see."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import select, update

from computor_core.db.inserts import insert_unless_there
from computor_core.db.unit_of_work import WorkflowTarget
from computor_core.errors import ConfigurationError, NotFoundError
from computor_core.model.work import Outbox, WorkflowRun
from computor_core.plugin_api.workflows import Failure, Json, RunState, WorkflowCancelledError, WorkflowError
from computor_core.workflows.core_side import CoreSide
from computor_core.workflows.database_time import database_time
from computor_core.workflows.failures import failure_from_json, failure_of
from computor_core.workflows.journal import end_values
from computor_core.workflows.loops import Loop, running
from computor_core.workflows.outbox import OutboxDispatcher
from computor_core.workflows.reconciler import Reconciler
from computor_core.workflows.settlement import Settler
from computor_core.workflows.signals import SignalDispatcher
from computor_core.workflows.steps import StepRunner
from computor_core.workflows.units import SYSTEM, Units

if TYPE_CHECKING:
    from sqlalchemy import Row, Table

    from computor_core.events.wakeups import Wakeups
    from computor_core.plugin_api.providers.engine import WorkflowEngine
    from computor_core.plugin_api.services import CoreServices
    from computor_core.workflows.registry import WorkflowRegistry

__all__ = ["RunDescription", "RunFailedError", "RuntimeSettings", "WorkflowRuntime"]

_run: Table = WorkflowRun.__table__  # type: ignore[assignment]
_outbox: Table = Outbox.__table__  # type: ignore[assignment]


class RunFailedError(WorkflowError):
    """A run whose result was asked for ended without one; ``details`` says how and why."""

    code = "workflow_run_failed"
    internal_code = 50047


@dataclass(frozen=True, slots=True)
class RuntimeSettings:
    """How often the background loops look unasked.

    Attributes:
        poll: Outbox, signals, settlement, and waiting for a run.
        check_every: How long a run on an engine with its own state is left alone between checks.
    """

    poll: timedelta = timedelta(seconds=1)
    check_every: timedelta = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class RunDescription:
    """Where a run stands.

    Attributes:
        run_id: The run.
        workflow, version: What it is pinned to.
        engine: Engine instance that carries it.
        parent_id: The run that started it as its child, or None.
        state: Where it stands.
        progress: What its definition published last.
        output: JSON values when it completed.
        failure: Why it ended otherwise.
        created_at: When it was entered.
        ended_at: When it ended.
        settled_at: When its finalizer was done.
    """

    run_id: UUID
    workflow: str
    version: int
    engine: str
    parent_id: UUID | None
    state: RunState
    progress: Mapping[str, Json]
    output: Json
    failure: Failure | None
    created_at: datetime
    ended_at: datetime | None
    settled_at: datetime | None


class WorkflowRuntime:
    """Workflows as the application sees them; reached as ``app.workflows``.

    Args:
        app: The application's doors: units of work, and what steps get as ``ctx.app``.
        registry: Installed definitions and steps.
        engines: Engine by instance name.
        default_engine: Instance that new runs are pinned to.
        wakeups: Where news is told and heard.
        settings: Intervals.

    Raises:
        ConfigurationError: The default engine isn't among the engines.
    """

    def __init__(
        self,
        *,
        app: CoreServices,
        registry: WorkflowRegistry,
        engines: Mapping[str, WorkflowEngine],
        default_engine: str,
        wakeups: Wakeups,
        settings: RuntimeSettings | None = None,
    ) -> None:
        if default_engine not in engines:
            raise ConfigurationError(
                f"engine.default names {default_engine!r}, which isn't among the engine instances"
            )
        settings = settings or RuntimeSettings()
        self._units: Units = app
        self._registry = registry
        self._engines = dict(engines)
        self._default_engine = default_engine
        self._wakeups = wakeups
        self._poll = settings.poll
        steps = StepRunner(registry, app)
        self._settler = Settler(self._units, registry, steps, self._changed)
        self._outbox = OutboxDispatcher(self._units, registry, self._engines)
        signals = SignalDispatcher(self._units, self._engines)
        reconciler = Reconciler(self._units, self._engines, self._settler, settings.check_every)
        self._core_side = CoreSide(self._units, registry, steps, self._settler, self._changed)
        self._dispatching = Loop("outbox", self._outbox.dispatch, self._poll)
        self._signalling = Loop("signals", signals.dispatch, self._poll)
        self._settling = Loop("settlement", self._settler.settle_due, self._poll * 5)
        self._reconciling = Loop("reconciler", reconciler.reconcile, settings.check_every / 2)
        self._watchers: dict[UUID, set[asyncio.Event]] = {}
        wakeups.listen("outbox", lambda _: self._dispatching.wake())
        wakeups.listen("signals", lambda _: self._signalling.wake())
        wakeups.listen("runs", self._heard)

    def target(self, workflow: str) -> WorkflowTarget:
        """Version and engine that a new run of a workflow is pinned to.

        Raises:
            NotFoundError: No installed plugin registers it.
        """
        return WorkflowTarget(self._registry.latest(workflow), self._default_engine)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Carry out workflows while the block is open.

        Raises:
            PluginError: A step's implementation can't be loaded.
        """
        self._registry.load_steps()
        await self._outbox.retry_all()
        await self._settler.retry_all()
        loops = [self._dispatching, self._signalling, self._settling, self._reconciling]
        async with AsyncExitStack() as stack:
            for engine in self._engines.values():
                await stack.enter_async_context(engine.run(self._core_side))
            await stack.enter_async_context(running(loops))
            yield

    async def describe(self, run_id: UUID) -> RunDescription:
        """Where a run stands; a start that isn't dispatched yet is ``pending``.

        Raises:
            NotFoundError: No such run.
        """
        async with self._units.read(SYSTEM) as reading:
            row = (await reading.connection.execute(select(_run).where(_run.c.id == run_id))).first()
            if row is None:
                waiting = select(_outbox).where(_outbox.c.run_id == run_id)
                start = (await reading.connection.execute(waiting)).first()
                if start is None:
                    raise NotFoundError("no such workflow run")
                return _pending(start)
        return RunDescription(
            run_id=row.id,
            workflow=row.workflow,
            version=row.workflow_version,
            engine=row.engine_instance,
            parent_id=row.parent_id,
            state=RunState(row.state),
            progress=row.progress or {},
            output=row.output,
            failure=failure_from_json(row.error),
            created_at=row.created_at,
            ended_at=row.ended_at,
            settled_at=row.settled_at,
        )

    async def progress(self, run_id: UUID) -> Mapping[str, Json]:
        """What a run's definition published last.

        Raises:
            NotFoundError: No such run.
        """
        return (await self.describe(run_id)).progress

    async def wait(self, run_id: UUID) -> RunDescription:
        """Wait until a run is settled; bound it with ``asyncio.timeout``.

        Raises:
            NotFoundError: No such run.
        """
        news = asyncio.Event()
        self._watchers.setdefault(run_id, set()).add(news)
        try:
            while True:
                news.clear()
                description = await self.describe(run_id)
                if description.settled_at is not None:
                    return description
                try:
                    async with asyncio.timeout(self._poll.total_seconds()):
                        await news.wait()
                except TimeoutError:
                    continue
        finally:
            self._watchers[run_id].discard(news)
            if not self._watchers[run_id]:
                del self._watchers[run_id]

    async def result(self, run_id: UUID) -> Json:
        """Wait until a run is settled and return its output as JSON values.

        Raises:
            NotFoundError: No such run.
            RunFailedError: It ended in another way than by completing.
        """
        description = await self.wait(run_id)
        if description.state is RunState.COMPLETED:
            return description.output
        failure = description.failure
        raise RunFailedError(
            f"the run of {description.workflow}@{description.version} is {description.state.value}"
            + (f": {failure.message}" if failure is not None else ""),
            details={"state": description.state.value, "failure": failure.code if failure else None},
        )

    async def cancel(self, run_id: UUID) -> None:
        """Ask a run to cancel; nothing happens when it has ended.

        The request is durable: an engine that is away, or a start that isn't dispatched yet,
        gets to it later.

        Raises:
            NotFoundError: No such run.
            ProviderUnavailableError: The engine is away; the request stands.
        """
        description = await self.describe(run_id)
        if description.state.terminal or await self._cancel_start(run_id):
            return
        async with self._units.uow(SYSTEM) as work:
            await work.connection.execute(
                update(_run)
                .where(_run.c.id == run_id, _run.c.cancel_requested_at.is_(None))
                .values(cancel_requested_at=database_time())
            )
        engine = self._engines.get(description.engine)
        if engine is None:
            raise ConfigurationError(f"the workflow engine {description.engine!r} isn't configured")
        await engine.cancel(run_id)

    async def _cancel_start(self, run_id: UUID) -> bool:
        """Cancel a run that no engine has begun: one not yet dispatched, or parked as a start."""
        failure = failure_of(WorkflowCancelledError(), "")
        ended = end_values(RunState.CANCELLED, None, failure)
        async with self._units.uow(SYSTEM) as work:
            execute = work.connection.execute
            waiting = select(_outbox).where(_outbox.c.run_id == run_id, _outbox.c.dispatched_at.is_(None))
            start = (await execute(waiting.with_for_update())).first()
            if start is None:
                return False
            values = {
                "id": run_id,
                "workflow": start.workflow,
                "workflow_version": start.workflow_version,
                "engine_instance": start.engine_instance,
                "input": start.input,
                "wake_at": None,
            }
            entered = await execute(insert_unless_there(_run, {**values, **ended}, is_sqlite=work.is_sqlite))
            if entered.rowcount != 1:
                parked = (
                    _run.c.id == run_id,
                    _run.c.state == RunState.PARKED.value,
                    _run.c.wake_at.is_(None),
                )
                if (await execute(update(_run).where(*parked).values(**ended))).rowcount != 1:
                    return False
            await execute(
                update(_outbox).where(_outbox.c.id == start.id).values(dispatched_at=database_time())
            )
        self._settling.wake()
        return True

    def _changed(self, run_id: UUID) -> None:
        self._wakeups.notify("runs", str(run_id))

    def _heard(self, key: str) -> None:
        run_id = UUID(key) if key else None
        for engine in self._engines.values():
            engine.wake(run_id)
        watched = self._watchers if run_id is None else {run_id} & self._watchers.keys()
        for watched_id in watched:
            for news in self._watchers[watched_id]:
                news.set()


def _pending(start: Row[Any]) -> RunDescription:
    return RunDescription(
        run_id=start.run_id,
        workflow=start.workflow,
        version=start.workflow_version,
        engine=start.engine_instance,
        parent_id=None,
        state=RunState.PENDING,
        progress={},
        output=None,
        failure=None,
        created_at=start.created_at,
        ended_at=None,
        settled_at=None,
    )
