"""Broken sign-in providers; each names the test of :class:`AuthConformance` that rejects it."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import ClassVar
from uuid import UUID

from computor_core.plugin_api.emails import email_key
from computor_core.plugin_api.errors import AuthenticationError, TooManyRequestsError
from computor_core.plugin_api.providers.auth import (
    AuthCapability,
    Identity,
    PasswordSignIn,
    SetPassword,
)
from computor_core.plugin_api.providers.base import Health, HealthState
from computor_core.testing.auth_memory import MemoryAccount, MemoryAuth

__all__ = ["MUTANTS", "AuthMutant"]


class AuthMutant(MemoryAuth):
    """Root of the mutants.

    Attributes:
        rejected_by: Name of the test that rejects it.
        only: Whether no other test may fail; a mistake at the heart breaks several.
    """

    rejected_by: ClassVar[str] = ""
    only: ClassVar[bool] = True


class LetsEverybodyIn(AuthMutant):
    """Proves whoever asks, and declares no more than passwords."""

    rejected_by = "test_a_name_nobody_has_proves_nothing"
    only = False
    capabilities = frozenset({AuthCapability.PASSWORD})

    async def sign_in(self, request: PasswordSignIn) -> Identity:
        return Identity(subject=email_key(request.login), email=request.login)

    async def set_password(self, request: SetPassword) -> None:
        raise self.unsupported(AuthCapability.SET_PASSWORD)


class AcceptsAnyPassword(AuthMutant):
    """Lets a known name in whatever the password is."""

    rejected_by = "test_a_wrong_password_is_refused"
    only = False

    def matches(self, account: MemoryAccount, password: str) -> bool:
        return account.digest is not None and self.encoded(password) is not None


class AcceptsAnybodysPassword(AuthMutant):
    """Looks for the password among all accounts."""

    rejected_by = "test_another_users_password_is_refused"

    def matches(self, account: MemoryAccount, password: str) -> bool:
        return account.digest is not None and any(
            MemoryAuth.matches(self, other, password) for other in self.accounts.values()
        )


class AcceptsEmptyPassword(AuthMutant):
    """Takes an empty password for a successful bind when the account has a password."""

    rejected_by = "test_an_empty_password_is_refused"

    async def sign_in(self, request: PasswordSignIn) -> Identity:
        account = self.accounts.get(email_key(request.login))
        if request.password == "" and account is not None and account.digest is not None:
            return Identity(subject=str(account.user_id), user_id=account.user_id)
        return await super().sign_in(request)


class AcceptsWhereThereIsNone(AuthMutant):
    """Lets everybody into an account that has no password yet."""

    rejected_by = "test_a_user_without_password_is_out"

    def matches(self, account: MemoryAccount, password: str) -> bool:
        return account.digest is None or super().matches(account, password)


class StripsPasswords(AuthMutant):
    """Removes spaces around a password."""

    rejected_by = "test_every_character_counts"

    def encoded(self, password: str) -> bytes | None:
        return super().encoded(password.strip())


class TruncatesPasswords(AuthMutant):
    """Cuts long passwords as bcrypt does."""

    rejected_by = "test_a_long_password_counts_to_its_last_byte"

    def encoded(self, password: str) -> bytes | None:
        raw = super().encoded(password)
        return None if raw is None else raw[:72]


class ComparesNamesExactly(AuthMutant):
    """Finds a name in its stored spelling alone."""

    rejected_by = "test_a_name_is_found_in_any_case"

    async def sign_in(self, request: PasswordSignIn) -> Identity:
        if request.login != email_key(request.login):
            raise AuthenticationError("the name or the password is wrong")
        return await super().sign_in(request)


class LetsArchivedIn(AuthMutant):
    """Forgets to ask whether the user is archived."""

    rejected_by = "test_an_archived_user_is_out"

    def is_out(self, account: MemoryAccount) -> bool:
        return account.out == "banned"


class LetsBannedIn(AuthMutant):
    """Forgets to ask whether the user is banned."""

    rejected_by = "test_a_banned_user_is_out"

    def is_out(self, account: MemoryAccount) -> bool:
        return account.out == "archived"


class TellsUnknownNames(AuthMutant):
    """Says that a name doesn't exist."""

    rejected_by = "test_an_unknown_name_gets_the_same_answer"

    def refusal(self, request: PasswordSignIn, account: MemoryAccount | None) -> AuthenticationError:
        return AuthenticationError("no such user" if account is None else "the password is wrong")


