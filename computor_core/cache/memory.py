"""The in-memory cache: bounded, of this process alone."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from computor_core.errors import ProviderInvalidError
from computor_core.plugin_api.providers.base import Health, HealthState
from computor_core.plugin_api.providers.cache import (
    MAX_KEY_LENGTH,
    Cache,
    ComputeEntry,
    Count,
    Increment,
    SetEntry,
)

if TYPE_CHECKING:
    from enum import StrEnum

    from computor_core.plugin_api.providers.base import AppContext

__all__ = ["MemoryCache", "MemoryCacheSettings", "create"]


class MemoryCacheSettings(BaseModel):
    """Settings of an in-memory cache."""

    model_config = ConfigDict(extra="forbid")

    max_entries: int = Field(10_000, ge=1, description="Entries kept; the least recently used go first.")
    max_bytes: int = Field(64 * 1024 * 1024, ge=1, description="Bytes of values kept.")


@asynccontextmanager
async def create(settings: MemoryCacheSettings, context: AppContext) -> AsyncIterator[MemoryCache]:
    """Open an in-memory cache."""
    yield MemoryCache(settings)


@dataclass(slots=True)
class _Entry:
    value: bytes
    expires: float
    versions: Mapping[str, int]


@dataclass(slots=True)
class _Counter:
    value: int
    expires: float


class MemoryCache(Cache):
    """A cache in the process's memory.

    Args:
        settings: Its bounds.
        monotonic: Seconds on a clock that never goes back.
    """

    capabilities: ClassVar[frozenset[StrEnum]] = frozenset()

    def __init__(
        self,
        settings: MemoryCacheSettings | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings or MemoryCacheSettings()
        self._monotonic = monotonic
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._bytes = 0
        self._counters: dict[str, _Counter] = {}
        self._counters_checked = monotonic()
        # One count for all tags. A tag that isn't kept has the version below which all were
        # forgotten, so forgetting one puts entries out of use but never back into it.
        self._versions: OrderedDict[str, int] = OrderedDict()
        self._version = 0
        self._forgotten = 0
        self._computing: dict[str, tuple[asyncio.Lock, int]] = {}

    async def health(self) -> Health:
        """Healthy as long as the process is."""
        facts = {"entries": str(len(self._entries)), "bytes": str(self._bytes)}
        return Health(HealthState.OK, facts=facts)

    async def get(self, key: str) -> bytes | None:
        """The entry, unless it has expired or a tag of it was invalidated."""
        _require_key(key)
        entry = self._entries.get(key)
        if entry is None:
            return None
        if entry.expires <= self._monotonic() or entry.versions != self._current(entry.versions):
            self._drop(key)
            return None
        self._entries.move_to_end(key)
        return entry.value

    async def set(self, entry: SetEntry) -> None:
        """Store an entry; one larger than the whole cache isn't kept."""
        _require_key(entry.key)
        _require_positive(entry.ttl)
        self._store(entry.key, entry.value, entry.ttl, self._current(entry.tags))

    async def delete(self, key: str) -> bool:
        """Remove an entry."""
        there = await self.get(key) is not None
        self._drop(key)
        return there

    async def invalidate(self, tag: str) -> None:
        """Raise the tag's version."""
        _require_key(tag)
        self._version += 1
        self._versions[tag] = self._version
        self._versions.move_to_end(tag)
        if len(self._versions) > self._settings.max_entries:
            _, self._forgotten = self._versions.popitem(last=False)

    async def get_or_compute(self, request: ComputeEntry, compute: Callable[[], Awaitable[bytes]]) -> bytes:
        """The entry, or what ``compute`` returns; one caller per key computes at a time."""
        _require_positive(request.ttl)
        value = await self.get(request.key)
        if value is not None:
            return value
        lock, callers = self._computing.get(request.key, (asyncio.Lock(), 0))
        self._computing[request.key] = (lock, callers + 1)
        try:
            async with lock:
                value = await self.get(request.key)
                if value is None:
                    versions = self._current(request.tags)
                    value = await compute()
                    self._store(request.key, value, request.ttl, versions)
                return value
        finally:
            lock, callers = self._computing[request.key]
            if callers == 1:
                del self._computing[request.key]
            else:
                self._computing[request.key] = (lock, callers - 1)

    async def increment(self, request: Increment) -> Count:
        """Count within the window that the first increment opens."""
        _require_key(request.key)
        _require_positive(request.window)
        if request.amount < 1:
            raise ProviderInvalidError("an increment is 1 or more")
        now = self._monotonic()
        self._sweep_counters(now)
        counter = self._counters.get(request.key)
        if counter is None or counter.expires <= now:
            counter = self._counters[request.key] = _Counter(0, now + request.window.total_seconds())
        counter.value += request.amount
        return Count(counter.value, timedelta(seconds=counter.expires - now))

    def _current(self, tags: Mapping[str, int] | frozenset[str]) -> dict[str, int]:
        for tag in tags:
            _require_key(tag)
        return {tag: self._versions.get(tag, self._forgotten) for tag in tags}

    def _store(self, key: str, value: bytes, ttl: timedelta, versions: Mapping[str, int]) -> None:
        self._drop(key)
        if len(value) > self._settings.max_bytes:
            return
        expires = self._monotonic() + ttl.total_seconds()
        self._entries[key] = _Entry(bytes(value), expires, versions)
        self._bytes += len(value)
        while len(self._entries) > self._settings.max_entries or self._bytes > self._settings.max_bytes:
            self._drop(next(iter(self._entries)))

    def _drop(self, key: str) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._bytes -= len(entry.value)

    def _sweep_counters(self, now: float) -> None:
        if len(self._counters) <= self._settings.max_entries or now - self._counters_checked < 1:
            return
        self._counters_checked = now
        self._counters = {key: item for key, item in self._counters.items() if item.expires > now}


def _require_key(key: str) -> None:
    if not 0 < len(key) <= MAX_KEY_LENGTH:
        raise ProviderInvalidError(f"a cache key or tag has 1 to {MAX_KEY_LENGTH} characters")


def _require_positive(duration: timedelta) -> None:
    if duration <= timedelta(0):
        raise ProviderInvalidError("a time to live or window is positive")
