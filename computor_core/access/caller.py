"""The caller as SQL: what stands for "me" and "now" in a predicate, and what proves the caller live.

Compiled predicates name their values; :func:`parameters` supplies them at execution, so that one
statement object serves every caller.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    BindParameter,
    Boolean,
    ColumnElement,
    String,
    Uuid,
    and_,
    bindparam,
    false,
    not_,
    or_,
    select,
    true,
)
from sqlalchemy.sql import visitors

from computor_core.db.types import UtcDateTime
from computor_core.model import ApiToken, Session, User
from computor_core.plugin_api.principal import Principal, PrincipalKind

if TYPE_CHECKING:
    from sqlalchemy.sql.selectable import FromClause


@dataclass(frozen=True, eq=False, slots=True)
class Caller:
    """Who asks and when, as SQL expressions.

    Attributes:
        user: The user's id: a named parameter, or a column when the question is "who can?".
        now: The start of the request, UTC.
        froms: The tables that ``user`` comes from; every subquery must correlate to them.
        limited: Whether a token limits the caller to ``scopes``.
        scopes: The actions that the token is limited to, an expanding parameter; None: no token is
            part of the question.
    """

    user: ColumnElement[UUID]
    now: ColumnElement[datetime]
    froms: tuple[FromClause, ...] = ()
    limited: ColumnElement[bool] = field(default_factory=false)
    scopes: BindParameter[str] | None = None

    def may_use(self, action: ColumnElement[str]) -> ColumnElement[bool]:
        """Whether the presented credential lets the caller use an action, held or not."""
        return true() if self.scopes is None else or_(not_(self.limited), action.in_(self.scopes))


CALLER = Caller(
    user=bindparam("caller_user", type_=Uuid()),
    now=bindparam("caller_now", type_=UtcDateTime()),
    limited=bindparam("caller_limited", type_=Boolean()),
    scopes=bindparam("caller_scopes", type_=String(), expanding=True),
)
"""The caller of a request, by the parameters that :func:`parameters` supplies."""


class Credential(StrEnum):
    """What a principal's liveness hangs on."""

    NOBODY = "nobody"
    """No credential: anonymous and system callers."""
    USER = "user"
    """The user alone: a principal that was loaded without a session or token."""
    SESSION = "session"
    API_TOKEN = "api_token"  # noqa: S105 - the name of a kind


def credential_of(principal: Principal) -> Credential:
    """What the principal's liveness hangs on."""
    if principal.kind in {PrincipalKind.ANONYMOUS, PrincipalKind.SYSTEM}:
        return Credential.NOBODY
    if principal.session_id is not None:
        return Credential.SESSION
    return Credential.API_TOKEN if principal.api_token_id is not None else Credential.USER


def live_user(user: FromClause) -> ColumnElement[bool]:
    """The user may act at all: neither archived nor banned."""
    return and_(user.c.archived_at.is_(None), user.c.banned_at.is_(None))


def _guard(credential: Credential) -> ColumnElement[bool]:
    if credential is Credential.NOBODY:
        return true()
    user = User.__table__.alias()
    proof = select(user.c.id).where(
        user.c.id == CALLER.user,
        user.c.grants_epoch == bindparam("caller_epoch", type_=BigInteger()),
        live_user(user),
    )
    if credential is Credential.SESSION:
        session = Session.__table__.alias()
        proof = proof.join_from(user, session, session.c.user_id == user.c.id).where(
            session.c.id == bindparam("caller_session", type_=Uuid()),
            session.c.revoked_at.is_(None),
            session.c.expires_at > CALLER.now,
        )
    elif credential is Credential.API_TOKEN:
        token = ApiToken.__table__.alias()
        proof = proof.join_from(user, token, token.c.user_id == user.c.id).where(
            token.c.id == bindparam("caller_token", type_=Uuid()),
            token.c.revoked_at.is_(None),
            or_(token.c.expires_at.is_(None), token.c.expires_at > CALLER.now),
        )
    return proof.exists()


_GUARDS = {credential: _guard(credential) for credential in Credential}


def guard(credential: Credential) -> ColumnElement[bool]:
    """The proof that the caller is live: credential valid, user allowed to act, epoch unchanged.

    Every statement that relies on a principal carries it, so a revoked session, a banned user or
    a changed grant takes effect at the very next statement, on every host.
    """
    return _GUARDS[credential]


def parameters(principal: Principal, now: datetime) -> dict[str, Any]:
    """The values of the named parameters for this caller.

    Args:
        principal: The caller.
        now: Start of the request, UTC.
    """
    return {
        "caller_user": principal.user_id,
        "caller_now": now,
        "caller_epoch": principal.epoch,
        "caller_session": principal.session_id,
        "caller_token": principal.api_token_id,
        "caller_limited": principal.scopes is not None,
        "caller_scopes": sorted(principal.scopes or ()),
    }


def with_values(condition: ColumnElement[bool], values: Mapping[str, Any]) -> ColumnElement[bool]:
    """A copy of a condition whose named parameters carry their values, for use in any statement."""

    def fill(parameter: BindParameter[Any]) -> None:
        if parameter.key in values:
            parameter.value, parameter.required = values[parameter.key], False

    return visitors.cloned_traverse(condition, {"maintain_key": True}, {"bindparam": fill})
