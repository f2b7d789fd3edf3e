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

import re
import typing
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any, Generic, TypeAlias, TypeVar
from uuid import UUID

from computor_core.plugin_api.workflow_contexts import EventResult, StepContext, WorkflowContext
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


StepImplementation: TypeAlias = Callable[[StepContext, Any], Awaitable[Any]]
"""A step's implementation: ``async def (ctx: StepContext, request) -> output``."""
