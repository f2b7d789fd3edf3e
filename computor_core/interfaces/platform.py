"""Provider bindings, the audit trail and workflow runs."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field

from computor_core.interfaces.base import (
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


class ProviderBindingCreate(CreateDto):
    """Choose the instance that new objects of a scope use."""

    scope: Literal["global", "organization", "family", "course"] = Field(description="The level.")
    scope_key: str = Field(
        "", max_length=36, description="Id of the organization, family or course; empty globally."
    )
    seam: Literal["auth", "storage", "git", "runner", "engine"] = Field(description="What for.")
    instance: str = Field(
        max_length=64, pattern=r"^[a-z][a-z0-9_-]*$", description="An instance of the settings."
    )


class ProviderBindingUpdate(UpdateDto):
    """Choose another instance; existing objects stay where they are."""

    instance: str = Field(
        "", max_length=64, pattern=r"^[a-z][a-z0-9_-]*$", description="An instance of the settings."
    )


class ProviderBindingGet(EntityFields):
    """The instance that new objects of a scope use."""

    scope: str = Field(description="The level.")
    scope_key: str = Field(description="Id of the organization, family or course; empty globally.")
    seam: str = Field(description="What for.")
    instance: str = Field(description="The instance.")


class ProviderBindingList(ProviderBindingGet):
    """A binding in a list."""


class ProviderBindingQuery(ListQuery):
    """Filters for bindings."""

    scope: Annotated[str | None, Equals()] = Field(None, max_length=16, description="Only at this level.")
    seam: Annotated[str | None, Equals()] = Field(None, max_length=32, description="Only for this.")


class ProviderBindingInterface(EntityInterface):
    """Which provider instance serves what."""

    endpoint = "provider-bindings"
    create, get, list, update, query = (
        ProviderBindingCreate,
        ProviderBindingGet,
        ProviderBindingList,
        ProviderBindingUpdate,
        ProviderBindingQuery,
    )


class AuditEventGet(ReadDto):
    """Who did what to which row."""

    id: UUID = Field(description="The event.")
    occurred_at: datetime = Field(description="When.")
    actor_kind: str = Field(description="`user`, `service`, `system` or `anonymous`.")
    actor_id: UUID | None = Field(description="Who.")
    actor_label: str = Field(description="What core calls a system actor.")
    request_id: str = Field(description="In which request.")
    action: str = Field(description="By which right.")
    entity: str = Field(description="To what.")
    row_id: str = Field(description="To which row.")
    course_id: UUID | None = Field(description="In which course.")
    before_digest: str | None = Field(description="Salted SHA-256 of the values before.")
    after_digest: str | None = Field(description="Salted SHA-256 of the values after.")


class AuditEventList(AuditEventGet):
    """An audit event in a list."""


class AuditEventQuery(ListQuery):
    """Filters for the audit trail."""

    actor_id: Annotated[UUID | None, Equals()] = Field(None, description="Only of this user.")
    entity: Annotated[str | None, Equals()] = Field(
        None, max_length=64, description="Only about this entity."
    )
    row_id: Annotated[str | None, Equals()] = Field(None, max_length=128, description="Only about this row.")
    course_id: Annotated[UUID | None, Equals()] = Field(None, description="Only in this course.")
    occurred_from: Annotated[datetime | None, AtLeast("occurred_at")] = Field(None, description="Not before.")
    occurred_to: Annotated[datetime | None, AtMost("occurred_at")] = Field(None, description="Not after.")


class AuditEventInterface(EntityInterface):
    """The audit trail."""

    endpoint = "audit-events"
    get, list, query = AuditEventGet, AuditEventList, AuditEventQuery


class WorkflowRunGet(ReadDto):
    """A run of a workflow."""

    id: UUID = Field(description="The run.")
    workflow: str = Field(description="The workflow.")
    workflow_version: int = Field(description="The version that it is pinned to.")
    engine_instance: str = Field(description="Where it runs.")
    parent_id: UUID | None = Field(description="The run that started it.")
    state: str = Field(
        description="`pending`, `running`, `waiting`, `parked`, `completed`, `failed`, "
        "`cancelled` or `timed_out`."
    )
    progress: dict[str, Any] = Field(description="How far it has come.")
    created_at: datetime = Field(description="When it was started.")
    updated_at: datetime = Field(description="When it moved last.")


class WorkflowRunList(WorkflowRunGet):
    """A run in a list."""


class WorkflowRunQuery(ListQuery):
    """Filters for runs."""

    workflow: Annotated[str | None, Equals()] = Field(
        None, max_length=128, description="Only of this workflow."
    )
    state: Annotated[str | None, Equals()] = Field(None, max_length=16, description="Only in this state.")


class WorkflowRunInterface(EntityInterface):
    """Runs of workflows."""

    endpoint = "workflow-runs"
    get, list, query = WorkflowRunGet, WorkflowRunList, WorkflowRunQuery
