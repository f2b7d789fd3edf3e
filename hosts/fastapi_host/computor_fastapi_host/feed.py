"""One reader of the event log for all open streams of a host.

New events are read once, however many listen; the latest are kept, so that a stream which falls
behind a little, or reconnects, rarely asks the database. Who may hear of an event is decided in
the streams; the feed only says who could: members of the submission group it is about.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import select

from computor_core.events.log import StoredEvent, last_seq, read_events
from computor_core.model import SubmissionGroupMember
from computor_core.plugin_api.principal import Principal

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from computor_core.app import Computor

__all__ = ["LIVE_EVENTS", "Feed", "LiveEvent"]

LIVE_EVENTS: dict[str, tuple[str, str, str]] = {
    "submission.received": ("submission.read", "artifacts", "artifact_id"),
    "test.progressed": ("result.read", "test-runs", "test_run_id"),
    "test.finished": ("result.read", "test-runs", "test_run_id"),
    "grade.published": ("grade.read", "grades", "grade_id"),
}
"""Events that streams carry: the action and the row (endpoint, field of the payload) that decide."""

SESSION_ENDED = "session.ended"
_NAMES = frozenset(LIVE_EVENTS) | {SESSION_ENDED}
_KEPT = 2000
_BATCH = 500
_LOOK_SECONDS = 5.0
_SYSTEM = Principal.system("host:events")
_log = logging.getLogger("computor.http")


@dataclass(frozen=True, slots=True)
class LiveEvent:
    """An event and the users whom it is about.

    Attributes:
        event: The event.
        users: Members of its submission group.
    """

    event: StoredEvent
    users: frozenset[UUID]


class Feed:
    """The latest events, in their order.

    Args:
        app: The application; entered, not running yet.
    """

    def __init__(self, app: Computor) -> None:
        self._app = app
        self._latest: deque[LiveEvent] = deque(maxlen=_KEPT)
        self._position = 0
        self._known_from = 0
        self._news = asyncio.Event()
        self._woken = asyncio.Event()
        self.closed = False
        app.wakeups.listen("sequenced", lambda _: self._woken.set())

    @property
    def position(self) -> int:
        """The number of the last event that was read."""
        return self._position

    async def begin(self) -> None:
        """Take the end of the log as the beginning; streams that want more ask for it."""
        async with self._app.read(_SYSTEM) as unit:
            self._position = self._known_from = await last_seq(unit.connection)

    async def run(self) -> None:
        """Read what is new, when woken and from time to time, until cancelled."""
        while True:
            self._woken.clear()
            try:
                while await self._read_on() == _BATCH:
                    pass
            except Exception:  # noqa: BLE001 - logged, and tried again
                # The database may be away for a while; the streams wait, and the next look mends it.
                _log.exception("the event log can't be read; live updates wait")
            try:
                async with asyncio.timeout(_LOOK_SECONDS):
                    await self._woken.wait()
            except TimeoutError:
                continue

    def close(self) -> None:
        """Have all streams end, so that a server can stop without cutting them."""
        self.closed = True
        self._tell()

    async def after(self, position: int) -> tuple[list[LiveEvent], int]:
        """Events after a position, oldest first, and the position they lead to.

        There may be more behind that; ask again until it is :attr:`position`.
        """
        if position >= self._known_from:
            return [live for live in self._latest if live.event.seq > position], self._position
        reached = self._position
        async with self._app.read(_SYSTEM) as unit:
            found = await _read(unit.connection, position)
        if len(found) == _BATCH:
            return found, found[-1].event.seq
        return found, max(reached, found[-1].event.seq if found else 0)

    async def news(self, position: int, seconds: float) -> None:
        """Wait until there is something after a position, at most so long."""
        if self.closed or self._position > position:
            return
        try:
            async with asyncio.timeout(seconds):
                await self._news.wait()
        except TimeoutError:
            return

    async def _read_on(self) -> int:
        async with self._app.read(_SYSTEM) as unit:
            found = await _read(unit.connection, self._position)
        if found:
            if len(self._latest) + len(found) > _KEPT:
                dropped = len(self._latest) + len(found) - _KEPT
                self._known_from = self._latest[min(dropped, len(self._latest)) - 1].event.seq
            self._latest.extend(found)
            self._position = found[-1].event.seq
            self._tell()
        return len(found)

    def _tell(self) -> None:
        # Everyone who waits is woken by the old event; who comes later waits for the new one.
        waiting, self._news = self._news, asyncio.Event()
        waiting.set()


async def _read(connection: AsyncConnection, position: int) -> list[LiveEvent]:
    events = await read_events(connection, after=position, limit=_BATCH, names=_NAMES)
    groups = {group for event in events if (group := _group(event)) is not None}
    members: dict[UUID, set[UUID]] = {}
    if groups:
        rows = await connection.execute(
            select(SubmissionGroupMember.submission_group_id, SubmissionGroupMember.user_id).where(
                SubmissionGroupMember.submission_group_id.in_(groups)
            )
        )
        for group_id, user_id in rows:
            members.setdefault(group_id, set()).add(user_id)
    return [
        LiveEvent(event, frozenset(members.get(group, ()) if (group := _group(event)) else ()))
        for event in events
    ]


def _group(event: StoredEvent) -> UUID | None:
    text = event.payload.get("submission_group_id")
    return UUID(text) if isinstance(text, str) else None
