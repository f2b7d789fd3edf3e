"""Sessions and API tokens; their secrets are in no DTO."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field

from computor_core.interfaces.base import EntityFields, EntityInterface, Equals, ListQuery, ReadDto


class SessionGet(EntityFields):
    """A signed-in device."""

    user_id: UUID = Field(description="Whose session it is.")
    auth_instance: str = Field(description="Sign-in instance that proved the identity.")
    address: str = Field(description="Network address at sign-in.")
    user_agent: str = Field(description="What the client called itself.")
    expires_at: datetime = Field(description="End of the session unless it is used before.")
    last_seen_at: datetime = Field(description="When it was used last, to within a few minutes.")
    revoked_at: datetime | None = Field(description="When it was revoked.")
    revocation_reason: str | None = Field(description="Why it was revoked.")


class SessionList(ReadDto):
    """A session in a list."""

    id: UUID = Field(description="The session's id.")
    user_id: UUID = Field(description="Whose session it is.")
    auth_instance: str = Field(description="Sign-in instance that proved the identity.")
    address: str = Field(description="Network address at sign-in.")
    user_agent: str = Field(description="What the client called itself.")
    created_at: datetime = Field(description="When the session began.")
    expires_at: datetime = Field(description="End of the session unless it is used before.")
    last_seen_at: datetime = Field(description="When it was used last, to within a few minutes.")
    revoked_at: datetime | None = Field(description="When it was revoked.")


class SessionQuery(ListQuery):
    """Filters of the list of sessions."""

    user_id: Annotated[UUID | None, Equals()] = Field(None, description="Only this user's.")


class SessionInterface(EntityInterface):
    """Signed-in devices."""

    endpoint = "sessions"
    get, list, query = SessionGet, SessionList, SessionQuery


class ApiTokenGet(EntityFields):
    """An API token, without its secret."""

    user_id: UUID = Field(description="Whose rights it has.")
    name: str = Field(description="What its owner calls it.")
    prefix: str = Field(description="First characters of the secret, to recognise it.")
    scopes: list[str] | None = Field(description="Actions that it is limited to; null for no limit.")
    expires_at: datetime | None = Field(description="When it ends; null for never.")
    last_used_at: datetime | None = Field(description="When it was used last, to within a few minutes.")
    revoked_at: datetime | None = Field(description="When it was revoked.")


class ApiTokenList(ReadDto):
    """An API token in a list."""

    id: UUID = Field(description="The token's id.")
    user_id: UUID = Field(description="Whose rights it has.")
    name: str = Field(description="What its owner calls it.")
    prefix: str = Field(description="First characters of the secret, to recognise it.")
    scopes: list[str] | None = Field(description="Actions that it is limited to; null for no limit.")
    created_at: datetime = Field(description="When it was made.")
    expires_at: datetime | None = Field(description="When it ends; null for never.")
    revoked_at: datetime | None = Field(description="When it was revoked.")


class ApiTokenQuery(ListQuery):
    """Filters of the list of API tokens."""

    user_id: Annotated[UUID | None, Equals()] = Field(None, description="Only this user's.")


class ApiTokenInterface(EntityInterface):
    """Personal and service tokens."""

    endpoint = "api-tokens"
    get, list, query = ApiTokenGet, ApiTokenList, ApiTokenQuery
