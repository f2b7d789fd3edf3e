"""Replay: a definition driven by its journal, without any I/O.

The definition's coroutine is stepped by hand. What it awaits are commands of its context; each
has a position that depends on the definition alone. Results are handed in one at a time, in the
order in which they were first had (their ordinal), and after each the definition runs on until
it waits again, so a replay passes through exactly the states of the first run.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from typing import Any, TypeVar
from uuid import UUID, uuid5

from computor_core.plugin_api.workflows import (
    ChildFailedError,
    Failure,
    Json,
    NonDeterminismError,
    Step,
    StepFailedError,
    WorkflowCancelledError,
    WorkflowContext,
    WorkflowDefinition,
)
from computor_core.workflows.codec import decode, encode

__all__ = ["CANCEL_POSITION", "Command", "CommandKind", "Replay", "Resolution", "child_id"]

In = TypeVar("In")
Out = TypeVar("Out")

CANCEL_POSITION = "cancel"
_MAX_POSITION = 128
_MAX_EVENT_KEY = 128


class CommandKind(StrEnum):
    """What a definition can ask for; ``CANCEL`` is the one entry that it didn't ask for."""

    STEP = "step"
    SLEEP = "sleep"
    WAIT = "wait"
    CHILD = "child"
    CANCEL = "cancel"


@dataclass(slots=True, eq=False)
class Command:
    """Something that a definition awaits.

    Attributes:
        kind: What.
        position: Where in the run.
        name: What the journal compares beside the position.
        input: A step's or child's request as JSON values.
        step: The step's declaration.
        duration: Length of a sleep, or longest wait for an event.
        event: Name and key of the awaited event.
        child: Definition of the child.
    """

    kind: CommandKind
    position: str
    name: str
    input: Json = None
    step: Step[Any, Any] | None = None
    duration: timedelta | None = None
    event: tuple[str, str] = ("", "")
    child: WorkflowDefinition[Any, Any] | None = None

    def __await__(self) -> Generator[Command, Json, Json]:
        return (yield self)


@dataclass(frozen=True, slots=True)
class Resolution:
    """A command's result, as the journal keeps it.

    Attributes:
        position: The command's position.
        name: The command's name.
        ordinal: Which result of the run it is, from 1.
        at: When it was had, UTC.
        output: JSON values; the payload of an event, None when the wait for it timed out.
        failure: Why the command failed, or None.
    """

    position: str
    name: str
    ordinal: int
    at: datetime
    output: Json = None
    failure: Failure | None = None


def child_id(run_id: UUID, position: str) -> UUID:
    """The id of the child run that ``run_id`` starts at ``position``."""
    return uuid5(run_id, f"child:{position}")


class _ReleasedError(BaseException):
    """Ends a coroutine that is laid aside: its clean-up must not ask for anything."""


@dataclass(slots=True, eq=False)
class _Branch:
    coroutine: Coroutine[Any, Any, Any]
    prefix: str
    group: _Group | None = None
    index: int = 0
    counter: int = 0


@dataclass(slots=True, eq=False)
class _Group:
    """The branches of one ``gather``."""

    position: str
    awaitables: tuple[Awaitable[Any], ...]
    parent: _Branch | None = None
    left: int = 0
    results: list[Any] = field(default_factory=list)
    errors: list[BaseException | None] = field(default_factory=list)

    def __await__(self) -> Generator[_Group, tuple[Any, ...], tuple[Any, ...]]:
        return (yield self)


