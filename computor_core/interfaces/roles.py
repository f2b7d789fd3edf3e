"""Roles and who holds them globally."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field

from computor_core.interfaces.base import (
    CreateDto,
    EntityFields,
    EntityInterface,
    Equals,
    ListQuery,
    OneOf,
    ReadDto,
)
from computor_core.interfaces.fields import RoleId


class RoleGet(ReadDto):
    """A named set of actions at a scope."""

    id: str = Field(description="The role's id, such as `_admin` or `course:_tutor`.")
    scope: str = Field(description="Where it is held: `global`, `organization`, `family` or `course`.")
    name: str = Field(description="Its name at the scope.")
    title: str = Field(description="For people.")
    rank: int = Field(description="Order among the roles of a scope, higher is stronger.")
    builtin: bool = Field(description="Whether it comes with the installed code and is locked.")
    plugin: str | None = Field(description="The plugin it comes from; null for core's and custom ones.")
    created_at: datetime = Field(description="When it was made, UTC.")
    updated_at: datetime = Field(description="When it was changed last, UTC.")


class RoleList(ReadDto):
    """A role in a list."""

    id: str = Field(description="The role's id, such as `_admin` or `course:_tutor`.")
    scope: str = Field(description="Where it is held: `global`, `organization`, `family` or `course`.")
    name: str = Field(description="Its name at the scope.")
    title: str = Field(description="For people.")
    rank: int = Field(description="Order among the roles of a scope, higher is stronger.")
    builtin: bool = Field(description="Whether it comes with the installed code and is locked.")


class RoleQuery(ListQuery):
    """Filters of the list of roles."""

    id: Annotated[list[str] | None, OneOf()] = Field(None, max_length=200, description="Only these roles.")  # type: ignore[assignment]
    scope: Annotated[str | None, Equals()] = Field(
        None, max_length=16, description="Only roles of this scope."
    )


class RoleInterface(EntityInterface):
    """Roles."""

    endpoint = "roles"
    get, list, query = RoleGet, RoleList, RoleQuery


class UserRoleCreate(CreateDto):
    """Give a user a global role; it must not contain an action that the giver lacks."""

    user_id: UUID = Field(description="Who gets the role.")
    role_id: RoleId = Field(description="A role of the global scope.")


class UserRoleGet(EntityFields):
    """A global role held by a user."""

    user_id: UUID = Field(description="Who holds the role.")
    role_id: str = Field(description="The role.")
    source: str = Field(description="Who gave it: `manual`, or the sign-in instance that syncs it.")


class UserRoleList(ReadDto):
    """A global role held by a user, in a list."""

    id: UUID = Field(description="The row's id.")
    user_id: UUID = Field(description="Who holds the role.")
    role_id: str = Field(description="The role.")
    source: str = Field(description="Who gave it: `manual`, or the sign-in instance that syncs it.")


class UserRoleQuery(ListQuery):
    """Filters of the list of global roles held."""

    user_id: Annotated[UUID | None, Equals()] = Field(None, description="Only this user's.")
    role_id: Annotated[str | None, Equals()] = Field(
        None, max_length=128, description="Only holders of this role."
    )


class UserRoleInterface(EntityInterface):
    """Global roles held by users."""

    endpoint = "user-roles"
    create, get, list, query = UserRoleCreate, UserRoleGet, UserRoleList, UserRoleQuery
