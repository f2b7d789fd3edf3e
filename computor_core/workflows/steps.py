"""Carrying out a step: one attempt, under its limits, on whichever engine."""

from __future__ import annotations

import asyncio
import json
import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from computor_core.errors import (
    CapabilityNotSupportedError,
    ComputorError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    PayloadTooLargeError,
    PluginError,
    ProviderInvalidError,
)
from computor_core.failpoints import failpoint
from computor_core.plugin_api.principal import Principal
from computor_core.plugin_api.providers.engine import StepAttemptError, StepCall
from computor_core.plugin_api.workflows import (
    Failure,
    Json,
    NonRetryableError,
    PayloadLimitError,
    Settlement,
    Step,
    StepContext,
    StepImplementation,
    WorkflowDefinition,
)
from computor_core.workflows.codec import decode, encode, require_small_json
from computor_core.workflows.failures import failure_of

if TYPE_CHECKING:
    from computor_core.plugin_api.services import CoreServices
    from computor_core.workflows.registry import WorkflowRegistry

__all__ = ["SETTLE_POSITION", "StepRunner"]

_log = logging.getLogger("computor.workflows")

SETTLE_POSITION = "settle"

# What another attempt can't mend: the request itself is wrong.
_FINAL = (
    NonRetryableError,
    PayloadLimitError,
    PayloadTooLargeError,
    InvalidError,
    NotFoundError,
    ForbiddenError,
    ProviderInvalidError,
    CapabilityNotSupportedError,
    PluginError,
)


class StepRunner:
    """Calls steps' implementations.

    Args:
        registry: Declarations and implementations.
        app: What steps reach the application through.
    """

    def __init__(self, registry: WorkflowRegistry, app: CoreServices) -> None:
        self._registry = registry
        self._app = app

    async def run(self, call: StepCall) -> Json:
        """Carry out one attempt; its output as JSON values.

        Raises:
            StepAttemptError: It failed.
        """
        try:
            step = self._registry.declaration(call.workflow, call.version, call.step)
            implementation = self._registry.implementation(call.step)
            require_small_json(json.dumps(call.input).encode(), f"input of step {call.step}")
            request = decode(step.input_type, call.input, f"input of step {call.step}")
        except ComputorError as error:
            raise StepAttemptError(failure_of(error, ""), retryable=False) from error
        failpoint(f"step.before.{call.step}")
        output = await self._attempt(step, implementation, call, request)
        failpoint(f"step.after.{call.step}")
        try:
            return encode(step.output_type, output, f"output of step {call.step}")
        except ComputorError as error:
            raise StepAttemptError(failure_of(error, ""), retryable=False) from error

    async def finalize(
        self, definition: WorkflowDefinition[Any, Any], settlement: Settlement, attempt: int
    ) -> None:
        """Carry out one attempt of a workflow's finalizer.

        Raises:
            StepAttemptError: It failed.
        """
        step = definition.finalizer
        try:
            implementation = self._registry.implementation(step.name)
        except ComputorError as error:
            raise StepAttemptError(failure_of(error, ""), retryable=True) from error
        call = StepCall(
            run_id=settlement.run_id,
            workflow=settlement.workflow,
            version=settlement.version,
            position=SETTLE_POSITION,
            step=step.name,
            input=None,
            attempt=attempt,
        )
        await self._attempt(step, implementation, call, settlement)

    async def _attempt(
        self, step: Step[Any, Any], implementation: StepImplementation, call: StepCall, request: object
    ) -> object:
        loop = asyncio.get_running_loop()
        limit = asyncio.timeout(step.timeout.total_seconds())
        between = step.heartbeat.total_seconds() if step.heartbeat is not None else None
        pulse = asyncio.timeout(between)

        def beat() -> None:
            if between is not None and not pulse.expired():
                pulse.reschedule(loop.time() + between)

        context = StepContext(
            app=self._app,
            run_id=call.run_id,
            workflow=call.workflow,
            version=call.version,
            step=call.step,
            position=call.position,
            attempt=call.attempt,
            principal=Principal.system(f"workflow:{call.workflow}"),
            beat=beat,
        )
        try:
            async with limit, pulse:
                return await implementation(context, request)
        except (Exception, SystemExit, KeyboardInterrupt) as error:
            # A step that calls sys.exit() has failed; let through, it would end the host. A Ctrl-C
            # isn't among them: the host handles the signal itself.
            if limit.expired():
                failure = Failure("step_timeout", f"it took longer than {step.timeout}")
            elif pulse.expired():
                failure = Failure("step_heartbeat_lost", f"no sign of life for {step.heartbeat}")
            else:
                failure = failure_of(error, "step_unexpected")
            retryable = not isinstance(error, _FINAL)
            _log.log(
                logging.WARNING if isinstance(error, ComputorError | TimeoutError) else logging.ERROR,
                "step %s of run %s at %s, attempt %d: %s",
                call.step,
                call.run_id,
                call.position,
                call.attempt,
                failure.code,
                exc_info=error,
            )
            raise StepAttemptError(failure, retryable=retryable, retry_after=_asked_wait(error)) from error


def _asked_wait(error: BaseException) -> timedelta | None:
    wait = getattr(error, "retry_after", None)
    return timedelta(seconds=wait) if isinstance(wait, int | float) else None
