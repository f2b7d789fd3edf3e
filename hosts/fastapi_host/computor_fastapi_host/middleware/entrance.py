"""Every request gets an id and a time, a log line, and an answer whatever happens."""

from __future__ import annotations

import logging
import re
import time
from typing import TYPE_CHECKING

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from computor_core.db.types import new_id
from computor_core.errors import UnavailableError
from computor_core.plugin_api.http import SCOPE_KEY
from computor_fastapi_host.context import HostRequest, current_request
from computor_fastapi_host.errors import MalformedRequestError
from computor_fastapi_host.problems import problem_response, respond

if TYPE_CHECKING:
    from computor_fastapi_host.state import HostState

__all__ = ["Entrance"]

_SANE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{7,63}")
_UNHANDLED = 499
"""Logged when the caller went away before an answer began; nobody receives it."""

_access_log = logging.getLogger("computor.access")


class Entrance:
    """Makes the request's context, and tells log and metrics how it went.

    Args:
        app: What comes next.
        state: The host's own state.
    """

    def __init__(self, app: ASGIApp, state: HostState) -> None:
        self._app = app
        self._state = state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        request_id = _request_id(headers.get("x-request-id"))
        computor = self._state.computor
        if computor is None:
            error = UnavailableError(
                "the host hasn't started",
                hint="an application that mounts it must enter computor_fastapi_host.lifespan(app)",
            )
            await problem_response(error, request_id)(scope, receive, send)
            return
        request = HostRequest(
            app=computor,
            request_id=request_id,
            received_at=computor.clock.now(),
            address=_address(scope),
            method=scope["method"],
            headers=headers,
            body_limit=self._state.limits.body_bytes,
        )
        scope[SCOPE_KEY] = request
        await self._serve(request, scope, receive, send)

    async def _serve(self, request: HostRequest, scope: Scope, receive: Receive, send: Send) -> None:
        status = _UNHANDLED
        started = time.perf_counter()

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {
                    **message,
                    "headers": [
                        *message.get("headers", ()),
                        (b"x-request-id", request.request_id.encode("ascii")),
                    ],
                }
            await send(message)

        token = current_request.set(request)
        try:
            _refuse_nul(scope)
            await self._app(scope, receive, send_with_id)
        except Exception as error:
            response = respond(Request(scope), error)
            if status != _UNHANDLED:
                # The answer has begun; cutting the connection is the only way left to say it failed.
                raise
            await response(scope, receive, send_with_id)
        finally:
            current_request.reset(token)
            self._tell(request, scope, status, time.perf_counter() - started)

    def _tell(self, request: HostRequest, scope: Scope, status: int, seconds: float) -> None:
        route = request.route or _route_path(scope)
        self._state.metrics.request_done(request.method, route, status, seconds)
        # The query stays out: filters may name people, and careless clients put secrets there.
        _access_log.info(
            "%s %s %d",
            request.method,
            scope["path"],
            status,
            extra={
                "request_id": request.request_id,
                "method": request.method,
                "path": scope["path"],
                "route": route,
                "status": status,
                "milliseconds": round(seconds * 1000, 1),
                "user": request.who,
                "address": request.address,
            },
        )


def _refuse_nul(scope: Scope) -> None:
    if "\0" in scope["path"] or b"%00" in scope["query_string"]:
        raise MalformedRequestError("an address can't hold the character NUL")


def _request_id(given: str | None) -> str:
    """The caller's id when it is harmless in logs and headers, else a new one."""
    if given is not None and _SANE_ID.fullmatch(given):
        return given
    return new_id().hex


def _address(scope: Scope) -> str:
    client = scope.get("client")
    return str(client[0]) if client else ""


def _route_path(scope: Scope) -> str:
    """The matched route's path with parameter names; "(none)" keeps unknown paths out of metrics."""
    route = scope.get("route")
    return getattr(route, "path", "") or "(none)"
