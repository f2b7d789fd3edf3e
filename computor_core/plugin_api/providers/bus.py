"""Event buses: they wake, and carry no truth.

What happened stands in the database before a bus is told. A message may be lost, doubled or
overtaken; whoever waits for one also looks by itself from time to time.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from computor_core.plugin_api.providers.base import Provider

MAX_TOPIC_LENGTH = 200
MAX_KEY_LENGTH = 200


class BusCapability(StrEnum):
    """What an event bus may offer."""

    CROSS_PROCESS = "cross_process"
    """Reaches the other hosts of the deployment."""


@dataclass(frozen=True, slots=True)
class Wake:
    """There is news.

    Attributes:
        topic: About what, 1 to 200 characters.
        key: About which one, at most 200 characters; "" for any.
        origin: Who published it, at most 200 characters, so that a publisher knows its own.
    """

    topic: str
    key: str = ""
    origin: str = ""


@dataclass(frozen=True, slots=True)
class Subscribe:
    """Listen to topics.

    Attributes:
        topics: Exact names, at least one.
        backlog: Most messages kept for a slow listener; the oldest are dropped beyond it.
    """

    topics: frozenset[str]
    backlog: int = 1024


class EventBus(Provider):
    """Contract of an event bus."""

    seam: ClassVar[str] = "bus"

    async def publish(self, wake: Wake) -> None:
        """Tell everyone who listens to the topic; never waits for a listener.

        Raises:
            ProviderInvalidError: The topic is empty, or a text is too long.
            ProviderUnavailableError: The bus is away.
        """
        raise NotImplementedError

    def subscribe(self, request: Subscribe) -> AbstractAsyncContextManager[AsyncIterator[Wake]]:
        """Listen while the block is open; what is published after entering arrives.

        With the block the iterator ends, and what it hasn't handed out is dropped.

        Raises:
            ProviderInvalidError: No topic, a malformed one, or a backlog below 1.
            ProviderUnavailableError: On entering or while iterating: the bus is away.
        """
        raise NotImplementedError
