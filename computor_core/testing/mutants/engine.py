"""Broken engines; each names the test of :class:`EngineConformance` that rejects it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar
from uuid import UUID, uuid4

from sqlalchemy import delete, update

from computor_core.model.work import WorkflowRun, WorkflowStep
from computor_core.plugin_api.providers.engine import StepAttemptError
from computor_core.plugin_api.workflows import Json, RunState
from computor_core.workflows.in_process import InProcessEngine
from computor_core.workflows.replay import Command, CommandKind, Replay
from computor_core.workflows.run_task import RunTask
from computor_core.workflows.units import SYSTEM

if TYPE_CHECKING:
    from computor_core.plugin_api.providers.engine import EngineHost, StartRun, StepCall
    from computor_core.plugin_api.workflows import Failure, WorkflowDefinition
    from computor_core.workflows.journal import OpenEntry

__all__ = ["MUTANTS", "EngineMutant"]


class EngineMutant(InProcessEngine):
    """Root of the mutants.

    Attributes:
        rejected_by: Name of the test that rejects it.
    """

    rejected_by: ClassVar[str] = ""


class RunsTwice(EngineMutant):
    """Takes a second start of a run that has ended for a new run."""

    rejected_by = "test_starting_a_run_twice_runs_it_once"

    async def start(self, request: StartRun) -> None:
        known = await self.describe(request.run_id)
        if known is not None and known.state.terminal:
            async with self._units.uow(SYSTEM) as work:
                await work.connection.execute(
                    delete(WorkflowStep).where(WorkflowStep.run_id == request.run_id)
                )
                await work.connection.execute(
                    update(WorkflowRun).where(WorkflowRun.id == request.run_id).values(state="pending")
                )
        await super().start(request)


class IgnoresCancel(EngineMutant):
    """Acknowledges cancel requests and goes on."""

    rejected_by = "test_a_cancelled_run_cleans_up_and_is_settled"

    async def cancel(self, run_id: UUID) -> None:
        self.wake(run_id)


class CancelsWhatHasEnded(EngineMutant):
    """Marks a run as cancelled whatever its state."""

    rejected_by = "test_an_ended_run_cant_be_cancelled"

    async def cancel(self, run_id: UUID) -> None:
        async with self._units.uow(SYSTEM) as work:
            await work.connection.execute(
                update(WorkflowRun).where(WorkflowRun.id == run_id).values(state=RunState.CANCELLED.value)
            )


class ForgetsItsJournal(EngineMutant):
    """Starts every run from the beginning when a host comes back."""

    rejected_by = "test_a_waiting_run_outlives_its_host"

    @asynccontextmanager
    async def run(self, host: EngineHost) -> AsyncIterator[None]:
        async with self._units.uow(SYSTEM) as work:
            await work.connection.execute(delete(WorkflowStep))
            await work.connection.execute(update(WorkflowRun).values(news=WorkflowRun.news + 1))
        async with super().run(host):
            yield


class NeverRetries(EngineMutant):
    """Gives a step up after its first failure."""

    rejected_by = "test_a_failing_step_is_tried_again"

    class run_task(RunTask):  # noqa: N801
        def _attempt_failed(
            self, replay: Replay, command: Command, entry: OpenEntry, error: StepAttemptError
        ) -> None:
            self._resolve(replay, command.position, None, error.failure)


class RetriesAtOnce(EngineMutant):
    """Tries again without waiting."""

    rejected_by = "test_the_next_attempt_waits_its_time"

    class run_task(RunTask):  # noqa: N801
        def _attempt_failed(
            self, replay: Replay, command: Command, entry: OpenEntry, error: StepAttemptError
        ) -> None:
            super()._attempt_failed(replay, command, entry, error)
            if entry.wake_at is not None:
                entry.wake_at = self._now()


class RetriesEverything(EngineMutant):
    """Tries again what its step declared to be final."""

    rejected_by = "test_what_isnt_retryable_is_tried_once"

    class run_task(RunTask):  # noqa: N801
        def _attempt_failed(
            self, replay: Replay, command: Command, entry: OpenEntry, error: StepAttemptError
        ) -> None:
            error.retryable = True
            super()._attempt_failed(replay, command, entry, error)


class _FreshKeyHost:
    """Core's side, except that each attempt of a step looks like a call of its own."""

    def __init__(self, host: EngineHost) -> None:
        self._host = host

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the host has
        return getattr(self._host, name)

    async def run_step(self, call: StepCall) -> Json:
        return await self._host.run_step(replace(call, position=f"{call.position}:{call.attempt}"))


class MakesKeysAnew(EngineMutant):
    """Gives every attempt an idempotency key of its own."""

    rejected_by = "test_attempts_share_a_key_and_calls_dont"

    @asynccontextmanager
    async def run(self, host: EngineHost) -> AsyncIterator[None]:
        stand_in: Any = _FreshKeyHost(host)
        async with super().run(stand_in):
            yield


class CallsFailureSuccess(EngineMutant):
    """Ends a failed run as completed, with a status in its output."""

    rejected_by = "test_a_raising_definition_is_a_failed_run"

    class run_task(RunTask):  # noqa: N801
        async def _end(self, replay: Replay, state: RunState, failure: Failure | None) -> None:
            if state is RunState.FAILED:
                replay.output = {"status": "failed"}
                state, failure = RunState.COMPLETED, None
            await super()._end(replay, state, failure)


class OneBranchAtATime(EngineMutant):
    """Carries out the branches of a gather one after the other."""

    rejected_by = "test_branches_run_side_by_side"

    class run_task(RunTask):  # noqa: N801
        def _launch(self, replay: Replay) -> None:
            if self._steps:
                return
            waiting = dict(replay.pending)
            for position, command in waiting.items():
                if command.kind is CommandKind.STEP and self._entries[position].wake_at is None:
                    replay.pending = {position: command}
                    break
            super()._launch(replay)
            replay.pending = waiting


class DerivesAnew(EngineMutant):
    """Makes other ids and numbers in each replay."""

    rejected_by = "test_what_a_context_derives_is_the_same_in_a_replay"

    class run_task(RunTask):  # noqa: N801
        class replay(Replay):  # noqa: N801
            def __init__(
                self,
                definition: WorkflowDefinition[Any, Any],
                run_id: UUID,
                started_at: datetime,
                payload: Json,
                *journal: Any,  # noqa: ANN401 - handed on as it is
            ) -> None:
                super().__init__(definition, uuid4(), started_at, payload, *journal)


class WaitsForEver(EngineMutant):
    """Forgets how long a wait may last."""

    rejected_by = "test_a_wait_ends_when_its_time_is_up"

    class run_task(RunTask):  # noqa: N801
        def _begin(self, command: Command, now: datetime) -> OpenEntry:
            if command.kind is CommandKind.WAIT:
                command.duration = None
            return super()._begin(command, now)


class DescribesHalf(EngineMutant):
    """Describes a completed run without its output."""

    rejected_by = "test_describe_tells_ends_and_knows_no_others"

    async def describe(self, run_id: UUID) -> Any:  # noqa: ANN401 - as the contract's
        known = await super().describe(run_id)
        return None if known is None else replace(known, output=None)


MUTANTS: tuple[type[EngineMutant], ...] = (
    RunsTwice,
    IgnoresCancel,
    CancelsWhatHasEnded,
    ForgetsItsJournal,
    NeverRetries,
    RetriesAtOnce,
    RetriesEverything,
    MakesKeysAnew,
    CallsFailureSuccess,
    OneBranchAtATime,
    DerivesAnew,
    WaitsForEver,
    DescribesHalf,
)
