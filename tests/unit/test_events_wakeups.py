"""News reaches this process at once and other hosts through the bus; a bus that fails only delays."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from computor_core.errors import ProviderUnavailableError
from computor_core.events.memory_bus import MemoryBus
from computor_core.events.wakeups import Wakeups
from computor_core.plugin_api.providers.bus import BusCapability, Subscribe, Wake


class SharedBus(MemoryBus):
    """A bus between hosts, played by one process; it can be away."""

    capabilities = frozenset({BusCapability.CROSS_PROCESS})

    def __init__(self) -> None:
        super().__init__()
        self.away = False
        self.subscribed = asyncio.Event()

    async def publish(self, wake: Wake) -> None:
        if self.away:
            raise ProviderUnavailableError("away")
        await super().publish(wake)

    @asynccontextmanager
    async def subscribe(self, request: Subscribe) -> AsyncIterator[AsyncIterator[Wake]]:
        if self.away:
            raise ProviderUnavailableError("away")
        async with super().subscribe(request) as wakes:
            self.subscribed.set()
            yield wakes


class Heard:
    """Keys that a listener was called with."""

    def __init__(self, wakeups: Wakeups, topic: str) -> None:
        self.keys: list[str] = []
        self._changed = asyncio.Event()
        wakeups.listen(topic, self._take)

    def _take(self, key: str) -> None:
        self.keys.append(key)
        self._changed.set()

    async def until(self, key: str) -> None:
        async with asyncio.timeout(10):
            while key not in self.keys:
                self._changed.clear()
                await self._changed.wait()


def test_listeners_of_this_process_are_called_at_once() -> None:
    wakeups = Wakeups(MemoryBus())
    heard, other = Heard(wakeups, "runs"), Heard(wakeups, "events")
    wakeups.notify("runs", "7")
    wakeups.committed({"events"})
    assert (heard.keys, other.keys) == (["7"], [""])


async def test_other_hosts_hear_through_the_bus_and_oneself_only_once() -> None:
    bus = SharedBus()
    here, there = Wakeups(bus), Wakeups(bus)
    heard_here, heard_there = Heard(here, "runs"), Heard(there, "runs")
    async with there.running():
        await bus.subscribed.wait()
        bus.subscribed.clear()
        async with here.running():
            await bus.subscribed.wait()
            here.notify("runs", "7")
            await heard_there.until("7")
            there.notify("runs", "8")
            await heard_here.until("8")
    assert heard_here.keys.count("7") == 1
    assert heard_there.keys.count("8") == 1


async def test_listening_begins_with_a_look_at_what_was_missed() -> None:
    bus = SharedBus()
    wakeups = Wakeups(bus)
    heard = Heard(wakeups, "runs")
    async with wakeups.running():
        await bus.subscribed.wait()
        await heard.until("")


async def test_a_bus_that_is_away_disturbs_nobody() -> None:
    bus = SharedBus()
    bus.away = True
    wakeups = Wakeups(bus)
    heard = Heard(wakeups, "runs")
    async with wakeups.running():
        for number in range(100):
            wakeups.notify("runs", str(number))
        await asyncio.sleep(0)
        assert heard.keys == [str(number) for number in range(100)]


async def test_who_subscribes_to_the_bus_hears_of_this_process_as_well() -> None:
    bus = MemoryBus()
    wakeups = Wakeups(bus)
    async with bus.subscribe(Subscribe(frozenset({"events"}))) as wakes, wakeups.running():
        wakeups.committed({"events"})
        async with asyncio.timeout(10):
            assert (await anext(wakes)).topic == "events"
