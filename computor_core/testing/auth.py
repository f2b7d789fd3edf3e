"""Conformance suite for authentication providers that take passwords.

An adopter's whole test module, with :class:`~computor_core.testing.auth_memory.MemoryAuth` where the
adopter's own provider stands::

    import pytest_asyncio
    from computor_core.testing.auth import AuthConformance
    from computor_core.testing.auth_memory import MemoryAccounts, MemoryAuth

    class TestMyAuth(AuthConformance):
        @pytest_asyncio.fixture
        async def accounts(self):
            yield MemoryAccounts(MemoryAuth())

``MemoryAccounts`` is an :class:`AuthAccounts`: it makes users for the provider under test. A declared
capability must work, an undeclared one must be refused.
"""
# ruff: noqa: S101, S105 - a suite asserts, and its passwords are nobody's

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from uuid import UUID, uuid4

import pytest
import pytest_asyncio

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
    """What the suite needs besides the provider: people, and a clock that it can move.

    Attributes:
        provider: The provider under test, open.
        vouches: Whether the provider vouches for everybody's address, as a directory does that an
            institution keeps; else the people made here have unverified ones.
        groups: The groups upstream of everybody who is made here.
    """

    provider: AuthProvider
    vouches: bool = False
    groups: tuple[str, ...] = ()

    @abstractmethod
    async def add(self, login: str, password: str | None = None) -> UUID | None:
        """Make a person with this name, an e-mail address, who may come in.

        Args:
            login: The name; nobody has it yet.
            password: Their password, set without the provider's ``set_password`` where it has none;
                None for somebody who has no password.

        Returns:
            Our user where the provider keeps accounts itself, else None.
        """

    @abstractmethod
    async def archive(self, user_id: UUID) -> None:
        """Archive a user; called with what ``add`` returned."""

    @abstractmethod
    async def ban(self, user_id: UUID) -> None:
        """Ban a user; called with what ``add`` returned."""

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


def _needs(accounts: AuthAccounts, capability: AuthCapability) -> None:
    if capability not in accounts.provider.capabilities:
        pytest.skip(f"{type(accounts.provider).__name__} doesn't declare {capability.value}")


