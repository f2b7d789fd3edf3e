"""The errors of workflows; :mod:`computor_core.plugin_api.workflows` exports them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from uuid import UUID

from computor_core.errors import ComputorError

Json: TypeAlias = Any
"""A JSON value: None, bool, int, float, str, or a list or dict of such."""


class WorkflowError(ComputorError):
    """Root of the errors that workflows raise and catch."""

    code = "workflow"
    internal_code = 50040


class PayloadLimitError(WorkflowError):
    """An input, output or signal has more than 64 KiB of JSON; pass ids and blob references."""

    code = "workflow_payload_limit"
    internal_code = 41310


class NonDeterminismError(WorkflowError):
    """A definition, replayed, did something else than what its journal says it did before."""

    code = "workflow_non_determinism"
    internal_code = 50042


class NonRetryableError(WorkflowError):
    """Raised by a step's implementation when trying again is of no use."""

    code = "step_non_retryable"
    internal_code = 50043


class WorkflowCancelledError(WorkflowError):
    """Raised in a definition at what it awaits when its run is cancelled.

    It is raised once. The definition may catch it, run steps that clean up, and raise it again;
    a definition that returns instead has completed.
    """

    code = "workflow_cancelled"
    internal_code = 50044

    def __init__(self, message: str = "the workflow was cancelled") -> None:
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a step or a run failed, as it is stored.

    Attributes:
        code: Stable code: a :class:`ComputorError`'s, ``step_timeout``, ``step_heartbeat_lost``,
            ``step_interrupted`` (its host died), ``step_unexpected``, ``workflow_timeout``,
            ``workflow_vanished`` or ``workflow_unexpected``.
        message: One sentence; never the text of an unexpected exception, which the log has.
        details: Facts for a program.
    """

    code: str
    message: str
    details: Mapping[str, Json] = field(default_factory=dict)


class StepFailedError(WorkflowError):
    """Raised in a definition: a step failed for good, its retries used up or of no use.

    Attributes:
        step: Name of the step.
        failure: Why its last attempt failed.
    """

    code = "step_failed"
    internal_code = 50045

    def __init__(self, step: str, failure: Failure) -> None:
        super().__init__(
            f"step {step} failed: {failure.message}", details={"step": step, "failure": failure.code}
        )
        self.step = step
        self.failure = failure


class ChildFailedError(WorkflowError):
    """Raised in a definition: a child run ended in another way than by completing.

    Attributes:
        workflow: ``name@version`` of the child.
        run_id: The child's run.
        failure: Why.
    """

    code = "workflow_child_failed"
    internal_code = 50046

    def __init__(self, workflow: str, run_id: UUID, failure: Failure) -> None:
        super().__init__(
            f"child workflow {workflow} failed: {failure.message}",
            details={"workflow": workflow, "run_id": str(run_id), "failure": failure.code},
        )
        self.workflow = workflow
        self.run_id = run_id
        self.failure = failure
