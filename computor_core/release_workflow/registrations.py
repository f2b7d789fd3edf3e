"""What the release workflows register."""

from __future__ import annotations

from computor_core.plugin_api.registrations import StepRegistration, WorkflowRegistration

_HERE = "computor_core.release_workflow"
_STEPS = {
    "template": "publish_template",
    "reference": "publish_reference",
    "finish": "finish",
    "provision": "provision",
    "settle": "settle",
}


def registrations() -> tuple[WorkflowRegistration | StepRegistration, ...]:
    """The workflows and their steps."""
    return (
        WorkflowRegistration("course.release", 1, f"{_HERE}.definition:release"),
        WorkflowRegistration("course.provision", 1, f"{_HERE}.definition:provision_members"),
        *(
            StepRegistration(f"release.{name}", f"{_HERE}.steps:{function}")
            for name, function in _STEPS.items()
        ),
    )
