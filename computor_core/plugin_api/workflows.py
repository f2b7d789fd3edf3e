"""Workflows: definitions, step declarations and what both get to work with.

A definition is written once and runs on every engine. Its module imports nothing but this one
and DTOs (pydantic models or dataclasses); the steps' implementations are registered apart::

    prepare = Step[TestRequest, JobRef]("submission.prepare", timeout=minutes(1), retry=Retry(5))
    settle = Step[Settlement, None]("submission.settle")

    @workflow("submission.test", version=1, finalizer=settle)
    async def test_submission(ctx: WorkflowContext, request: TestRequest) -> TestOutcome:
        job = await ctx.step(prepare, request)
        done = await ctx.wait_event("job.done", job.id, timeout=minutes(30))
        return await ctx.step(record, done)

A definition is replayed: it must come to the same calls in the same order from the same
results. It awaits nothing but its context, and asks the context for time, ids and chance.
Inputs and outputs are ids and blob references, at most 64 KiB of JSON each.
"""

from __future__ import annotations

import hashlib
import re
import typing
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from random import Random
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar, overload
from uuid import UUID, uuid5

from computor_core.plugin_api.workflow_errors import (
    ChildFailedError,
    Failure,
    Json,
    NonDeterminismError,
    NonRetryableError,
    PayloadLimitError,
    StepFailedError,
    WorkflowCancelledError,
    WorkflowError,
)

if TYPE_CHECKING:
    from computor_core.plugin_api.principal import Principal
    from computor_core.plugin_api.services import CoreServices

__all__ = [
    "MAX_PAYLOAD_BYTES",
    "ChildFailedError",
    "EventResult",
    "Failure",
    "Json",
    "NonDeterminismError",
    "NonRetryableError",
    "PayloadLimitError",
    "Retry",
    "RunState",
    "Settlement",
    "Step",
    "StepContext",
    "StepFailedError",
    "WorkflowCancelledError",
    "WorkflowContext",
    "WorkflowDefinition",
    "WorkflowError",
    "minutes",
    "seconds",
    "workflow",
]

In = TypeVar("In")
Out = TypeVar("Out")
In_contra = TypeVar("In_contra", contravariant=True)
Out_co = TypeVar("Out_co", covariant=True)
A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")

MAX_PAYLOAD_BYTES = 64 * 1024
"""Most bytes of JSON that a workflow's input or output, a step's, or a signal may have."""

_NAME = re.compile(r"[a-z][a-z0-9_]*(\.[a-z0-9_]+)*\Z")
_MAX_NAME = 100


def seconds(count: float) -> timedelta:
    """A duration of ``count`` seconds."""
    return timedelta(seconds=count)


def minutes(count: float) -> timedelta:
    """A duration of ``count`` minutes."""
    return timedelta(minutes=count)


# --- declarations -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Retry:
    """How often a failing step is tried, and how long to wait in between.

    Attributes:
        attempts: Attempts in all, the first one included; at least 1.
        initial: Wait after the first failed attempt.
        factor: What each further wait is multiplied by; at least 1.
        maximum: Longest wait.
    """

    attempts: int = 5
    initial: timedelta = timedelta(seconds=1)
    factor: float = 2.0
    maximum: timedelta = timedelta(minutes=1)

    def __post_init__(self) -> None:
        if self.attempts < 1 or self.factor < 1 or self.initial < timedelta(0):
            raise ValueError("Retry needs attempts >= 1, factor >= 1 and initial >= 0")

    def delay(self, failed: int) -> timedelta:
        """The wait after ``failed`` failed attempts (1 or more), exponential up to ``maximum``."""
        # The exponent is bounded so that a long-lived retry can't overflow a float.
        wait = self.initial.total_seconds() * self.factor ** min(failed - 1, 64)
        return min(timedelta(seconds=min(wait, 86400.0)), self.maximum)


