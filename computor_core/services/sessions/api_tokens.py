"""Personal API tokens: made, listed and revoked by their owner."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import or_, select, update

from computor_core.errors import FieldProblem, InvalidError, NotFoundError
from computor_core.model.users import ApiToken
from computor_core.services.sessions import tokens
from computor_core.services.sessions.presence import in_session, require_live

if TYPE_CHECKING:
    from computor_core.app import Computor
    from computor_core.plugin_api.principal import Principal
    from computor_core.services.sessions.policy import SessionPolicy

_LONGEST_NAME = 255


@dataclass(frozen=True, slots=True)
class ApiTokenInfo:
    """A live API token, as its owner's list shows it; ``prefix`` is how the token begins."""

    id: UUID
    name: str
    prefix: str
    scopes: tuple[str, ...] | None
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True)
class IssuedApiToken:
    """A new API token; the only time ``token`` is seen."""

    info: ApiTokenInfo
    token: str = field(repr=False)


class ApiTokenService:
    """The API tokens of their owners; every method needs a session, an API token doesn't do.

    Args:
        app: The application.
        policy: Lifetimes.
    """

    def __init__(self, app: Computor, policy: SessionPolicy) -> None:
        self._app = app
        self._policy = policy

    async def issue(
        self,
        principal: Principal,
        name: str,
        *,
        scopes: Sequence[str] | None = None,
        expires_at: datetime | None = None,
        request_id: str = "",
    ) -> IssuedApiToken:
        """Make an API token of the caller's own.

        A token does what its owner may do at the time of use, limited to ``scopes``; it never
        adds a right. Tokens are made in a session alone, so a leaked token makes no other.

        Args:
            principal: The caller, in a session.
            name: For the owner, to tell tokens apart.
            scopes: Names of actions, or None for no limit.
            expires_at: When it ends, None for the policy's default.
            request_id: For the audit trail.

        Raises:
            ForbiddenError: The caller isn't a person in a session.
            InvalidError: A name, scope or date that can't be.
        """
        user_id, _ = in_session(principal)
        async with self._app.uow(principal, request_id=request_id) as work:
            await require_live(self._app, work)
            ends = expires_at or work.now + self._policy.api_token_default
            wanted = None if scopes is None else tuple(dict.fromkeys(scopes))
            self._check(name, wanted, ends, work.now)
            token = tokens.new_api_token()
            row = ApiToken(
                user_id=user_id,
                name=name,
                prefix=tokens.shown_prefix(token),
                token_hash=tokens.token_hash(token),
                scopes=None if wanted is None else list(wanted),
                expires_at=ends,
                created_at=work.now,
                created_by=user_id,
            )
            work.session.add(row)
            await work.session.flush()
            work.audit(
                "token.create",
                "api-tokens",
                row.id,
                after={"name": name, "scopes": row.scopes, "expires_at": ends.isoformat()},
            )
        info = ApiTokenInfo(row.id, name, row.prefix, wanted, row.created_at, ends, None)
        return IssuedApiToken(info, token)

    async def list(self, principal: Principal, *, request_id: str = "") -> list[ApiTokenInfo]:
        """The caller's own live API tokens, the newest first.

        Raises:
            ForbiddenError: The caller isn't a person in a session.
        """
        user_id, _ = in_session(principal)
        async with self._app.read(principal, request_id=request_id) as work:
            await require_live(self._app, work)
            statement = (
                select(
                    ApiToken.id,
                    ApiToken.name,
                    ApiToken.prefix,
                    ApiToken.scopes,
                    ApiToken.created_at,
                    ApiToken.expires_at,
                    ApiToken.last_used_at,
                )
                .where(
                    ApiToken.user_id == user_id,
                    ApiToken.revoked_at.is_(None),
                    or_(ApiToken.expires_at.is_(None), ApiToken.expires_at > work.now),
                )
                .order_by(ApiToken.created_at.desc(), ApiToken.id.desc())
            )
            rows = (await work.connection.execute(statement)).all()
        return [
            ApiTokenInfo(
                id=row.id,
                name=row.name,
                prefix=row.prefix,
                scopes=None if row.scopes is None else tuple(row.scopes),
                created_at=row.created_at,
                expires_at=row.expires_at,
                last_used_at=row.last_used_at,
            )
            for row in rows
        ]

    async def revoke(self, principal: Principal, api_token_id: UUID, *, request_id: str = "") -> None:
        """End one of the caller's own API tokens; it is refused from the next request on.

        Raises:
            ForbiddenError: The caller isn't a person in a session.
            NotFoundError: The caller has no such live token.
        """
        user_id, _ = in_session(principal)
        async with self._app.uow(principal, request_id=request_id) as work:
            await require_live(self._app, work)
            change = (
                update(ApiToken)
                .where(
                    ApiToken.id == api_token_id,
                    ApiToken.user_id == user_id,
                    ApiToken.revoked_at.is_(None),
                )
                .values(revoked_at=work.now)
                .returning(ApiToken.id)
            )
            if (await work.connection.execute(change)).one_or_none() is None:
                raise NotFoundError("there is no such API token")
            work.audit("token.revoke", "api-tokens", api_token_id, after={"revoked": True})

    def _check(self, name: str, scopes: tuple[str, ...] | None, ends: datetime, now: datetime) -> None:
        problems: list[FieldProblem] = []
        if not name.strip() or len(name) > _LONGEST_NAME:
            text = f"give a name of 1 to {_LONGEST_NAME} characters"
            problems.append(FieldProblem("name", "length", text))
        unknown = sorted(set(scopes or ()) - self._app.access.vocabulary.actions.keys())
        if unknown:
            text = f"no such action: {', '.join(unknown)}"
            problems.append(FieldProblem("scopes", "unknown_action", text))
        if scopes is not None and not scopes:
            problems.append(FieldProblem("scopes", "empty", "a token without any scope can do nothing"))
        longest = self._policy.api_token_longest
        if ends <= now or ends > now + longest:
            text = f"give a time within the next {longest // timedelta(days=1)} days"
            problems.append(FieldProblem("expires_at", "range", text))
        if problems:
            raise InvalidError("the API token can't be made like this", fields=problems)
