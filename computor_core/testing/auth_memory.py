"""An authentication provider in memory: the suite's own example, and a stand-in for tests."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar
from uuid import UUID, uuid4

from computor_core.plugin_api.emails import email_key
from computor_core.plugin_api.errors import (
    AuthenticationError,
    FieldProblem,
    InvalidError,
    ProviderNotFoundError,
    TooManyRequestsError,
)
from computor_core.plugin_api.providers.auth import (
    AuthCapability,
    AuthProvider,
    Identity,
    PasswordSignIn,
    SetPassword,
)
from computor_core.plugin_api.providers.base import Health, HealthState
from computor_core.testing.auth import AuthAccounts

__all__ = ["MemoryAccount", "MemoryAccounts", "MemoryAuth"]

_SHORTEST = 10
_LONGEST_BYTES = 1024
_TRIES = 5
_LOCK_SECONDS = 60.0


@dataclass(slots=True)
class MemoryAccount:
    """An account; ``out`` says why its user may not come in, "" when they may."""

    user_id: UUID
    salt: bytes = b""
    digest: bytes | None = None
    out: str = ""


@dataclass(slots=True)
class _Tries:
    failures: int = 0
    locked_until: float = 0.0


class MemoryAuth(AuthProvider):
    """Passwords in memory, lost at the end; the hash is too cheap for anything but tests.

    Attributes:
        now: Seconds on the provider's own clock.
        accounts: Accounts by normalised name.
        tries: Failures by normalised name.
    """

    capabilities: ClassVar[frozenset[StrEnum]] = frozenset(
        {AuthCapability.PASSWORD, AuthCapability.SET_PASSWORD}
    )

    def __init__(self) -> None:
        self.now = 0.0
        self.accounts: dict[str, MemoryAccount] = {}
        self.tries: dict[str, _Tries] = {}

    async def sign_in(self, request: PasswordSignIn) -> Identity:
        """Check a name and a password."""
        key = email_key(request.login)
        account = self.accounts.get(key)
        self.charge(key)
        # Hashing takes its time in real providers; the pause lets parallel tries interleave.
        await asyncio.sleep(0)
        if account is None or self.is_out(account) or not self.matches(account, request.password):
            raise self.refusal(request, account)
        self.tries.pop(key, None)
        return Identity(subject=str(account.user_id), user_id=account.user_id, email=key)

    async def set_password(self, request: SetPassword) -> None:
        """Set or change a password."""
        key, account = self.account(request.user_id)
        if request.current is not None:
            self.charge(key)
            if not self.matches(account, request.current):
                raise AuthenticationError("the present password is wrong")
            self.tries.pop(key, None)
        raw = self.encoded(request.password)
        if raw is None or len(request.password) < _SHORTEST:
            problem = FieldProblem("password", "length", "too short or too long")
            raise InvalidError("the password can't be used", fields=[problem])
        account.salt = secrets.token_bytes(16)
        account.digest = self.digest(account.salt, raw)

    async def health(self) -> Health:
        """Always well."""
        return Health(HealthState.OK)

    # The steps, apart so that a mutant can break one of them.

    def charge(self, key: str) -> None:
        """Count a try, or refuse it when the name is locked."""
        tries = self.tries.setdefault(key, _Tries())
        if tries.locked_until > self.now:
            raise TooManyRequestsError("too many tries", retry_after=tries.locked_until - self.now)
        tries.failures += 1
        if tries.failures >= _TRIES:
            tries.locked_until = self.now + _LOCK_SECONDS

    def account(self, user_id: UUID) -> tuple[str, MemoryAccount]:
        """A user's normalised name and account."""
        for key, account in self.accounts.items():
            if account.user_id == user_id:
                return key, account
        raise ProviderNotFoundError("there is no such user")

    def is_out(self, account: MemoryAccount) -> bool:
        """Whether the user is archived or banned."""
        return account.out != ""

    def matches(self, account: MemoryAccount, password: str) -> bool:
        """Whether this is the account's password."""
        raw = self.encoded(password)
        if account.digest is None or raw is None:
            return False
        return hmac.compare_digest(account.digest, self.digest(account.salt, raw))

    def encoded(self, password: str) -> bytes | None:
        """The password's bytes; None when it is too long or no text."""
        try:
            raw = password.encode()
        except UnicodeEncodeError:
            return None
        return raw if len(raw) <= _LONGEST_BYTES else None

    def digest(self, salt: bytes, raw: bytes) -> bytes:
        """The password's hash."""
        return hashlib.pbkdf2_hmac("sha256", raw, salt, 1)

    def refusal(self, request: PasswordSignIn, account: MemoryAccount | None) -> AuthenticationError:
        """The answer to a wrong name or password."""
        return AuthenticationError("the name or the password is wrong")


class MemoryAccounts(AuthAccounts):
    """Users of a :class:`MemoryAuth`."""

    def __init__(self, provider: MemoryAuth) -> None:
        self.provider = self.memory = provider

    async def add(self, login: str, password: str | None = None) -> UUID:
        """Make a user."""
        account = MemoryAccount(uuid4())
        if password is not None:
            account.salt = secrets.token_bytes(16)
            account.digest = self.memory.digest(account.salt, self.memory.encoded(password) or b"")
        self.memory.accounts[email_key(login)] = account
        return account.user_id

    async def archive(self, user_id: UUID) -> None:
        """Archive a user."""
        self.memory.account(user_id)[1].out = "archived"

    async def ban(self, user_id: UUID) -> None:
        """Ban a user."""
        self.memory.account(user_id)[1].out = "banned"

    def advance(self, seconds: float) -> None:
        """Move the clock."""
        self.memory.now += seconds
