"""What the submission workflow registers."""

from __future__ import annotations

from computor_core.plugin_api.registrations import StepRegistration, WorkflowRegistration

_HERE = "computor_core.submission_workflow"


def registrations() -> tuple[WorkflowRegistration | StepRegistration, ...]:
    """The workflow and its steps."""
    return (
        WorkflowRegistration("submission.test", 1, f"{_HERE}.definition:test_submission"),
        *(
            StepRegistration(f"submission.{name}", f"{_HERE}.steps:{name}")
            for name in ("prepare", "check", "record", "settle")
        ),
    )
