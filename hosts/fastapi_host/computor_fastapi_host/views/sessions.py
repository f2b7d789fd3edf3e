"""The caller's own sessions, API tokens and password."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request, Response
from pydantic import AwareDatetime, Field, SecretStr

from computor_core.errors import AuthenticationError, ForbiddenError
from computor_core.interfaces import InputDto, ReadDto
from computor_core.plugin_api.http import APIRouter, CurrentPrincipal
from computor_core.services.sessions import ApiTokenInfo, Credential, SessionInfo
from computor_core.services.sessions.tokens import csrf_token
from computor_fastapi_host.access import OWN
from computor_fastapi_host.context import HostRequest, host_request
from computor_fastapi_host.cookies import cookie_rule

router = APIRouter(prefix="/auth", tags=["sign-in"])


class SessionView(ReadDto):
    """A signed-in device."""

    id: UUID = Field(description="The session.")
    auth_instance: str = Field(description="How it was signed in.")
    address: str = Field(description="Network address at sign-in.")
    user_agent: str = Field(description="What the device calls itself.")
    created_at: datetime = Field(description="When it began.")
    last_seen_at: datetime = Field(description="When it was used last, give or take some minutes.")
    expires_at: datetime = Field(description="When it ends unless it is used.")
    current: bool = Field(description="Whether it is the one that asks.")


class CurrentSession(ReadDto):
    """What the caller is signed in with."""

    session_id: UUID | None = Field(description="The session; null for an API token.")
    api_token_id: UUID | None = Field(description="The API token; null for a session.")
    user_id: UUID = Field(description="Whose it is.")
    scopes: list[str] | None = Field(description="Actions that the API token is limited to.")
    expires_at: datetime | None = Field(description="When it ends unless it is used.")
    csrf_token: str | None = Field(description="For the header X-CSRF-Token; null without a cookie.")


class ApiTokenView(ReadDto):
    """An API token; its secret was shown once, when it was made."""

    id: UUID = Field(description="The token's id.")
    name: str = Field(description="What it is for.")
    prefix: str = Field(description="How the secret begins, to recognise it by.")
    scopes: list[str] | None = Field(description="Actions that it is limited to; null: no limit.")
    created_at: datetime = Field(description="When it was made.")
    expires_at: datetime | None = Field(description="When it ends.")
    last_used_at: datetime | None = Field(description="When it was used last, give or take some minutes.")


class NewApiToken(InputDto):
    """What a new API token shall be."""

    name: str = Field(min_length=1, max_length=255, description="What it is for.")
    scopes: list[str] | None = Field(
        None, max_length=200, description="Actions that it is limited to; null: all that its owner may."
    )
    expires_at: AwareDatetime | None = Field(
        None, description="When it ends, with a time zone; null: after the usual time."
    )


class IssuedApiTokenView(ReadDto):
    """A new API token; the only time that its secret is told."""

    token: str = Field(description="The secret, for `Authorization: Bearer …`.")
    info: ApiTokenView = Field(description="The token.")


class Whole(ReadDto):
    """About a list that isn't cut into pages."""

    limit: int = Field(description="Number of entries.")
    next_cursor: None = Field(None, description="Always null.")


class SessionPage(ReadDto):
    """All sessions."""

    data: list[SessionView] = Field(description="The newest first.")
    meta: Whole = Field(description="About the list.")


class ApiTokenPage(ReadDto):
    """All API tokens."""

    data: list[ApiTokenView] = Field(description="The newest first.")
    meta: Whole = Field(description="About the list.")


class ChangePassword(InputDto):
    """A new password, and the present one as proof."""

    current: SecretStr = Field(max_length=65_536, description="The present password.")
    new: SecretStr = Field(max_length=65_536, description="The new one.")


async def _credential(request: Request) -> Credential:
    credential = await host_request(request).credential()
    if credential is None:
        raise AuthenticationError("this needs somebody who is signed in", hint="sign in first")
    return credential


@router.post("/sign-out", status_code=204, openapi_extra=OWN, operation_id="auth_sign_out")
async def sign_out(request: Request, response: Response, principal: CurrentPrincipal) -> None:
    """End the session that asks; a cookie is removed."""
    context = host_request(request)
    if principal.session_id is None:
        raise ForbiddenError("an API token doesn't sign out", hint="revoke it under /auth/tokens")
    await context.app.services.sessions.revoke_session(
        principal, principal.session_id, reason="signed out", request_id=context.request_id
    )
    _clear_cookie(context, response)


