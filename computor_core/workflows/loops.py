"""Background loops that run when woken, and from time to time anyway.

A wake is a hint; a lost one delays the work by at most the loop's interval.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta

__all__ = ["Loop", "running"]

_log = logging.getLogger("computor.workflows")
_LONGEST_PAUSE = 30.0


class Loop:
    """Runs passes over some work, one at a time.

    Args:
        name: For logs.
        run_pass: One pass. It returns how soon the next is due at the latest: zero when there is
            more to do at once, None when nothing is known to become due.
        interval: Longest pause between two passes.
    """

    def __init__(
        self, name: str, run_pass: Callable[[], Awaitable[timedelta | None]], interval: timedelta
    ) -> None:
        self.name = name
        self._run_pass = run_pass
        self._interval = interval.total_seconds()
        self._woken = asyncio.Event()
        self._failures = 0

    def wake(self) -> None:
        """Have a pass run soon."""
        self._woken.set()

    async def run(self) -> None:
        """Run passes until cancelled; a pass that fails is logged and tried again, ever more slowly."""
        while True:
            self._woken.clear()
            pause = await self._guarded_pass()
            if pause > 0:
                try:
                    async with asyncio.timeout(pause):
                        await self._woken.wait()
                except TimeoutError:
                    continue
            else:
                await asyncio.sleep(0)

    async def _guarded_pass(self) -> float:
        try:
            due = await self._run_pass()
        except Exception:  # noqa: BLE001 - logged; a loop outlives what it meets
            self._failures += 1
            _log.exception("background loop %s failed (%d times in a row)", self.name, self._failures)
            # Spread out, so that hosts that lost the same database don't come back as one.
            pause = min(0.1 * 2 ** min(self._failures, 12), _LONGEST_PAUSE)
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - no secret
            return 0.0
        self._failures = 0
        longest = self._interval * random.uniform(0.9, 1.1)  # noqa: S311 - no secret
        return longest if due is None else min(max(due.total_seconds(), 0.0), longest)


@asynccontextmanager
async def running(loops: Sequence[Loop]) -> AsyncIterator[None]:
    """Run loops while the block is open; on leaving, each is cancelled and awaited."""
    tasks = [asyncio.create_task(loop.run(), name=f"computor {loop.name}") for loop in loops]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
