"""Live updates as Server-Sent Events (WHATWG HTML, section 9.2).

A stream carries what its caller may see, nothing else: the right is asked of the access engine
when the stream begins and again for every event before it is sent. It ends when the session ends.
A client that reconnects sends ``Last-Event-ID`` and misses nothing.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import Header, Query, Request
from pydantic_core import to_json
from starlette.responses import StreamingResponse

from computor_core.access.errors import StalePrincipalError
from computor_core.errors import AuthenticationError
from computor_core.plugin_api.http import APIRouter, CurrentPrincipal
from computor_core.plugin_api.principal import Principal, ScopeKind
from computor_fastapi_host.access import OWN
from computor_fastapi_host.context import HostRequest, host_request
from computor_fastapi_host.errors import MalformedRequestError
from computor_fastapi_host.feed import LIVE_EVENTS, SESSION_ENDED, Feed, LiveEvent
from computor_fastapi_host.state import host_state

router = APIRouter(tags=["events"])

HEARTBEAT_SECONDS = 15.0
"""Pause after which a silent stream says that it is alive and looks whether its session still is."""

_HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}
_STREAM: dict[int | str, dict[str, object]] = {
    200: {"description": "Events until the session ends.", "content": {"text/event-stream": {}}}
}


@router.get(
    "/events",
    openapi_extra=OWN,
    operation_id="events_stream",
    response_class=StreamingResponse,
    responses=_STREAM,
)
async def stream_events(
    request: Request,
    principal: CurrentPrincipal,
    course_id: Annotated[UUID | None, Query(description="Only of this course.")] = None,
    submission_group_id: Annotated[UUID | None, Query(description="Only of this group.")] = None,
    last_event_id: Annotated[str | None, Header(description="Where an earlier stream ended.")] = None,
) -> StreamingResponse:
    """Submissions, test runs and grades as they happen."""
    context = host_request(request)
    state = host_state(request.app)
    access = context.app.access
    async with context.read(principal) as unit:
        if course_id is not None:
            await access.require(unit, "course.read", "courses", course_id)
        if submission_group_id is not None:
            await access.require(unit, "submission.read", "submission-groups", submission_group_id)
    feed = state.feed
    position = _position(last_event_id) if last_event_id else feed.position
    stream = _Stream(context, principal, feed, position, course_id, submission_group_id)

    async def counted() -> AsyncIterator[bytes]:
        with state.metrics.streams.track_inprogress():
            async for chunk in stream.chunks():
                yield chunk

    return StreamingResponse(counted(), headers=_HEADERS, media_type="text/event-stream")


@dataclass(slots=True)
class _Stream:
    context: HostRequest
    principal: Principal
    feed: Feed
    position: int
    course_id: UUID | None
    submission_group_id: UUID | None

    async def chunks(self) -> AsyncIterator[bytes]:
        """The stream's text."""
        yield b"retry: 2000\n\n"
        while not self.feed.closed:
            events, position = await self.feed.after(self.position)
            try:
                if not events:
                    await self._prove()
                for live in events:
                    if await self._may_hear(live):
                        yield _text(live)
            except AuthenticationError:
                yield b"event: end\ndata: {}\n\n"
                return
            self.position = position
            if not events:
                yield b": still here\n\n"
            await self.feed.news(self.position, HEARTBEAT_SECONDS)

    async def _may_hear(self, live: LiveEvent) -> bool:
        event = live.event
        if event.name == SESSION_ENDED:
            if event.payload.get("session_id") == str(self.principal.session_id):
                raise AuthenticationError("the session has ended")
            return False
        if self.course_id is not None and event.course_id != self.course_id:
            return False
        group = event.payload.get("submission_group_id")
        if self.submission_group_id is not None and group != str(self.submission_group_id):
            return False
        action, endpoint, field = LIVE_EVENTS[event.name]
        if self.principal.user_id not in live.users and not await self._is_staff(action, event.course_id):
            return False
        return await self._allowed(action, endpoint, UUID(event.payload[field]))

    async def _is_staff(self, action: str, course_id: UUID | None) -> bool:
        """Whether the caller could see it by a role; a cheap look before the database is asked."""
        if course_id is None or not self.principal.grants:
            return False
        access = self.context.app.access
        if access.can(self.principal, action, ScopeKind.COURSE, course_id):
            return True
        if all(grant.scope is ScopeKind.COURSE for grant in self.principal.grants):
            return False
        async with self.context.app.read(self.principal) as unit:
            above = await access.scopes_above(unit.connection, ScopeKind.COURSE, course_id)
        return access.can(self.principal, action, ScopeKind.COURSE, course_id, above)

    async def _allowed(self, action: str, endpoint: str, row_id: UUID) -> bool:
        """The access engine's word, of this moment; not that of the stream's beginning."""
        for _ in range(2):
            try:
                async with self.context.app.read(self.principal) as unit:
                    return await self.context.app.access.allowed(unit, action, endpoint, row_id)
            except StalePrincipalError:
                self.principal = await self.context.reloaded_principal()
        raise AuthenticationError("the sign-in is no longer valid")

    async def _prove(self) -> None:
        async with self.context.app.read(self.principal) as unit:
            valid = await self.context.app.access.still_valid(unit)
        if not valid:
            self.principal = await self.context.reloaded_principal()


def _text(live: LiveEvent) -> bytes:
    event = live.event
    data = to_json(
        {
            "occurred_at": event.occurred_at,
            "course_id": event.course_id,
            **event.payload,
        }
    )
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (event.seq, event.name.encode(), data)


def _position(last_event_id: str) -> int:
    if not (last_event_id.isascii() and last_event_id.isdecimal() and len(last_event_id) < 19):
        raise MalformedRequestError("Last-Event-ID is the number of an event")
    return int(last_event_id)
