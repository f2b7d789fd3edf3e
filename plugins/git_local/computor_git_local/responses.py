"""Answering git clients over ASGI."""

from __future__ import annotations

from collections.abc import Iterable

from computor_git_local.request_body import Send

__all__ = ["NO_CACHE", "Response"]

Headers = Iterable[tuple[bytes, bytes]]

NO_CACHE = (
    (b"cache-control", b"no-cache, max-age=0, must-revalidate"),
    (b"expires", b"Fri, 01 Jan 1980 00:00:00 GMT"),
    (b"pragma", b"no-cache"),
)


class Response:
    """One response, begun with its first byte or its status.

    A client that left is no error: :attr:`gone` says so and further bytes are dropped, because
    what the request changed still has to be completed.
    """

    def __init__(self, send: Send) -> None:
        self._send = send
        self.started = False
        self.gone = False

    async def start(self, content_type: str, status: int = 200, headers: Headers = ()) -> None:
        """Send status and headers."""
        self.started = True
        fields = [(b"content-type", content_type.encode("ascii")), *NO_CACHE, *headers]
        await self._put({"type": "http.response.start", "status": status, "headers": fields})

    async def write(self, data: bytes) -> None:
        """Send a part of the body."""
        if data:
            await self._put({"type": "http.response.body", "body": data, "more_body": True})

    async def end(self) -> None:
        """Send the end of the body."""
        await self._put({"type": "http.response.body", "body": b"", "more_body": False})

    async def text(self, status: int, sentence: str, headers: Headers = ()) -> None:
        """Send a whole answer in plain text, which git shows to its user."""
        body = f"{sentence}\n".encode()
        length = (b"content-length", str(len(body)).encode("ascii"))
        await self.start("text/plain; charset=utf-8", status, [length, *headers])
        await self._put({"type": "http.response.body", "body": body, "more_body": False})

    async def _put(self, message: dict[str, object]) -> None:
        if self.gone:
            return
        try:
            await self._send(message)
        except OSError:  # what ASGI servers raise for a closed connection (ASGI 2.4)
            self.gone = True
