"""From a token to the principal behind it, with a bounded memory of the latest ones.

A remembered principal is never taken at its word. Either the statement that uses it carries the
access engine's guard (credential live, epoch unchanged), or :meth:`CredentialStore.prove` asks
the database first, with one look-up by primary key. So revocation holds at the next request, on
every host that shares the database, and the memory only saves reading the grants again.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, or_, select, update

from computor_core.model.users import ApiToken, Session, User
from computor_core.plugin_api.principal import Principal
from computor_core.services.sessions import tokens
from computor_core.services.sessions.presence import refused

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from computor_core.app import Computor
    from computor_core.services.sessions.policy import SessionPolicy

_SYSTEM = Principal.system("core:sessions")


@dataclass(frozen=True, slots=True)
class Credential:
    """A token that was live when it was looked up, and whom it stands for.

    Attributes:
        principal: Whom it stands for.
        csrf_hash: SHA-256 of the session's anti-forgery token; None for an API token.
        expires_at: When it ends unless it is used; None for an API token without an end.
        seen_at: Last use on record; None for an API token that was never used.
        ends_at: When it ends at the latest; equals ``expires_at`` for an API token.
    """

    principal: Principal
    csrf_hash: str | None
    expires_at: datetime | None
    seen_at: datetime | None
    ends_at: datetime | None

    def csrf_matches(self, csrf_token: str | None) -> bool:
        """Whether this is the session's anti-forgery token; False for an API token."""
        if self.csrf_hash is None or csrf_token is None:
            return False
        return tokens.same_hash(csrf_token, self.csrf_hash)