class NeverLocks(AuthMutant):
    """Lets anybody guess for ever."""

    rejected_by = "test_wrong_tries_lock_a_name"
    only = False

    def charge(self, key: str) -> None:
        return


class LocksKnownNamesAlone(AuthMutant):
    """Counts failures in the account, so that an unknown name is never locked."""

    rejected_by = "test_names_nobody_has_are_locked_alike"
    only = False

    def charge(self, key: str) -> None:
        if key in self.accounts:
            super().charge(key)


class LocksForEver(AuthMutant):
    """Announces the end of a lock and doesn't keep it."""

    rejected_by = "test_a_lock_ends"

    def charge(self, key: str) -> None:
        super().charge(key)
        if self.tries[key].locked_until:
            self.tries[key].locked_until = self.now + 60.0

    async def sign_in(self, request: PasswordSignIn) -> Identity:
        tries = self.tries.get(email_key(request.login))
        if tries is not None and tries.locked_until:
            raise TooManyRequestsError("too many tries", retry_after=60.0)
        return await super().sign_in(request)


class CountsAfterChecking(AuthMutant):
    """Counts a failure when it has happened, which parallel tries don't wait for."""

    rejected_by = "test_parallel_tries_do_not_slip_past_the_lock"

    async def sign_in(self, request: PasswordSignIn) -> Identity:
        key = email_key(request.login)
        tries = self.tries.get(key)
        if tries is not None and tries.locked_until > self.now:
            raise TooManyRequestsError("too many tries", retry_after=tries.locked_until - self.now)
        before = None if tries is None else (tries.failures, tries.locked_until)
        self.tries.pop(key, None)
        try:
            return await super().sign_in(request)
        except AuthenticationError:
            self.tries.pop(key, None)
            for _ in range((before[0] if before else 0) + 1):
                MemoryAuth.charge(self, key)
            raise


class NeverStartsOver(AuthMutant):
    """Keeps counting after a right password."""

    rejected_by = "test_a_right_password_starts_the_count_over"

    def __init__(self) -> None:
        super().__init__()
        self._failures = 0

    def refusal(self, request: PasswordSignIn, account: MemoryAccount | None) -> AuthenticationError:
        self._failures += 1
        return super().refusal(request, account)

    async def sign_in(self, request: PasswordSignIn) -> Identity:
        if self._failures >= 20:
            raise TooManyRequestsError("too many tries", retry_after=60.0)
        return await super().sign_in(request)


class LocksTheAddress(AuthMutant):
    """Counts all names of an address as one."""

    rejected_by = "test_a_lock_of_one_name_leaves_others_alone"
    only = False

    def charge(self, key: str) -> None:
        super().charge("the address")


class AddsPasswords(AuthMutant):
    """Keeps the old password valid beside the new one."""

    rejected_by = "test_a_new_password_replaces_the_old"

    def __init__(self) -> None:
        super().__init__()
        self._old: dict[UUID, MemoryAccount] = {}

    async def set_password(self, request: SetPassword) -> None:
        _, account = self.account(request.user_id)
        old = replace(account) if request.current is not None else None
        await super().set_password(request)
        if old is not None:
            self._old[request.user_id] = old

    def matches(self, account: MemoryAccount, password: str) -> bool:
        old = self._old.get(account.user_id)
        return super().matches(account, password) or (old is not None and super().matches(old, password))


