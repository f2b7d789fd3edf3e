"""A course's content: kinds, types, the tree, and schedules."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from computor_core.interfaces.base import (
    Archived,
    Contains,
    CreateDto,
    EntityFields,
    EntityInterface,
    Equals,
    ListQuery,
    OneOf,
    ReadDto,
    StartsWith,
    UpdateDto,
)


class CourseContentKindGet(ReadDto):
    """What a node of the content tree is."""

    id: str = Field(description="`unit` or `assignment`.")
    title: str = Field(description="For people.")
    has_children: bool = Field(description="Whether nodes may stand below it.")
    submittable: bool = Field(description="Whether students submit to it.")


class CourseContentKindList(CourseContentKindGet):
    """A kind in a list."""


class CourseContentKindQuery(ListQuery):
    """Filters for kinds."""

    id: Annotated[list[str] | None, OneOf()] = Field(None, max_length=200, description="Only these kinds.")  # type: ignore[assignment]


class CourseContentKindInterface(EntityInterface):
    """Kinds of content."""

    endpoint = "course-content-kinds"
    get, list, query = CourseContentKindGet, CourseContentKindList, CourseContentKindQuery


class CourseContentTypeCreate(CreateDto):
    """A new flavour of a kind."""

    course_id: UUID = Field(description="Whose it is.")
    kind_id: str = Field(max_length=64, description="`unit` or `assignment`.")
    slug: str = Field(
        max_length=64, pattern=r"^[a-z0-9]+([_-][a-z0-9]+)*$", description="Its name, unique in the course."
    )
    title: str = Field(min_length=1, max_length=255, description="For people.")
    color: str = Field("", max_length=32, pattern=r"^(#[0-9a-fA-F]{6})?$", description="`#rrggbb` or empty.")


class CourseContentTypeUpdate(UpdateDto):
    """Changes of a content type."""

    title: str = Field("", min_length=1, max_length=255, description="For people.")
    color: str = Field("", max_length=32, pattern=r"^(#[0-9a-fA-F]{6})?$", description="`#rrggbb` or empty.")


class CourseContentTypeGet(EntityFields):
    """A course's own flavour of a kind."""

    course_id: UUID = Field(description="Whose it is.")
    kind_id: str = Field(description="`unit` or `assignment`.")
    slug: str = Field(description="Its name.")
    title: str = Field(description="For people.")
    color: str = Field(description="`#rrggbb` or empty.")


class CourseContentTypeList(CourseContentTypeGet):
    """A content type in a list."""


class CourseContentTypeQuery(ListQuery):
    """Filters for content types."""

    course_id: Annotated[UUID | None, Equals()] = Field(None, description="Only of this course.")
    kind_id: Annotated[str | None, Equals()] = Field(None, max_length=64, description="Only of this kind.")


class CourseContentTypeInterface(EntityInterface):
    """Content types of courses."""

    endpoint = "course-content-types"
    create, get, list, update, query = (
        CourseContentTypeCreate,
        CourseContentTypeGet,
        CourseContentTypeList,
        CourseContentTypeUpdate,
        CourseContentTypeQuery,
    )


class CourseContentCreate(CreateDto):
    """A new node of the content tree."""

    course_id: UUID = Field(description="Whose it is.")
    content_type_id: UUID = Field(description="A content type of the same course.")
    path: str = Field(
        max_length=512,
        pattern=r"^[a-z0-9_]+(\.[a-z0-9_]+)*$",
        description="Place in the tree, `week1.hello`; its parent must exist and be a unit.",
    )
    position: str | None = Field(
        None,
        max_length=128,
        pattern=r"^[0-9A-Za-z]+$",
        description="Fractional key among siblings; at the end if null.",
    )
    title: str = Field(min_length=1, max_length=255, description="For people.")
    description: str = Field("", max_length=65536, description="For people.")


class CourseContentUpdate(UpdateDto):
    """Changes of a node; a new path moves the whole subtree within the course."""

    path: str = Field(
        "", max_length=512, pattern=r"^[a-z0-9_]+(\.[a-z0-9_]+)*$", description="New place in the tree."
    )
    position: str = Field(
        "", max_length=128, pattern=r"^[0-9A-Za-z]+$", description="Fractional key among siblings."
    )
    title: str = Field("", min_length=1, max_length=255, description="For people.")
    description: str = Field("", max_length=65536, description="For people.")


