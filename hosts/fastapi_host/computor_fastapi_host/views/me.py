"""The caller: who they are and what they may do where."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import Request
from pydantic import Field

from computor_core.interfaces import ReadDto
from computor_core.plugin_api.http import APIRouter, CurrentPrincipal
from computor_core.plugin_api.principal import Principal
from computor_fastapi_host.access import OWN
from computor_fastapi_host.context import host_request

router = APIRouter(tags=["user"])


class GrantView(ReadDto):
    """A role that the caller holds."""

    scope: str = Field(description="`global`, `organization`, `family` or `course`.")
    scope_id: UUID | None = Field(description="Which one; null for `global`.")
    role_id: str = Field(description="The role.")
    actions: list[str] = Field(description="What it allows there and below, within the token's scopes.")


class Self(ReadDto):
    """The caller."""

    user: dict[str, Any] = Field(description="The user, as under /users.")
    grants: list[GrantView] = Field(description="Every role held, at its scope.")


@router.get("/user", openapi_extra=OWN, operation_id="user_self")
async def own_user(request: Request, principal: CurrentPrincipal) -> Self:
    """Who the caller is and what the caller may do where."""
    context = host_request(request)
    async with context.read(principal) as unit:
        user = await context.app.entities["users"].get(unit, _own_id(principal))
    vocabulary = context.app.access.vocabulary
    grants = [
        GrantView(
            scope=grant.scope.value,
            scope_id=grant.scope_id,
            role_id=grant.role_id,
            actions=sorted(_limited(principal, vocabulary.actions_of(grant.role_id))),
        )
        for grant in principal.grants
    ]
    return Self(user=user, grants=grants)


def _own_id(principal: Principal) -> UUID:
    if principal.user_id is None:
        raise TypeError("a signed-in principal has a user")
    return principal.user_id


def _limited(principal: Principal, actions: frozenset[str]) -> frozenset[str]:
    return actions if principal.scopes is None else actions & principal.scopes
