"""Organizations and who holds roles at them."""

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
    StartsWith,
    UpdateDto,
)
from computor_core.interfaces.fields import Description, Properties, RoleId, Slug, TimeZone, Title


class OrganizationCreate(CreateDto):
    """A new organization, at the root or below another one."""

    parent_id: UUID | None = Field(None, description="The organization above; null at the root.")
    slug: Slug = Field(description="Last segment of its path; unique among its siblings.")
    title: Title = Field(description="For people.")
    description: Description = Field("", description="For people.")
    timezone: TimeZone = Field("UTC", description="IANA time zone.")
    properties: Properties = Field(default_factory=dict, description="Free JSON.")


class OrganizationUpdate(UpdateDto):
    """Changes of an organization; its place in the tree stays."""

    title: Title = Field(UNCHANGED, description="For people.")
    description: Description = Field(UNCHANGED, description="For people.")
    timezone: TimeZone = Field(UNCHANGED, description="IANA time zone.")
    properties: Properties = Field(UNCHANGED, description="Free JSON.")


class OrganizationGet(EntityFields):
    """An organization."""

    path: str = Field(description="Its place in the tree, segments separated by dots.")
    parent_id: UUID | None = Field(description="The organization above; null at the root.")
    title: str = Field(description="For people.")
    description: str = Field(description="For people.")
    timezone: str = Field(description="IANA time zone.")
    archived_at: datetime | None = Field(description="When it was archived.")
    properties: Annotated[Properties | None, Requires("organization.update")] = Field(
        description="Free JSON."
    )


class OrganizationList(ReadDto):
    """An organization in a list."""

    id: UUID = Field(description="The organization's id.")
    path: str = Field(description="Its place in the tree, segments separated by dots.")
    parent_id: UUID | None = Field(description="The organization above; null at the root.")
    title: str = Field(description="For people.")
    archived_at: datetime | None = Field(description="When it was archived.")


class OrganizationQuery(ListQuery):
    """Filters of the list of organizations."""

    parent_id: Annotated[UUID | None, Equals()] = Field(
        None, description="Only those directly below this one."
    )
    path: Annotated[str | None, Equals()] = Field(None, max_length=512, description="The one at this path.")
    path_prefix: Annotated[str | None, StartsWith("path")] = Field(
        None, max_length=512, description="Only those whose path starts so."
    )
    title: Annotated[str | None, Contains()] = Field(None, max_length=255, description="Part of the title.")
    archived: Annotated[bool | None, Archived("archived_at")] = Field(
        False, description="True: only archived; false: only others; null: both."
    )


class OrganizationInterface(EntityInterface):
    """Administrative units, in a tree."""

    endpoint = "organizations"
    create, get, list = OrganizationCreate, OrganizationGet, OrganizationList
    update, query = OrganizationUpdate, OrganizationQuery


class OrganizationMemberCreate(CreateDto):
    """Give a user a role at an organization; it must not contain an action that the giver lacks."""

    organization_id: UUID = Field(description="The organization.")
    user_id: UUID = Field(description="Who gets the role.")
    role_id: RoleId = Field(description="A role of the organization scope.")


class OrganizationMemberUpdate(UpdateDto):
    """Another role for a member."""

    role_id: RoleId = Field(UNCHANGED, description="A role of the organization scope.")


class OrganizationMemberGet(EntityFields):
    """A role that a user holds at an organization and everything below it."""

    organization_id: UUID = Field(description="The organization.")
    user_id: UUID = Field(description="Who holds the role.")
    role_id: str = Field(description="The role.")
    source: str = Field(description="Who gave it: `manual`, or the sign-in instance that syncs it.")


class OrganizationMemberList(ReadDto):
    """A member of an organization in a list."""

    id: UUID = Field(description="The membership's id.")
    organization_id: UUID = Field(description="The organization.")
    user_id: UUID = Field(description="Who holds the role.")
    role_id: str = Field(description="The role.")


class OrganizationMemberQuery(ListQuery):
    """Filters of the list of organization members."""

    organization_id: Annotated[UUID | None, Equals()] = Field(None, description="Only this organization's.")
    user_id: Annotated[UUID | None, Equals()] = Field(None, description="Only this user's.")
    role_id: Annotated[str | None, Equals()] = Field(
        None, max_length=128, description="Only holders of this role."
    )


class OrganizationMemberInterface(EntityInterface):
    """Who holds roles at organizations."""

    endpoint = "organization-members"
    create, get, list = OrganizationMemberCreate, OrganizationMemberGet, OrganizationMemberList
    update, query = OrganizationMemberUpdate, OrganizationMemberQuery
