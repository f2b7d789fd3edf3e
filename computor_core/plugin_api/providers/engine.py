"""Workflow engines: what carries runs through their steps.

Core owns what is common to all engines: the outbox that starts runs, the row of each run, the
open waits and the signals that end them, the carrying out of a step, and settlement. An engine
owns the order of a run's steps, their retries and timers, and survives its host's death. It
reaches core through the :class:`EngineHost` that ``run`` is given.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any, ClassVar, Protocol
from uuid import UUID

from computor_core.plugin_api.providers.base import Provider
from computor_core.plugin_api.workflows import Failure, Json, RunState, WorkflowDefinition


class EngineCapability(StrEnum):
    """What distinguishes engines."""

    EXTERNAL_STATE = "external_state"
    """Keeps runs outside core's tables, so the reconciler asks ``describe`` about them."""


@dataclass(frozen=True, slots=True)
class StartRun:
    """Start a run.

    Attributes:
        run_id: Its id; starting the same id again changes nothing.
        workflow: Name of the workflow.
        version: The version the run is pinned to.
        input: JSON values.
        parent_id: The run that started it as its child, or None.
    """

    run_id: UUID
    workflow: str
    version: int
    input: Json
    parent_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """An event has come for an open wait of a run.

    Attributes:
        run_id: The run.
        position: The wait's position.
        payload: What the event brings.
    """

    run_id: UUID
    position: str
    payload: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class EngineRun:
    """What an engine knows of a run.

    Attributes:
        run_id: The run.
        state: Where it stands.
        output: JSON values when it completed.
        failure: Why it ended otherwise.
    """

    run_id: UUID
    state: RunState
    output: Json = None
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class StepCall:
    """One attempt of a step.

    Attributes:
        run_id: The run.
        workflow, version: Its definition.
        position: Where in the run.
        step: Name of the step.
        input: JSON values.
        attempt: 1 for the first.
    """

    run_id: UUID
    workflow: str
    version: int
    position: str
    step: str
    input: Json
    attempt: int


class StepAttemptError(Exception):
    """Raised by ``EngineHost.run_step``: the attempt failed.

    Attributes:
        failure: Why.
        retryable: Whether another attempt makes sense.
        retry_after: The least wait that was asked for, or None.
    """

    def __init__(self, failure: Failure, *, retryable: bool, retry_after: timedelta | None = None) -> None:
        super().__init__(f"{failure.code}: {failure.message}")
        self.failure = failure
        self.retryable = retryable
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class OpenWait:
    """A run begins to wait for the event ``(name, key)`` at ``position``."""

    run_id: UUID
    position: str
    name: str
    key: str


@dataclass(frozen=True, slots=True)
class RunEnded:
    """A run has ended.

    Attributes:
        run_id: The run.
        state: A terminal state.
        output: JSON values when it completed.
        failure: Why it ended otherwise.
    """

    run_id: UUID
    state: RunState
    output: Json = None
    failure: Failure | None = None


class EngineHost(Protocol):
    """Core's side of an engine. Every method may be repeated with the same argument."""

    @property
    def definitions(self) -> Mapping[tuple[str, int], str]:
        """Import string of each installed definition, by name and version."""
        ...

    def definition(self, workflow: str, version: int) -> WorkflowDefinition[Any, Any]:
        """The loaded definition.

        Raises:
            NotFoundError: It isn't installed.
        """
        ...

    async def run_step(self, call: StepCall) -> Json:
        """Carry out one attempt of a step under its timeout and heartbeat; its output as JSON.

        Cancelling the call cancels the implementation.

        Raises:
            StepAttemptError: It failed.
        """
        ...

    async def open_run(self, start: StartRun) -> None:
        """Enter a child run before it starts; runs from the outbox are entered already."""
        ...

    async def open_wait(self, wait: OpenWait) -> Mapping[str, Json] | None:
        """Enter a wait: the payload of an event that is there already, else None.

        After None, ``deliver`` follows as soon as the event comes.
        """
        ...

    async def close_wait(self, run_id: UUID, position: str) -> Mapping[str, Json] | None:
        """End a wait: its payload if the event came, else None, and it can't come any more."""
        ...

    async def report_progress(self, run_id: UUID, progress: Mapping[str, Json]) -> None:
        """Publish a run's progress."""
        ...

    async def finish(self, ended: RunEnded) -> bool:
        """Record how a run ended and run its finalizer; True once it is settled.

        The first recorded end stands. After False core goes on trying by itself.
        """
        ...

    async def settle(self, run_id: UUID) -> bool:
        """Run the finalizer of a run whose end is recorded; True once it is settled."""
        ...

    def changed(self, run_id: UUID) -> None:
        """Tell whoever waits for the run, on every host, that it has news."""
        ...


class WorkflowEngine(Provider):
    """Contract of a workflow engine.

    ``start``, ``deliver``, ``cancel`` and ``describe`` work without ``run``, so that hosts that
    carry out no workflows can use them.
    """

    seam: ClassVar[str] = "engine"

    async def start(self, request: StartRun) -> None:
        """Start a run; success when the id was started before, also when that run has ended.

        Raises:
            ProviderUnavailableError: The engine is away; the start is tried again.
        """
        raise NotImplementedError

    async def deliver(self, delivery: Delivery) -> None:
        """Hand an event to a run's open wait; nothing happens when the wait or the run has ended.

        Raises:
            ProviderUnavailableError: The engine is away; the delivery is tried again.
        """
        raise NotImplementedError

    async def cancel(self, run_id: UUID) -> None:
        """Ask a run to cancel; nothing happens when it has ended or isn't known.

        Raises:
            ProviderUnavailableError: The engine is away; the request is tried again.
        """
        raise NotImplementedError

    async def describe(self, run_id: UUID) -> EngineRun | None:
        """What the engine knows of a run; None when it knows nothing.

        Raises:
            ProviderUnavailableError: The engine is away.
        """
        raise NotImplementedError

    def wake(self, run_id: UUID | None = None) -> None:
        """Take a hint that a run, or any run, may have news; losing it only delays."""

    def run(self, host: EngineHost) -> AbstractAsyncContextManager[None]:
        """Carry out runs while the block is open; leaving it lets go of them unharmed."""
        raise NotImplementedError