class SkipsThePresentPassword(AuthMutant):
    """Changes a password without asking for the present one."""

    rejected_by = "test_a_change_needs_the_present_password"
    only = False

    async def set_password(self, request: SetPassword) -> None:
        await super().set_password(replace(request, current=None))


class ChecksThePolicyTooLate(AuthMutant):
    """Stores a new password before looking at it."""

    rejected_by = "test_a_bad_new_password_changes_nothing"

    async def set_password(self, request: SetPassword) -> None:
        _, account = self.account(request.user_id)
        had_one = account.digest is not None
        if had_one and request.current is None and not request.password.isdigit():
            account.digest = self.digest(account.salt, request.password.encode(errors="replace"))
        await super().set_password(request)


class StumblesOverEndlessPasswords(AuthMutant):
    """Answers an endless password with another sentence."""

    rejected_by = "test_an_endless_password_is_refused_at_sign_in"

    def refusal(self, request: PasswordSignIn, account: MemoryAccount | None) -> AuthenticationError:
        if len(request.password) > 1_000_000:
            return AuthenticationError("the password is too long")
        return super().refusal(request, account)


class LogsPasswords(AuthMutant):
    """Writes what was tried to the log."""

    rejected_by = "test_no_password_is_told_or_logged"

    async def sign_in(self, request: PasswordSignIn) -> Identity:
        logging.getLogger("auth").debug("sign-in with %s", request.password)
        return await super().sign_in(request)


class OneSubjectForAll(AuthMutant):
    """Names the directory where the person is meant."""

    rejected_by = "test_two_people_have_two_subjects"

    async def sign_in(self, request: PasswordSignIn) -> Identity:
        return replace(await super().sign_in(request), subject="example.org")


class ClaimsTooMuch(AuthMutant):
    """Vouches for every address and puts everybody into a group."""

    rejected_by = "test_an_identity_claims_no_more_than_is_known"

    async def sign_in(self, request: PasswordSignIn) -> Identity:
        return replace(await super().sign_in(request), email_verified=True, groups=("staff",))


class SettingEndsLocks(AuthMutant):
    """Starts everybody's count over when anybody's password is set."""

    rejected_by = "test_setting_a_password_ends_no_other_lock"

    async def set_password(self, request: SetPassword) -> None:
        await super().set_password(request)
        self.tries.clear()


class TakesUndeclaredPasswords(AuthMutant):
    """Signs people in by passwords without declaring it."""

    rejected_by = "test_undeclared_passwords_are_refused"
    capabilities = frozenset({AuthCapability.SET_PASSWORD})

    async def sign_in(self, request: PasswordSignIn) -> Identity:
        return Identity(subject=email_key(request.login))


class SetsWithoutDeclaring(AuthMutant):
    """Sets passwords without declaring it."""

    rejected_by = "test_undeclared_setting_is_refused"
    capabilities = frozenset({AuthCapability.PASSWORD})


class IsNeverWell(AuthMutant):
    """Reports itself as down while it works."""

    rejected_by = "test_health_answers"

    async def health(self) -> Health:
        return Health(HealthState.DOWN)


MUTANTS: tuple[type[AuthMutant], ...] = (
    LetsEverybodyIn,
    AcceptsAnyPassword,
    AcceptsAnybodysPassword,
    AcceptsEmptyPassword,
    AcceptsWhereThereIsNone,
    StripsPasswords,
    TruncatesPasswords,
    ComparesNamesExactly,
    LetsArchivedIn,
    LetsBannedIn,
    TellsUnknownNames,
    NeverLocks,
    LocksKnownNamesAlone,
    LocksForEver,
    CountsAfterChecking,
    NeverStartsOver,
    LocksTheAddress,
    AddsPasswords,
    SkipsThePresentPassword,
    ChecksThePolicyTooLate,
    StumblesOverEndlessPasswords,
    LogsPasswords,
    OneSubjectForAll,
    ClaimsTooMuch,
    SettingEndsLocks,
    TakesUndeclaredPasswords,
    SetsWithoutDeclaring,
    IsNeverWell,
)
