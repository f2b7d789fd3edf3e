"""The in-memory event bus: wakes listeners in the same process."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, ClassVar

from computor_core.errors import ProviderInvalidError
from computor_core.plugin_api.providers.base import Health, HealthState
from computor_core.plugin_api.providers.bus import (
    MAX_KEY_LENGTH,
    MAX_TOPIC_LENGTH,
    EventBus,
    Subscribe,
    Wake,
)

if TYPE_CHECKING:
    from enum import StrEnum

    from computor_core.plugin_api.providers.base import AppContext

__all__ = ["MemoryBus", "create"]


@asynccontextmanager
async def create(settings: None, context: AppContext) -> AsyncIterator[MemoryBus]:
    """Open an in-memory bus; it has no settings."""
    yield MemoryBus()


class _Listener:
    def __init__(self, backlog: int) -> None:
        self._wakes: deque[Wake] = deque(maxlen=backlog)
        self._arrived = asyncio.Event()
        self._has_ended = False

    def put(self, wake: Wake) -> None:
        self._wakes.append(wake)
        self._arrived.set()

    def end(self) -> None:
        self._wakes.clear()
        self._has_ended = True
        self._arrived.set()

    async def wakes(self) -> AsyncIterator[Wake]:
        while not self._has_ended:
            while self._wakes:
                yield self._wakes.popleft()
            if not self._has_ended:
                self._arrived.clear()
                await self._arrived.wait()


class MemoryBus(EventBus):
    """Keeps nothing: a wake goes to who listens at that moment."""

    capabilities: ClassVar[frozenset[StrEnum]] = frozenset()

    def __init__(self) -> None:
        self._listeners: dict[str, set[_Listener]] = {}

    async def health(self) -> Health:
        """Healthy as long as the process is."""
        topics = sum(1 for listeners in self._listeners.values() if listeners)
        return Health(HealthState.OK, facts={"topics": str(topics)})

    async def publish(self, wake: Wake) -> None:
        """Hand the wake to the listeners' backlogs."""
        _require_topic(wake.topic)
        if len(wake.key) > MAX_KEY_LENGTH or len(wake.origin) > MAX_KEY_LENGTH:
            raise ProviderInvalidError(f"a key or origin has at most {MAX_KEY_LENGTH} characters")
        for listener in tuple(self._listeners.get(wake.topic, ())):
            listener.put(wake)

    @asynccontextmanager
    async def subscribe(self, request: Subscribe) -> AsyncIterator[AsyncIterator[Wake]]:
        """Listen while the block is open."""
        if not request.topics or request.backlog < 1:
            raise ProviderInvalidError("a subscription names at least one topic and a backlog of 1 or more")
        for topic in request.topics:
            _require_topic(topic)
        listener = _Listener(request.backlog)
        for topic in request.topics:
            self._listeners.setdefault(topic, set()).add(listener)
        try:
            yield listener.wakes()
        finally:
            listener.end()
            for topic in request.topics:
                self._listeners[topic].discard(listener)
                if not self._listeners[topic]:
                    del self._listeners[topic]


def _require_topic(topic: str) -> None:
    if not 0 < len(topic) <= MAX_TOPIC_LENGTH:
        raise ProviderInvalidError(f"a topic has 1 to {MAX_TOPIC_LENGTH} characters")
