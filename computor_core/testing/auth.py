"""Conformance suite for authentication providers that take passwords.

An adopter's whole test module::

    import pytest
    from computor_core.testing.auth import AuthAccounts, AuthConformance

    class MyAccounts(AuthAccounts):
        ...                                  # makes users for the provider under test

    class TestMyAuth(AuthConformance):
        @pytest.fixture
        async def accounts(self, tmp_path):
            async with open_my_auth(MySettings(), context(tmp_path)) as provider:
                yield MyAccounts(provider)

A declared capability must work, an undeclared one must be refused.
"""
# ruff: noqa: S101, S105 - a suite asserts, and its passwords are nobody's

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from uuid import UUID

import pytest

from computor_core.plugin_api.errors import (
    AuthenticationError,
    CapabilityNotSupportedError,
    ComputorError,
    InvalidError,
    TooManyRequestsError,
)
from computor_core.plugin_api.providers.auth import (
    AuthCapability,
    AuthProvider,
    Identity,
    PasswordSignIn,
    RedirectStart,
    SetPassword,
)
from computor_core.plugin_api.providers.base import HealthState

__all__ = ["AuthAccounts", "AuthConformance"]

LOGIN = "ada.lovelace@example.org"
PASSWORD = "Nine elephants, no umbrella"
OTHER = "A tall giraffe reads the news"
ADDRESS = "192.0.2.7"
_UPPER_BOUND_OF_TRIES = 50


class AuthAccounts(ABC):
    """What the suite needs besides the provider: users, and a clock that it can move.

    Attributes:
        provider: The provider under test, open.
    """

    provider: AuthProvider

    @abstractmethod
    async def add(self, login: str) -> UUID:
        """Make a user with this name and no password; the address is new and unarchived."""

    @abstractmethod
    async def archive(self, user_id: UUID) -> None:
        """Archive a user."""

    @abstractmethod
    async def ban(self, user_id: UUID) -> None:
        """Ban a user."""

    @abstractmethod
    def advance(self, seconds: float) -> None:
        """Let time pass for the provider."""


async def _sign_in(accounts: AuthAccounts, password: str, login: str = LOGIN) -> Identity:
    return await accounts.provider.sign_in(PasswordSignIn(login, password, ADDRESS))


async def _refusal(accounts: AuthAccounts, password: str, login: str = LOGIN) -> ComputorError:
    with pytest.raises((AuthenticationError, TooManyRequestsError)) as caught:
        await _sign_in(accounts, password, login)
    return caught.value


async def _fail_until_locked(accounts: AuthAccounts, login: str = LOGIN) -> tuple[int, TooManyRequestsError]:
    """How many wrong passwords were checked before the lock, and the lock's answer."""
    for checked in range(_UPPER_BOUND_OF_TRIES):
        error = await _refusal(accounts, OTHER, login)
        if isinstance(error, TooManyRequestsError):
            return checked, error
    pytest.fail(f"{_UPPER_BOUND_OF_TRIES} wrong passwords in a row were all checked")


def _told(error: ComputorError) -> tuple[object, ...]:
    return (type(error), str(error), error.hint, error.details, error.fields)


