"""What operators look at: provider bindings, the audit trail and workflow runs."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field, StringConstraints

from computor_core.interfaces.base import (
    UNCHANGED,
    AtLeast,
    AtMost,
    CreateDto,
    EntityFields,
    EntityInterface,
    Equals,
    ListQuery,
    ReadDto,
    UpdateDto,
)

InstanceName = Annotated[
    str, StringConstraints(min_length=1, max_length=64, pattern=r"^[a-z0-9][a-z0-9_-]*$")
]
Scope = Literal["global", "organization", "family", "course"]
Seam = Literal["auth", "storage", "git", "runner", "engine", "cache", "bus"]


class ProviderBindingCreate(CreateDto):
    """Choose the instance that new objects of a scope use for a seam."""

    scope: Scope = Field(description="The level.")
    scope_key: str = Field(
        "",
        max_length=36,
        pattern=r"^([0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})?$",
        description="Id of the organization, family or course; empty globally.",
    )
    seam: Seam = Field(description="What kind of provider.")
    instance: InstanceName = Field(description="Name of an instance in the settings.")


class ProviderBindingUpdate(UpdateDto):
    """Choose another instance; what exists already stays where it is."""

    instance: InstanceName = Field(UNCHANGED, description="Name of an instance in the settings.")


class ProviderBindingGet(EntityFields):
    """Which provider instance new objects of a scope use for a seam."""

    scope: str = Field(description="The level.")
    scope_key: str = Field(description="Id of the organization, family or course; empty globally.")
    seam: str = Field(description="What kind of provider.")
    instance: str = Field(description="Name of an instance in the settings.")


class ProviderBindingList(ReadDto):
    """A provider binding in a list."""

    id: UUID = Field(description="The binding's id.")
    scope: str = Field(description="The level.")
    scope_key: str = Field(description="Id of the organization, family or course; empty globally.")
    seam: str = Field(description="What kind of provider.")
    instance: str = Field(description="Name of an instance in the settings.")


class ProviderBindingQuery(ListQuery):
    """Filters of the list of provider bindings."""

    scope: Annotated[Scope | None, Equals()] = Field(None, description="Only of this level.")
    scope_key: Annotated[str | None, Equals()] = Field(None, max_length=36, description="Only of this scope.")
    seam: Annotated[Seam | None, Equals()] = Field(None, description="Only for this kind of provider.")


class ProviderBindingInterface(EntityInterface):
    """Choices of provider instances."""

    endpoint = "provider-bindings"
    create, get, list = ProviderBindingCreate, ProviderBindingGet, ProviderBindingList
    update, query = ProviderBindingUpdate, ProviderBindingQuery


class AuditEventGet(ReadDto):
    """Who did what to which row; the values stand apart."""

    id: UUID = Field(description="The event's id.")
    occurred_at: datetime = Field(description="Start of the request, UTC.")
    actor_kind: str = Field(description="`user`, `service`, `system` or `anonymous`.")
    actor_id: UUID | None = Field(description="The user who acted.")
    actor_label: str = Field(description="What system actors call themselves.")
    request_id: str = Field(description="The request.")
    action: str = Field(description="The action that allowed it.")
    entity: str = Field(description="Endpoint of the entity.")
    row_id: str = Field(description="The row.")
    course_id: UUID | None = Field(description="The course, where there is one.")
    before_digest: str | None = Field(description="Salted SHA-256 of the values before; null for a creation.")
    after_digest: str | None = Field(description="Salted SHA-256 of the values after; null for a deletion.")


class AuditEventList(AuditEventGet):
    """An audit event in a list."""


class AuditEventQuery(ListQuery):
    """Filters of the list of audit events."""

    actor_id: Annotated[UUID | None, Equals()] = Field(None, description="Only by this user.")
    action: Annotated[str | None, Equals()] = Field(None, max_length=128, description="Only by this action.")
    entity: Annotated[str | None, Equals()] = Field(None, max_length=64, description="Only on this entity.")
    row_id: Annotated[str | None, Equals()] = Field(None, max_length=128, description="Only on this row.")
    course_id: Annotated[UUID | None, Equals()] = Field(None, description="Only in this course.")
    request_id: Annotated[str | None, Equals()] = Field(
        None, max_length=64, description="Only of this request."
    )
    occurred_from: Annotated[AwareDatetime | None, AtLeast("occurred_at")] = Field(
        None, description="At this time or later."
    )
    occurred_until: Annotated[AwareDatetime | None, AtMost("occurred_at")] = Field(
        None, description="At this time or earlier."
    )


class AuditEventInterface(EntityInterface):
    """The audit trail."""

    endpoint = "audit-events"
    get, list, query = AuditEventGet, AuditEventList, AuditEventQuery


class WorkflowRunGet(ReadDto):
    """A run of a workflow, on whichever engine."""

    id: UUID = Field(description="The run's id.")
    workflow: str = Field(description="Name of the workflow.")
    workflow_version: int = Field(description="The version that it is pinned to.")
    engine_instance: str = Field(description="Engine instance.")
    parent_id: UUID | None = Field(description="The run that started it.")
    state: str = Field(
        description="`pending`, `running`, `waiting`, `parked`, `completed`, `failed` or `cancelled`."
    )
    input: dict[str, Any] = Field(description="Its input: ids and references.")
    output: dict[str, Any] | None = Field(description="Its output.")
    error: dict[str, Any] | None = Field(description="Why it failed.")
    progress: dict[str, Any] = Field(description="What it last said of itself.")
    cancel_requested_at: datetime | None = Field(description="When cancelling was asked for, UTC.")
    settled_at: datetime | None = Field(description="When its finalizer had run, UTC.")
    created_at: datetime = Field(description="When it was started, UTC.")
    updated_at: datetime = Field(description="When it changed last, UTC.")


class WorkflowRunList(ReadDto):
    """A workflow run in a list."""

    id: UUID = Field(description="The run's id.")
    workflow: str = Field(description="Name of the workflow.")
    workflow_version: int = Field(description="The version that it is pinned to.")
    engine_instance: str = Field(description="Engine instance.")
    state: str = Field(
        description="`pending`, `running`, `waiting`, `parked`, `completed`, `failed` or `cancelled`."
    )
    created_at: datetime = Field(description="When it was started, UTC.")
    settled_at: datetime | None = Field(description="When its finalizer had run, UTC.")


class WorkflowRunQuery(ListQuery):
    """Filters of the list of workflow runs."""

    workflow: Annotated[str | None, Equals()] = Field(
        None, max_length=128, description="Only of this workflow."
    )
    state: Annotated[str | None, Equals()] = Field(None, max_length=16, description="Only in this state.")
    engine_instance: Annotated[str | None, Equals()] = Field(
        None, max_length=64, description="Only on this engine."
    )


class WorkflowRunInterface(EntityInterface):
    """Runs of workflows."""

    endpoint = "workflow-runs"
    get, list, query = WorkflowRunGet, WorkflowRunList, WorkflowRunQuery
