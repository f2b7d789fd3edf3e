"""Courses and their members."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field

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
    UpdateDto,
)
from computor_core.interfaces.fields import Description, Language, Properties, RoleId, Slug, TimeZone, Title


class CourseCreate(CreateDto):
    """A new course of a family."""

    course_family_id: UUID = Field(description="The family that it belongs to.")
    slug: Slug = Field(description="Short name, unique in the family.")
    title: Title = Field(description="For people.")
    description: Description = Field("", description="For people.")
    timezone: TimeZone = Field("UTC", description="IANA time zone in which its times are stated.")
    language: Language = Field("en", description="Language tag.")
    properties: Properties = Field(default_factory=dict, description="Free JSON.")


class CourseUpdate(UpdateDto):
    """Changes of a course."""

    slug: Slug = Field(UNCHANGED, description="Short name, unique in the family.")
    title: Title = Field(UNCHANGED, description="For people.")
    description: Description = Field(UNCHANGED, description="For people.")
    timezone: TimeZone = Field(UNCHANGED, description="IANA time zone in which its times are stated.")
    language: Language = Field(UNCHANGED, description="Language tag.")
    properties: Properties = Field(UNCHANGED, description="Free JSON.")


class CourseGet(EntityFields):
    """One term's course."""

    organization_id: UUID = Field(description="The organization of its family.")
    course_family_id: UUID = Field(description="The family that it belongs to.")
    slug: str = Field(description="Short name, unique in the family.")
    title: str = Field(description="For people.")
    description: str = Field(description="For people.")
    timezone: str = Field(description="IANA time zone in which its times are stated.")
    language: str = Field(description="Language tag.")
    archived_at: datetime | None = Field(description="When it was archived.")
    properties: Annotated[Properties | None, Requires("course.update")] = Field(description="Free JSON.")


class CourseList(ReadDto):
    """A course in a list."""

    id: UUID = Field(description="The course's id.")
    organization_id: UUID = Field(description="The organization of its family.")
    course_family_id: UUID = Field(description="The family that it belongs to.")
    slug: str = Field(description="Short name, unique in the family.")
    title: str = Field(description="For people.")
    timezone: str = Field(description="IANA time zone in which its times are stated.")
    language: str = Field(description="Language tag.")
    archived_at: datetime | None = Field(description="When it was archived.")


class CourseQuery(ListQuery):
    """Filters of the list of courses."""

    organization_id: Annotated[UUID | None, Equals()] = Field(None, description="Only this organization's.")
    course_family_id: Annotated[UUID | None, Equals()] = Field(None, description="Only this family's.")
    slug: Annotated[str | None, Equals()] = Field(
        None, max_length=64, description="Only with this short name."
    )
    title: Annotated[str | None, Contains()] = Field(None, max_length=255, description="Part of the title.")
    archived: Annotated[bool | None, Archived("archived_at")] = Field(
        False, description="True: only archived; false: only others; null: both."
    )


class CourseInterface(EntityInterface):
    """Courses."""

    endpoint = "courses"
    create, get, list, update, query = CourseCreate, CourseGet, CourseList, CourseUpdate, CourseQuery


class CourseMemberCreate(CreateDto):
    """Enrol a user; the role must not contain an action that the enrolling person lacks."""

    course_id: UUID = Field(description="The course.")
    user_id: UUID = Field(description="Who is enrolled.")
    role_id: RoleId = Field("course:_student", description="A role of the course scope.")


class CourseMemberUpdate(UpdateDto):
    """Another role for a member."""

    role_id: RoleId = Field(UNCHANGED, description="A role of the course scope.")


class CourseMemberGet(EntityFields):
    """An enrolment."""

    course_id: UUID = Field(description="The course.")
    user_id: UUID = Field(description="Who is enrolled.")
    role_id: str = Field(description="The role in the course.")
    source: str = Field(description="Who enrolled: `manual`, or the sign-in instance that syncs it.")


class CourseMemberList(ReadDto):
    """An enrolment in a list."""

    id: UUID = Field(description="The membership's id.")
    course_id: UUID = Field(description="The course.")
    user_id: UUID = Field(description="Who is enrolled.")
    role_id: str = Field(description="The role in the course.")


class CourseMemberQuery(ListQuery):
    """Filters of the list of course members."""

    course_id: Annotated[UUID | None, Equals()] = Field(None, description="Only this course's.")
    user_id: Annotated[UUID | None, Equals()] = Field(None, description="Only this user's.")
    role_id: Annotated[list[str] | None, OneOf()] = Field(
        None, max_length=32, description="Only holders of these roles."
    )


class CourseMemberInterface(EntityInterface):
    """Who is in a course, and in what role."""

    endpoint = "course-members"
    create, get, list = CourseMemberCreate, CourseMemberGet, CourseMemberList
    update, query = CourseMemberUpdate, CourseMemberQuery
