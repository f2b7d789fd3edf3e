"""Sign-in: providers that prove who somebody is.

A provider proves an identity; sessions, tokens and what an identity may do are core's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar

from computor_core.plugin_api.providers.base import Provider

if TYPE_CHECKING:
    from uuid import UUID


class AuthCapability(StrEnum):
    """What an authentication provider may offer."""

    PASSWORD = "password"  # noqa: S105 - a capability's name
    SET_PASSWORD = "set_password"  # noqa: S105 - a capability's name
    REDIRECT = "redirect"


@dataclass(frozen=True, slots=True)
class PasswordSignIn:
    """Sign-in by name and password.

    Attributes:
        login: What the user typed as a name: an e-mail address.
        password: Never logged, never stored.
        address: Network address of the caller, for the lockout.
    """

    login: str
    password: str = field(repr=False)
    address: str = ""


@dataclass(frozen=True, slots=True)
class SetPassword:
    """Set the password of a user.

    Attributes:
        user_id: The user.
        password: The new password, checked against the provider's policy.
        current: The present password when the user changes it, None for an administrator.
    """

    user_id: UUID
    password: str = field(repr=False)
    current: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Identity:
    """Somebody proven by a provider.

    Attributes:
        subject: The provider's stable id of the person.
        user_id: Our user where the provider keeps accounts itself, else None: core then goes by the
            subject, and links one that it sees for the first time to the user with the address.
        email: Address as the provider tells it.
        email_verified: Whether the provider vouches for the address; never linked otherwise.
        given_name, family_name: As the provider tells them.
        groups: Groups and roles upstream, for the mapping rules.
    """

    subject: str
    user_id: UUID | None = None
    email: str | None = None
    email_verified: bool = False
    given_name: str = ""
    family_name: str = ""
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RedirectStart:
    """Begin a redirect sign-in; ``redirect_uri`` was checked against the exact allow-list."""

    redirect_uri: str


@dataclass(frozen=True, slots=True)
class RedirectChallenge:
    """Where to send the browser, and what core keeps (server-side) until it returns."""

    url: str
    state: str
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class RedirectReturn:
    """The browser is back: its query parameters and what was kept."""

    parameters: Mapping[str, str]
    challenge: RedirectChallenge


class AuthProvider(Provider):
    """Contract of an authentication provider."""

    seam: ClassVar[str] = "auth"

    async def sign_in(self, request: PasswordSignIn) -> Identity:
        """Prove an identity by password (capability ``PASSWORD``).

        Raises:
            AuthenticationError: Unknown name or wrong password, indistinguishable in text and
                in the work done.
            TooManyRequestsError: The name or the address is locked for a while.
        """
        raise self.unsupported(AuthCapability.PASSWORD)

    async def set_password(self, request: SetPassword) -> None:
        """Set a password (capability ``SET_PASSWORD``).

        Raises:
            AuthenticationError: ``current`` is given and wrong.
            InvalidError: The new password breaks the policy.
        """
        raise self.unsupported(AuthCapability.SET_PASSWORD)

    async def begin(self, request: RedirectStart) -> RedirectChallenge:
        """Begin a redirect sign-in (capability ``REDIRECT``)."""
        raise self.unsupported(AuthCapability.REDIRECT)

    async def complete(self, request: RedirectReturn) -> Identity:
        """Complete a redirect sign-in (capability ``REDIRECT``).

        Raises:
            AuthenticationError: State, nonce, code or token don't hold.
        """
        raise self.unsupported(AuthCapability.REDIRECT)