class Replay:
    """One pass of a definition over a journal.

    Args:
        definition: The definition.
        run_id: The run.
        started_at: The run's time before its first result.
        payload: The run's input as JSON values.
        recorded: The journal's results, in any order.
        unresolved: Name by position of the journal's entries without a result.

    Attributes:
        pending: The commands that wait for a result, by position, oldest first.
        progress: The latest value that the definition published, or None.
        finished: Whether the definition has returned or raised.
        output: What it returned, as JSON values.
        error: What it raised.
    """

    def __init__(
        self,
        definition: WorkflowDefinition[Any, Any],
        run_id: UUID,
        started_at: datetime,
        payload: Json,
        recorded: Iterable[Resolution] = (),
        unresolved: Mapping[str, str] | None = None,
    ) -> None:
        self.definition = definition
        self.run_id = run_id
        self.time = started_at
        self.pending: dict[str, Command] = {}
        self.progress: dict[str, Json] | None = None
        self.finished = False
        self.output: Json = None
        self.error: BaseException | None = None
        self.ordinal = 0
        self._payload = payload
        self._recorded = sorted(recorded, key=lambda item: item.ordinal)
        self._unresolved = dict(unresolved or {})
        self._known = {item.position: item.name for item in self._recorded} | self._unresolved
        self._waiting: dict[str, _Branch] = {}
        self._ready: deque[tuple[_Branch, Callable[[], object]]] = deque()
        self._branches: set[_Branch] = set()
        self.current: _Branch | None = None
        self.released = False

    def begin(self) -> None:
        """Start the definition and hand it everything that the journal has.

        Raises:
            NonDeterminismError: The definition doesn't follow the journal.
        """
        request = decode(self.definition.input_type, self._payload, f"input of {self.definition.key}")
        coroutine = self.definition.function(_ReplayContext(self), request)
        root = _Branch(coroutine, "")
        self._branches.add(root)
        self._ready.append((root, partial(coroutine.send, None)))
        self._drain()
        for resolution in self._recorded:
            self._hand_in(resolution)
        for position, name in self._unresolved.items():
            if position not in self.pending:
                raise self._diverged(position, name)

    def apply(self, resolution: Resolution) -> None:
        """Hand in one new result and run on.

        Raises:
            NonDeterminismError: Nothing waits for it, or what comes next isn't the context's.
        """
        self._hand_in(resolution)

    def release(self) -> None:
        """Lay the definition aside; its coroutines end without asking for anything."""
        self.released = True
        for branch in sorted(self._branches, key=lambda item: item.prefix, reverse=True):
            try:
                branch.coroutine.close()
            except (_ReleasedError, RuntimeError):
                # A definition's "finally" that awaits can't be let run now; its next replay will.
                continue
        self._branches.clear()

    def next_position(self) -> str:
        """The next position of the branch that runs.

        Raises:
            NonDeterminismError: The context is used outside the definition, or nested too deep.
        """
        branch = self.current
        if self.released or branch is None:
            raise (
                _ReleasedError
                if self.released
                else NonDeterminismError("the workflow's context was used outside its definition")
            )
        branch.counter += 1
        position = f"{branch.prefix}{branch.counter}"
        if len(position) > _MAX_POSITION:
            raise NonDeterminismError("the workflow's gathers are nested too deep")
        return position

    def _hand_in(self, resolution: Resolution) -> None:
        if resolution.ordinal != self.ordinal + 1:
            raise NonDeterminismError(
                f"result {resolution.ordinal} of the journal follows result {self.ordinal}"
            )
        self.ordinal = resolution.ordinal
        self.time = max(self.time, resolution.at)
        if resolution.position == CANCEL_POSITION:
            for position, branch in self._waiting.items():
                self._ready.append((branch, partial(branch.coroutine.throw, WorkflowCancelledError())))
                self._known.pop(position, None)
            self.pending.clear()
            self._waiting = {}
        else:
            command = self.pending.pop(resolution.position, None)
            if command is None or command.name != resolution.name:
                raise self._diverged(resolution.position, resolution.name)
            branch = self._waiting.pop(resolution.position)
            if resolution.failure is None:
                self._ready.append((branch, partial(branch.coroutine.send, resolution.output)))
            else:
                error = _error_of(command, resolution.failure, self.run_id)
                self._ready.append((branch, partial(branch.coroutine.throw, error)))
        self._drain()

    def _drain(self) -> None:
        while self._ready:
            branch, resume = self._ready.popleft()
            self.current = branch
            try:
                awaited = resume()
            except StopIteration as stop:
                self._ended(branch, stop.value, None)
            except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - it is the run's outcome
                self._ended(branch, None, error)
            else:
                self._issued(branch, awaited)
            finally:
                self.current = None

    def _issued(self, branch: _Branch, awaited: object) -> None:
        if isinstance(awaited, _Group):
            self._spread(branch, awaited)
            return
        if not isinstance(awaited, Command):
            raise NonDeterminismError(
                f"{self.definition.key} awaits something that isn't its context's ({type(awaited).__name__})",
                hint="sleep, wait and gather through the context",
            )
        known = self._known.get(awaited.position)
        if known is not None and known != awaited.name:
            raise self._diverged(awaited.position, known, awaited.name)
        self.pending[awaited.position] = awaited
        self._waiting[awaited.position] = branch

    def _spread(self, parent: _Branch, group: _Group) -> None:
        group.parent = parent
        group.left = len(group.awaitables)
        group.results = [None] * group.left
        group.errors = [None] * group.left
        for index, awaitable in enumerate(group.awaitables):
            coroutine = _run_awaitable(awaitable)
            branch = _Branch(coroutine, f"{group.position}.{index + 1}.", group, index)
            self._branches.add(branch)
            self._ready.append((branch, partial(coroutine.send, None)))

    def _ended(self, branch: _Branch, value: object, error: BaseException | None) -> None:
        self._branches.discard(branch)
        group = branch.group
        if group is not None:
            group.results[branch.index], group.errors[branch.index] = value, error
            group.left -= 1
            if not group.left and group.parent is not None:
                first = next((item for item in group.errors if item is not None), None)
                resume: Callable[[], object] = (
                    partial(group.parent.coroutine.send, tuple(group.results))
                    if first is None
                    else partial(group.parent.coroutine.throw, first)
                )
                self._ready.append((group.parent, resume))
            return
        self.finished = True
        if error is None:
            try:
                self.output = encode(
                    self.definition.output_type, value, f"output of workflow {self.definition.key}"
                )
            except Exception as refused:  # noqa: BLE001 - it is the run's outcome
                error = refused
        self.error = error

    def _diverged(self, position: str, recorded: str, asked: str | None = None) -> NonDeterminismError:
        instead = f"asks for {asked}" if asked else "doesn't get there"
        return NonDeterminismError(
            f"{self.definition.key} {instead} where its journal has {recorded} (position {position})",
            hint="register the changed definition under a new version",
            details={"position": position, "recorded": recorded, "asked": asked},
        )


