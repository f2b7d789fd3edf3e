"""The composition root: one object that holds a deployment's parts, and their start and stop.

>>> from computor_core.app import Computor  # doctest: +SKIP
>>> async with Computor(load_settings()) as app:  # doctest: +SKIP
...     async with app.uow(principal) as work:
...         …
"""

from __future__ import annotations

import logging
import os
import secrets
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import anyio

from computor_core.clock import Clock, SystemClock
from computor_core.db.host_lock import host_lock
from computor_core.db.trouble import explained
from computor_core.db.unit_of_work import ReadUnit, UnitHooks, UnitOfWork, open_read, open_write
from computor_core.migrations.startup import require_migrated
from computor_core.plugin_api.providers.base import AppContext
from computor_core.plugin_api.providers.bus import EventBus
from computor_core.plugin_api.providers.cache import Cache
from computor_core.plugin_api.providers.engine import WorkflowEngine
from computor_core.plugins.bindings import require_referenced
from computor_core.plugins.doors import Doors, open_doors
from computor_core.plugins.opening import open_all, open_named
from computor_core.plugins.providers import Providers
from computor_core.security.keys import load_keys
from computor_core.settings.assembly import Assembly, assemble
from computor_core.settings.data_folder import prepare_data_folder, private_folder
from computor_core.settings.database import open_database, opened_database

if TYPE_CHECKING:
    from computor_core.access.engine import AccessEngine
    from computor_core.db.engine import Database
    from computor_core.entities.service import EntityServices
    from computor_core.events.dispatcher import EventDispatcher
    from computor_core.events.wakeups import Wakeups
    from computor_core.migrations.runner import AppliedRevision
    from computor_core.plugin_api.principal import Principal
    from computor_core.plugins.loader import PluginSet
    from computor_core.plugins.registries import Registries
    from computor_core.security.keys import Keys
    from computor_core.services.core import Services
    from computor_core.settings.composition import Instance
    from computor_core.settings.model import Settings
    from computor_core.workflows.runtime import WorkflowRuntime

_log = logging.getLogger(__name__)


