"""The one workflow: it imports a definition by name inside the sandbox and lends it a context.

This module is imported anew inside the sandbox for each run, and so are the definition and
whatever it imports; ``provider`` names the few modules that are passed through.
"""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Awaitable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NoReturn, TypeVar
from uuid import UUID, uuid5

from temporalio import workflow
from temporalio.api.common.v1 import Payload
from temporalio.common import RawValue, RetryPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import ActivityError, ApplicationError, CancelledError, ChildWorkflowError

from computor_core.plugin_api.providers.engine import OpenWait, RunEnded, StartRun
from computor_core.plugin_api.workflows import (
    MAX_PAYLOAD_BYTES,
    ChildFailedError,
    Failure,
    Json,
    PayloadLimitError,
    RunState,
    Step,
    StepFailedError,
    WorkflowCancelledError,
    WorkflowContext,
    WorkflowDefinition,
    WorkflowError,
)
from computor_engine_temporal.activities import (
    CLOSE_WAIT,
    FINISH,
    OPEN_RUN,
    OPEN_WAIT,
    REPORT_PROGRESS,
    StepHeader,
)
from computor_engine_temporal.catalogue import worker_of
from computor_engine_temporal.failures import application_error, failure_of

__all__ = ["EVENT_SIGNAL", "ComputorRun"]

In = TypeVar("In")
Out = TypeVar("Out")

EVENT_SIGNAL = "computor:event"

_CORE_CALL = timedelta(seconds=20)
_MARGIN = timedelta(seconds=30)
_LEAST_RETRY = timedelta(milliseconds=1)


@dataclass(slots=True)
class _Branch:
    prefix: str = ""
    counter: int = 0


_branch: ContextVar[_Branch] = ContextVar("computor_branch")


class _EndedError(BaseException):
    """Ends what a definition still does after its run has ended."""


@workflow.defn(dynamic=True)
class ComputorRun:
    """A run of any definition; the workflow's type is ``name@version``, its id the run's."""

    def __init__(self) -> None:
        self.arrived: dict[str, dict[str, Json]] = {}
        self.ended = False

    @workflow.signal(name=EVENT_SIGNAL)
    def event(self, position: str, payload: dict[str, Any]) -> None:
        """An event has come for the wait at ``position``."""
        self.arrived.setdefault(position, payload)

    @workflow.run
    async def run(self, args: Sequence[RawValue]) -> RawValue:
        """Carry the run to its end and have it settled."""
        info = workflow.info()
        name, _, version = info.workflow_type.partition("@")
        definition = _load(info.task_queue, info.workflow_type)
        context = TemporalContext(self, UUID(info.workflow_id), name, int(version), info.task_queue)
        body = asyncio.create_task(_body(definition, context, args[0].payload))
        in_time = await _until_done(body, definition.timeout)
        self.ended = True
        if not in_time:
            # What the definition would do about it is stopped by ``ended``.
            body.cancel()
            await asyncio.gather(body, return_exceptions=True)
            failure = Failure("workflow_timeout", f"it took longer than {definition.timeout}")
            await self._finish(RunEnded(context.run_id, RunState.TIMED_OUT, None, failure))
            raise application_error(failure, non_retryable=True)
        error = body.exception() if not body.cancelled() else WorkflowCancelledError()
        if error is None:
            output = body.result()
            value = workflow.payload_converter().from_payload(output)
            await self._finish(RunEnded(context.run_id, RunState.COMPLETED, value))
            return RawValue(output)
        failure = _failure_of(error)
        state = RunState.CANCELLED if isinstance(error, WorkflowCancelledError) else RunState.FAILED
        if not isinstance(error, WorkflowError):
            workflow.logger.error("the definition raised", exc_info=error)
        await self._finish(RunEnded(context.run_id, state, None, failure))
        if state is RunState.CANCELLED:
            raise CancelledError(failure.message)
        raise application_error(failure, non_retryable=True)

    async def _finish(self, ended: RunEnded) -> None:
        """Have core record the end and settle the run, however long core is away."""
        settling = asyncio.create_task(
            workflow.execute_activity(
                FINISH,
                ended,
                start_to_close_timeout=timedelta(hours=1),
                heartbeat_timeout=worker_of(workflow.info().task_queue).heartbeat,
                retry_policy=RetryPolicy(maximum_interval=timedelta(minutes=1)),
            )
        )
        # A cancel request that comes now is too late.
        await _until_done(settling, None, passes_cancel_on=False)
        settling.result()


