"""A small application around an engine under test: a database, units of work, the sample workflows."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from sqlalchemy import select, update

from computor_core.clock import SystemClock
from computor_core.db.engine import Database
from computor_core.db.unit_of_work import (
    ReadUnit,
    UnitHooks,
    UnitOfWork,
    WorkflowTarget,
    open_read,
    open_write,
)
from computor_core.errors import AuthenticationError
from computor_core.events.memory_bus import MemoryBus
from computor_core.events.wakeups import Wakeups
from computor_core.model import Base, Outbox, WorkflowRun, WorkflowWait
from computor_core.plugin_api.principal import Principal
from computor_core.plugin_api.providers.base import AppContext, Provider
from computor_core.plugin_api.registrations import StepRegistration, WorkflowRegistration
from computor_core.workflows.registry import WorkflowRegistry
from computor_core.workflows.runtime import RuntimeSettings, WorkflowRuntime
from computor_core.workflows.samples import steps as samples
from computor_core.workflows.samples.ledger import Ledger

if TYPE_CHECKING:
    from computor_core.plugin_api.events import Event
    from computor_core.plugin_api.providers.bus import EventBus
    from computor_core.plugin_api.providers.engine import WorkflowEngine
    from computor_core.plugin_api.providers.git import PushReceiver

P = TypeVar("P", bound=Provider)

__all__ = ["TESTER", "EngineHostApp", "create_tables"]

TESTER = Principal.system("conformance")

QUICK = RuntimeSettings(poll=timedelta(milliseconds=200), check_every=timedelta(milliseconds=500))


class EngineHostApp:
    """Stands for an application: lends units of work and lets workflows run.

    Args:
        database: An open database with the tables of :func:`create_tables`.
        folder: A folder for the engine.
        ledger: Where the sample steps write.
        bus: The event bus.

    Attributes:
        intercept: Called in the transaction with each event.
    """

    def __init__(
        self, database: Database, folder: Path, ledger: Ledger | None = None, bus: EventBus | None = None
    ) -> None:
        self.database = database
        self.ledger = ledger or Ledger()
        self.clock = SystemClock()
        self.wakeups = Wakeups(bus or MemoryBus())
        self.intercept: Callable[[Event, UnitOfWork], Awaitable[None]] = _let_pass
        self._folder = folder
        self._runtime: WorkflowRuntime | None = None

    @property
    def pushes(self) -> PushReceiver:
        """There is no git here."""
        raise RuntimeError("an engine's steps have no business with pushes here")

    def provider(self, contract: type[P], instance: str | None = None) -> P:
        """The sample steps need no provider."""
        raise RuntimeError("there are no providers here")

    async def authenticate(self, token: str) -> Principal:
        """There is nobody to sign in."""
        raise AuthenticationError("nobody can sign in here")

    def context(self, instance: str = "default") -> AppContext:
        """What the engine's factory is given."""
        return AppContext(
            instance=instance,
            plugin="conformance",
            data_dir=self._folder,
            public_url="",
            clock=self.clock,
            log=logging.getLogger("computor.conformance"),
            services=self,
        )

    def uow(self, principal: Principal) -> AbstractAsyncContextManager[UnitOfWork]:
        """A write unit of work."""

        def target(workflow: str) -> WorkflowTarget:
            if self._runtime is None:
                raise RuntimeError("build a runtime before starting workflows")
            return self._runtime.target(workflow)

        hooks = UnitHooks(self.intercept, self.wakeups.committed, target)
        return open_write(self.database, principal, hooks, now=self.clock.now(), request_id="")

    def read(self, principal: Principal) -> AbstractAsyncContextManager[ReadUnit]:
        """A read unit."""
        return open_read(self.database, principal, now=self.clock.now(), request_id="")

    def runtime(
        self,
        engine: WorkflowEngine,
        workflows: Iterable[WorkflowRegistration] | None = None,
        steps: Iterable[StepRegistration] | None = None,
        settings: RuntimeSettings = QUICK,
    ) -> WorkflowRuntime:
        """A runtime with the engine as its only instance, and the sample workflows unless given."""
        registry = WorkflowRegistry(
            samples.workflows() if workflows is None else workflows,
            samples.steps() if steps is None else steps,
        )
        self._runtime = WorkflowRuntime(
            app=self,
            registry=registry,
            engines={"default": engine},
            default_engine="default",
            wakeups=self.wakeups,
            settings=settings,
        )
        return self._runtime

    @asynccontextmanager
    async def running(self, runtime: WorkflowRuntime) -> AsyncIterator[WorkflowRuntime]:
        """Let a runtime's workflows run while the block is open."""
        async with self.wakeups.running(), runtime.running():
            yield runtime

    async def start(self, workflow: str, payload: Mapping[str, Any]) -> UUID:
        """Start a workflow as a service does: in a unit of work."""
        async with self.uow(TESTER) as work:
            return work.start_workflow(workflow, payload)

    async def start_version(self, workflow: str, version: int, payload: Mapping[str, Any]) -> UUID:
        """Start an older version, as an installation did that had no newer one."""
        async with self.uow(TESTER) as work:
            run_id = work.start_workflow(workflow, payload)
            await work.session.flush()
            await work.connection.execute(
                update(Outbox).where(Outbox.run_id == run_id).values(workflow_version=version)
            )
            return run_id

    async def children(self, run_id: UUID) -> list[UUID]:
        """The runs that a run has started as its children."""
        async with self.read(TESTER) as reading:
            found = select(WorkflowRun.id).where(WorkflowRun.parent_id == run_id)
            return list((await reading.connection.execute(found)).scalars())

    async def waits(self, run_id: UUID) -> bool:
        """Whether a run has come to wait for an event."""
        async with self.read(TESTER) as reading:
            found = select(WorkflowWait.position).where(WorkflowWait.run_id == run_id)
            return (await reading.connection.execute(found)).first() is not None

    async def signal(self, name: str, key: str, payload: Mapping[str, Any]) -> None:
        """Send an event as a service does: in a unit of work."""
        async with self.uow(TESTER) as work:
            work.signal(name, key, payload)


async def _let_pass(event: Event, work: UnitOfWork) -> None:
    """Refuse nothing."""


async def create_tables(database: Database) -> None:
    """Create the tables that durable work needs in an empty database."""
    names = """outbox event_log event_cursor event_skip workflow_run workflow_step workflow_wait
    workflow_signal lease audit_event audit_value"""
    tables = [Base.metadata.tables[name] for name in names.split()]
    async with database.writer.begin() as connection:
        await connection.run_sync(lambda sync: Base.metadata.create_all(sync, tables=tables))