@router.get("/session", openapi_extra=OWN, operation_id="auth_session")
async def current_session(
    request: Request, credential: Annotated[Credential, Depends(_credential)]
) -> CurrentSession:
    """What the caller is signed in with; tells a page its anti-forgery token again."""
    context, principal = host_request(request), credential.principal
    presented = context.presented
    if principal.user_id is None:
        raise AuthenticationError("this needs somebody who is signed in", hint="sign in first")
    by_cookie = presented.by_cookie and presented.token is not None
    return CurrentSession(
        session_id=principal.session_id,
        api_token_id=principal.api_token_id,
        user_id=principal.user_id,
        scopes=None if principal.scopes is None else sorted(principal.scopes),
        expires_at=credential.expires_at,
        csrf_token=csrf_token(presented.token) if by_cookie and presented.token else None,
    )


@router.get("/sessions", openapi_extra=OWN, operation_id="auth_sessions")
async def list_sessions(request: Request, principal: CurrentPrincipal) -> SessionPage:
    """The caller's own live sessions."""
    context = host_request(request)
    found = await context.app.services.sessions.list_sessions(principal, request_id=context.request_id)
    return SessionPage(data=[_session(one) for one in found], meta=Whole(limit=len(found)))


@router.delete("/sessions", status_code=204, openapi_extra=OWN, operation_id="auth_revoke_all_sessions")
async def revoke_all_sessions(request: Request, response: Response, principal: CurrentPrincipal) -> None:
    """End all of the caller's sessions, the present one too."""
    context = host_request(request)
    await context.app.services.sessions.revoke_all_sessions(principal, request_id=context.request_id)
    _clear_cookie(context, response)


@router.delete(
    "/sessions/{session_id}", status_code=204, openapi_extra=OWN, operation_id="auth_revoke_session"
)
async def revoke_session(request: Request, principal: CurrentPrincipal, session_id: UUID) -> None:
    """End one of the caller's own sessions; it is refused from its next request on."""
    context = host_request(request)
    await context.app.services.sessions.revoke_session(principal, session_id, request_id=context.request_id)


@router.get("/tokens", openapi_extra=OWN, operation_id="auth_tokens")
async def list_api_tokens(request: Request, principal: CurrentPrincipal) -> ApiTokenPage:
    """The caller's own live API tokens."""
    context = host_request(request)
    found = await context.app.services.sessions.tokens.list(principal, request_id=context.request_id)
    return ApiTokenPage(data=[_api_token(one) for one in found], meta=Whole(limit=len(found)))


@router.post("/tokens", status_code=201, openapi_extra=OWN, operation_id="auth_issue_token")
async def issue_api_token(
    request: Request, response: Response, principal: CurrentPrincipal, body: NewApiToken
) -> IssuedApiTokenView:
    """Make an API token; it never does more than its owner may."""
    context = host_request(request)
    issued = await context.app.services.sessions.tokens.issue(
        principal,
        body.name,
        scopes=body.scopes,
        expires_at=body.expires_at,
        request_id=context.request_id,
    )
    response.headers["location"] = f"{request.url.path}/{issued.info.id}"
    return IssuedApiTokenView(token=issued.token, info=_api_token(issued.info))


@router.delete("/tokens/{token_id}", status_code=204, openapi_extra=OWN, operation_id="auth_revoke_token")
async def revoke_api_token(request: Request, principal: CurrentPrincipal, token_id: UUID) -> None:
    """End one of the caller's own API tokens; it is refused from its next request on."""
    context = host_request(request)
    await context.app.services.sessions.tokens.revoke(principal, token_id, request_id=context.request_id)


@router.post("/password", status_code=204, openapi_extra=OWN, operation_id="auth_change_password")
async def change_password(request: Request, principal: CurrentPrincipal, body: ChangePassword) -> None:
    """Change the caller's own password; all of the caller's other sessions end."""
    context = host_request(request)
    await context.app.services.sessions.change_password(
        principal,
        body.current.get_secret_value(),
        body.new.get_secret_value(),
        request_id=context.request_id,
    )


def _clear_cookie(context: HostRequest, response: Response) -> None:
    rule = cookie_rule(context.app.settings.public_url)
    if context.presented.by_cookie and rule is not None:
        response.headers.append("set-cookie", rule.clear_header())


def _session(info: SessionInfo) -> SessionView:
    return SessionView(
        id=info.id,
        auth_instance=info.auth_instance,
        address=info.address,
        user_agent=info.user_agent,
        created_at=info.created_at,
        last_seen_at=info.last_seen_at,
        expires_at=info.expires_at,
        current=info.current,
    )


def _api_token(info: ApiTokenInfo) -> ApiTokenView:
    return ApiTokenView(
        id=info.id,
        name=info.name,
        prefix=info.prefix,
        scopes=None if info.scopes is None else list(info.scopes),
        created_at=info.created_at,
        expires_at=info.expires_at,
        last_used_at=info.last_used_at,
    )