class Step(Generic[In_contra, Out_co]):
    """Declaration of a step: its name, its types, its limits.

    Declare it at module level of the definition, with both types in brackets:
    ``Step[Request, Answer]("name")``.

    Args:
        name: Unique name, ``"<noun>.<verb>"``; the implementation registers under it.
        timeout: Longest time of one attempt.
        retry: What happens after a failed attempt.
        heartbeat: Longest time between two calls of ``StepContext.heartbeat``; None demands none.

    Raises:
        ValueError: The name isn't dotted lower-case words, or a duration isn't positive.
    """

    def __init__(
        self,
        name: str,
        *,
        timeout: timedelta = timedelta(minutes=5),
        retry: Retry | None = None,
        heartbeat: timedelta | None = None,
    ) -> None:
        _require_name(name, "step")
        if timeout <= timedelta(0) or (heartbeat is not None and heartbeat <= timedelta(0)):
            raise ValueError(f"step {name}: timeout and heartbeat must be positive")
        self.name = name
        self.timeout = timeout
        self.retry = retry if retry is not None else Retry()
        self.heartbeat = heartbeat

    def __repr__(self) -> str:
        return f"Step({self.name!r})"

    @property
    def input_type(self) -> object:
        """The type of the step's request."""
        return self._types()[0]

    @property
    def output_type(self) -> object:
        """The type of the step's output."""
        return self._types()[1]

    def _types(self) -> tuple[Any, Any]:
        # typing leaves the subscripted alias on the instance (PEP 560).
        alias = getattr(self, "__orig_class__", None)
        if alias is None:
            raise TypeError(f"step {self.name} is declared without its types: Step[Request, Answer](…)")
        request, answer = typing.get_args(alias)
        return request, answer


class WorkflowDefinition(Generic[In, Out]):
    """A version of a workflow, made by :func:`workflow`.

    Attributes:
        name, version: Its identity; runs are pinned to both.
        finalizer: The step that settles every run, however it ended.
        timeout: Longest time from start to end of a run, None for no limit.
        function: The definition itself.
    """

    def __init__(
        self,
        name: str,
        version: int,
        finalizer: Step[Settlement, None],
        timeout: timedelta | None,
        function: Callable[[WorkflowContext, In], Coroutine[Any, Any, Out]],
    ) -> None:
        self.name = name
        self.version = version
        self.finalizer = finalizer
        self.timeout = timeout
        self.function = function

    def __repr__(self) -> str:
        return f"WorkflowDefinition({self.key!r})"

    @property
    def key(self) -> str:
        """``name@version``."""
        return f"{self.name}@{self.version}"

    @property
    def input_type(self) -> object:
        """The annotated type of the second parameter."""
        return self._hints()[0]

    @property
    def output_type(self) -> object:
        """The annotated type of what is returned."""
        return self._hints()[1]

    def _hints(self) -> tuple[Any, Any]:
        code = self.function.__code__
        try:
            hints = typing.get_type_hints(self.function)
            return hints[code.co_varnames[1]], hints["return"]
        except (NameError, KeyError, IndexError) as error:
            raise TypeError(
                f"workflow {self.key}: annotate (ctx, request) and the return value with types "
                f"that the module imports at run time ({error})"
            ) from error


def workflow(
    name: str,
    *,
    version: int,
    finalizer: Step[Settlement, None],
    timeout: timedelta | None = None,
) -> Callable[[Callable[[WorkflowContext, In], Coroutine[Any, Any, Out]]], WorkflowDefinition[In, Out]]:
    """Make a version of a workflow from ``async def (ctx, request) -> output``.

    Args:
        name: Name of the workflow, dotted lower-case words.
        version: 1 or more. A change that alters which steps are called in which order is a new
            version beside the old one, for as long as runs of the old one last.
        finalizer: The step that settles every run: it gets a :class:`Settlement` once the run has
            completed, failed, timed out, been cancelled or vanished. It may run more than once.
        timeout: Longest time from start to end; a run over it ends as ``timed_out``.

    Raises:
        ValueError: A malformed name, version or timeout.
    """
    _require_name(name, "workflow")
    if version < 1:
        raise ValueError(f"workflow {name}: version must be 1 or more")
    if timeout is not None and timeout <= timedelta(0):
        raise ValueError(f"workflow {name}: timeout must be positive")

    def declare(
        function: Callable[[WorkflowContext, In], Coroutine[Any, Any, Out]],
    ) -> WorkflowDefinition[In, Out]:
        return WorkflowDefinition(name, version, finalizer, timeout, function)

    return declare


