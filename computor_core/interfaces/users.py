"""Users."""

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
    ReadDto,
    Requires,
    UpdateDto,
)
from computor_core.interfaces.fields import Properties

PersonName = Annotated[str, StringConstraints(strip_whitespace=True, max_length=255)]
Address = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=3, max_length=320, pattern=r"^[^@\s]+@[^@\s]+$")
]


class UserCreate(CreateDto):
    """A new person or service account; how it signs in is set apart."""

    given_name: PersonName = Field("", description="Given name.")
    family_name: PersonName = Field("", description="Family name.")
    email: Address | None = Field(
        None, description="E-mail address; unique among users that aren't archived, whatever its case."
    )
    is_service: bool = Field(False, description="Whether it is a service account.")
    properties: Properties = Field(default_factory=dict, description="Free JSON.")


class UserUpdate(UpdateDto):
    """Changes of a user."""

    given_name: PersonName = Field(UNCHANGED, description="Given name.")
    family_name: PersonName = Field(UNCHANGED, description="Family name.")
    email: Annotated[Address | None, Requires("user.archive")] = Field(
        UNCHANGED, description="E-mail address; a new one counts as unverified. For user managers."
    )
    properties: Annotated[Properties, Requires("user.archive")] = Field(
        UNCHANGED, description="Free JSON. For user managers."
    )


class UserGet(EntityFields):
    """A user, as far as the caller may see."""

    given_name: str = Field(description="Given name.")
    family_name: str = Field(description="Family name.")
    email: Annotated[str | None, Requires("user.read_contact")] = Field(description="E-mail address.")
    email_verified_at: Annotated[datetime | None, Requires("user.read_contact")] = Field(
        description="When the address was proved; null while it isn't."
    )
    is_service: bool = Field(description="Whether it is a service account.")
    archived_at: datetime | None = Field(description="When it was archived; archived users can't sign in.")
    banned_at: Annotated[datetime | None, Requires("user.archive")] = Field(
        description="When it was banned; banned users can't sign in."
    )
    ban_reason: Annotated[str | None, Requires("user.archive")] = Field(description="Why it was banned.")
    properties: Annotated[Properties | None, Requires("user.archive")] = Field(description="Free JSON.")


class UserList(ReadDto):
    """A user in a list."""

    id: UUID = Field(description="The user's id.")
    given_name: str = Field(description="Given name.")
    family_name: str = Field(description="Family name.")
    email: Annotated[str | None, Requires("user.read_contact")] = Field(description="E-mail address.")
    is_service: bool = Field(description="Whether it is a service account.")
    archived_at: datetime | None = Field(description="When it was archived.")


class UserQuery(ListQuery):
    """Filters of the list of users."""

    given_name: Annotated[str | None, Contains()] = Field(
        None, max_length=255, description="Part of the given name."
    )
    family_name: Annotated[str | None, Contains()] = Field(
        None, max_length=255, description="Part of the family name."
    )
    email: Annotated[str | None, Contains()] = Field(
        None,
        max_length=320,
        description="Part of the e-mail address; leaves out users whose address is hidden.",
    )
    is_service: Annotated[bool | None, Equals()] = Field(
        None, description="Only service accounts, or only people."
    )
    archived: Annotated[bool | None, Archived("archived_at")] = Field(
        False, description="True: only archived; false: only others; null: both."
    )


class UserInterface(EntityInterface):
    """People and service accounts."""

    endpoint = "users"
    create, get, list, update, query = UserCreate, UserGet, UserList, UserUpdate, UserQuery
