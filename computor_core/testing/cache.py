"""Conformance suite for caches.

An adopter's whole test module, with core's own cache where the adopter's stands::

    import pytest_asyncio
    from computor_core.cache.memory import MemoryCache
    from computor_core.testing.cache import CacheConformance

    class TestMyCache(CacheConformance):
        @pytest_asyncio.fixture
        async def provider(self):
            yield MemoryCache()
"""
# ruff: noqa: S101 - a suite asserts

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from uuid import uuid4

import pytest

from computor_core.plugin_api.errors import ProviderInvalidError
from computor_core.plugin_api.providers.base import HealthState
from computor_core.plugin_api.providers.cache import (
    MAX_KEY_LENGTH,
    Cache,
    ComputeEntry,
    Increment,
    SetEntry,
)

__all__ = ["CacheConformance"]

_LONG = timedelta(minutes=10)
_SHORT = timedelta(milliseconds=80)


async def _eventually(condition: Callable[[], Awaitable[bool]], limit: float) -> None:
    """Look at a real condition until it holds; fail after ``limit`` seconds."""
    async with asyncio.timeout(limit):
        while not await condition():  # noqa: ASYNC110 - what is looked at may be in another process
            await asyncio.sleep(0.01)


class CacheConformance:
    """Every promise of :class:`Cache` as a test.

    Override ``provider`` with a fixture that yields an open cache. Keys are new in each test, so
    tests may share a server.

    Attributes:
        patience: Seconds after which what should have happened counts as missing.
    """

    pytestmark = pytest.mark.asyncio
    patience = 10.0

    @pytest.fixture
    def provider(self) -> Cache:
        """The cache under test."""
        raise NotImplementedError("override the fixture 'provider' in your subclass")

    @pytest.fixture
    def key(self) -> str:
        """A key of this test's own."""
        return f"conformance.{uuid4()}"

    # --- entries ----------------------------------------------------------------------------

    async def test_what_is_set_can_be_got(self, provider: Cache, key: str) -> None:
        """Every byte comes back; what was never set isn't there."""
        value = bytes(range(256)) * 40
        await provider.set(SetEntry(key, value, _LONG))
        assert await provider.get(key) == value
        assert await provider.get(f"{key}.other") is None

    async def test_an_empty_value_is_a_value(self, provider: Cache, key: str) -> None:
        """No bytes are something else than no entry."""
        await provider.set(SetEntry(key, b"", _LONG))
        assert await provider.get(key) == b""

    async def test_set_replaces(self, provider: Cache, key: str) -> None:
        """The later value stands."""
        await provider.set(SetEntry(key, b"old", _LONG))
        await provider.set(SetEntry(key, b"new", _LONG))
        assert await provider.get(key) == b"new"

    async def test_delete_says_whether_there_was_something(self, provider: Cache, key: str) -> None:
        """True once, then False."""
        await provider.set(SetEntry(key, b"x", _LONG))
        assert [await provider.delete(key), await provider.delete(key)] == [True, False]
        assert await provider.get(key) is None

    async def test_an_entry_ends_with_its_time(self, provider: Cache, key: str) -> None:
        """It goes by itself; one with more time stays."""
        await provider.set(SetEntry(key, b"short", _SHORT))
        await provider.set(SetEntry(f"{key}.long", b"long", _LONG))

        async def gone() -> bool:
            return await provider.get(key) is None

        await _eventually(gone, self.patience)
        assert await provider.get(f"{key}.long") == b"long"

    # --- tags -------------------------------------------------------------------------------

    async def test_a_tag_ends_its_entries_and_no_others(self, provider: Cache, key: str) -> None:
        """Any one of an entry's tags is enough."""
        both = frozenset({f"{key}.a", f"{key}.b"})
        await provider.set(SetEntry(f"{key}.1", b"1", _LONG, frozenset({f"{key}.a"})))
        await provider.set(SetEntry(f"{key}.2", b"2", _LONG, both))
        await provider.set(SetEntry(f"{key}.3", b"3", _LONG))
        await provider.invalidate(f"{key}.b")
        assert await provider.get(f"{key}.1") == b"1"
        assert await provider.get(f"{key}.2") is None
        assert await provider.get(f"{key}.3") == b"3"

    async def test_what_is_set_after_an_invalidation_lives(self, provider: Cache, key: str) -> None:
        """Invalidating isn't for ever, and can be repeated."""
        tags = frozenset({f"{key}.tag"})
        for value in (b"first", b"second"):
            await provider.invalidate(f"{key}.tag")
            await provider.set(SetEntry(key, value, _LONG, tags))
            assert await provider.get(key) == value

    async def test_a_replaced_entry_leaves_its_tags(self, provider: Cache, key: str) -> None:
        """What stands now goes by its own tags alone."""
        old, new = f"{key}.old", f"{key}.new"
        await provider.set(SetEntry(key, b"old", _LONG, frozenset({old})))
        await provider.set(SetEntry(key, b"new", _LONG, frozenset({new})))
        await provider.invalidate(old)
        assert await provider.get(key) == b"new"
        await provider.invalidate(new)
        assert await provider.get(key) is None

    # --- computing --------------------------------------------------------------------------

    async def test_what_was_computed_is_served(self, provider: Cache, key: str) -> None:
        """The second caller doesn't compute."""
        calls = 0

        async def compute() -> bytes:
            nonlocal calls
            calls += 1
            return b"value"

        request = ComputeEntry(key, _LONG)
        values = [await provider.get_or_compute(request, compute) for _ in range(3)]
        assert (values, calls) == ([b"value"] * 3, 1)
        assert await provider.get(key) == b"value"

    async def test_what_was_computed_ends_with_its_time(self, provider: Cache, key: str) -> None:
        """It is computed again; one with more time is served on."""
        calls: list[str] = []

        def computing(name: str) -> Callable[[], Awaitable[bytes]]:
            async def compute() -> bytes:
                calls.append(name)
                return name.encode()

            return compute

        async def computed_again() -> bool:
            await provider.get_or_compute(ComputeEntry(key, _SHORT), computing("short"))
            return calls.count("short") > 1

        long = ComputeEntry(f"{key}.long", _LONG)
        await provider.get_or_compute(long, computing("long"))
        await _eventually(computed_again, self.patience)
        assert await provider.get_or_compute(long, computing("long")) == b"long"
        assert calls.count("long") == 1

    async def test_many_callers_compute_once(self, provider: Cache, key: str) -> None:
        """A hundred at a time: one computes, all get its value."""
        calls = 0
        may_end = asyncio.Event()

        async def compute() -> bytes:
            nonlocal calls
            calls += 1
            await may_end.wait()
            return b"value"

        request = ComputeEntry(key, _LONG)
        callers = [asyncio.create_task(provider.get_or_compute(request, compute)) for _ in range(100)]

        async def under_way() -> bool:
            return calls > 0

        await _eventually(under_way, self.patience)
        may_end.set()
        async with asyncio.timeout(self.patience):
            values = await asyncio.gather(*callers)
        assert (set(values), calls) == ({b"value"}, 1)

    async def test_different_keys_dont_wait_for_each_other(self, provider: Cache, key: str) -> None:
        """A slow computation holds up nobody who asks for something else."""
        computing, may_end = asyncio.Event(), asyncio.Event()

        async def slow() -> bytes:
            computing.set()
            await may_end.wait()
            return b"slow"

        async def quick() -> bytes:
            return b"quick"

        first = asyncio.create_task(provider.get_or_compute(ComputeEntry(key, _LONG), slow))
        await computing.wait()
        async with asyncio.timeout(self.patience):
            other = await provider.get_or_compute(ComputeEntry(f"{key}.other", _LONG), quick)
        may_end.set()
        assert [other, await first] == [b"quick", b"slow"]

    async def test_a_failed_computation_isnt_stored(self, provider: Cache, key: str) -> None:
        """Its caller gets the failure; the next caller computes."""

        async def fail() -> bytes:
            raise LookupError("nothing there")

        async def succeed() -> bytes:
            return b"value"

        request = ComputeEntry(key, _LONG)
        with pytest.raises(LookupError):
            await provider.get_or_compute(request, fail)
        assert await provider.get(key) is None
        assert await provider.get_or_compute(request, succeed) == b"value"

    async def test_a_caller_that_leaves_takes_no_other_along(self, provider: Cache, key: str) -> None:
        """When the one that computes is cancelled, another computes."""
        computing = asyncio.Event()

        async def never() -> bytes:
            computing.set()
            await asyncio.Event().wait()
            return b"never"

        async def value() -> bytes:
            return b"value"

        request = ComputeEntry(key, _LONG)
        leaving = asyncio.create_task(provider.get_or_compute(request, never))
        await computing.wait()
        staying = asyncio.create_task(provider.get_or_compute(request, value))
        await asyncio.sleep(0)
        leaving.cancel()
        async with asyncio.timeout(self.patience):
            assert await staying == b"value"
        await asyncio.wait([leaving])
        assert leaving.cancelled()

    async def test_what_was_invalidated_meanwhile_isnt_served_again(self, provider: Cache, key: str) -> None:
        """A value computed from old data goes to its caller and to nobody else."""
        tag = f"{key}.tag"

        async def compute() -> bytes:
            await provider.invalidate(tag)
            return b"from old data"

        request = ComputeEntry(key, _LONG, frozenset({tag}))
        assert await provider.get_or_compute(request, compute) == b"from old data"
        assert await provider.get(key) is None

    # --- counting ---------------------------------------------------------------------------

    async def test_increments_add_up(self, provider: Cache, key: str) -> None:
        """Each key counts for itself."""
        values = [(await provider.increment(Increment(key, _LONG, amount))).value for amount in (1, 1, 5)]
        other = await provider.increment(Increment(f"{key}.other", _LONG))
        assert (values, other.value) == ([1, 2, 7], 1)

    async def test_concurrent_increments_are_all_counted(self, provider: Cache, key: str) -> None:
        """None is lost and no two get the same count."""
        counts = await asyncio.gather(*(provider.increment(Increment(key, _LONG)) for _ in range(100)))
        assert sorted(count.value for count in counts) == list(range(1, 101))

    async def test_a_window_ends(self, provider: Cache, key: str) -> None:
        """From its first increment on, however many follow: they don't keep it open."""
        window = timedelta(milliseconds=200)
        assert (await provider.increment(Increment(key, window))).value == 1

        async def begins_again() -> bool:
            return (await provider.increment(Increment(key, window))).value == 1

        await _eventually(begins_again, self.patience)

    async def test_a_count_says_when_its_window_ends(self, provider: Cache, key: str) -> None:
        """Within the window, and never later for a later increment."""
        first = await provider.increment(Increment(key, _LONG))
        second = await provider.increment(Increment(key, _LONG))
        assert timedelta(0) < second.resets_in <= first.resets_in <= _LONG

    async def test_counters_and_entries_dont_meet(self, provider: Cache, key: str) -> None:
        """The same key may name one of each."""
        await provider.set(SetEntry(key, b"entry", _LONG))
        assert (await provider.increment(Increment(key, _LONG))).value == 1
        assert await provider.get(key) == b"entry"

    async def test_deleting_an_entry_leaves_the_counter(self, provider: Cache, key: str) -> None:
        """Who can have an entry forgotten can't have a limit forgotten."""
        await provider.increment(Increment(key, _LONG, 3))
        await provider.set(SetEntry(key, b"entry", _LONG))
        assert await provider.delete(key) is True
        assert (await provider.increment(Increment(key, _LONG))).value == 4

    # --- the rest of the contract -----------------------------------------------------------

    async def test_malformed_requests_are_refused(self, provider: Cache, key: str) -> None:
        """Keys without text or too long, times that aren't positive, nothing to count."""

        async def compute() -> bytes:
            return b"value"

        zero = timedelta(0)
        calls: list[Callable[[], Awaitable[object]]] = [
            lambda: provider.get(""),
            lambda: provider.get("x" * (MAX_KEY_LENGTH + 1)),
            lambda: provider.set(SetEntry("", b"", _LONG)),
            lambda: provider.set(SetEntry(key, b"", zero)),
            lambda: provider.set(SetEntry(key, b"", _LONG, frozenset({""}))),
            lambda: provider.invalidate(""),
            lambda: provider.get_or_compute(ComputeEntry("", _LONG), compute),
            lambda: provider.get_or_compute(ComputeEntry(key, -_LONG), compute),
            lambda: provider.increment(Increment("", _LONG)),
            lambda: provider.increment(Increment(key, zero)),
            lambda: provider.increment(Increment(key, _LONG, 0)),
        ]
        for call in calls:
            with pytest.raises(ProviderInvalidError):
                await call()

    async def test_health_says_how_it_is(self, provider: Cache) -> None:
        """A cache that works is healthy."""
        assert (await provider.health()).state is HealthState.OK