def _require_name(name: str, what: str) -> None:
    if len(name) > _MAX_NAME or not _NAME.match(name):
        raise ValueError(
            f"{what} name {name!r} must be dotted lower-case words, at most {_MAX_NAME} characters"
        )


# --- what runs are told -----------------------------------------------------------------


class RunState(StrEnum):
    """Where a run stands. ``parked``: its definition isn't installed here; it waits for it."""

    PENDING = "pending"
    RUNNING = "running"
    WAITING = "waiting"
    PARKED = "parked"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    TIMED_OUT = "timed_out"

    @property
    def terminal(self) -> bool:
        """Whether nothing more can happen to the run but its settlement."""
        return self in {RunState.COMPLETED, RunState.FAILED, RunState.CANCELLED, RunState.TIMED_OUT}


@dataclass(frozen=True, slots=True)
class Settlement:
    """How a run ended, for its finalizer.

    Attributes:
        run_id: The run.
        workflow: Name of the workflow.
        version: Its version.
        state: A terminal state.
        input: The run's input as JSON values.
        output: The run's output as JSON values; None unless it completed.
        failure: Why it didn't complete, else None.
    """

    run_id: UUID
    workflow: str
    version: int
    state: RunState
    input: Json
    output: Json = None
    failure: Failure | None = None

    @property
    def reason(self) -> str:
        """Why it didn't complete, one sentence; "" when it did."""
        return self.failure.message if self.failure is not None else ""


@dataclass(frozen=True, slots=True)
class EventResult(Generic[A]):
    """What ``wait_event`` came back with.

    Attributes:
        name: Name of the event.
        key: Its key.
        payload: What the event brought; None when it didn't come in time.
    """

    name: str
    key: str
    payload: A | None = None

    @property
    def timed_out(self) -> bool:
        """Whether the event didn't come in time."""
        return self.payload is None


# --- contexts ---------------------------------------------------------------------------


