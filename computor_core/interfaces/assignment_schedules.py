"""When assignments open and close, and what they are worth."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field

from computor_core.interfaces.base import (
    UNCHANGED,
    CreateDto,
    EntityFields,
    EntityInterface,
    Equals,
    ListQuery,
    ReadDto,
    UpdateDto,
)
from computor_core.interfaces.fields import Points

Integrity = Literal["isolated", "in_process"]


class AssignmentScheduleCreate(CreateDto):
    """The schedule of an assignment; it has at most one."""

    course_content_id: UUID = Field(description="The assignment.")
    releases_at: AwareDatetime | None = Field(None, description="When it opens; null: it is open.")
    due_at: AwareDatetime | None = Field(None, description="When it is due; null: never.")
    closes_at: AwareDatetime | None = Field(None, description="When it closes; null: never.")
    max_attempts: int | None = Field(None, ge=1, le=100_000, description="Official attempts; null: no limit.")
    points: Points = Field(description="What it is worth.")
    minimum_integrity: Integrity = Field(
        "in_process", description="Integrity that an official verdict needs."
    )


class AssignmentScheduleUpdate(UpdateDto):
    """Changes of a schedule."""

    releases_at: AwareDatetime | None = Field(UNCHANGED, description="When it opens; null: it is open.")
    due_at: AwareDatetime | None = Field(UNCHANGED, description="When it is due; null: never.")
    closes_at: AwareDatetime | None = Field(UNCHANGED, description="When it closes; null: never.")
    max_attempts: int | None = Field(
        UNCHANGED, ge=1, le=100_000, description="Official attempts; null: no limit."
    )
    points: Points = Field(UNCHANGED, description="What it is worth.")
    minimum_integrity: Integrity = Field(UNCHANGED, description="Integrity that an official verdict needs.")


class AssignmentScheduleGet(EntityFields):
    """When an assignment opens, is due and closes, how often it may be tried, what it is worth."""

    course_id: UUID = Field(description="The course.")
    course_content_id: UUID = Field(description="The assignment.")
    releases_at: datetime | None = Field(description="When it opens; null: it is open.")
    due_at: datetime | None = Field(description="When it is due; null: never.")
    closes_at: datetime | None = Field(description="When it closes; null: never.")
    max_attempts: int | None = Field(description="Official attempts; null: no limit.")
    points: Decimal = Field(description="What it is worth.")
    minimum_integrity: str = Field(description="Integrity that an official verdict needs.")


class AssignmentScheduleList(ReadDto):
    """A schedule in a list."""

    id: UUID = Field(description="The schedule's id.")
    course_id: UUID = Field(description="The course.")
    course_content_id: UUID = Field(description="The assignment.")
    releases_at: datetime | None = Field(description="When it opens; null: it is open.")
    due_at: datetime | None = Field(description="When it is due; null: never.")
    closes_at: datetime | None = Field(description="When it closes; null: never.")
    max_attempts: int | None = Field(description="Official attempts; null: no limit.")
    points: Decimal = Field(description="What it is worth.")


class AssignmentScheduleQuery(ListQuery):
    """Filters of the list of schedules."""

    course_id: Annotated[UUID | None, Equals()] = Field(None, description="Only this course's.")
    course_content_id: Annotated[UUID | None, Equals()] = Field(
        None, description="The one of this assignment."
    )


class AssignmentScheduleInterface(EntityInterface):
    """Schedules of assignments."""

    endpoint = "assignment-schedules"
    create, get, list = AssignmentScheduleCreate, AssignmentScheduleGet, AssignmentScheduleList
    update, query = AssignmentScheduleUpdate, AssignmentScheduleQuery
