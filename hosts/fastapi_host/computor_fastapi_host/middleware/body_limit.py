"""The size of a body, counted as it arrives: ``Content-Length`` may be missing or lie.

The limit stands in the request's context, so that a route which takes uploads raises its own
before it reads. A mounted application that authenticates for itself (git) counts for itself,
too; it gets the largest limit.
"""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from computor_fastapi_host.context import HostRequest, host_request

__all__ = ["BodyLimit"]

_TOO_LARGE = 413


class BodyLimit:
    """Refuses to read beyond the request's limit.

    Args:
        app: What comes next.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = host_request(scope)
        announced = _announced(Headers(scope=scope))
        read = 0

        async def receive_counted() -> Message:
            nonlocal read
            if announced is not None and announced > request.body_limit:
                raise _too_large(request)
            message = await receive()
            if message["type"] == "http.request":
                read += len(message.get("body", b""))
                if read > request.body_limit:
                    raise _too_large(request)
            return message

        await self._app(scope, receive_counted, send)


def _announced(headers: Headers) -> int | None:
    text = headers.get("content-length", "")
    # Without a sensible number the bytes are counted as they come.
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else None


def _too_large(request: HostRequest) -> HTTPException:
    # An HTTPException, since FastAPI turns any other that a body raises into a 400. Connection:
    # close, since the rest of the body is still on its way and nobody will read it.
    return HTTPException(
        _TOO_LARGE,
        f"the body is larger than {request.body_limit} bytes",
        headers={"connection": "close"},
    )
