"""Conformance suite for event buses.

An adopter's whole test module, with core's own bus where the adopter's stands::

    import pytest_asyncio
    from computor_core.events.memory_bus import MemoryBus
    from computor_core.testing.bus import BusConformance

    class TestMyBus(BusConformance):
        @pytest_asyncio.fixture
        async def provider(self):
            yield MemoryBus()
"""
# ruff: noqa: S101 - a suite asserts

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from computor_core.plugin_api.errors import ProviderInvalidError
from computor_core.plugin_api.providers.base import HealthState
from computor_core.plugin_api.providers.bus import (
    MAX_KEY_LENGTH,
    MAX_TOPIC_LENGTH,
    EventBus,
    Subscribe,
    Wake,
)

__all__ = ["BusConformance"]


class BusConformance:
    """Every promise of :class:`EventBus` as a test.

    Override ``provider`` with a fixture that yields an open bus. Topics are new in each test, so
    tests may share a server.

    Attributes:
        patience: Seconds after which what should have happened counts as missing.
    """

    pytestmark = pytest.mark.asyncio
    patience = 10.0

    @pytest.fixture
    def provider(self) -> EventBus:
        """The bus under test."""
        raise NotImplementedError("override the fixture 'provider' in your subclass")

    @pytest.fixture
    def topic(self) -> str:
        """A topic of this test's own."""
        return f"conformance.{uuid4()}"

    async def next(self, wakes: AsyncIterator[Wake]) -> Wake:
        """The next message."""
        async with asyncio.timeout(self.patience):
            return await anext(wakes)

    async def until(self, wakes: AsyncIterator[Wake], last: Wake) -> list[Wake]:
        """What arrives up to and with ``last``."""
        found: list[Wake] = []
        while not found or found[-1] != last:
            found.append(await self.next(wakes))
        return found

    async def test_a_listener_hears_what_is_published(self, provider: EventBus, topic: str) -> None:
        """Topic, key and origin arrive as they were sent."""
        sent = Wake(topic, "clé-1", "host-ü")
        async with provider.subscribe(Subscribe(frozenset({topic}))) as wakes:
            await provider.publish(sent)
            assert await self.next(wakes) == sent

    async def test_every_listener_hears(self, provider: EventBus, topic: str) -> None:
        """A message isn't used up by the first who takes it."""
        request = Subscribe(frozenset({topic}))
        async with provider.subscribe(request) as first, provider.subscribe(request) as second:
            await provider.publish(Wake(topic, "all"))
            assert [await self.next(first), await self.next(second)] == [Wake(topic, "all")] * 2

    async def test_other_topics_arent_heard(self, provider: EventBus, topic: str) -> None:
        """Names are compared whole: a prefix isn't the topic."""
        async with provider.subscribe(Subscribe(frozenset({topic}))) as wakes:
            for other in (f"{topic}.more", topic[:-1], f"x{topic}"):
                await provider.publish(Wake(other, "not for you"))
            await provider.publish(Wake(topic, "last"))
            assert await self.until(wakes, Wake(topic, "last")) == [Wake(topic, "last")]

    async def test_one_subscription_may_name_several_topics(self, provider: EventBus, topic: str) -> None:
        """All of them arrive on the one iterator."""
        topics = frozenset({f"{topic}.a", f"{topic}.b"})
        async with provider.subscribe(Subscribe(topics)) as wakes:
            for name in sorted(topics):
                await provider.publish(Wake(name))
            assert {(await self.next(wakes)).topic for _ in topics} == topics

    async def test_publishing_to_nobody_is_fine(self, provider: EventBus, topic: str) -> None:
        """Before the first listener and after the last."""
        await provider.publish(Wake(topic))
        async with provider.subscribe(Subscribe(frozenset({topic}))):
            pass
        await provider.publish(Wake(topic))

    async def test_a_slow_listener_holds_nobody_up(self, provider: EventBus, topic: str) -> None:
        """Publishing never waits for a listener, and another one hears all the same."""
        async with (
            provider.subscribe(Subscribe(frozenset({topic}), backlog=1)),
            provider.subscribe(Subscribe(frozenset({topic}))) as awake,
        ):
            async with asyncio.timeout(self.patience):
                for number in range(200):
                    await provider.publish(Wake(topic, str(number)))
            assert Wake(topic, "199") in await self.until(awake, Wake(topic, "199"))

    async def test_the_newest_survives_a_full_backlog(self, provider: EventBus, topic: str) -> None:
        """What is dropped for a slow listener is the oldest: the latest news counts."""
        async with provider.subscribe(Subscribe(frozenset({topic}), backlog=3)) as wakes:
            for number in range(50):
                await provider.publish(Wake(topic, str(number)))
            assert (await self.until(wakes, Wake(topic, "49")))[-1] == Wake(topic, "49")

    async def test_a_backlog_holds_what_was_asked_for(self, provider: EventBus, topic: str) -> None:
        """A listener that is away for a hundred messages and asked for as many gets them all."""
        sent = [Wake(topic, str(number)) for number in range(100)]
        async with provider.subscribe(Subscribe(frozenset({topic}), backlog=100)) as wakes:
            for wake in sent:
                await provider.publish(wake)
            assert {await self.next(wakes) for _ in sent} == set(sent)

    async def test_a_subscription_ends_with_its_block(self, provider: EventBus, topic: str) -> None:
        """Nothing is kept for who has left: neither what was waiting nor what comes later."""
        async with provider.subscribe(Subscribe(frozenset({topic}))) as wakes:
            await provider.publish(Wake(topic, "before"))
            assert await self.next(wakes) == Wake(topic, "before")
            await provider.publish(Wake(topic, "unheard"))
        await provider.publish(Wake(topic, "after"))
        with pytest.raises(StopAsyncIteration):
            await self.next(wakes)

    async def test_a_listener_that_gives_up_disturbs_no_other(self, provider: EventBus, topic: str) -> None:
        """A cancelled one leaves; the others go on hearing."""
        request = Subscribe(frozenset({topic}))
        listening = asyncio.Event()

        async def listen() -> None:
            async with provider.subscribe(request) as wakes:
                listening.set()
                async for _ in wakes:
                    pass

        async with provider.subscribe(request) as staying:
            leaving = asyncio.create_task(listen())
            await listening.wait()
            leaving.cancel()
            await asyncio.wait([leaving])
            await provider.publish(Wake(topic, "still here"))
            assert await self.next(staying) == Wake(topic, "still here")

    async def test_malformed_messages_are_refused(self, provider: EventBus, topic: str) -> None:
        """An empty or overlong topic, an overlong key or origin."""
        malformed = (
            Wake(""),
            Wake("x" * (MAX_TOPIC_LENGTH + 1)),
            Wake(topic, "x" * (MAX_KEY_LENGTH + 1)),
            Wake(topic, "", "x" * (MAX_KEY_LENGTH + 1)),
        )
        for wake in malformed:
            with pytest.raises(ProviderInvalidError):
                await provider.publish(wake)

    async def test_malformed_subscriptions_are_refused(self, provider: EventBus, topic: str) -> None:
        """No topic, an empty or overlong one, or no room for a single message."""
        malformed = (
            Subscribe(frozenset()),
            Subscribe(frozenset({""})),
            Subscribe(frozenset({"x" * (MAX_TOPIC_LENGTH + 1)})),
            Subscribe(frozenset({topic}), backlog=0),
        )
        for request in malformed:
            with pytest.raises(ProviderInvalidError):
                async with provider.subscribe(request):
                    pass

    async def test_health_says_how_it_is(self, provider: EventBus) -> None:
        """A bus that works is healthy."""
        assert (await provider.health()).state is HealthState.OK
