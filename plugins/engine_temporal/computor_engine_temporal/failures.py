"""Failures of steps and runs as Temporal's errors, and back."""

from __future__ import annotations

from datetime import timedelta

from temporalio import exceptions

from computor_core.plugin_api.workflows import Failure, RunState

__all__ = ["application_error", "failure_of", "state_of"]


def application_error(
    failure: Failure, *, non_retryable: bool, next_retry_delay: timedelta | None = None
) -> exceptions.ApplicationError:
    """A failure as an error that crosses the server."""
    return exceptions.ApplicationError(
        failure.message,
        dict(failure.details),
        type=failure.code,
        non_retryable=non_retryable,
        next_retry_delay=next_retry_delay,
    )


def failure_of(error: BaseException | None) -> Failure:
    """The failure behind the cause of a failed activity, child or run."""
    if isinstance(error, exceptions.ApplicationError):
        details = error.details[0] if error.details and isinstance(error.details[0], dict) else {}
        return Failure(error.type or "workflow_unexpected", error.message, details)
    if isinstance(error, exceptions.TimeoutError):
        if error.type is exceptions.TimeoutType.HEARTBEAT:
            return Failure("step_interrupted", "its host ended during the last attempt")
        return Failure("step_timeout", "it took longer than it may")
    if isinstance(error, exceptions.CancelledError):
        return Failure("workflow_cancelled", "the workflow was cancelled")
    if isinstance(error, exceptions.TerminatedError):
        return Failure("workflow_terminated", "an operator terminated the workflow on the Temporal server")
    return Failure("workflow_unexpected", f"{type(error).__name__} on the Temporal server")


def state_of(failure: Failure) -> RunState:
    """The terminal state that a failed run's failure stands for."""
    if failure.code == "workflow_timeout":
        return RunState.TIMED_OUT
    return RunState.CANCELLED if failure.code == "workflow_cancelled" else RunState.FAILED