class CourseContentGet(EntityFields):
    """A node of a course's content tree."""

    course_id: UUID = Field(description="Whose it is.")
    content_type_id: UUID = Field(description="Its content type.")
    kind_id: str = Field(description="`unit` or `assignment`.")
    path: str = Field(description="Place in the tree.")
    parent_key: str = Field(description="Path of its parent, empty at the root.")
    position: str = Field(description="Fractional key among siblings.")
    title: str = Field(description="For people.")
    description: str = Field(description="For people.")
    archived_at: datetime | None = Field(description="When it was archived.")


class CourseContentList(CourseContentGet):
    """A node in a list."""


class CourseContentQuery(ListQuery):
    """Filters for content."""

    course_id: Annotated[UUID | None, Equals()] = Field(None, description="Only of this course.")
    kind_id: Annotated[str | None, Equals()] = Field(None, max_length=64, description="Only of this kind.")
    path: Annotated[str | None, StartsWith()] = Field(
        None, max_length=512, description="Beginning of the path."
    )
    title: Annotated[str | None, Contains()] = Field(None, max_length=255, description="Part of the title.")
    archived: Annotated[bool | None, Archived("archived_at")] = Field(
        False, description="Archived ones instead; null: both."
    )


class CourseContentInterface(EntityInterface):
    """Courses' content trees."""

    endpoint = "course-contents"
    create, get, list, update, query = (
        CourseContentCreate,
        CourseContentGet,
        CourseContentList,
        CourseContentUpdate,
        CourseContentQuery,
    )


class AssignmentScheduleCreate(CreateDto):
    """When an assignment opens, is due and closes, and what it is worth."""

    course_content_id: UUID = Field(description="The assignment.")
    releases_at: datetime | None = Field(None, description="Visible and open from then on; null: since ever.")
    due_at: datetime | None = Field(None, description="In time up to then; null: never late.")
    closes_at: datetime | None = Field(
        None, description="Nothing is accepted from then on; null: never closes."
    )
    max_attempts: int | None = Field(
        None, ge=1, le=1_000_000, description="Official submissions; null: without limit."
    )
    points: Decimal = Field(Decimal(0), ge=0, le=1_000_000, decimal_places=4, description="What it is worth.")
    minimum_integrity: Literal["isolated", "in_process"] = Field(
        "in_process", description="What a verdict must be worth to count."
    )


class AssignmentScheduleUpdate(UpdateDto):
    """Changes of a schedule."""

    releases_at: datetime | None = Field(None, description="Visible and open from then on.")
    due_at: datetime | None = Field(None, description="In time up to then.")
    closes_at: datetime | None = Field(None, description="Nothing is accepted from then on.")
    max_attempts: int | None = Field(None, ge=1, le=1_000_000, description="Official submissions.")
    points: Decimal = Field(Decimal(0), ge=0, le=1_000_000, decimal_places=4, description="What it is worth.")
    minimum_integrity: Literal["isolated", "in_process"] = Field(
        "in_process", description="What a verdict must be worth to count."
    )


class AssignmentScheduleGet(EntityFields):
    """An assignment's schedule."""

    course_id: UUID = Field(description="The course.")
    course_content_id: UUID = Field(description="The assignment.")
    releases_at: datetime | None = Field(description="Visible and open from then on.")
    due_at: datetime | None = Field(description="In time up to then.")
    closes_at: datetime | None = Field(description="Nothing is accepted from then on.")
    max_attempts: int | None = Field(description="Official submissions.")
    points: Decimal = Field(description="What it is worth.")
    minimum_integrity: str = Field(description="What a verdict must be worth to count.")


class AssignmentScheduleList(AssignmentScheduleGet):
    """A schedule in a list."""


class AssignmentScheduleQuery(ListQuery):
    """Filters for schedules."""

    course_id: Annotated[UUID | None, Equals()] = Field(None, description="Only of this course.")
    course_content_id: Annotated[UUID | None, Equals()] = Field(None, description="Only of this assignment.")


class AssignmentScheduleInterface(EntityInterface):
    """Assignments' schedules."""

    endpoint = "assignment-schedules"
    create, get, list, update, query = (
        AssignmentScheduleCreate,
        AssignmentScheduleGet,
        AssignmentScheduleList,
        AssignmentScheduleUpdate,
        AssignmentScheduleQuery,
    )
