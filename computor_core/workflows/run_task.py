"""One run under a lease, from taking it up to its end or to laying it aside."""

from __future__ import annotations

import asyncio
import logging
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar
from uuid import UUID

from computor_core.errors import ComputorError
from computor_core.failpoints import failpoint
from computor_core.plugin_api.providers.engine import StepAttemptError, StepCall
from computor_core.plugin_api.workflows import (
    Failure,
    Json,
    RunState,
    WorkflowCancelledError,
    WorkflowDefinition,
    WorkflowError,
)
from computor_core.workflows.failures import failure_of
from computor_core.workflows.journal import Changes, Journal, Observation, OpenEntry
from computor_core.workflows.leases import LeaseLostError
from computor_core.workflows.replay import CANCEL_POSITION, Command, CommandKind, Replay, Resolution, child_id

if TYPE_CHECKING:
    from computor_core.plugin_api.providers.engine import EngineHost
    from computor_core.workflows.units import Units

__all__ = ["RunTask"]

_log = logging.getLogger("computor.workflows")

_LOOK_AGAIN = 5.0
"""Seconds after which a run that is carried out looks for news by itself."""

_STEP_END = 10.0
"""Seconds that a cancelled step has to end."""


class RunTask:
    """Carries one leased run.

    Args:
        units: Where the journal is.
        host: Core's side.
        engine_instance: Which engine the run's children belong to.
        run_id: The run.
        epoch: Epoch of the lease.
    """

    replay: ClassVar[type[Replay]] = Replay

    def __init__(
        self, units: Units, host: EngineHost, engine_instance: str, run_id: UUID, epoch: int
    ) -> None:
        self.run_id = run_id
        self._host = host
        self._engine_instance = engine_instance
        self._journal = Journal(units, run_id, epoch)
        self._news = asyncio.Event()
        self._stopping = False
        self._lost = False
        self._steps: dict[str, asyncio.Task[Json]] = {}
        self._entries: dict[str, OpenEntry] = {}
        self._changes = Changes()
        self._cancelled = False
        self._at = datetime.now(UTC)
        self._since = time.monotonic()

    def notify(self) -> None:
        """There is news of the run."""
        self._news.set()

    def stop(self) -> None:
        """Lay the run aside as soon as possible, with its steps interrupted."""
        self._stopping = True
        self._news.set()

    def lose(self) -> None:
        """The lease is gone: stop without another word."""
        self._lost = True
        self._news.set()

    async def carry(self) -> None:
        """Carry the run until it ends, waits for something far off, or is taken away."""
        replay: Replay | None = None
        try:
            loaded = await self._journal.load()
            self._anchor(loaded.now)
            definition = self._host.definition(loaded.workflow, loaded.version)
            self._entries = dict(loaded.open)
            self._cancelled = any(item.position == CANCEL_POSITION for item in loaded.recorded)
            replay = self.replay(
                definition,
                self.run_id,
                loaded.started_at,
                loaded.input,
                loaded.recorded,
                {entry.position: entry.name for entry in self._entries.values()},
            )
            await self._carry(replay, definition, loaded.deadline_at)
        except LeaseLostError:
            _log.warning("run %s is carried by another host now", self.run_id)
        finally:
            await self._cancel_steps()
            if replay is not None:
                replay.release()

    async def _carry(
        self, replay: Replay, definition: WorkflowDefinition[Any, Any], deadline: datetime | None
    ) -> None:
        try:
            replay.begin()
            self._resume_interrupted(replay)
            while True:
                seen = await self._look(replay)
                if not replay.finished and deadline is not None and seen.now >= deadline:
                    failure = Failure("workflow_timeout", f"it took longer than {definition.timeout}")
                    return await self._end(replay, RunState.TIMED_OUT, failure)
                if replay.finished:
                    return await self._end_as_returned(replay)
                if await self._journal_changes(replay):
                    continue
                if self._stopping or self._lost:
                    return await self._lay_down()
                self._launch(replay)
                if not self._steps:
                    if await self._suspend(deadline, seen):
                        return None
                    continue
                await self._wait(deadline)
                self._collect(replay)
        except WorkflowError as error:
            # The definition left its journal's path, or its input can't be read: the run fails.
            # Anything else that is raised here, by the database first of all, is the host's trouble.
            _log.error("run %s of %s: %s", self.run_id, definition.key, error)
            await self._cancel_steps()
            await self._end(replay, RunState.FAILED, failure_of(error, ""))

    # --- what has come --------------------------------------------------------------------

    async def _look(self, replay: Replay) -> Observation:
        """Take in what came from outside and what has become due."""
        self._news.clear()
        waits = [item.position for item in replay.pending.values() if item.kind is CommandKind.WAIT]
        children = {
            child_id(self.run_id, item.position): item.position
            for item in replay.pending.values()
            if item.kind is CommandKind.CHILD
        }
        seen = await self._journal.observe(waits, children.keys())
        self._anchor(seen.now)
        if seen.cancel_requested and not self._cancelled and not replay.finished:
            await self._cancel(replay)
            return seen
        for position, payload in seen.arrived.items():
            self._resolve(replay, position, payload)
        for position in seen.closed:
            self._resolve(replay, position, None)
        for child, (state, output, failure) in seen.children.items():
            if state is not RunState.COMPLETED and failure is None:
                failure = Failure(f"workflow_{state.value}", f"the child is {state.value}")
            self._resolve(replay, children[child], output, failure)
        await self._take_due(replay, seen.now)
        return seen

    async def _take_due(self, replay: Replay, now: datetime) -> None:
        due = [
            entry for entry in self._entries.values() if entry.wake_at is not None and entry.wake_at <= now
        ]
        for entry in sorted(due, key=lambda item: (item.wake_at, item.position)):
            if entry.position not in replay.pending:
                continue
            if entry.kind == CommandKind.SLEEP:
                self._resolve(replay, entry.position, None)
            elif entry.kind == CommandKind.WAIT:
                self._resolve(replay, entry.position, await self._journal.close_wait(entry.position))

    async def _cancel(self, replay: Replay) -> None:
        self._cancelled = True
        await self._cancel_steps()
        stored = [position for position in replay.pending if position in self._entries]
        self._changes.cancelled += stored
        for position in stored:
            del self._entries[position]
        entry = OpenEntry(CANCEL_POSITION, CANCEL_POSITION, CommandKind.CANCEL)
        self._apply(
            replay, Resolution(CANCEL_POSITION, CANCEL_POSITION, replay.ordinal + 1, self._now()), entry
        )

    def _resolve(self, replay: Replay, position: str, output: Json, failure: Failure | None = None) -> None:
        command = replay.pending.get(position)
        if command is None:
            return
        entry = self._entries.pop(position, None) or OpenEntry(position, command.name, command.kind)
        resolution = Resolution(position, command.name, replay.ordinal + 1, self._now(), output, failure)
        self._apply(replay, resolution, entry)

    def _apply(self, replay: Replay, resolution: Resolution, entry: OpenEntry) -> None:
        replay.apply(resolution)
        self._changes.results.append((resolution, entry))

    # --- journaling -----------------------------------------------------------------------

    async def _journal_changes(self, replay: Replay) -> bool:
        """Journal results, and what is begun next, in one transaction.

        Returns:
            Whether an event that the run begins to wait for is there already.
        """
        now = self._now()
        for command in replay.pending.values():
            entry = self._entries.get(command.position)
            if entry is None:
                self._entries[command.position] = self._begin(command, now)
            elif command.kind is CommandKind.STEP and entry.wake_at is not None and entry.wake_at <= now:
                entry.attempts += 1
                entry.wake_at = None
                self._changes.updates.append(entry)
        if replay.progress is not None:
            self._changes.progress, replay.progress = replay.progress, None
        if not self._changes:
            return False
        changes, self._changes = self._changes, Changes()
        failpoint("run.before_journal")
        answered = await self._journal.write(changes)
        _pass_journaled(changes)
        failpoint("run.journaled")
        for child in changes.children:
            self._host.changed(child["id"])
        if changes.progress is not None:
            self._host.changed(self.run_id)
        return answered

    def _begin(self, command: Command, now: datetime) -> OpenEntry:
        entry = OpenEntry(command.position, command.name, command.kind)
        if command.duration is not None:
            entry.wake_at = now + command.duration
        if command.kind is CommandKind.STEP:
            entry.attempts = 1
        elif command.kind is CommandKind.WAIT:
            self._changes.waits.append((command.position, *command.event))
        elif command.kind is CommandKind.CHILD and command.child is not None:
            limit = command.child.timeout
            self._changes.children.append(
                {
                    "id": child_id(self.run_id, command.position),
                    "workflow": command.child.name,
                    "workflow_version": command.child.version,
                    "engine_instance": self._engine_instance,
                    "parent_id": self.run_id,
                    "state": RunState.PENDING.value,
                    "input": command.input,
                    "wake_at": now,
                    "deadline_at": now + limit if limit is not None else None,
                }
            )
        self._changes.entries.append((entry, command.input))
        return entry

    async def _suspend(self, deadline: datetime | None, seen: Observation) -> bool:
        wakes = [entry.wake_at for entry in self._entries.values() if entry.wake_at is not None]
        if deadline is not None:
            wakes.append(deadline)
        failpoint("run.before_suspend")
        laid = await self._journal.suspend(min(wakes, default=None), seen.news)
        if laid:
            failpoint("run.suspended")
        return laid

    async def _lay_down(self) -> None:
        """Let go of the run; attempts cut short by an orderly stop don't count."""
        if self._lost:
            raise LeaseLostError(f"the lease of run {self.run_id} was lost")
        await self._cancel_steps()
        now = self._now()
        for entry in self._entries.values():
            if entry.kind == CommandKind.STEP and entry.wake_at is None:
                entry.attempts -= 1
                entry.wake_at = now
                self._changes.updates.append(entry)
        await self._journal.let_go(self._changes)

    async def _end_as_returned(self, replay: Replay) -> None:
        if replay.error is None:
            await self._end(replay, RunState.COMPLETED, None)
        elif isinstance(replay.error, WorkflowCancelledError):
            await self._end(replay, RunState.CANCELLED, failure_of(replay.error, ""))
        else:
            if not isinstance(replay.error, ComputorError):
                _log.error("run %s raised", self.run_id, exc_info=replay.error)
            await self._end(replay, RunState.FAILED, failure_of(replay.error, "workflow_unexpected"))

    async def _end(self, replay: Replay, state: RunState, failure: Failure | None) -> None:
        await self._cancel_steps()
        if replay.progress is not None:
            self._changes.progress = replay.progress
        failpoint("run.before_end")
        output = replay.output if state is RunState.COMPLETED else None
        await self._journal.end(self._changes, state, output, failure)
        _pass_journaled(self._changes)
        failpoint("run.ended")
        self._host.changed(self.run_id)
        await self._host.settle(self.run_id)

    # --- steps ----------------------------------------------------------------------------

    def _resume_interrupted(self, replay: Replay) -> None:
        """Steps whose host died under them: the attempt counts, the next one is due at once."""
        now = self._now()
        for position, command in list(replay.pending.items()):
            entry = self._entries.get(position)
            if command.step is None or entry is None or entry.wake_at is not None:
                continue
            if entry.attempts >= command.step.retry.attempts:
                failure = Failure("step_interrupted", "its host ended during the last attempt")
                self._resolve(replay, position, None, failure)
            else:
                entry.wake_at = now

    def _launch(self, replay: Replay) -> None:
        for position, command in replay.pending.items():
            entry = self._entries[position]
            if command.kind is not CommandKind.STEP or position in self._steps or entry.wake_at is not None:
                continue
            call = StepCall(
                run_id=self.run_id,
                workflow=replay.definition.name,
                version=replay.definition.version,
                position=position,
                step=command.name,
                input=command.input,
                attempt=entry.attempts,
            )
            task = asyncio.create_task(self._host.run_step(call), name=f"{command.name} {self.run_id}")
            task.add_done_callback(lambda _: self._news.set())
            self._steps[position] = task

    def _collect(self, replay: Replay) -> None:
        for position in [position for position, task in self._steps.items() if task.done()]:
            task = self._steps.pop(position)
            command, entry = replay.pending[position], self._entries[position]
            # A task that was cancelled from outside the run has an attempt to repeat.
            error = task.exception() if not task.cancelled() else asyncio.CancelledError()
            if error is None:
                self._resolve(replay, position, task.result())
            elif isinstance(error, StepAttemptError):
                self._attempt_failed(replay, command, entry, error)
            else:
                lost = StepAttemptError(failure_of(error, "step_unexpected"), retryable=True)
                self._attempt_failed(replay, command, entry, lost)

    def _attempt_failed(
        self, replay: Replay, command: Command, entry: OpenEntry, error: StepAttemptError
    ) -> None:
        if command.step is None or not error.retryable or entry.attempts >= command.step.retry.attempts:
            self._resolve(replay, command.position, None, error.failure)
            return
        wait = max(command.step.retry.delay(entry.attempts), error.retry_after or timedelta(0))
        entry.wake_at = self._now() + wait
        self._changes.updates.append(entry)

    async def _wait(self, deadline: datetime | None) -> None:
        """Until a step ends, something becomes due, or there is news."""
        if any(task.done() for task in self._steps.values()):
            return
        now = self._now()
        dues = [entry.wake_at for entry in self._entries.values() if entry.wake_at is not None]
        if deadline is not None:
            dues.append(deadline)
        longest = min([_LOOK_AGAIN, *((due - now).total_seconds() for due in dues)])
        try:
            async with asyncio.timeout(max(longest, 0.0)):
                await self._news.wait()
        except TimeoutError:
            return

    async def _cancel_steps(self) -> None:
        tasks, self._steps = self._steps, {}
        for task in tasks.values():
            task.cancel()
        if not tasks:
            return
        _, alive = await asyncio.wait(tasks.values(), timeout=_STEP_END)
        for task in alive:
            _log.error("%s doesn't end although it was cancelled", task.get_name())

    def _anchor(self, now: datetime) -> None:
        self._at, self._since = now, time.monotonic()

    def _now(self) -> datetime:
        """The database's time when it was last read, carried forward by this process."""
        return self._at + timedelta(seconds=time.monotonic() - self._since)


def _pass_journaled(changes: Changes) -> None:
    for resolution, entry in changes.results:
        if entry.kind == CommandKind.STEP:
            failpoint(f"step.journaled.{resolution.name}")
