"""Course families and who holds roles at them."""

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
    ReadDto,
    Requires,
    UpdateDto,
)
from computor_core.interfaces.fields import Description, Properties, RoleId, Slug, Title


class CourseFamilyCreate(CreateDto):
    """A new course family."""

    organization_id: UUID = Field(description="The organization that it belongs to.")
    slug: Slug = Field(description="Short name, unique in the organization.")
    title: Title = Field(description="For people.")
    description: Description = Field("", description="For people.")
    properties: Properties = Field(default_factory=dict, description="Free JSON.")


class CourseFamilyUpdate(UpdateDto):
    """Changes of a course family."""

    slug: Slug = Field(UNCHANGED, description="Short name, unique in the organization.")
    title: Title = Field(UNCHANGED, description="For people.")
    description: Description = Field(UNCHANGED, description="For people.")
    properties: Properties = Field(UNCHANGED, description="Free JSON.")


class CourseFamilyGet(EntityFields):
    """The same course over the terms."""

    organization_id: UUID = Field(description="The organization that it belongs to.")
    slug: str = Field(description="Short name, unique in the organization.")
    title: str = Field(description="For people.")
    description: str = Field(description="For people.")
    archived_at: datetime | None = Field(description="When it was archived.")
    properties: Annotated[Properties | None, Requires("family.update")] = Field(description="Free JSON.")


class CourseFamilyList(ReadDto):
    """A course family in a list."""

    id: UUID = Field(description="The family's id.")
    organization_id: UUID = Field(description="The organization that it belongs to.")
    slug: str = Field(description="Short name, unique in the organization.")
    title: str = Field(description="For people.")
    archived_at: datetime | None = Field(description="When it was archived.")


class CourseFamilyQuery(ListQuery):
    """Filters of the list of course families."""

    organization_id: Annotated[UUID | None, Equals()] = Field(None, description="Only this organization's.")
    slug: Annotated[str | None, Equals()] = Field(
        None, max_length=64, description="The one with this short name."
    )
    title: Annotated[str | None, Contains()] = Field(None, max_length=255, description="Part of the title.")
    archived: Annotated[bool | None, Archived("archived_at")] = Field(
        False, description="True: only archived; false: only others; null: both."
    )


class CourseFamilyInterface(EntityInterface):
    """Course families."""

    endpoint = "course-families"
    create, get, list = CourseFamilyCreate, CourseFamilyGet, CourseFamilyList
    update, query = CourseFamilyUpdate, CourseFamilyQuery


class CourseFamilyMemberCreate(CreateDto):
    """Give a user a role at a course family; it must not contain an action that the giver lacks."""

    course_family_id: UUID = Field(description="The course family.")
    user_id: UUID = Field(description="Who gets the role.")
    role_id: RoleId = Field(description="A role of the family scope.")


class CourseFamilyMemberUpdate(UpdateDto):
    """Another role for a member."""

    role_id: RoleId = Field(UNCHANGED, description="A role of the family scope.")


class CourseFamilyMemberGet(EntityFields):
    """A role that a user holds at a course family and its courses."""

    course_family_id: UUID = Field(description="The course family.")
    user_id: UUID = Field(description="Who holds the role.")
    role_id: str = Field(description="The role.")
    source: str = Field(description="Who gave it: `manual`, or the sign-in instance that syncs it.")


class CourseFamilyMemberList(ReadDto):
    """A member of a course family in a list."""

    id: UUID = Field(description="The membership's id.")
    course_family_id: UUID = Field(description="The course family.")
    user_id: UUID = Field(description="Who holds the role.")
    role_id: str = Field(description="The role.")


class CourseFamilyMemberQuery(ListQuery):
    """Filters of the list of course family members."""

    course_family_id: Annotated[UUID | None, Equals()] = Field(None, description="Only this family's.")
    user_id: Annotated[UUID | None, Equals()] = Field(None, description="Only this user's.")
    role_id: Annotated[str | None, Equals()] = Field(
        None, max_length=128, description="Only holders of this role."
    )


class CourseFamilyMemberInterface(EntityInterface):
    """Who holds roles at course families."""

    endpoint = "course-family-members"
    create, get, list = CourseFamilyMemberCreate, CourseFamilyMemberGet, CourseFamilyMemberList
    update, query = CourseFamilyMemberUpdate, CourseFamilyMemberQuery
