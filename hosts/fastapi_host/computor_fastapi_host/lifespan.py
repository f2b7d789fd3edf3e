"""Start and stop of a host: the application, its routes and its background work.

A mounted application's lifespan isn't run by the application that mounts it, so whoever embeds
the host enters :func:`lifespan` in their own.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import TYPE_CHECKING

from fastapi import FastAPI

from computor_fastapi_host.assembly import assemble_routes
from computor_fastapi_host.feed import Feed
from computor_fastapi_host.idempotency import sweep
from computor_fastapi_host.state import HostState, host_state

if TYPE_CHECKING:
    from computor_core.app import Computor

__all__ = ["lifespan"]

_SWEEP_SECONDS = 3600.0
_log = logging.getLogger("computor.http")


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Run a host that ``create_app`` made, for as long as the block is open.

    Embedding::

        host = create_app(settings)

        @asynccontextmanager
        async def own_lifespan(app):
            async with lifespan(host):
                yield

        own = FastAPI(lifespan=own_lifespan)
        own.mount("/computor", host)

    Raises:
        ComputorError: The application can't start; nothing is left open.
        TypeError: ``app`` wasn't made by ``create_app``.
    """
    state = host_state(app)
    state.begin()
    async with AsyncExitStack() as stack:
        computor = await state.opened(stack)
        assemble_routes(app, computor, state)
        state.feed = Feed(computor)
        await state.feed.begin()
        if state.runs:
            await stack.enter_async_context(computor.running())
        await stack.enter_async_context(_in_background(computor, state))
        state.computor = computor
        try:
            yield
        finally:
            state.feed.close()
            state.computor = None


@asynccontextmanager
async def _in_background(computor: Computor, state: HostState) -> AsyncIterator[None]:
    tasks = [
        asyncio.create_task(state.feed.run(), name="live updates"),
        asyncio.create_task(_sweep(computor), name="idempotency keys"),
    ]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task


async def _sweep(computor: Computor) -> None:
    while True:
        try:
            await sweep(computor)
        except Exception:  # noqa: BLE001 - logged, and tried again
            _log.exception("old idempotency keys weren't removed; the next hour tries again")
        await asyncio.sleep(_SWEEP_SECONDS)
