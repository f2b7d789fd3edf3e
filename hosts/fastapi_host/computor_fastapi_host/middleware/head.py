"""HEAD, for whatever answers GET (RFC 9110, 9.3.2)."""

from __future__ import annotations

import anyio
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["HeadRequests"]


class HeadRequests:
    """Answers HEAD with what GET answers, without its content.

    A response that goes on (a download, a stream of events) is given up after its headers.

    Args:
        app: What comes next.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a connection."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return
        told = False
        with anyio.CancelScope() as answering:

            async def send_headers(message: Message) -> None:
                nonlocal told
                if message["type"] != "http.response.body":
                    await send(message)
                elif not told:
                    told = True
                    await send({"type": "http.response.body", "body": b""})
                    if message.get("more_body", False):
                        answering.cancel()

            # A copy: the server goes by the method that was asked when it frames the answer.
            await self._app({**scope, "method": "GET"}, receive, send_headers)