def _lacks(accounts: AuthAccounts, capability: AuthCapability) -> None:
    if capability in accounts.provider.capabilities:
        pytest.skip(f"{type(accounts.provider).__name__} declares {capability.value}")


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

    @pytest_asyncio.fixture
    async def ada(self, accounts: AuthAccounts) -> UUID | None:
        """Somebody who has a password: our user where the provider keeps accounts itself."""
        _needs(accounts, AuthCapability.PASSWORD)
        return await accounts.add(LOGIN, PASSWORD)

    @pytest.fixture
    def user(self, accounts: AuthAccounts, ada: UUID | None) -> UUID:
        """Ada, where the provider keeps accounts itself; else core looks who is archived or banned."""
        if ada is None:
            pytest.skip(f"{type(accounts.provider).__name__} keeps no accounts itself")
        return ada

    @pytest.fixture
    def settable(self, accounts: AuthAccounts, ada: UUID | None) -> UUID:
        """Ada, where her password can be set."""
        _needs(accounts, AuthCapability.SET_PASSWORD)
        assert ada is not None, "a provider that sets passwords of our users keeps their accounts"
        return ada

    # --- proving ------------------------------------------------------------------------------

    async def test_the_right_password_proves_its_user(self, accounts: AuthAccounts, ada: UUID | None) -> None:
        """The identity is the user's, and stable."""
        identity = await _sign_in(accounts, PASSWORD)
        assert identity.user_id == ada
        assert identity.subject
        assert (await _sign_in(accounts, PASSWORD)).subject == identity.subject

    async def test_two_people_have_two_subjects(self, accounts: AuthAccounts, ada: UUID | None) -> None:
        """Core tells people of an outside provider apart by their subjects alone."""
        other = await accounts.add("grace@example.org", OTHER)
        identity = await _sign_in(accounts, OTHER, "grace@example.org")
        assert identity.user_id == other
        assert identity.subject != (await _sign_in(accounts, PASSWORD)).subject

    async def test_an_identity_claims_no_more_than_is_known(
        self, accounts: AuthAccounts, ada: UUID | None
    ) -> None:
        """By a verified address core links accounts, and by groups it gives roles."""
        identity = await _sign_in(accounts, PASSWORD)
        assert identity.email_verified is accounts.vouches
        assert set(identity.groups) == set(accounts.groups)
        assert identity.email is None or identity.email.lower() == LOGIN

    async def test_a_wrong_password_is_refused(self, accounts: AuthAccounts, ada: UUID | None) -> None:
        """Another good password proves nothing."""
        assert isinstance(await _refusal(accounts, OTHER), AuthenticationError)

    async def test_a_name_nobody_has_proves_nothing(self, accounts: AuthAccounts, ada: UUID | None) -> None:
        """Whatever the password."""
        for password in (PASSWORD, OTHER):
            error = await _refusal(accounts, password, "nobody@example.org")
            assert isinstance(error, AuthenticationError)

    async def test_another_users_password_is_refused(self, accounts: AuthAccounts, ada: UUID | None) -> None:
        """A password belongs to its user."""
        await accounts.add("grace@example.org", OTHER)
        assert isinstance(await _refusal(accounts, OTHER), AuthenticationError)

    async def test_an_empty_password_is_refused(self, accounts: AuthAccounts, ada: UUID | None) -> None:
        """Unlike an anonymous LDAP bind (RFC 4513, 5.1.2), nothing is proven by it."""
        assert isinstance(await _refusal(accounts, ""), AuthenticationError)

    async def test_a_user_without_password_is_out(self, accounts: AuthAccounts, ada: UUID | None) -> None:
        """Neither an empty nor any other password fits an account that has none."""
        await accounts.add("nopassword@example.org")
        for password in ("", PASSWORD, "None"):
            error = await _refusal(accounts, password, "nopassword@example.org")
            assert isinstance(error, AuthenticationError)

    @pytest.mark.parametrize(
        "changed", [PASSWORD.upper(), PASSWORD + " ", " " + PASSWORD, PASSWORD[:-1], PASSWORD + "\0x"]
    )
    async def test_every_character_counts(
        self, accounts: AuthAccounts, ada: UUID | None, changed: str
    ) -> None:
        """Case, spaces at the ends and what follows a NUL are part of the password."""
        assert isinstance(await _refusal(accounts, changed), AuthenticationError)

    async def test_a_long_password_counts_to_its_last_byte(
        self, accounts: AuthAccounts, ada: UUID | None
    ) -> None:
        """Nothing is cut off, neither at bcrypt's 72 bytes nor anywhere else."""
        long = "".join(f"word {index} " for index in range(60))
        login = "long@example.org"
        await accounts.add(login, long + "a")
        assert (await _sign_in(accounts, long + "a", login)).subject
        assert isinstance(await _refusal(accounts, long + "b", login), AuthenticationError)

    async def test_a_name_is_found_in_any_case(self, accounts: AuthAccounts, ada: UUID | None) -> None:
        """Letter case and surrounding spaces of an e-mail address make no difference."""
        assert (await _sign_in(accounts, PASSWORD, f" {LOGIN.upper()} ")).user_id == ada

    # --- who is out ---------------------------------------------------------------------------

    async def test_an_archived_user_is_out(self, accounts: AuthAccounts, user: UUID) -> None:
        """The right password of an archived user is answered like a wrong one."""
        expected = _told(await _refusal(accounts, OTHER))
        await accounts.archive(user)
        assert _told(await _refusal(accounts, PASSWORD)) == expected

    async def test_a_banned_user_is_out(self, accounts: AuthAccounts, user: UUID) -> None:
        """The right password of a banned user is answered like a wrong one."""
        expected = _told(await _refusal(accounts, OTHER))
        await accounts.ban(user)
        assert _told(await _refusal(accounts, PASSWORD)) == expected

    async def test_an_unknown_name_gets_the_same_answer(
        self, accounts: AuthAccounts, ada: UUID | None
    ) -> None:
        """The answer doesn't tell whether a name exists."""
        known = await _refusal(accounts, OTHER)
        unknown = await _refusal(accounts, OTHER, "nobody@example.org")
        assert _told(known) == _told(unknown)

    # --- guessing -----------------------------------------------------------------------------

    async def test_wrong_tries_lock_a_name(self, accounts: AuthAccounts, ada: UUID | None) -> None:
        """After some wrong passwords even the right one must wait, and the answer says how long."""
        _, error = await _fail_until_locked(accounts)
        assert error.retry_after > 0
        assert isinstance(await _refusal(accounts, PASSWORD), TooManyRequestsError)

    async def test_names_nobody_has_are_locked_alike(self, accounts: AuthAccounts, ada: UUID | None) -> None:
        """Otherwise the lock would tell which names exist."""
        await _fail_until_locked(accounts, "nobody@example.org")

    async def test_a_lock_ends(self, accounts: AuthAccounts, ada: UUID | None) -> None:
        """When the announced time is over, the right password works again."""
        _, error = await _fail_until_locked(accounts)
        accounts.advance(error.retry_after + 1)
        assert (await _sign_in(accounts, PASSWORD)).user_id == ada

    async def test_parallel_tries_do_not_slip_past_the_lock(
        self, accounts: AuthAccounts, ada: UUID | None
    ) -> None:
        """Guessing at the same time gives no more guesses than guessing one by one."""
        checked, _ = await _fail_until_locked(accounts, "nobody@example.org")
        tries = [_refusal(accounts, OTHER) for _ in range(checked * 3 + 5)]
        errors = await asyncio.gather(*tries)
        assert sum(isinstance(error, AuthenticationError) for error in errors) <= checked

    async def test_a_right_password_starts_the_count_over(
        self, accounts: AuthAccounts, ada: UUID | None
    ) -> None:
        """Mistyping once before each sign-in never adds up to a lock."""
        for _ in range(_UPPER_BOUND_OF_TRIES):
            assert isinstance(await _refusal(accounts, OTHER), AuthenticationError)
            await _sign_in(accounts, PASSWORD)

    async def test_a_lock_of_one_name_leaves_others_alone(
        self, accounts: AuthAccounts, ada: UUID | None
    ) -> None:
        """The lock of a name can't be used to shut the others at an address out."""
        await _fail_until_locked(accounts, "nobody@example.org")
        assert (await _sign_in(accounts, PASSWORD)).user_id == ada

    # --- setting ------------------------------------------------------------------------------

    async def test_a_new_password_replaces_the_old(self, accounts: AuthAccounts, settable: UUID) -> None:
        """From then on only the new one works."""
        await accounts.provider.set_password(SetPassword(settable, OTHER, current=PASSWORD))
        assert (await _sign_in(accounts, OTHER)).user_id == settable
        assert isinstance(await _refusal(accounts, PASSWORD), AuthenticationError)

    @pytest.mark.parametrize("current", ["", OTHER, PASSWORD[:-1]])
    async def test_a_change_needs_the_present_password(
        self, accounts: AuthAccounts, settable: UUID, current: str
    ) -> None:
        """A wrong present password changes nothing."""
        with pytest.raises(AuthenticationError):
            await accounts.provider.set_password(SetPassword(settable, OTHER, current=current))
        assert (await _sign_in(accounts, PASSWORD)).user_id == settable

    @pytest.mark.parametrize("bad", ["", "short", "\ud800" * 20, "ab cd ef gh " * 100_000])
    async def test_a_bad_new_password_changes_nothing(
        self, accounts: AuthAccounts, settable: UUID, bad: str
    ) -> None:
        """The policy's refusal names the field; an endless password is refused, not cut."""
        with pytest.raises(InvalidError) as caught:
            await accounts.provider.set_password(SetPassword(settable, bad))
        assert [problem.path for problem in caught.value.fields] == ["password"]
        assert (await _sign_in(accounts, PASSWORD)).user_id == settable

    async def test_setting_a_password_ends_no_other_lock(
        self, accounts: AuthAccounts, settable: UUID
    ) -> None:
        """Whoever may change a password doesn't get anybody else new guesses."""
        await _fail_until_locked(accounts, "nobody@example.org")
        await accounts.provider.set_password(SetPassword(settable, OTHER))
        assert isinstance(await _refusal(accounts, OTHER, "nobody@example.org"), TooManyRequestsError)

    async def test_an_endless_password_is_refused_at_sign_in(
        self, accounts: AuthAccounts, ada: UUID | None
    ) -> None:
        """It is answered like any wrong one."""
        expected = _told(await _refusal(accounts, OTHER))
        assert _told(await _refusal(accounts, "x" * 5_000_000)) == expected

    # --- discretion ---------------------------------------------------------------------------

    async def test_no_password_is_told_or_logged(
        self, accounts: AuthAccounts, ada: UUID | None, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Neither errors, nor requests in a traceback, nor logs show a password."""
        caplog.set_level(logging.DEBUG)
        wrong = "a very secret guess 4711"
        errors = [await _refusal(accounts, wrong)]
        if AuthCapability.SET_PASSWORD in accounts.provider.capabilities:
            assert ada is not None
            for request in (SetPassword(ada, "4711"), SetPassword(ada, OTHER, current=wrong)):
                with pytest.raises((InvalidError, AuthenticationError)) as caught:
                    await accounts.provider.set_password(request)
                errors.append(caught.value)
        await _sign_in(accounts, PASSWORD)
        told = [repr(_told(error)) for error in errors]
        told.append(repr(PasswordSignIn(LOGIN, wrong, ADDRESS)))
        told += [record.getMessage() + repr(record.__dict__) for record in caplog.records]
        for text in told:
            assert wrong not in text
            assert "4711" not in text
            assert PASSWORD not in text

    # --- what isn't declared, health ----------------------------------------------------------

    async def test_undeclared_passwords_are_refused(self, accounts: AuthAccounts) -> None:
        """A provider that doesn't declare passwords proves nothing by one."""
        _lacks(accounts, AuthCapability.PASSWORD)
        with pytest.raises(CapabilityNotSupportedError):
            await _sign_in(accounts, PASSWORD)

    async def test_undeclared_setting_is_refused(self, accounts: AuthAccounts) -> None:
        """A provider that doesn't declare setting passwords sets none."""
        _lacks(accounts, AuthCapability.SET_PASSWORD)
        user_id = await accounts.add(LOGIN, PASSWORD) or uuid4()
        with pytest.raises(CapabilityNotSupportedError):
            await accounts.provider.set_password(SetPassword(user_id, OTHER))

    async def test_undeclared_redirects_are_refused(self, accounts: AuthAccounts) -> None:
        """A provider that doesn't declare redirects says so."""
        _lacks(accounts, AuthCapability.REDIRECT)
        with pytest.raises(CapabilityNotSupportedError):
            await accounts.provider.begin(RedirectStart("https://example.org/return"))

    async def test_health_answers(self, accounts: AuthAccounts) -> None:
        """An open provider is well."""
        health = await accounts.provider.health()
        assert health.state is HealthState.OK