class WorkflowContext(ABC):
    """What a definition may use; nothing else is replayed.

    Attributes:
        run_id: The run.
    """

    run_id: UUID

    @abstractmethod
    async def step(self, step: Step[In, Out], request: In) -> Out:
        """Run a step and return its output.

        Raises:
            StepFailedError: It failed for good.
            PayloadLimitError: The request is over 64 KiB.
            WorkflowCancelledError: The run was cancelled meanwhile.
        """

    @abstractmethod
    async def sleep(self, duration: timedelta) -> None:
        """Go on after ``duration``; durable, and holds no process meanwhile."""

    @abstractmethod
    def now(self) -> datetime:
        """The time of the run, UTC: that of the latest result that the definition got."""

    @overload
    async def wait_event(
        self,
        name: str,
        key: str | UUID,
        *,
        timeout: timedelta | None = None,  # noqa: ASYNC109 - see below
    ) -> EventResult[dict[str, Json]]: ...

    @overload
    async def wait_event(
        self,
        name: str,
        key: str | UUID,
        payload: type[A],
        *,
        timeout: timedelta | None = None,  # noqa: ASYNC109 - see below
    ) -> EventResult[A]: ...

    async def wait_event(
        self,
        name: str,
        key: str | UUID,
        payload: object = dict[str, Any],
        *,
        timeout: timedelta | None = None,  # noqa: ASYNC109 - durable; asyncio's wouldn't be
    ) -> EventResult[Any]:
        """Wait for ``UnitOfWork.signal(name, key, …)``; one sent before the wait counts.

        Args:
            name: Name of the event.
            key: Which one, as the sender calls it.
            payload: Type of what the event brings; a JSON object unless given.
            timeout: Longest wait; None waits for ever.

        Returns:
            What the event brought, or that it didn't come in time.

        Raises:
            WorkflowCancelledError: The run was cancelled meanwhile.
        """
        came = await self._wait_event(name, str(key), payload, timeout)
        return EventResult(name, str(key), came)

    @abstractmethod
    async def child(self, definition: WorkflowDefinition[In, Out], request: In) -> Out:
        """Run another workflow and return its output once it is settled.

        The child is cancelled when this run ends before it.

        Raises:
            ChildFailedError: It failed, timed out or was cancelled.
        """

    @abstractmethod
    async def progress(self, progress: Mapping[str, Json]) -> None:
        """Publish how far the run has come; the latest value replaces the one before."""

    @overload
    async def gather(self, first: Awaitable[A], second: Awaitable[B], /) -> tuple[A, B]: ...

    @overload
    async def gather(
        self, first: Awaitable[A], second: Awaitable[B], third: Awaitable[C], /
    ) -> tuple[A, B, C]: ...

    @overload
    async def gather(self, *branches: Awaitable[A]) -> tuple[A, ...]: ...

    async def gather(self, *branches: Awaitable[Any]) -> tuple[Any, ...]:
        """Run branches side by side and return their results in the order of the arguments.

        A branch is ``ctx.step(…)`` or any coroutine that awaits this context. All branches run to
        their end; then the first failure, in the order of the arguments, is raised.
        """
        return await self._gather(branches)

    def uuid(self) -> UUID:
        """An id that is the same in every replay (version 5, from the run and the position)."""
        return uuid5(self.run_id, f"uuid:{self._next_position()}")

    def random(self) -> Random:
        """A generator whose numbers are the same in every replay; not for secrets."""
        seed = hashlib.sha256(f"{self.run_id}:{self._next_position()}".encode()).digest()
        return Random(seed)  # noqa: S311 - reproducible on purpose, documented as not for secrets

    @abstractmethod
    async def _wait_event(
        self, name: str, key: str, payload: object, limit: timedelta | None
    ) -> object | None:
        """The engine's part of :meth:`wait_event`."""

    @abstractmethod
    async def _gather(self, branches: tuple[Awaitable[Any], ...]) -> tuple[Any, ...]:
        """The engine's part of :meth:`gather`."""

    @abstractmethod
    def _next_position(self) -> str:
        """The next position of the branch that runs, ``"2"`` or ``"3.1.4"``."""


@dataclass(frozen=True, slots=True)
class StepContext:
    """What a step's implementation gets beside its request.

    Attributes:
        app: Doors into the core: units of work, sign-in, pushes.
        run_id: The run.
        workflow: Name of its workflow.
        version: Version of its workflow.
        step: Name of the step.
        position: Where in the run, ``"2"`` or ``"3.1.4"``; ``"settle"`` for the finalizer.
        attempt: 1 for the first attempt.
        idempotency_key: The same for every attempt of this call and for no other call.
        principal: The system principal that the step acts as.
        beat: Called by :meth:`heartbeat`.
    """

    app: CoreServices
    run_id: UUID
    workflow: str
    version: int
    step: str
    position: str
    attempt: int
    principal: Principal
    beat: Callable[[], None] = lambda: None

    @property
    def idempotency_key(self) -> str:
        """``"<run id>:<position>"``: repeats of an attempt find what an earlier one left."""
        return f"{self.run_id}:{self.position}"

    def heartbeat(self) -> None:
        """Say that the step is alive; due more often than the step's ``heartbeat``."""
        self.beat()


StepImplementation: TypeAlias = Callable[[StepContext, Any], Awaitable[Any]]
"""A step's implementation: ``async def (ctx: StepContext, request) -> output``."""


def as_definition(value: object, target: str) -> WorkflowDefinition[Any, Any]:
    """The definition that an import string led to.

    Raises:
        TypeError: Something else stands there.
    """
    if not isinstance(value, WorkflowDefinition):
        raise TypeError(f"{target} is no workflow definition but {type(value).__name__}")
    return value
