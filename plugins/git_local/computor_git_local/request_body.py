"""The request's body: unpacked, bounded, and aware of a client that leaves."""

from __future__ import annotations

import zlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, MutableMapping
from typing import Any

import anyio

__all__ = ["BodyError", "ClientLeftError", "Message", "Receive", "RequestBody", "Scope", "Send"]

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_PIECE = 256 * 1024
"""Most bytes that one step of unpacking makes; gzip can turn a kilobyte into a megabyte."""


class ClientLeftError(Exception):
    """The client closed the connection or sent nothing for too long, before the body's end."""


class BodyError(Exception):
    """The body can't be accepted.

    Attributes:
        status: HTTP status that says why.
        message: One sentence for the client.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class RequestBody:
    """Reads an ASGI request body as it comes, never more than a chunk ahead.

    Args:
        receive: ASGI's receive.
        headers: The request's headers, names in lower case.
        max_bytes: Limit on the bytes as sent and on the unpacked ones.
        idle: Seconds without a byte after which the client counts as gone.
        longest: Seconds after which it does so in any case.

    Raises:
        BodyError: The announced size is beyond the limit, or the encoding is unknown.
    """

    def __init__(
        self,
        receive: Receive,
        headers: dict[bytes, bytes],
        *,
        max_bytes: int,
        idle: float,
        longest: float,
    ) -> None:
        self._receive = receive
        self._max_bytes = max_bytes
        self._idle = idle
        self._end = anyio.current_time() + longest
        self._sent = 0
        self._unpacked = 0
        encoding = headers.get(b"content-encoding", b"identity").strip().lower()
        if encoding not in {b"identity", b"gzip", b"x-gzip"}:
            raise BodyError(415, "The body's content encoding isn't gzip.")
        self._gzip = None if encoding == b"identity" else zlib.decompressobj(wbits=31)
        announced = headers.get(b"content-length", b"")
        if announced.isdigit() and int(announced) > max_bytes:
            raise self._too_large()

    def _too_large(self) -> BodyError:
        return BodyError(413, f"The request is larger than {self._max_bytes} bytes.")

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """The unpacked bytes.

        Raises:
            BodyError: Too many bytes, or no valid gzip.
            ClientLeftError: The body broke off.
        """
        more = True
        while more:
            deadline = min(anyio.current_time() + self._idle, self._end)
            with anyio.CancelScope(deadline=deadline) as waiting:
                message = await self._receive()
            if waiting.cancelled_caught or message["type"] == "http.disconnect":
                raise ClientLeftError
            data: bytes = message.get("body", b"")
            more = message.get("more_body", False)
            self._sent += len(data)
            for piece in self._unpack(data):
                self._unpacked += len(piece)
                if max(self._sent, self._unpacked) > self._max_bytes:
                    raise self._too_large()
                yield piece
            if self._sent > self._max_bytes:
                raise self._too_large()
        if self._gzip is not None and not self._gzip.eof:
            raise BodyError(400, "The body's gzip stream breaks off.")

    def _unpack(self, data: bytes) -> Iterator[bytes]:
        """Unpack a chunk step by step, so that a gzip bomb meets the limit before the memory."""
        if self._gzip is None:
            if data:
                yield data
            return
        full = False
        while (data or full) and not self._gzip.eof:
            try:
                piece = self._gzip.decompress(data, _PIECE)
            except zlib.error as error:
                raise BodyError(400, "The body isn't valid gzip.") from error
            data = self._gzip.unconsumed_tail
            full = len(piece) == _PIECE  # zlib may hold more, though it has taken all input
            if piece:
                yield piece

    async def left(self) -> None:
        """Wait until the client closes the connection; for use after the body's end."""
        while (await self._receive())["type"] != "http.disconnect":
            continue
