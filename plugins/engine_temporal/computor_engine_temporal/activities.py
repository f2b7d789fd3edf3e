"""The activities: one for every step, and core's side of a run."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from temporalio import activity
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError

from computor_core.plugin_api.providers.engine import (
    EngineHost,
    OpenWait,
    RunEnded,
    StartRun,
    StepAttemptError,
    StepCall,
)
from computor_core.plugin_api.workflows import Json
from computor_engine_temporal.failures import application_error

__all__ = ["CLOSE_WAIT", "FINISH", "OPEN_RUN", "OPEN_WAIT", "REPORT_PROGRESS", "Activities", "StepHeader"]

OPEN_RUN = "computor:open_run"
OPEN_WAIT = "computor:open_wait"
CLOSE_WAIT = "computor:close_wait"
REPORT_PROGRESS = "computor:report_progress"
FINISH = "computor:finish"


@dataclass(frozen=True, slots=True)
class StepHeader:
    """Whose step it is: the first argument of a step's activity; the second is its request.

    Attributes:
        run_id: The run.
        workflow, version: Its definition.
        position: Where in the run.
    """

    run_id: UUID
    workflow: str
    version: int
    position: str


class Activities:
    """The activities of a worker.

    Args:
        host: Core's side.
        heartbeat: How long a step's host may be silent.
    """

    def __init__(self, host: EngineHost, heartbeat: timedelta) -> None:
        self._host = host
        self._beat_every = heartbeat.total_seconds() / 4

    @property
    def all(self) -> list[Callable[..., Any]]:
        """What the worker registers."""
        return [
            self.step,
            self.open_run,
            self.open_wait,
            self.close_wait,
            self.report_progress,
            self.finish,
        ]

    @activity.defn(dynamic=True)
    async def step(self, args: Sequence[RawValue]) -> Json:
        """One attempt of a step; the activity's type is the step's name."""
        info = activity.info()
        converter = activity.payload_converter()
        header: StepHeader = converter.from_payload(args[0].payload, StepHeader)
        call = StepCall(
            run_id=header.run_id,
            workflow=header.workflow,
            version=header.version,
            position=header.position,
            step=info.activity_type,
            input=converter.from_payload(args[1].payload),
            attempt=info.attempt,
        )
        async with self._beating():
            try:
                return await self._host.run_step(call)
            except StepAttemptError as error:
                raise application_error(
                    error.failure, non_retryable=not error.retryable, next_retry_delay=error.retry_after
                ) from error

    @activity.defn(name=OPEN_RUN)
    async def open_run(self, start: StartRun) -> None:
        """Enter a child run."""
        await self._host.open_run(start)

    @activity.defn(name=OPEN_WAIT)
    async def open_wait(self, wait: OpenWait) -> Mapping[str, Json] | None:
        """Enter a wait; the payload of an event that is there already."""
        return await self._host.open_wait(wait)

    @activity.defn(name=CLOSE_WAIT)
    async def close_wait(self, run_id: UUID, position: str) -> Mapping[str, Json] | None:
        """End a wait; the payload of an event that came first."""
        return await self._host.close_wait(run_id, position)

    @activity.defn(name=REPORT_PROGRESS)
    async def report_progress(self, run_id: UUID, progress: dict[str, Any]) -> None:
        """Publish a run's progress."""
        await self._host.report_progress(run_id, progress)

    @activity.defn(name=FINISH)
    async def finish(self, ended: RunEnded) -> None:
        """Record how a run ended; tried again until it is settled."""
        async with self._beating():
            if not await self._host.finish(ended):
                raise ApplicationError("the run isn't settled yet", type="not_settled")

    @asynccontextmanager
    async def _beating(self) -> AsyncIterator[None]:
        """Tell the server that this host is alive, which is also how it hears of cancellation."""

        async def beat() -> None:
            while True:
                activity.heartbeat()
                await asyncio.sleep(self._beat_every)

        beating = asyncio.create_task(beat())
        try:
            yield
        finally:
            beating.cancel()
            await asyncio.wait([beating])