async def _run_awaitable(awaitable: Awaitable[Any]) -> Any:  # noqa: ANN401 - whatever the branch returns
    return await awaitable


def _error_of(command: Command, failure: Failure, run_id: UUID) -> Exception:
    if command.kind is CommandKind.CHILD and command.child is not None:
        return ChildFailedError(command.child.key, child_id(run_id, command.position), failure)
    return StepFailedError(command.name, failure)


class _ReplayContext(WorkflowContext):
    """The context of a replayed definition."""

    def __init__(self, replay: Replay) -> None:
        self.run_id = replay.run_id
        self._replay = replay

    async def step(self, step: Step[In, Out], request: In) -> Out:
        position = self._next_position()
        payload = encode(step.input_type, request, f"input of step {step.name}")
        output = await Command(CommandKind.STEP, position, step.name, payload, step=step)
        return decode(step.output_type, output, f"output of step {step.name}")  # type: ignore[no-any-return]

    async def sleep(self, duration: timedelta) -> None:
        await Command(CommandKind.SLEEP, self._next_position(), "sleep", duration=duration)

    def now(self) -> datetime:
        return self._replay.time

    async def child(self, definition: WorkflowDefinition[In, Out], request: In) -> Out:
        position = self._next_position()
        payload = encode(definition.input_type, request, f"input of workflow {definition.key}")
        name = f"workflow:{definition.key}"
        output = await Command(CommandKind.CHILD, position, name, payload, child=definition)
        return decode(definition.output_type, output, f"output of {definition.key}")  # type: ignore[no-any-return]

    async def progress(self, progress: Mapping[str, Json]) -> None:
        self._replay.progress = encode(dict[str, Any], dict(progress), "progress")

    async def _wait_event(
        self, name: str, key: str, payload: object, limit: timedelta | None
    ) -> object | None:
        if not name or not key or len(name) > _MAX_EVENT_KEY or len(key) > _MAX_EVENT_KEY:
            raise ValueError(f"an event's name and key have 1 to {_MAX_EVENT_KEY} characters")
        command = Command(
            CommandKind.WAIT, self._next_position(), f"event:{name}"[:128], duration=limit, event=(name, key)
        )
        came = await command
        return None if came is None else decode(payload, came, f"payload of event {name}")

    async def _gather(self, branches: tuple[Awaitable[Any], ...]) -> tuple[Any, ...]:
        try:
            position = self._next_position()
        except BaseException:
            for branch in branches:
                if isinstance(branch, Coroutine):
                    branch.close()
            raise
        return await _Group(position, branches) if branches else ()

    def _next_position(self) -> str:
        return self._replay.next_position()
