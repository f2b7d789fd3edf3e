"""Caches: bytes that may vanish at any time and never outlive their time.

Keys name content, so an entry is never changed under a reader; groups of entries go out of use
together by their tags. Everything has a time to live.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import ClassVar

from computor_core.plugin_api.providers.base import Provider

MAX_KEY_LENGTH = 250


class CacheCapability(StrEnum):
    """What a cache may offer."""

    SHARED = "shared"
    """All hosts of the deployment see the same entries, tags and counters."""


@dataclass(frozen=True, slots=True)
class SetEntry:
    """Store an entry.

    Attributes:
        key: 1 to 250 characters.
        value: The bytes.
        ttl: How long it lives; positive.
        tags: Names under which it can be invalidated together with others.
    """

    key: str
    value: bytes
    ttl: timedelta
    tags: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class ComputeEntry:
    """Get an entry, or compute and store it.

    Attributes:
        key: 1 to 250 characters.
        ttl: How long it lives; positive.
        tags: Names under which it can be invalidated together with others.
    """

    key: str
    ttl: timedelta
    tags: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Increment:
    """Count something within a fixed window.

    Attributes:
        key: 1 to 250 characters; counters and entries don't meet.
        window: How long the counter lives from its first increment on; positive.
        amount: What is added, 1 or more.
    """

    key: str
    window: timedelta
    amount: int = 1


@dataclass(frozen=True, slots=True)
class Count:
    """A counter after an increment.

    Attributes:
        value: What was counted in this window so far.
        resets_in: Time until the window ends.
    """

    value: int
    resets_in: timedelta


class Cache(Provider):
    """Contract of a cache. A method that is given a malformed key or time raises ``ProviderInvalidError``."""

    seam: ClassVar[str] = "cache"

    async def get(self, key: str) -> bytes | None:
        """The entry, or None when there is none, it has expired or one of its tags was invalidated.

        Raises:
            ProviderUnavailableError: The cache is away.
        """
        raise NotImplementedError

    async def set(self, entry: SetEntry) -> None:
        """Store an entry in place of any under that key.

        Raises:
            ProviderUnavailableError: The cache is away.
        """
        raise NotImplementedError

    async def delete(self, key: str) -> bool:
        """Remove an entry; False when there was none.

        Raises:
            ProviderUnavailableError: The cache is away.
        """
        raise NotImplementedError

    async def invalidate(self, tag: str) -> None:
        """Put every entry with the tag out of use, by raising the tag's version.

        Raises:
            ProviderUnavailableError: The cache is away.
        """
        raise NotImplementedError

    async def get_or_compute(self, request: ComputeEntry, compute: Callable[[], Awaitable[bytes]]) -> bytes:
        """The entry, or what ``compute`` returns, stored.

        Of all callers of one process one computes at a time and the others get its value. What was
        being computed when a tag was invalidated is returned but not served again. A failure of
        ``compute`` reaches its caller and isn't stored; so does the caller's cancellation.

        Raises:
            ProviderUnavailableError: The cache is away.
        """
        raise NotImplementedError

    async def increment(self, request: Increment) -> Count:
        """Count and say how much it is; concurrent increments are all counted.

        Raises:
            ProviderUnavailableError: The cache is away.
        """
        raise NotImplementedError
