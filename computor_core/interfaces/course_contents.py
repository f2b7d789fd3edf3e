"""What a course consists of: kinds, types and the content tree."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field, StringConstraints

from computor_core.interfaces.base import (
    UNCHANGED,
    Archived,
    Contains,
    CreateDto,
    EntityFields,
    EntityInterface,
    Equals,
    ListQuery,
    OneOf,
    ReadDto,
    Requires,
    StartsWith,
    UpdateDto,
)
from computor_core.interfaces.fields import PositionKey, Properties, Slug, Title

Text = Annotated[str, StringConstraints(max_length=65536)]
Color = Annotated[str, StringConstraints(max_length=32, pattern=r"^(#[0-9a-fA-F]{6}|[a-z]*)$")]
Kind = Annotated[str, StringConstraints(min_length=1, max_length=64)]


class CourseContentKindGet(ReadDto):
    """What a node of a content tree can be."""

    id: str = Field(description="`unit` or `assignment`.")
    title: str = Field(description="For people.")
    has_children: bool = Field(description="Whether nodes can lie below it.")
    submittable: bool = Field(description="Whether students submit to it.")


class CourseContentKindList(CourseContentKindGet):
    """A kind in a list."""


class CourseContentKindQuery(ListQuery):
    """Filters of the list of kinds."""

    id: Annotated[list[str] | None, OneOf()] = Field(None, max_length=32, description="Only these kinds.")  # type: ignore[assignment]


class CourseContentKindInterface(EntityInterface):
    """Kinds of course content."""

    endpoint = "course-content-kinds"
    get, list, query = CourseContentKindGet, CourseContentKindList, CourseContentKindQuery


class CourseContentTypeCreate(CreateDto):
    """A new type of content in a course."""

    course_id: UUID = Field(description="The course.")
    kind_id: Kind = Field(description="`unit` or `assignment`.")
    slug: Slug = Field(description="Short name, unique in the course.")
    title: Title = Field(description="For people.")
    color: Color = Field("", description="A CSS colour: `#rrggbb` or a name.")


class CourseContentTypeUpdate(UpdateDto):
    """Changes of a content type; its kind stays."""

    slug: Slug = Field(UNCHANGED, description="Short name, unique in the course.")
    title: Title = Field(UNCHANGED, description="For people.")
    color: Color = Field(UNCHANGED, description="A CSS colour: `#rrggbb` or a name.")


class CourseContentTypeGet(EntityFields):
    """A course's own flavour of a kind, such as "Homework"."""

    course_id: UUID = Field(description="The course.")
    kind_id: str = Field(description="`unit` or `assignment`.")
    slug: str = Field(description="Short name, unique in the course.")
    title: str = Field(description="For people.")
    color: str = Field(description="A CSS colour, or empty.")


class CourseContentTypeList(ReadDto):
    """A content type in a list."""

    id: UUID = Field(description="The type's id.")
    course_id: UUID = Field(description="The course.")
    kind_id: str = Field(description="`unit` or `assignment`.")
    slug: str = Field(description="Short name, unique in the course.")
    title: str = Field(description="For people.")
    color: str = Field(description="A CSS colour, or empty.")


class CourseContentTypeQuery(ListQuery):
    """Filters of the list of content types."""

    course_id: Annotated[UUID | None, Equals()] = Field(None, description="Only this course's.")
    kind_id: Annotated[str | None, Equals()] = Field(None, max_length=64, description="Only of this kind.")
    slug: Annotated[str | None, Equals()] = Field(
        None, max_length=64, description="Only with this short name."
    )


class CourseContentTypeInterface(EntityInterface):
    """Types of content that courses define."""

    endpoint = "course-content-types"
    create, get, list = CourseContentTypeCreate, CourseContentTypeGet, CourseContentTypeList
    update, query = CourseContentTypeUpdate, CourseContentTypeQuery