class AuthConformance:
    """Every promise of :class:`AuthProvider` about passwords as a test.

    Override ``accounts`` with a fixture that yields an :class:`AuthAccounts` with no users, new
    for each test.
    """

    pytestmark = pytest.mark.asyncio

    @pytest.fixture
    def accounts(self) -> AuthAccounts:
        """The provider under test and the means to make users."""
        raise NotImplementedError("override the fixture 'accounts' in your subclass")

    @pytest.fixture
    async def ada(self, accounts: AuthAccounts) -> UUID:
        """A user who has a password."""
        needed = {AuthCapability.PASSWORD, AuthCapability.SET_PASSWORD}
        missing = needed - accounts.provider.capabilities
        if missing:
            pytest.skip(f"{type(accounts.provider).__name__} doesn't declare {sorted(missing)}")
        user_id = await accounts.add(LOGIN)
        await accounts.provider.set_password(SetPassword(user_id, PASSWORD))
        return user_id

    # --- proving ------------------------------------------------------------------------------

    async def test_the_right_password_proves_its_user(self, accounts: AuthAccounts, ada: UUID) -> None:
        """The identity is the user's, and stable."""
        identity = await _sign_in(accounts, PASSWORD)
        assert identity.user_id == ada
        assert identity.subject
        assert (await _sign_in(accounts, PASSWORD)).subject == identity.subject

    async def test_a_wrong_password_is_refused(self, accounts: AuthAccounts, ada: UUID) -> None:
        """Another good password proves nothing."""
        assert isinstance(await _refusal(accounts, OTHER), AuthenticationError)

    async def test_another_users_password_is_refused(self, accounts: AuthAccounts, ada: UUID) -> None:
        """A password belongs to its user."""
        other = await accounts.add("grace@example.org")
        await accounts.provider.set_password(SetPassword(other, OTHER))
        assert isinstance(await _refusal(accounts, OTHER), AuthenticationError)

    async def test_an_empty_password_is_refused(self, accounts: AuthAccounts, ada: UUID) -> None:
        """Unlike an anonymous LDAP bind (RFC 4513, 5.1.2), nothing is proven by it."""
        assert isinstance(await _refusal(accounts, ""), AuthenticationError)

    async def test_a_user_without_password_is_out(self, accounts: AuthAccounts, ada: UUID) -> None:
        """Neither an empty nor any other password fits an account that has none."""
        await accounts.add("nopassword@example.org")
        for password in ("", PASSWORD, "None"):
            error = await _refusal(accounts, password, "nopassword@example.org")
            assert isinstance(error, AuthenticationError)

    @pytest.mark.parametrize(
        "changed", [PASSWORD.upper(), PASSWORD + " ", " " + PASSWORD, PASSWORD[:-1], PASSWORD + "\0x"]
    )
    async def test_every_character_counts(self, accounts: AuthAccounts, ada: UUID, changed: str) -> None:
        """Case, spaces at the ends and what follows a NUL are part of the password."""
        assert isinstance(await _refusal(accounts, changed), AuthenticationError)

    async def test_a_long_password_counts_to_its_last_byte(self, accounts: AuthAccounts, ada: UUID) -> None:
        """Nothing is cut off, neither at bcrypt's 72 bytes nor anywhere else."""
        long = "".join(f"word {index} " for index in range(60))
        await accounts.provider.set_password(SetPassword(ada, long + "a"))
        assert (await _sign_in(accounts, long + "a")).user_id == ada
        assert isinstance(await _refusal(accounts, long + "b"), AuthenticationError)

    async def test_a_name_is_found_in_any_case(self, accounts: AuthAccounts, ada: UUID) -> None:
        """Letter case and surrounding spaces of an e-mail address make no difference."""
        assert (await _sign_in(accounts, PASSWORD, f" {LOGIN.upper()} ")).user_id == ada

    # --- who is out ---------------------------------------------------------------------------

    async def test_an_archived_user_is_out(self, accounts: AuthAccounts, ada: UUID) -> None:
        """The right password of an archived user is answered like a wrong one."""
        expected = _told(await _refusal(accounts, OTHER))
        await accounts.archive(ada)
        assert _told(await _refusal(accounts, PASSWORD)) == expected

    async def test_a_banned_user_is_out(self, accounts: AuthAccounts, ada: UUID) -> None:
        """The right password of a banned user is answered like a wrong one."""
        expected = _told(await _refusal(accounts, OTHER))
        await accounts.ban(ada)
        assert _told(await _refusal(accounts, PASSWORD)) == expected

    async def test_an_unknown_name_gets_the_same_answer(self, accounts: AuthAccounts, ada: UUID) -> None:
        """The answer doesn't tell whether a name exists."""
        known = await _refusal(accounts, OTHER)
        unknown = await _refusal(accounts, OTHER, "nobody@example.org")
        assert _told(known) == _told(unknown)

    # --- guessing -----------------------------------------------------------------------------

    async def test_wrong_tries_lock_a_name(self, accounts: AuthAccounts, ada: UUID) -> None:
        """After some wrong passwords even the right one must wait, and the answer says how long."""
        _, error = await _fail_until_locked(accounts)
        assert error.retry_after > 0
        assert isinstance(await _refusal(accounts, PASSWORD), TooManyRequestsError)

    async def test_names_nobody_has_are_locked_alike(self, accounts: AuthAccounts, ada: UUID) -> None:
        """Otherwise the lock would tell which names exist."""
        await _fail_until_locked(accounts, "nobody@example.org")

    async def test_a_lock_ends(self, accounts: AuthAccounts, ada: UUID) -> None:
        """When the announced time is over, the right password works again."""
        _, error = await _fail_until_locked(accounts)
        accounts.advance(error.retry_after + 1)
        assert (await _sign_in(accounts, PASSWORD)).user_id == ada

    async def test_parallel_tries_do_not_slip_past_the_lock(self, accounts: AuthAccounts, ada: UUID) -> None:
        """Guessing at the same time gives no more guesses than guessing one by one."""
        checked, _ = await _fail_until_locked(accounts, "nobody@example.org")
        tries = [_refusal(accounts, OTHER) for _ in range(checked * 3 + 5)]
        errors = await asyncio.gather(*tries)
        assert sum(isinstance(error, AuthenticationError) for error in errors) <= checked

    async def test_a_right_password_starts_the_count_over(self, accounts: AuthAccounts, ada: UUID) -> None:
        """Mistyping once before each sign-in never adds up to a lock."""
        for _ in range(_UPPER_BOUND_OF_TRIES):
            assert isinstance(await _refusal(accounts, OTHER), AuthenticationError)
            await _sign_in(accounts, PASSWORD)

    async def test_a_lock_of_one_name_leaves_others_alone(self, accounts: AuthAccounts, ada: UUID) -> None:
        """The lock of a name can't be used to shut the others at an address out."""
        await _fail_until_locked(accounts, "nobody@example.org")
        assert (await _sign_in(accounts, PASSWORD)).user_id == ada

    # --- setting ------------------------------------------------------------------------------

    async def test_a_new_password_replaces_the_old(self, accounts: AuthAccounts, ada: UUID) -> None:
        """From then on only the new one works."""
        await accounts.provider.set_password(SetPassword(ada, OTHER, current=PASSWORD))
        assert (await _sign_in(accounts, OTHER)).user_id == ada
        assert isinstance(await _refusal(accounts, PASSWORD), AuthenticationError)

    @pytest.mark.parametrize("current", ["", OTHER, PASSWORD[:-1]])
    async def test_a_change_needs_the_present_password(
        self, accounts: AuthAccounts, ada: UUID, current: str
    ) -> None:
        """A wrong present password changes nothing."""
        with pytest.raises(AuthenticationError):
            await accounts.provider.set_password(SetPassword(ada, OTHER, current=current))
        assert (await _sign_in(accounts, PASSWORD)).user_id == ada

    @pytest.mark.parametrize("bad", ["", "short", "\ud800" * 20, "ab cd ef gh " * 100_000])
    async def test_a_bad_new_password_changes_nothing(
        self, accounts: AuthAccounts, ada: UUID, bad: str
    ) -> None:
        """The policy's refusal names the field; an endless password is refused, not cut."""
        with pytest.raises(InvalidError) as caught:
            await accounts.provider.set_password(SetPassword(ada, bad))
        assert [problem.path for problem in caught.value.fields] == ["password"]
        assert (await _sign_in(accounts, PASSWORD)).user_id == ada

    async def test_an_endless_password_is_refused_at_sign_in(self, accounts: AuthAccounts, ada: UUID) -> None:
        """It is answered like any wrong one."""
        expected = _told(await _refusal(accounts, OTHER))
        assert _told(await _refusal(accounts, "x" * 5_000_000)) == expected

    # --- discretion ---------------------------------------------------------------------------

    async def test_no_password_is_told_or_logged(
        self, accounts: AuthAccounts, ada: UUID, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Neither errors, nor requests in a traceback, nor logs show a password."""
        caplog.set_level(logging.DEBUG)
        wrong = "a very secret guess 4711"
        error = await _refusal(accounts, wrong)
        with pytest.raises(InvalidError) as policy:
            await accounts.provider.set_password(SetPassword(ada, "4711"))
        with pytest.raises(AuthenticationError) as change:
            await accounts.provider.set_password(SetPassword(ada, OTHER, current=wrong))
        await _sign_in(accounts, PASSWORD)
        told = [repr(_told(one)) for one in (error, policy.value, change.value)]
        told.append(repr(PasswordSignIn(LOGIN, wrong, ADDRESS)))
        told += [record.getMessage() + repr(record.__dict__) for record in caplog.records]
        for text in told:
            assert wrong not in text
            assert "4711" not in text
            assert PASSWORD not in text

    async def test_undeclared_redirects_are_refused(self, accounts: AuthAccounts) -> None:
        """A provider that doesn't declare redirects says so."""
        if AuthCapability.REDIRECT in accounts.provider.capabilities:
            pytest.skip("the provider declares redirects")
        with pytest.raises(CapabilityNotSupportedError):
            await accounts.provider.begin(RedirectStart("https://example.org/return"))

    async def test_health_answers(self, accounts: AuthAccounts) -> None:
        """An open provider is well."""
        health = await accounts.provider.health()
        assert health.state is HealthState.OK
