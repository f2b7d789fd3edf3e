"""Broken event buses; each names the test of :class:`BusConformance` that rejects it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import ClassVar

from computor_core.events.memory_bus import MemoryBus
from computor_core.plugin_api.providers.bus import Subscribe, Wake

__all__ = ["MUTANTS", "BusMutant"]


class BusMutant(MemoryBus):
    """Root of the mutants.

    Attributes:
        rejected_by: Name of the test that rejects it.
        only: Whether no other test may fail; a mistake at the heart breaks several.
    """

    rejected_by: ClassVar[str] = ""
    only: ClassVar[bool] = True


class WakesOne(BusMutant):
    """Hands a message to a single listener, as a work queue does."""

    rejected_by = "test_every_listener_hears"
    only = False

    async def publish(self, wake: Wake) -> None:
        listeners = self._listeners.get(wake.topic, set())
        while len(listeners) > 1:
            listeners.pop()
        await super().publish(wake)


class ComparesPrefixes(BusMutant):
    """Lets a listener hear every topic that begins with its own."""

    rejected_by = "test_other_topics_arent_heard"

    async def publish(self, wake: Wake) -> None:
        await super().publish(wake)
        for topic in [known for known in self._listeners if wake.topic.startswith(f"{known}.")]:
            await super().publish(replace(wake, topic=topic))


class DropsTheNewest(BusMutant):
    """Refuses what doesn't fit into a full backlog any more."""

    rejected_by = "test_the_newest_survives_a_full_backlog"

    async def publish(self, wake: Wake) -> None:
        full = {
            listener
            for listener in self._listeners.get(wake.topic, ())
            if listener._wakes.maxlen is not None and len(listener._wakes) == listener._wakes.maxlen
        }
        if full and len(full) == len(self._listeners[wake.topic]):
            return
        await super().publish(wake)


class WaitsForListeners(BusMutant):
    """Publishes only once there is room with every listener."""

    rejected_by = "test_a_slow_listener_holds_nobody_up"

    async def publish(self, wake: Wake) -> None:
        for listener in tuple(self._listeners.get(wake.topic, ())):
            if listener._wakes.maxlen == 1 and listener._wakes:
                await asyncio.Event().wait()
        await super().publish(wake)


class KeepsFive(BusMutant):
    """Has room for five messages whatever was asked for."""

    rejected_by = "test_a_backlog_holds_what_was_asked_for"

    @asynccontextmanager
    async def subscribe(self, request: Subscribe) -> AsyncIterator[AsyncIterator[Wake]]:
        async with super().subscribe(replace(request, backlog=min(request.backlog, 5))) as wakes:
            yield wakes


class KeepsSubscriptions(BusMutant):
    """Goes on gathering messages for who has left."""

    rejected_by = "test_a_subscription_ends_with_its_block"

    @asynccontextmanager
    async def subscribe(self, request: Subscribe) -> AsyncIterator[AsyncIterator[Wake]]:
        stack = AsyncExitStack()
        yield await stack.enter_async_context(super().subscribe(request))


class LosesOrigins(BusMutant):
    """Doesn't say who published a message."""

    rejected_by = "test_a_listener_hears_what_is_published"

    async def publish(self, wake: Wake) -> None:
        await super().publish(wake if len(wake.origin) > 100 else replace(wake, origin=""))


class AcceptsAnySubscription(BusMutant):
    """Listens to nothing without a word."""

    rejected_by = "test_malformed_subscriptions_are_refused"

    @asynccontextmanager
    async def subscribe(self, request: Subscribe) -> AsyncIterator[AsyncIterator[Wake]]:
        topics = request.topics or frozenset({"nothing"})
        async with super().subscribe(replace(request, topics=topics)) as wakes:
            yield wakes


MUTANTS: tuple[type[BusMutant], ...] = (
    WakesOne,
    ComparesPrefixes,
    DropsTheNewest,
    WaitsForListeners,
    KeepsFive,
    KeepsSubscriptions,
    LosesOrigins,
    AcceptsAnySubscription,
)