class TemporalContext(WorkflowContext):
    """The context of a definition on Temporal.

    Args:
        run: The run's workflow object.
        run_id: The run.
        name, version: Its definition.
        task_queue: Where its steps go.
    """

    def __init__(self, run: ComputorRun, run_id: UUID, name: str, version: int, task_queue: str) -> None:
        self.run_id = run_id
        self._run = run
        self._name = name
        self._version = version
        self._task_queue = task_queue

    async def step(self, step: Step[In, Out], request: In) -> Out:
        """Run a step as an activity of its name."""
        position = self._next_position()
        payload = _encode(request, f"input of step {step.name}")
        header = StepHeader(self.run_id, self._name, self._version, position)
        retry = step.retry
        try:
            raw = await workflow.execute_activity(
                step.name,
                args=[header, RawValue(payload)],
                result_type=RawValue,
                # Core ends an attempt in time; the server's limit is for a worker that doesn't.
                start_to_close_timeout=step.timeout + _MARGIN,
                heartbeat_timeout=worker_of(self._task_queue).heartbeat,
                retry_policy=RetryPolicy(
                    initial_interval=max(retry.initial, _LEAST_RETRY),
                    backoff_coefficient=retry.factor,
                    maximum_interval=max(retry.maximum, retry.initial, _LEAST_RETRY),
                    maximum_attempts=retry.attempts,
                ),
            )
        except asyncio.CancelledError:
            self._cancelled()
        except ActivityError as error:
            if isinstance(error.cause, CancelledError):
                self._cancelled()
            raise StepFailedError(step.name, failure_of(error.cause)) from None
        return _decode(raw.payload, step.output_type)  # type: ignore[no-any-return]

    async def sleep(self, duration: timedelta) -> None:
        """Sleep on a timer of the server."""
        self._next_position()
        try:
            await workflow.sleep(duration)
        except asyncio.CancelledError:
            self._cancelled()

    def now(self) -> datetime:
        """The time of the workflow task."""
        return workflow.now()

    async def child(self, definition: WorkflowDefinition[In, Out], request: In) -> Out:
        """Run a child workflow."""
        position = self._next_position()
        payload = _encode(request, f"input of workflow {definition.key}")
        child_id = uuid5(self.run_id, f"child:{position}")
        value = workflow.payload_converter().from_payload(payload)
        start = StartRun(child_id, definition.name, definition.version, value, self.run_id)
        try:
            await self._core(OPEN_RUN, start)
            raw = await workflow.execute_child_workflow(
                definition.key,
                RawValue(payload),
                id=str(child_id),
                result_type=RawValue,
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                parent_close_policy=workflow.ParentClosePolicy.REQUEST_CANCEL,
            )
        except asyncio.CancelledError:
            self._cancelled()
        except ChildWorkflowError as error:
            if isinstance(error.cause, CancelledError) and workflow.cancellation_reason() is not None:
                self._cancelled()
            raise ChildFailedError(definition.key, child_id, failure_of(error.cause)) from None
        return _decode(raw.payload, definition.output_type)  # type: ignore[no-any-return]

    async def progress(self, progress: Mapping[str, Json]) -> None:
        """Publish progress through core."""
        value = workflow.payload_converter().from_payload(_encode(dict(progress), "progress"))
        try:
            await self._core(REPORT_PROGRESS, self.run_id, value)
        except asyncio.CancelledError:
            self._cancelled()

    async def _wait_event(
        self, name: str, key: str, payload: object, limit: timedelta | None
    ) -> object | None:
        position = self._next_position()
        arrived = self._run.arrived
        try:
            came = await self._core(OPEN_WAIT, OpenWait(self.run_id, position, name, key))
            if came is None:
                try:
                    await workflow.wait_condition(lambda: position in arrived, timeout=limit)
                    came = arrived[position]
                except TimeoutError:
                    came = await self._core(CLOSE_WAIT, self.run_id, position)
        except (asyncio.CancelledError, WorkflowCancelledError):
            if not self._run.ended:
                # An event that comes later isn't for this wait any more.
                await self._core(CLOSE_WAIT, self.run_id, position)
            self._cancelled()
        return None if came is None else _decode(_encode(came, f"payload of event {name}"), payload)

    async def _gather(self, branches: tuple[Awaitable[Any], ...]) -> tuple[Any, ...]:
        if not branches:
            return ()
        position = self._next_position()
        tasks = [
            asyncio.create_task(_run_branch(branch, f"{position}.{index}."))
            for index, branch in enumerate(branches, start=1)
        ]
        while True:
            try:
                await workflow.wait(tasks)
                break
            except asyncio.CancelledError:
                for task in tasks:
                    task.cancel()
        for task in tasks:
            if task.cancelled():
                self._cancelled()
            if (error := task.exception()) is not None:
                raise error
        return tuple(task.result() for task in tasks)

    async def _core(self, name: str, *arguments: object) -> Any:  # noqa: ANN401 - what the activity returns
        """Call core's side of the run in a local activity."""
        try:
            return await workflow.execute_local_activity(
                name, args=arguments, start_to_close_timeout=_CORE_CALL, result_type=None
            )
        except ActivityError as error:
            if isinstance(error.cause, CancelledError):
                self._cancelled()
            raise StepFailedError(name, failure_of(error.cause)) from None

    def _next_position(self) -> str:
        if self._run.ended:
            raise _EndedError
        branch = _branch.get()
        branch.counter += 1
        return f"{branch.prefix}{branch.counter}"

    def _cancelled(self) -> NoReturn:
        if self._run.ended:
            raise _EndedError
        raise WorkflowCancelledError from None


