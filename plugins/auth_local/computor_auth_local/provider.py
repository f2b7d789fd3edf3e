"""The ``local`` authentication provider."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from enum import StrEnum
from typing import ClassVar
from uuid import UUID

from sqlalchemy import ColumnElement, Row, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError

from computor_auth_local.hashing import Hasher
from computor_auth_local.lockout import Lockout, account_subject, address_subject
from computor_auth_local.policy import check_password, encoded
from computor_auth_local.settings import AuthLocalSettings
from computor_auth_local.tables import Password, user_table
from computor_core.plugin_api.emails import email_key
from computor_core.plugin_api.errors import (
    AuthenticationError,
    ProviderNotFoundError,
    ProviderUnavailableError,
)
from computor_core.plugin_api.principal import Principal
from computor_core.plugin_api.providers.auth import (
    AuthCapability,
    AuthProvider,
    Identity,
    PasswordSignIn,
    SetPassword,
)
from computor_core.plugin_api.providers.base import AppContext, Health, HealthState

__all__ = ["LocalAuth", "open_auth"]

_PRINCIPAL = Principal.system("auth_local")
_Account = tuple[UUID, str | None, bool, str, str, str | None]


class LocalAuth(AuthProvider):
    """Accounts whose passwords are kept here.

    Args:
        context: What the application lends.
        settings: What the operator set.
        hasher: Ready to verify.
    """

    capabilities: ClassVar[frozenset[StrEnum]] = frozenset(
        {AuthCapability.PASSWORD, AuthCapability.SET_PASSWORD}
    )

    def __init__(self, context: AppContext, settings: AuthLocalSettings, hasher: Hasher) -> None:
        self._services = context.services
        self._log = context.log
        self._settings = settings
        self._hasher = hasher
        self._lockout = Lockout(context.services, _PRINCIPAL, settings, context.log)

    async def sign_in(self, request: PasswordSignIn) -> Identity:
        """Check a name and a password; see :meth:`AuthProvider.sign_in`.

        A name nobody has, a user without a password, an archived or banned user and a wrong
        password cost the same work and get the same answer.
        """
        key = email_key(request.login)
        subjects = [account_subject(key)]
        if (address := address_subject(request.address)) is not None:
            subjects.append(address)
        # No name holds a NUL, which PostgreSQL refuses to compare with.
        known = bool(key) and "\0" not in key
        account = await self._account(user_table().c.email_key == key) if known else None
        known_hash = account.password_hash if account else None
        password = encoded(request.password)
        matches = await self._verify(subjects, known_hash, password)
        if not matches or account is None or password is None:
            raise AuthenticationError("the name or the password is wrong")
        if self._hasher.is_outdated(account.password_hash):
            await self._replace_outdated(account.id, account.password_hash, password)
        return Identity(
            subject=str(account.id),
            user_id=account.id,
            email=account.email,
            email_verified=account.email_verified_at is not None,
            given_name=account.given_name,
            family_name=account.family_name,
        )

    async def set_password(self, request: SetPassword) -> None:
        """Set or change a password; see :meth:`AuthProvider.set_password`.

        Raises:
            ProviderNotFoundError: There is no such user, or it is archived or banned.
        """
        account = await self._account(user_table().c.id == request.user_id)
        if account is None:
            raise ProviderNotFoundError("there is no such user")
        subject = account_subject(account.email_key or str(account.id))
        if request.current is not None and not await self._verify(
            [subject], account.password_hash, encoded(request.current)
        ):
            raise AuthenticationError("the present password is wrong")
        raw = check_password(
            request.password, minimum_length=self._settings.minimum_length, email=account.email
        )
        new_hash = await self._hasher.hash(raw)
        async with self._services.uow(_PRINCIPAL) as work:
            values = {"password_hash": new_hash, "changed_at": work.now, "updated_at": work.now}
            insert = sqlite.insert if work.is_sqlite else postgresql.insert
            await work.session.execute(
                insert(Password)
                .values(user_id=account.id, created_at=work.now, **values)
                .on_conflict_do_update(index_elements=["user_id"], set_=values)
            )
            # Digests of a password would be a second, weaker hash of it; the fact alone is kept.
            work.audit("auth_local:password.set", "users", account.id, after={"password": "set"})
        if request.current is None:
            # An administrator's new password also ends the lock that wrong tries had caused.
            await self._lockout.refund([subject], succeeded=True)

    async def health(self) -> Health:
        """Whether the table of passwords can be read, and the parameters in use."""
        facts = {
            "algorithm": "argon2id",
            "time_cost": str(self._settings.time_cost),
            "memory_kib": str(self._settings.memory_kib),
            "parallelism": str(self._settings.parallelism),
        }
        try:
            async with self._services.read(_PRINCIPAL) as work:
                await work.connection.execute(select(Password.user_id).limit(1))
        except SQLAlchemyError as error:
            return Health(HealthState.DOWN, f"passwords can't be read: {type(error).__name__}", facts)
        return Health(HealthState.OK, facts=facts)

    async def _verify(self, subjects: Sequence[str], known_hash: str | None, password: bytes | None) -> bool:
        """Check a password as a charged try."""
        await self._lockout.charge(subjects)
        try:
            matches = await self._hasher.verify(known_hash, password)
        except ProviderUnavailableError:
            await self._lockout.refund(subjects, succeeded=False)
            raise
        if matches:
            await self._lockout.refund(subjects, succeeded=True)
        return matches

    async def _account(self, which: ColumnElement[bool]) -> Row[_Account] | None:
        user = user_table()
        statement = (
            select(
                user.c.id,
                user.c.email,
                user.c.email_key,
                user.c.email_verified_at,
                user.c.given_name,
                user.c.family_name,
                Password.password_hash,
            )
            .join_from(user, Password, Password.user_id == user.c.id, isouter=True)
            .where(which, user.c.archived_at.is_(None), user.c.banned_at.is_(None))
        )
        async with self._services.read(_PRINCIPAL) as work:
            return (await work.connection.execute(statement)).one_or_none()

    async def _replace_outdated(self, user_id: UUID, old_hash: str, password: bytes) -> None:
        new_hash = await self._hasher.hash(password)
        async with self._services.uow(_PRINCIPAL) as work:
            # The condition keeps a password that was changed meanwhile.
            await work.session.execute(
                update(Password)
                .where(Password.user_id == user_id, Password.password_hash == old_hash)
                .values(password_hash=new_hash)
            )


@asynccontextmanager
async def open_auth(
    settings: AuthLocalSettings | None, context: AppContext
) -> AsyncGenerator[LocalAuth, None]:
    """Open an instance of the type ``local``."""
    chosen = settings or AuthLocalSettings()
    yield LocalAuth(context, chosen, await Hasher.create(chosen))
