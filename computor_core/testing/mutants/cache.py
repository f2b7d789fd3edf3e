"""Broken caches; each names the test of :class:`CacheConformance` that rejects it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import ClassVar

from computor_core.cache.memory import MemoryCache
from computor_core.plugin_api.providers.cache import ComputeEntry, Count, Increment, SetEntry

__all__ = ["MUTANTS", "CacheMutant"]


class CacheMutant(MemoryCache):
    """Root of the mutants.

    Attributes:
        rejected_by: Name of the one test that must fail.
    """

    rejected_by: ClassVar[str] = ""


class KeepsForEver(CacheMutant):
    """Ignores an entry's time to live."""

    rejected_by = "test_an_entry_ends_with_its_time"

    async def set(self, entry: SetEntry) -> None:
        await super().set(entry if entry.ttl <= timedelta(0) else replace(entry, ttl=timedelta(days=1)))


class TakesEmptyForMissing(CacheMutant):
    """Serves an empty value as a miss."""

    rejected_by = "test_an_empty_value_is_a_value"

    async def get(self, key: str) -> bytes | None:
        return await super().get(key) or None


class InvalidatesTheUntagged(CacheMutant):
    """Drops what has no tag along with what has the one that is invalidated."""

    rejected_by = "test_a_tag_ends_its_entries_and_no_others"

    async def invalidate(self, tag: str) -> None:
        await super().invalidate(tag)
        for key in [key for key, entry in self._entries.items() if not entry.versions]:
            self._drop(key)


class Stampedes(CacheMutant):
    """Lets every caller compute for itself."""

    rejected_by = "test_many_callers_compute_once"

    async def get_or_compute(self, request: ComputeEntry, compute: Callable[[], Awaitable[bytes]]) -> bytes:
        value = await self.get(request.key)
        if value is None:
            versions = self._current(request.tags)
            if request.ttl <= timedelta(0):
                return await super().get_or_compute(request, compute)
            value = await compute()
            self._store(request.key, value, request.ttl, versions)
        return value


class ServesWhatWasInvalidated(CacheMutant):
    """Looks at the tags' versions after computing instead of before."""

    rejected_by = "test_what_was_invalidated_meanwhile_isnt_served_again"

    async def get_or_compute(self, request: ComputeEntry, compute: Callable[[], Awaitable[bytes]]) -> bytes:
        value = await super().get_or_compute(request, compute)
        if request.tags:
            await self.set(SetEntry(request.key, value, request.ttl, request.tags))
        return value


class ComputesOneAtATime(CacheMutant):
    """Has one lock for all keys."""

    rejected_by = "test_different_keys_dont_wait_for_each_other"

    def __init__(self) -> None:
        super().__init__()
        self._only = asyncio.Lock()

    async def get_or_compute(self, request: ComputeEntry, compute: Callable[[], Awaitable[bytes]]) -> bytes:
        async with self._only:
            return await super().get_or_compute(request, compute)


class KeepsComputedForEver(CacheMutant):
    """Ignores the time to live of what was computed."""

    rejected_by = "test_what_was_computed_ends_with_its_time"

    async def get_or_compute(self, request: ComputeEntry, compute: Callable[[], Awaitable[bytes]]) -> bytes:
        if request.ttl > timedelta(0):
            request = replace(request, ttl=timedelta(days=1))
        return await super().get_or_compute(request, compute)


class KeepsTags(CacheMutant):
    """Adds an entry's tags to those of the one that it replaces."""

    rejected_by = "test_a_replaced_entry_leaves_its_tags"

    async def set(self, entry: SetEntry) -> None:
        former = self._entries.get(entry.key)
        tags = frozenset() if former is None else frozenset(former.versions)
        await super().set(replace(entry, tags=entry.tags | tags))


class DeletesCounters(CacheMutant):
    """Has one key for an entry and a counter when it deletes."""

    rejected_by = "test_deleting_an_entry_leaves_the_counter"

    async def delete(self, key: str) -> bool:
        self._counters.pop(key, None)
        return await super().delete(key)


class LosesIncrements(CacheMutant):
    """Reads, and writes later."""

    rejected_by = "test_concurrent_increments_are_all_counted"

    async def increment(self, request: Increment) -> Count:
        counter = self._counters.get(request.key)
        before = counter.value if counter is not None else 0
        await asyncio.sleep(0)
        count = await super().increment(request)
        value = count.value if count.value == 1 else before + request.amount
        self._counters[request.key].value = value
        return replace(count, value=value)


class KeepsWindowsOpen(CacheMutant):
    """Begins the window anew with every increment."""

    rejected_by = "test_a_window_ends"

    async def increment(self, request: Increment) -> Count:
        count = await super().increment(request)
        self._counters[request.key].expires = self._monotonic() + request.window.total_seconds()
        return count


MUTANTS: tuple[type[CacheMutant], ...] = (
    KeepsForEver,
    TakesEmptyForMissing,
    InvalidatesTheUntagged,
    Stampedes,
    ServesWhatWasInvalidated,
    ComputesOneAtATime,
    KeepsComputedForEver,
    KeepsTags,
    DeletesCounters,
    LosesIncrements,
    KeepsWindowsOpen,
)
