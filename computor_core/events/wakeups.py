"""Wake-ups: news reaches this process's loops at once, and other hosts through the bus.

A wake-up carries no truth. Whoever is woken looks at the database, and does so unasked as well,
so a bus that is away, slow or forgetful only delays.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import timedelta

from computor_core.errors import ComputorError
from computor_core.plugin_api.providers.bus import BusCapability, EventBus, Subscribe, Wake
from computor_core.workflows.loops import Loop, running

__all__ = ["Wakeups"]

_log = logging.getLogger("computor.events")

_MOST_UNSENT = 10_000
_SEND_AGAIN = timedelta(seconds=1)


class Wakeups:
    """Tells of news and hears of it.

    Args:
        bus: Reaches the other hosts, where it can.
    """

    def __init__(self, bus: EventBus) -> None:
        self._bus = bus
        self._listeners: dict[str, list[Callable[[str], None]]] = {}
        self._origin = secrets.token_hex(8)
        self._unsent: dict[Wake, None] = {}
        self._sending = Loop("wake-ups", self._send, timedelta(minutes=1))
        self._is_running = False

    def listen(self, topic: str, callback: Callable[[str], None]) -> None:
        """Have ``callback`` called with the key of every wake-up of a topic; it mustn't block.

        Listeners are registered before :meth:`running`.
        """
        self._listeners.setdefault(topic, []).append(callback)

    def notify(self, topic: str, key: str = "") -> None:
        """Tell of news: this process at once, other hosts soon."""
        self._call(topic, key)
        if self._is_running and len(self._unsent) < _MOST_UNSENT:
            self._unsent[Wake(topic, key, self._origin)] = None
            self._sending.wake()

    def committed(self, topics: Iterable[str]) -> None:
        """Tell of what a unit of work committed; the ``committed`` of its hooks."""
        for topic in topics:
            self.notify(topic)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Exchange wake-ups with other hosts while the block is open."""
        loops = [self._sending]
        if BusCapability.CROSS_PROCESS in self._bus.capabilities and self._listeners:
            loops.append(Loop("wake-up listener", self._hear, _SEND_AGAIN))
        self._is_running = True
        try:
            async with running(loops):
                yield
        finally:
            self._is_running = False
            self._unsent.clear()

    async def _send(self) -> timedelta | None:
        while self._unsent:
            wake = next(iter(self._unsent))
            try:
                await self._bus.publish(wake)
            except ComputorError as error:
                _log.warning("the event bus is away, other hosts look by themselves: %s", error)
                self._unsent.clear()
                return _SEND_AGAIN
            self._unsent.pop(wake, None)
        return None

    async def _hear(self) -> timedelta | None:
        async with self._bus.subscribe(Subscribe(frozenset(self._listeners))) as wakes:
            # Whatever was missed while nobody listened.
            for topic in self._listeners:
                self._call(topic, "")
            async for wake in wakes:
                if wake.origin != self._origin:
                    self._call(wake.topic, wake.key)
        return None

    def _call(self, topic: str, key: str) -> None:
        for callback in self._listeners.get(topic, ()):
            callback(key)