class CredentialStore:
    """Looks tokens up and keeps the latest principals.

    Args:
        app: The application whose database and access engine are asked.
        policy: Lifetimes and the size of the memory.
    """

    def __init__(self, app: Computor, policy: SessionPolicy) -> None:
        self._app = app
        self._policy = policy
        self._known: OrderedDict[str, Credential] = OrderedDict()

    async def prove(self, token: str) -> Credential:
        """The credential behind a token, proven live by the database now.

        Raises:
            AuthenticationError: Malformed, unknown, expired or revoked, or its user is archived
                or banned; never said which.
        """
        key = _key(token)
        known = self._known.get(key)
        if known is None:
            return await self.load(token)
        async with self._app.read(known.principal) as work:
            row = (await work.connection.execute(_liveness(known.principal, work.now))).one_or_none()
        if row is None or row.grants_epoch != known.principal.epoch:
            return await self.load(token)
        return await self._touched(key, known)

    async def recall(self, token: str) -> Credential:
        """The credential behind a token, possibly from memory and then unproven.

        Only for callers whose every statement carries the access engine's guard, and who call
        :meth:`load` once when such a statement finds nothing.

        Raises:
            AuthenticationError: As :meth:`prove`, when it isn't in memory.
        """
        known = self._known.get(_key(token))
        now = self._app.clock.now()
        if known is None or self._is_stale(known, now) or _is_over(known, now):
            return await self.prove(token)
        self._known.move_to_end(_key(token))
        return known

    async def load(self, token: str) -> Credential:
        """Read a token's credential and grants from the database and remember them.

        Raises:
            AuthenticationError: As :meth:`prove`.
        """
        key = _key(token)
        self._known.pop(key, None)
        now = self._app.clock.now()
        async with self._app.read(_SYSTEM, now=now) as work:
            if tokens.is_api_token(token):
                credential = await self._load_api_token(work.connection, key, now)
            else:
                credential = await self._load_session(work.connection, key, now)
        if credential is None:
            raise refused()
        return await self._touched(key, credential)

    def forget(self, *, session_id: UUID | None = None, user_id: UUID | None = None) -> None:
        """Drop what is remembered of a session or of everything of a user, to free memory early."""
        gone = [
            key
            for key, credential in self._known.items()
            if (session_id is not None and credential.principal.session_id == session_id)
            or (user_id is not None and credential.principal.user_id == user_id)
        ]
        for key in gone:
            del self._known[key]

    async def _load_session(self, connection: AsyncConnection, key: str, now: datetime) -> Credential | None:
        statement = (
            select(
                Session.id,
                Session.user_id,
                Session.token_hash,
                Session.csrf_hash,
                Session.expires_at,
                Session.last_seen_at,
                Session.created_at,
            )
            .join(User, User.id == Session.user_id)
            .where(Session.token_hash == key, *_session_is_live(now))
        )
        row = (await connection.execute(statement)).one_or_none()
        if row is None or not tokens.equal(row.token_hash, key):
            return None
        principal = await self._app.access.load_principal(connection, user_id=row.user_id, session_id=row.id)
        return Credential(
            principal=principal,
            csrf_hash=row.csrf_hash,
            expires_at=row.expires_at,
            seen_at=row.last_seen_at,
            ends_at=row.created_at + self._policy.absolute,
        )

    async def _load_api_token(
        self, connection: AsyncConnection, key: str, now: datetime
    ) -> Credential | None:
        statement = (
            select(
                ApiToken.id,
                ApiToken.user_id,
                ApiToken.token_hash,
                ApiToken.scopes,
                ApiToken.expires_at,
                ApiToken.last_used_at,
            )
            .join(User, User.id == ApiToken.user_id)
            .where(ApiToken.token_hash == key, *_api_token_is_live(now))
        )
        row = (await connection.execute(statement)).one_or_none()
        if row is None or not tokens.equal(row.token_hash, key):
            return None
        principal = await self._app.access.load_principal(
            connection,
            user_id=row.user_id,
            api_token_id=row.id,
            scopes=None if row.scopes is None else frozenset(row.scopes),
        )
        return Credential(
            principal=principal,
            csrf_hash=None,
            expires_at=row.expires_at,
            seen_at=row.last_used_at,
            ends_at=row.expires_at,
        )

    async def _touched(self, key: str, credential: Credential) -> Credential:
        """Remember a live credential; move its end and last use when that is due."""
        now = self._app.clock.now()
        if self._is_stale(credential, now):
            credential = await self._touch(credential, now)
        self._known[key] = credential
        self._known.move_to_end(key)
        while len(self._known) > self._policy.cached_principals:
            self._known.popitem(last=False)
        return credential

    async def _touch(self, credential: Credential, now: datetime) -> Credential:
        principal = credential.principal
        # Parallel requests find the same stale row; the first one's change makes the others' empty.
        before = now - self._policy.touch
        if principal.session_id is not None:
            ends_at = credential.ends_at or now
            expires_at = min(now + self._policy.idle, ends_at)
            change = (
                update(Session)
                .where(
                    Session.id == principal.session_id,
                    Session.revoked_at.is_(None),
                    Session.expires_at > now,
                    Session.last_seen_at <= before,
                )
                .values(last_seen_at=now, expires_at=expires_at)
            )
            moved = replace(credential, seen_at=now, expires_at=expires_at)
        else:
            change = (
                update(ApiToken)
                .where(
                    ApiToken.id == principal.api_token_id,
                    ApiToken.revoked_at.is_(None),
                    or_(ApiToken.last_used_at.is_(None), ApiToken.last_used_at <= before),
                )
                .values(last_used_at=now)
            )
            moved = replace(credential, seen_at=now)
        async with self._app.uow(_SYSTEM, now=now) as work:
            await work.connection.execute(change)
        return moved

    def _is_stale(self, credential: Credential, now: datetime) -> bool:
        return credential.seen_at is None or now - credential.seen_at >= self._policy.touch


def _key(token: str) -> str:
    if not tokens.is_token(token):
        raise refused()
    return tokens.token_hash(token)


def _is_over(credential: Credential, now: datetime) -> bool:
    return credential.expires_at is not None and credential.expires_at <= now


def _user_is_live() -> tuple[ColumnElement[bool], ...]:
    return (User.archived_at.is_(None), User.banned_at.is_(None))


def _session_is_live(now: datetime) -> tuple[ColumnElement[bool], ...]:
    return (Session.revoked_at.is_(None), Session.expires_at > now, *_user_is_live())


def _api_token_is_live(now: datetime) -> tuple[ColumnElement[bool], ...]:
    return (
        ApiToken.revoked_at.is_(None),
        or_(ApiToken.expires_at.is_(None), ApiToken.expires_at > now),
        *_user_is_live(),
    )


def _liveness(principal: Principal, now: datetime) -> Select[Any]:
    statement = select(User.grants_epoch)
    if principal.session_id is not None:
        return statement.join(Session, Session.user_id == User.id).where(
            and_(Session.id == principal.session_id, *_session_is_live(now))
        )
    return statement.join(ApiToken, ApiToken.user_id == User.id).where(
        and_(ApiToken.id == principal.api_token_id, *_api_token_is_live(now))
    )
