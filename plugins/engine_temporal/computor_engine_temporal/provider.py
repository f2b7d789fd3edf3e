"""The Temporal engine."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, ClassVar
from uuid import UUID

from temporalio.client import Client, WorkflowExecutionStatus, WorkflowFailureError, WorkflowHandle
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import Worker as TemporalWorker
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions
from temporalio.workflow import NondeterminismError

from computor_core.plugin_api.errors import (
    ProviderAuthFailedError,
    ProviderError,
    ProviderInvalidError,
    ProviderUnavailableError,
)
from computor_core.plugin_api.providers.base import AppContext, Health, HealthState
from computor_core.plugin_api.providers.engine import (
    Delivery,
    EngineCapability,
    EngineHost,
    EngineRun,
    StartRun,
    WorkflowEngine,
)
from computor_core.plugin_api.workflows import Failure, RunState
from computor_engine_temporal.activities import Activities
from computor_engine_temporal.catalogue import Worker, entered
from computor_engine_temporal.failures import failure_of, state_of
from computor_engine_temporal.settings import TemporalSettings
from computor_engine_temporal.workflow import EVENT_SIGNAL, ComputorRun

if TYPE_CHECKING:
    from enum import StrEnum

__all__ = ["PASSED_THROUGH", "TemporalEngine", "create"]

PASSED_THROUGH = (
    "computor_core.plugin_api",
    "computor_core.errors",
    "computor_core.interfaces",
    "computor_engine_temporal.activities",
    "computor_engine_temporal.catalogue",
    "computor_engine_temporal.failures",
)
"""What the sandbox takes from the host: contracts and DTOs. A definition module never is here."""

_LONGEST_PAUSE = 30.0

_OPEN_STATES = {
    WorkflowExecutionStatus.RUNNING: RunState.RUNNING,
    WorkflowExecutionStatus.CONTINUED_AS_NEW: RunState.RUNNING,
}
_LOST = {
    WorkflowExecutionStatus.TERMINATED: Failure(
        "workflow_terminated", "an operator terminated the workflow on the Temporal server"
    ),
    WorkflowExecutionStatus.TIMED_OUT: Failure("workflow_timeout", "it took longer than it may"),
}


@asynccontextmanager
async def create(settings: TemporalSettings, context: AppContext) -> AsyncIterator[TemporalEngine]:
    """Open a Temporal engine; the server may be away until it is needed."""
    yield TemporalEngine(settings, context.log)


class TemporalEngine(WorkflowEngine):
    """Runs are workflows of a Temporal server, carried by a worker in each host.

    Args:
        settings: The instance's settings.
        log: Where to log.
    """

    capabilities: ClassVar[frozenset[StrEnum]] = frozenset({EngineCapability.EXTERNAL_STATE})

    def __init__(self, settings: TemporalSettings, log: logging.Logger) -> None:
        self._settings = settings
        self._log = log
        self._limit = timedelta(seconds=settings.request_seconds)
        self._heartbeat = timedelta(seconds=settings.heartbeat_seconds)
        self._client: Client | None = None
        self._connecting = asyncio.Lock()

    async def health(self) -> Health:
        """Whether the server answers for the namespace."""
        facts = {"address": self._settings.address, "namespace": self._settings.namespace}
        try:
            client = await self._connected()
            with _translated():
                await client.service_client.check_health(timeout=self._limit)
        except ProviderError as error:
            return Health(HealthState.DOWN, f"Temporal doesn't answer: {error.message}", facts)
        return Health(HealthState.OK, facts=facts)

    async def start(self, request: StartRun) -> None:
        """Start a workflow under the run's id; a second one under it is never started."""
        client = await self._connected()
        with _translated():
            try:
                await client.start_workflow(
                    f"{request.workflow}@{request.version}",
                    request.input,
                    id=str(request.run_id),
                    task_queue=self._settings.task_queue,
                    id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                    id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                    rpc_timeout=self._limit,
                )
            except WorkflowAlreadyStartedError:
                self._log.debug("run %s was started before", request.run_id)

    async def deliver(self, delivery: Delivery) -> None:
        """Signal the workflow."""
        handle = await self._handle(delivery.run_id)
        with _translated(), _absent_is_fine():
            await handle.signal(
                EVENT_SIGNAL, args=[delivery.position, dict(delivery.payload)], rpc_timeout=self._limit
            )

    async def cancel(self, run_id: UUID) -> None:
        """Request the workflow's cancellation."""
        handle = await self._handle(run_id)
        with _translated(), _absent_is_fine():
            await handle.cancel(rpc_timeout=self._limit)

    async def describe(self, run_id: UUID) -> EngineRun | None:
        """Ask the server."""
        handle = await self._handle(run_id)
        status: WorkflowExecutionStatus | None = None
        with _translated(), _absent_is_fine():
            status = (await handle.describe(rpc_timeout=self._limit)).status
        if status is None:
            return None
        if status in _OPEN_STATES:
            return EngineRun(run_id, _OPEN_STATES[status])
        if status in _LOST:
            failure = _LOST[status]
            return EngineRun(run_id, state_of(failure), None, failure)
        with _translated():
            try:
                output = await handle.result(follow_runs=False, rpc_timeout=self._limit)
            except WorkflowFailureError as error:
                failure = failure_of(error.cause)
                return EngineRun(run_id, state_of(failure), None, failure)
        return EngineRun(run_id, RunState.COMPLETED, output)

    @asynccontextmanager
    async def run(self, host: EngineHost) -> AsyncIterator[None]:
        """Have a worker while the block is open; it connects, and connects again, by itself."""
        targets = {f"{name}@{version}": target for (name, version), target in host.definitions.items()}
        with entered(self._settings.task_queue, Worker(targets, self._heartbeat)):
            stop = asyncio.Event()
            working = asyncio.create_task(self._work(host, stop), name="temporal worker")
            try:
                yield
            finally:
                stop.set()
                await working

    async def _work(self, host: EngineHost, stop: asyncio.Event) -> None:
        failures = 0
        while not stop.is_set():
            try:
                async with self._worker(await self._connected(), host):
                    failures = 0
                    await stop.wait()
            except Exception:  # noqa: BLE001 - logged; a worker comes back when its server does
                failures += 1
                self._log.exception("the Temporal worker failed (%d times in a row)", failures)
                pause = min(0.5 * 2 ** min(failures, 10), _LONGEST_PAUSE)
                try:
                    async with asyncio.timeout(pause):
                        await stop.wait()
                except TimeoutError:
                    continue

    def _worker(self, client: Client, host: EngineHost) -> TemporalWorker:
        restrictions = SandboxRestrictions.default.with_passthrough_modules(*PASSED_THROUGH)
        return TemporalWorker(
            client,
            task_queue=self._settings.task_queue,
            workflows=[ComputorRun],
            activities=Activities(host, self._heartbeat).all,
            workflow_runner=SandboxedWorkflowRunner(restrictions=restrictions),
            max_concurrent_activities=self._settings.concurrency,
            # Cancellation reaches a step with a heartbeat, so these mustn't be held back for long.
            max_heartbeat_throttle_interval=self._heartbeat / 4,
            default_heartbeat_throttle_interval=self._heartbeat / 4,
            # A definition that left its history's path has failed, here as on every engine.
            workflow_failure_exception_types=[NondeterminismError],
        )

    async def _handle(self, run_id: UUID) -> WorkflowHandle[object, object]:
        return (await self._connected()).get_workflow_handle(str(run_id))

    async def _connected(self) -> Client:
        """The client, connected on first use.

        Raises:
            ProviderUnavailableError: The server can't be reached.
        """
        async with self._connecting:
            if self._client is None:
                key = self._settings.api_key
                try:
                    async with asyncio.timeout(self._settings.request_seconds):
                        self._client = await Client.connect(
                            self._settings.address,
                            namespace=self._settings.namespace,
                            api_key=key.get_secret_value() if key is not None else None,
                            tls=self._settings.tls,
                            data_converter=pydantic_data_converter,
                        )
                except (RuntimeError, TimeoutError, RPCError) as error:
                    raise ProviderUnavailableError(
                        f"the Temporal server at {self._settings.address} can't be reached"
                    ) from error
            return self._client


@contextmanager
def _absent_is_fine() -> Iterator[None]:
    """A workflow that the server doesn't have, or that has ended, needs nothing done to it."""
    try:
        yield
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise


@contextmanager
def _translated() -> Iterator[None]:
    """The server's errors as the contract's."""
    try:
        yield
    except RPCError as error:
        status = error.status.name.lower()
        if error.status in {RPCStatusCode.PERMISSION_DENIED, RPCStatusCode.UNAUTHENTICATED}:
            raise ProviderAuthFailedError(f"the Temporal server refused the engine: {status}") from error
        if error.status is RPCStatusCode.INVALID_ARGUMENT:
            raise ProviderInvalidError("the Temporal server refused the request") from error
        raise ProviderUnavailableError(f"the Temporal server can't serve now: {status}") from error