async def _body(
    definition: WorkflowDefinition[Any, Any], context: TemporalContext, payload: Payload
) -> Payload:
    _branch.set(_Branch())
    request = _decode(payload, definition.input_type)
    try:
        output = await definition.function(context, request)
    except _EndedError:
        raise WorkflowCancelledError from None
    return _encode(output, f"output of workflow {definition.key}")


async def _run_branch(branch: Awaitable[Any], prefix: str) -> Any:  # noqa: ANN401 - what the branch returns
    _branch.set(_Branch(prefix))
    return await branch


async def _until_done(
    task: asyncio.Task[Any], limit: timedelta | None, *, passes_cancel_on: bool = True
) -> bool:
    """Wait for a task, passing a cancel request on to it once; False when its time is up."""
    deadline = None if limit is None else workflow.now() + limit
    while not task.done():
        left = None if deadline is None else max((deadline - workflow.now()).total_seconds(), 0.001)
        try:
            done, _ = await workflow.wait([task], timeout=left)
        except asyncio.CancelledError:
            if passes_cancel_on:
                task.cancel()
            continue
        if not done:
            return False
    return True


def _load(task_queue: str, key: str) -> WorkflowDefinition[Any, Any]:
    target = worker_of(task_queue).targets.get(key)
    if target is None:
        # Not a failure: the task is tried again, so the run is parked until its definition is here.
        raise RuntimeError(f"the workflow {key} isn't installed on this worker")
    module, _, attribute = target.partition(":")
    # Importing a definition after the workflow has loaded is what this workflow is for.
    with workflow.unsafe.sandbox_import_notification_policy(workflow.SandboxImportNotificationPolicy.SILENT):
        definition: WorkflowDefinition[Any, Any] = getattr(importlib.import_module(module), attribute)
    return definition


def _encode(value: object, what: str) -> Payload:
    payload = workflow.payload_converter().to_payload(value)
    size = len(payload.data)
    if size > MAX_PAYLOAD_BYTES:
        raise PayloadLimitError(
            f"{what} has {size} bytes, more than {MAX_PAYLOAD_BYTES}",
            hint="pass ids and blob references",
            details={"bytes": size, "limit": MAX_PAYLOAD_BYTES},
        )
    return payload


def _decode(payload: Payload, kind: Any) -> Any:  # noqa: ANN401 - of type ``kind``
    return workflow.payload_converter().from_payload(payload, kind)


def _failure_of(error: BaseException) -> Failure:
    if isinstance(error, WorkflowError):
        return Failure(error.code, error.message, error.details)
    if isinstance(error, ApplicationError):
        return failure_of(error)
    kind = type(error)
    code = (
        "workflow_non_determinism"
        if isinstance(error, workflow.NondeterminismError)
        else "workflow_unexpected"
    )
    return Failure(code, f"{kind.__name__} was raised", {"type": f"{kind.__module__}.{kind.__qualname__}"})
