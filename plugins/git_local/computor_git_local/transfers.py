"""What clones and pushes share: time limits and the pipes to the git process."""

from __future__ import annotations

import anyio
from anyio.abc import Process

__all__ = ["IdleWatch", "drain_errors", "feed"]


_MARGIN = 15.0
"""Seconds by which the request's body gives up first, upon which git can finish in good order."""


class IdleWatch:
    """Ends a transfer in which nothing moves, or that takes too long altogether."""

    def __init__(self, idle: float, longest: float) -> None:
        self._idle = idle + _MARGIN
        self._end = anyio.current_time() + longest + _MARGIN
        self.scope = anyio.CancelScope(deadline=anyio.current_time() + self._idle)

    def touch(self) -> None:
        """Note that bytes moved."""
        self.scope.deadline = min(self._end, anyio.current_time() + self._idle)


async def feed(process: Process, data: bytes) -> bool:
    """Write to the process; False when it doesn't read any more."""
    assert process.stdin is not None  # noqa: S101 - opened with a pipe
    try:
        await process.stdin.send(data)
    except (anyio.BrokenResourceError, anyio.ClosedResourceError):
        return False
    return True


async def drain_errors(process: Process, sink: bytearray, limit: int = 16 * 1024) -> None:
    """Read what the process says on its error stream, keeping the beginning."""
    assert process.stderr is not None  # noqa: S101 - opened with a pipe
    async for data in process.stderr:
        sink += data[: max(0, limit - len(sink))]
