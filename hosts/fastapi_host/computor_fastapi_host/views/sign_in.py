"""Signing in: a name and a password become a session."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from fastapi import Request, Response
from pydantic import Field, SecretStr

from computor_core.errors import FieldProblem, InvalidError
from computor_core.interfaces import InputDto, ReadDto
from computor_core.plugin_api.http import APIRouter
from computor_fastapi_host.access import PUBLIC
from computor_fastapi_host.context import host_request
from computor_fastapi_host.cookies import CookieRule, cookie_rule

router = APIRouter(tags=["sign-in"])


class SignIn(InputDto):
    """A name and its password."""

    login: str = Field(
        min_length=1, max_length=320, description="Name; for local accounts the e-mail address."
    )
    password: SecretStr = Field(max_length=65_536, description="The password.")
    provider: str | None = Field(
        None, max_length=64, description="Instance of a sign-in provider; null for the default one."
    )
    transport: Literal["bearer", "cookie"] = Field(
        "bearer",
        description="`bearer` answers with a token for the Authorization header. `cookie` sets a cookie that "
        "no script can read; changes then need the csrf_token in the header X-CSRF-Token.",
    )


class SignedIn(ReadDto):
    """A new session; the only time that its token is told."""

    session_id: UUID = Field(description="The session.")
    user_id: UUID = Field(description="Whose it is.")
    token: str | None = Field(description="For `Authorization: Bearer …`; null with a cookie.")
    csrf_token: str | None = Field(description="For the header X-CSRF-Token; null with a bearer token.")
    expires_at: datetime = Field(description="When it ends unless it is used.")
    ends_at: datetime = Field(description="When it ends at the latest.")


@router.post("/auth/sign-in", openapi_extra=PUBLIC, operation_id="auth_sign_in")
async def sign_in(request: Request, response: Response, body: SignIn) -> SignedIn:
    """Begin a session by name and password."""
    context = host_request(request)
    by_cookie = body.transport == "cookie"
    rule = _cookie_rule(context.app.settings.public_url) if by_cookie else None
    issued = await context.app.services.sessions.sign_in(
        body.login,
        body.password.get_secret_value(),
        instance=body.provider,
        device=context.device(),
        request_id=context.request_id,
    )
    context.who = str(issued.user_id)
    if rule is not None:
        seconds = int((issued.ends_at - context.received_at).total_seconds())
        response.headers.append("set-cookie", rule.set_header(issued.token, seconds=seconds))
    return SignedIn(
        session_id=issued.session_id,
        user_id=issued.user_id,
        token=None if by_cookie else issued.token,
        csrf_token=issued.csrf_token if by_cookie else None,
        expires_at=issued.expires_at,
        ends_at=issued.ends_at,
    )


def _cookie_rule(public_url: str) -> CookieRule:
    rule = cookie_rule(public_url)
    if rule is None:
        message = "a session cookie needs HTTPS; this host's public address is plain HTTP"
        raise InvalidError(
            "no session cookie can be set here",
            hint="serve it over HTTPS and set server.public_url, or sign in with transport bearer",
            fields=[FieldProblem("transport", "insecure", message)],
        )
    return rule
