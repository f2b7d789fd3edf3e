"""What core's services do by themselves while a host runs: agents and sweepers."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

import anyio

from computor_core.plugin_api.providers.bus import Subscribe
from computor_core.services.agent import RunnerAgent
from computor_core.services.test_queue import TOPIC
from computor_core.workflows.loops import Loop, running

if TYPE_CHECKING:
    from computor_core.app import Computor

log = logging.getLogger(__name__)

SWEEP = timedelta(minutes=1)
"""Longest pause between two sweeps."""


def host_name() -> str:
    """Name of this host among those of a deployment; the same after a restart on the same machine."""
    return socket.gethostname()[:64]


@asynccontextmanager
async def background(app: Computor) -> AsyncIterator[None]:
    """Run the agents and sweepers while the block is open.

    On SQLite the file lock proves that no other host lives, so what earlier ones left behind is
    taken up at once: leases of their agents, spool folders, pushes that weren't completed.
    """
    services = app.services
    prefix = f"{host_name()}:"
    if app.database.is_sqlite:
        await anyio.to_thread.run_sync(_empty_spool, app)
        await services.queue.release_leases(prefix)
    agents = [
        RunnerAgent(app, name, name=f"{prefix}{name}", slots=_slots())
        for name in app.providers.names("runner")
    ]
    first = app.database.is_sqlite

    async def sweep_pushes() -> timedelta | None:
        nonlocal first
        await services.pushes.sweep(everything=first)
        first = False
        return None

    async def sweep_blobs() -> timedelta | None:
        removed = await services.blobs.sweep()
        return timedelta(0) if removed else None

    loops = [Loop("push sweeper", sweep_pushes, SWEEP), Loop("blob sweeper", sweep_blobs, SWEEP)]
    async with running(loops):
        tasks = [asyncio.create_task(agent.run(), name=f"computor agent {agent.name}") for agent in agents]
        tasks.append(asyncio.create_task(_wake(app, agents), name="computor agent wake-up"))
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def _wake(app: Computor, agents: list[RunnerAgent]) -> None:
    """Pass wake-ups on to the agents; without a bus they look by themselves, once a second."""
    while True:
        try:
            async with app.bus.subscribe(Subscribe(frozenset({TOPIC}))) as wakes:
                async for _wake_up in wakes:
                    for agent in agents:
                        agent.wake()
        except Exception:
            log.exception("the event bus is away")
        await anyio.sleep(5)


def _slots() -> int:
    """Jobs at a time: one per core."""
    return max(1, len(os.sched_getaffinity(0)))


def _empty_spool(app: Computor) -> None:
    spool = app.settings.data_dir / "spool"
    if spool.exists():
        shutil.rmtree(spool)
    spool.mkdir(mode=0o700)