class Computor:
    """A deployment of Computor, embeddable in any asyncio program.

    Entering it loads the plugins, opens database and providers and checks the schema; it starts
    nothing that runs by itself. :meth:`running` does that, in hosts.

    Args:
        settings: The settings.
        clock: Tells the time; the machine's clock unless given.

    Attributes:
        plugins: What came of loading the plugins.
        registries: What the plugins registered.
        keys: The deployment's keys.
        database: The database.
        providers: The open provider instances.
        access: Decides who may do what.
        entities: The service of each entity, by endpoint.
        workflows: Starts, describes and carries out workflows.
        events: Hands events to their handlers.
        bus, cache: The default instances of their seams.
        services: The business operations.
    """

    plugins: PluginSet
    registries: Registries
    keys: Keys
    database: Database
    providers: Providers
    access: AccessEngine
    entities: EntityServices
    workflows: WorkflowRuntime
    events: EventDispatcher
    wakeups: Wakeups
    bus: EventBus
    cache: Cache
    services: Services

    def __init__(self, settings: Settings, *, clock: Clock | None = None) -> None:
        self.settings = settings
        self.clock = clock or SystemClock()
        self._doors = Doors()
        self._stack: AsyncExitStack | None = None
        self._hooks: UnitHooks | None = None

    @staticmethod
    async def migrate(settings: Settings) -> Sequence[AppliedRevision]:
        """Bring a deployment's database to the installed code, as ``computor db upgrade`` does.

        Nothing migrates by itself: who embeds the application calls this when nobody else uses
        the database's tables.

        Args:
            settings: The settings.

        Returns:
            What was applied, in order; nothing when the database was up to date.

        Raises:
            ConfigurationError: Settings or plugins are wrong, or another host runs on the file.
            SchemaVersionError: The database is newer than the installed code.
        """
        from computor_core.migrations.runner import upgrade

        assembly = await anyio.to_thread.run_sync(assemble, settings)
        assembly.require_sound()
        async with opened_database(settings) as database:
            with host_lock(database):
                return await upgrade(database, assembly.plugins.registries)

    async def __aenter__(self) -> Self:
        """Start.

        Raises:
            ConfigurationError: Settings, plugins, keys or data folder are wrong.
            SchemaVersionError: The database isn't at the installed code's revision.
        """
        if self._stack is not None:
            raise RuntimeError("the application has been started before; build a new one")
        async with AsyncExitStack() as stack:
            await self._start(stack)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Close everything that was opened, in the reverse order."""
        await self.aclose()

    async def aclose(self) -> None:
        """Close everything that was opened; closing twice is fine."""
        if self._stack is not None:
            await self._stack.aclose()

    async def _start(self, stack: AsyncExitStack) -> None:
        assembly = await anyio.to_thread.run_sync(
            partial(assemble, self.settings, composed=True, clock=self.clock)
        )
        assembly.require_sound()
        for problem in assembly.plugins.problems:
            _log.warning('left out, as plugins.on_error = "degrade" allows: %s', problem.line())
        self._assembly = assembly
        self.plugins, self.registries = assembly.plugins, assembly.plugins.registries
        self.database = open_database(self.settings)
        stack.push_async_callback(self.database.aclose)
        await self._check_database(assembly)  # first: a start that is refused leaves no folders and keys
        prepare_data_folder(self.settings.data_dir)
        security = self.settings.security
        self.keys = load_keys(self.settings.data_dir, security.master_key_file, security.signing_key_file)
        await self._open_providers(stack, assembly)
        self._compose(assembly)

    async def _check_database(self, assembly: Assembly) -> None:
        """Refuse a schema or settings that the database's content doesn't fit."""
        with explained(self.database):
            await require_migrated(self.database, self.registries)
            async with self.database.reader.connect() as connection:
                await require_referenced(connection, assembly.configuration.names())

    async def _open_providers(self, stack: AsyncExitStack, assembly: Assembly) -> None:
        opened = await open_all(stack, assembly.configuration.instances, self._context_for)
        self.providers = Providers(opened, assembly.configuration.defaults)
        self.cache = self.providers.get(Cache, self.providers.default("cache"))
        self.bus = self.providers.get(EventBus, self.providers.default("bus"))

    def _compose(self, assembly: Assembly) -> None:
        """Build what stands on database, registries and providers, and let the parts know each other."""
        from computor_core.events.dispatcher import EventDispatcher, HandlerBinding
        from computor_core.events.wakeups import Wakeups
        from computor_core.services.core import Services
        from computor_core.workflows.runtime import WorkflowRuntime

        composition = assembly.composition
        if composition is None:
            raise RuntimeError("core can't be composed; require_sound has let it pass")
        self.access, self.entities = composition.access, composition.entities
        self.wakeups = Wakeups(self.bus)
        self.workflows = WorkflowRuntime(
            app=self._doors,
            registry=composition.workflows,
            engines={
                name: self.providers.get(WorkflowEngine, name) for name in self.providers.names("engine")
            },
            default_engine=self.providers.default("engine"),
            wakeups=self.wakeups,
        )
        self.events = EventDispatcher(
            units=self._doors,
            bindings=[
                HandlerBinding(item.plugin, item.registration, self.context(item.plugin))
                for item in self.registries.event_handlers.values()
            ],
            wakeups=self.wakeups,
            owner=f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}",
        )
        self._hooks = UnitHooks(
            intercept=self.events.intercept,
            committed=self.wakeups.committed,
            workflow=self.workflows.target,
        )
        self.services = Services(self)
        open_doors(self._doors, self.services)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Carry out background work while the block is open: engines, dispatchers, sweepers, agents.

        Raises:
            ConfigurationError: Another host runs on the same SQLite file, or a runner isolates
                less than the settings demand.
            PluginError: A plugin's lifespan can't be opened or closed.
        """
        from computor_core.services.background import background
        from computor_core.services.isolation import require_isolation

        async with AsyncExitStack() as stack:
            stack.enter_context(host_lock(self.database))
            await require_isolation(self.providers, self.settings.runner.minimum_isolation)
            await stack.enter_async_context(self.wakeups.running())
            for registered in self.registries.lifespan:
                label = f"lifespan of plugin {registered.plugin} ({registered.distribution})"
                target, context = registered.registration.target, self.context(registered.plugin)
                await open_named(stack, target, label, context)
            await stack.enter_async_context(self.events.running())
            await stack.enter_async_context(self.workflows.running())
            await stack.enter_async_context(background(self))
            yield

    def uow(
        self, principal: Principal, *, request_id: str = "", now: datetime | None = None
    ) -> AbstractAsyncContextManager[UnitOfWork]:
        """A write unit of work; commits when the block ends without an exception.

        Args:
            principal: Who acts.
            request_id: For logs and the audit trail.
            now: Start of the authenticated request; the clock's time unless given.
        """
        if self._hooks is None:
            raise RuntimeError("the application isn't started")
        return open_write(
            self.database, principal, self._hooks, now=now or self.clock.now(), request_id=request_id
        )

    def read(
        self, principal: Principal, *, request_id: str = "", now: datetime | None = None
    ) -> AbstractAsyncContextManager[ReadUnit]:
        """A read unit; the arguments are those of :meth:`uow`."""
        return open_read(self.database, principal, now=now or self.clock.now(), request_id=request_id)

    def context(self, plugin: str) -> AppContext:
        """What a plugin's routes, lifespans and event handlers are given."""
        return self._context(plugin, "", self.settings.data_dir / "plugins" / plugin)

    def _context_for(self, instance: Instance) -> AppContext:
        folder = self.settings.data_dir / instance.seam / instance.name
        return self._context(instance.provider.plugin, instance.name, folder)

    def _context(self, plugin: str, instance: str, folder: Path) -> AppContext:
        name = f"computor.plugins.{plugin}"
        return AppContext(
            instance=instance,
            plugin=plugin,
            data_dir=private_folder(folder),
            public_url=self.settings.public_url,
            clock=self.clock,
            log=logging.getLogger(f"{name}.{instance}" if instance else name),
            services=self._doors,
            settings=self._assembly.configuration.plugins.get(plugin),
        )