class CourseContentCreate(CreateDto):
    """A new node of a course's content tree."""

    course_id: UUID = Field(description="The course.")
    content_type_id: UUID = Field(description="A content type of the course; decides the kind.")
    parent_id: UUID | None = Field(None, description="The unit that it lies in; null at the root.")
    slug: Slug = Field(description="Last segment of its path; unique among its siblings.")
    position: PositionKey | None = Field(
        None, description="Fractional position among its siblings; null puts it last."
    )
    title: Title = Field(description="For people.")
    description: Text = Field("", description="For people; Markdown.")
    properties: Properties = Field(default_factory=dict, description="Free JSON.")


class CourseContentUpdate(UpdateDto):
    """Changes of a node; another parent or slug moves its whole subtree within the course."""

    content_type_id: UUID = Field(UNCHANGED, description="Another content type of the same kind.")
    parent_id: UUID | None = Field(UNCHANGED, description="The unit that it moves into; null for the root.")
    slug: Slug = Field(UNCHANGED, description="Last segment of its path; unique among its siblings.")
    position: PositionKey = Field(UNCHANGED, description="Fractional position among its siblings.")
    title: Title = Field(UNCHANGED, description="For people.")
    description: Text = Field(UNCHANGED, description="For people; Markdown.")
    properties: Properties = Field(UNCHANGED, description="Free JSON.")


class CourseContentGet(EntityFields):
    """A node of a course's content tree."""

    course_id: UUID = Field(description="The course.")
    content_type_id: UUID = Field(description="Its content type.")
    kind_id: str = Field(description="`unit` or `assignment`.")
    path: str = Field(description="Its place in the tree, segments separated by dots.")
    parent_key: str = Field(description="Path of the unit that it lies in; empty at the root.")
    position: str = Field(description="Fractional position among its siblings, compared as text.")
    title: str = Field(description="For people.")
    description: str = Field(description="For people; Markdown.")
    archived_at: datetime | None = Field(description="When it was archived.")
    properties: Annotated[Properties | None, Requires("content.write")] = Field(description="Free JSON.")


class CourseContentList(ReadDto):
    """A node of a content tree in a list."""

    id: UUID = Field(description="The node's id.")
    course_id: UUID = Field(description="The course.")
    content_type_id: UUID = Field(description="Its content type.")
    kind_id: str = Field(description="`unit` or `assignment`.")
    path: str = Field(description="Its place in the tree, segments separated by dots.")
    parent_key: str = Field(description="Path of the unit that it lies in; empty at the root.")
    position: str = Field(description="Fractional position among its siblings, compared as text.")
    title: str = Field(description="For people.")
    archived_at: datetime | None = Field(description="When it was archived.")


class CourseContentQuery(ListQuery):
    """Filters of the list of course contents."""

    course_id: Annotated[UUID | None, Equals()] = Field(None, description="Only this course's.")
    content_type_id: Annotated[UUID | None, Equals()] = Field(None, description="Only of this type.")
    kind_id: Annotated[str | None, Equals()] = Field(None, max_length=64, description="Only of this kind.")
    path: Annotated[str | None, Equals()] = Field(None, max_length=512, description="Only at this path.")
    path_prefix: Annotated[str | None, StartsWith("path")] = Field(
        None, max_length=512, description="Only those whose path starts so."
    )
    parent_key: Annotated[str | None, Equals()] = Field(
        None, max_length=512, description="Only directly in the unit with this path; empty for the root."
    )
    title: Annotated[str | None, Contains()] = Field(None, max_length=255, description="Part of the title.")
    archived: Annotated[bool | None, Archived("archived_at")] = Field(
        False, description="True: only archived; false: only others; null: both."
    )


class CourseContentInterface(EntityInterface):
    """Units and assignments, in a tree per course."""

    endpoint = "course-contents"
    create, get, list = CourseContentCreate, CourseContentGet, CourseContentList
    update, query = CourseContentUpdate, CourseContentQuery
