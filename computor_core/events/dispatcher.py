"""Event handlers: interceptors in the transaction, ordered observers after the commit.

Interceptors fail closed: what one of them raises undoes the whole unit of work. Observers fail
open: each has a cursor of its own, gets its events in the order of ``seq``, is tried a bounded
number of times, and then the event is skipped on record; none disturbs another.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import insert, select, update

from computor_core.db.inserts import insert_unless_there
from computor_core.errors import ComputorError, PluginError
from computor_core.events.log import StoredEvent, last_seq, read_events
from computor_core.failpoints import failpoint
from computor_core.model.work import EventCursor, EventSkip
from computor_core.plugin_api.registrations import HandlerTiming
from computor_core.plugin_api.workflows import Retry
from computor_core.targets import load_target
from computor_core.workflows.database_time import database_time
from computor_core.workflows.failures import failure_of
from computor_core.workflows.leases import LeaderLease, LeaseLostError, release_all
from computor_core.workflows.loops import Loop, running
from computor_core.workflows.sequencer import Sequencer
from computor_core.workflows.units import SYSTEM, Units

if TYPE_CHECKING:
    from sqlalchemy import Table

    from computor_core.db.unit_of_work import UnitOfWork
    from computor_core.events.wakeups import Wakeups
    from computor_core.plugin_api.events import Event
    from computor_core.plugin_api.providers.base import AppContext
    from computor_core.plugin_api.registrations import EventHandlerRegistration

__all__ = ["DispatcherSettings", "EventDispatcher", "HandlerBinding"]

_log = logging.getLogger("computor.events")
_cursor: Table = EventCursor.__table__  # type: ignore[assignment]

_BATCH = 100
_MAX_ERROR = 2000


@dataclass(frozen=True, slots=True)
class HandlerBinding:
    """A registered handler with what it is called with.

    Attributes:
        plugin: Name of the plugin, for logs.
        registration: What the plugin registered.
        context: What an observer gets beside its event.
    """

    plugin: str
    registration: EventHandlerRegistration
    context: AppContext


@dataclass(frozen=True, slots=True)
class DispatcherSettings:
    """How the dispatcher works.

    Attributes:
        poll: How often the loops look unasked.
        lease: How long a leader lasts that is silent; more than twice ``timeout``.
        timeout: Longest time an observer may take for one event.
        retry: How often a failing observer is tried before the event is skipped.
    """

    poll: timedelta = timedelta(seconds=1)
    lease: timedelta = timedelta(seconds=70)
    timeout: timedelta = timedelta(seconds=30)
    retry: Retry = field(default_factory=Retry)


class EventDispatcher:
    """Calls handlers; reached as ``app.events``.

    Args:
        units: Where events and cursors are.
        bindings: All registered handlers, in the order in which interceptors are to run.
        wakeups: Where news is told and heard.
        owner: Unique to this process.
        settings: How it works.

    Raises:
        PluginError: Two observers have the same name.
    """

    def __init__(
        self,
        *,
        units: Units,
        bindings: Sequence[HandlerBinding],
        wakeups: Wakeups,
        owner: str,
        settings: DispatcherSettings | None = None,
    ) -> None:
        self._units = units
        self._settings = settings or DispatcherSettings()
        self._interceptors: dict[str, list[HandlerBinding]] = {}
        self._handlers: dict[str, Callable[..., Awaitable[None]]] = {}
        self._sequencing = LeaderLease(units, "sequencer", owner, self._settings.lease)
        self._leading = LeaderLease(units, "event-handlers", owner, self._settings.lease)
        sequencer = Sequencer(units, self._sequencing, lambda: wakeups.notify("sequenced"))
        self._stamping = Loop("sequencer", sequencer.stamp, self._settings.poll)
        self._observing: list[Loop] = []
        self._observers: dict[str, HandlerBinding] = {}
        for binding in bindings:
            registration = binding.registration
            if registration.timing is HandlerTiming.IN_TRANSACTION:
                self._interceptors.setdefault(registration.event, []).append(binding)
                continue
            other = self._observers.get(registration.name)
            if other is not None:
                raise PluginError(
                    f"the event handler {registration.name!r} is registered twice, "
                    f"by {other.plugin} and by {binding.plugin}"
                )
            self._observers[registration.name] = binding
            self._observing.append(self._observer(binding))
        wakeups.listen("events", lambda _: self._stamping.wake())
        wakeups.listen("sequenced", lambda _: self._wake_observers())

    async def intercept(self, event: Event, work: UnitOfWork) -> None:
        """Run the interceptors of an event in its transaction, in order.

        Raises:
            ComputorError: What an interceptor raised to refuse.
            PluginError: An interceptor broke.
        """
        for binding in self._interceptors.get(event.name, ()):
            registration = binding.registration
            try:
                await self._load(registration.target)(event, work)
            except ComputorError:
                raise
            # A handler that calls sys.exit() is broken; let through, it would end the host.
            except (Exception, SystemExit, KeyboardInterrupt) as error:
                _log.exception("event handler %s of %s broke", registration.name, binding.plugin)
                raise PluginError(
                    f"an event handler of the plugin {binding.plugin} failed; nothing was changed",
                    details={"plugin": binding.plugin, "handler": registration.name},
                ) from error

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Number events and call observers while the block is open.

        Raises:
            PluginError: A handler can't be loaded; all such are listed.
        """
        self._load_all()
        async with self._units.read(SYSTEM) as reading:
            alone = reading.is_sqlite
        if alone:
            # An SQLite file has one host: who held a lease is this host's dead predecessor.
            await release_all(self._units)
        await self._begin_observers()
        async with AsyncExitStack() as stack:
            # Left last: another host may lead as soon as this one's loops have ended.
            stack.push_async_callback(self._sequencing.release)
            stack.push_async_callback(self._leading.release)
            await stack.enter_async_context(running([self._stamping, *self._observing]))
            yield

    def _wake_observers(self) -> None:
        for loop in self._observing:
            loop.wake()

    def _load_all(self) -> None:
        problems: list[str] = []
        for binding in (*self._observers.values(), *itertools.chain(*self._interceptors.values())):
            try:
                self._load(binding.registration.target)
            except (ImportError, AttributeError, ValueError) as error:
                problems.append(f"{binding.registration.name} of {binding.plugin}: {error}")
        if problems:
            raise PluginError(
                "event handlers can't be loaded: " + "; ".join(problems), details={"problems": problems}
            )

    def _load(self, target: str) -> Callable[..., Awaitable[None]]:
        handler = self._handlers.get(target)
        if handler is None:
            handler = self._handlers[target] = cast("Callable[..., Awaitable[None]]", load_target(target))
        return handler

    # --- observers ------------------------------------------------------------------------

    def _observer(self, binding: HandlerBinding) -> Loop:
        async def run_pass() -> timedelta | None:
            try:
                return await self._observe(binding)
            except LeaseLostError:
                return None

        return Loop(f"event handler {binding.registration.name}", run_pass, self._settings.poll)

    async def _observe(self, binding: HandlerBinding) -> timedelta | None:
        """Hand an observer the events after its cursor."""
        if not await self._leading.ensure(self._settings.lease / 2):
            return None
        name = binding.registration.name
        async with self._units.read(SYSTEM) as reading:
            found = select(_cursor, database_time().label("now")).where(_cursor.c.consumer == name)
            cursor = (await reading.connection.execute(found)).one()
            head = await last_seq(reading.connection)
            events = await read_events(
                reading.connection, after=cursor.seq, limit=_BATCH, names=[binding.registration.event]
            )
        if cursor.retry_at is not None and cursor.retry_at > cursor.now:
            return cursor.retry_at - cursor.now  # type: ignore[no-any-return]
        at, attempts = cursor.seq, cursor.attempts
        for event in events:
            if not await self._leading.ensure(self._settings.lease / 2):
                return None
            if not await self._handle(binding, event, at, attempts + 1):
                return timedelta(0)
            at, attempts = event.seq, 0
        if not events and head - at >= _BATCH:
            await self._advance(name, at, head)
        return timedelta(0) if len(events) == _BATCH else None

    async def _handle(self, binding: HandlerBinding, event: StoredEvent, at: int, attempt: int) -> bool:
        """Hand over one event; False when it is to be tried again."""
        name, retry = binding.registration.name, self._settings.retry
        failpoint("handler.before")
        try:
            typed = event.load()
            if typed is None:
                raise PluginError(f"no installed code declares the event {event.name}")
            async with asyncio.timeout(self._settings.timeout.total_seconds()):
                await self._load(binding.registration.target)(typed, binding.context)
        # An observer fails open: logged, tried again, skipped on record; sys.exit() included.
        except (Exception, SystemExit, KeyboardInterrupt) as error:  # noqa: BLE001 - see above
            _log.exception(
                "event handler %s of the plugin %s failed on event %d, attempt %d of %d",
                name,
                binding.plugin,
                event.seq,
                attempt,
                retry.attempts,
            )
            if attempt < retry.attempts:
                await self._try_again(name, at, attempt, retry.delay(attempt))
                return False
            await self._advance(name, at, event.seq, binding.plugin, error)
            return True
        failpoint("handler.handled")
        await self._advance(name, at, event.seq)
        failpoint("handler.recorded")
        return True

    async def _begin_observers(self) -> None:
        """A new observer hears what is numbered from now on."""
        if not self._observers:
            return
        async with self._units.uow(SYSTEM) as work:
            head = await last_seq(work.connection)
            rows = [{"consumer": name, "seq": head} for name in self._observers]
            await work.connection.execute(insert_unless_there(_cursor, rows, is_sqlite=work.is_sqlite))

    async def _try_again(self, name: str, at: int, attempts: int, wait: timedelta) -> None:
        await self._move(name, at, {"attempts": attempts, "retry_at": database_time(wait)})

    async def _advance(
        self, name: str, at: int, seq: int, plugin: str = "", error: BaseException | None = None
    ) -> None:
        skip = None
        if error is not None:
            failure = failure_of(error, "handler_unexpected")
            text = f"{failure.code}: {failure.message}"[:_MAX_ERROR]
            skip = {"consumer": name, "seq": seq, "plugin": plugin, "error": text}
        await self._move(name, at, {"seq": seq, "attempts": 0, "retry_at": None}, skip)

    async def _move(
        self, name: str, at: int, values: dict[str, Any], skip: dict[str, Any] | None = None
    ) -> None:
        async with self._units.uow(SYSTEM) as work:
            await self._leading.hold(work)
            moved = await work.connection.execute(
                update(_cursor).where(_cursor.c.consumer == name, _cursor.c.seq == at).values(**values)
            )
            if moved.rowcount != 1:
                raise LeaseLostError(f"another host has moved the cursor of {name}")
            if skip is not None:
                await work.connection.execute(insert(EventSkip).values(**skip, skipped_at=database_time()))
