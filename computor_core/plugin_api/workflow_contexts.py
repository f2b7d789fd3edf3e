"""What definitions and steps get to work with; :mod:`computor_core.plugin_api.workflows` exports it."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload
from uuid import UUID, uuid5

from computor_core.plugin_api.workflow_errors import Json

if TYPE_CHECKING:
    from computor_core.plugin_api.principal import Principal
    from computor_core.plugin_api.services import CoreServices
    from computor_core.plugin_api.workflows import Step, WorkflowDefinition

In = TypeVar("In")
Out = TypeVar("Out")
A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")


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

        An event happens once: sent again with an equal payload it changes nothing, with another one
        its sender gets a ``ConflictError``.

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
