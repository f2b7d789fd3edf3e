"""The tree of errors that Computor raises on purpose.

Every class has a stable string ``code`` and a number ``internal_code`` whose first three
digits are the HTTP status that fits (RFC 9110), so that any host can answer with
``application/problem+json`` (RFC 9457) without a table of its own. ``exit_status`` is what a
command line ends with: 2 usage, 78 configuration (``EX_CONFIG`` of sysexits.h), 1 anything else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

__all__ = [
    "AuthenticationError",
    "CapabilityNotSupportedError",
    "ComputorError",
    "ConfigurationError",
    "ConflictError",
    "FieldProblem",
    "ForbiddenError",
    "IdempotencyConflictError",
    "InvalidError",
    "NotFoundError",
    "PayloadTooLargeError",
    "PluginError",
    "PreconditionFailedError",
    "ProviderAuthFailedError",
    "ProviderConflictError",
    "ProviderError",
    "ProviderInvalidError",
    "ProviderNotFoundError",
    "ProviderUnavailableError",
    "QuotaExceededError",
    "ScheduleClosedError",
    "SchemaVersionError",
    "TooManyRequestsError",
    "UnavailableError",
    "UnsafeArchiveError",
    "UsageError",
    "error_catalogue",
]

_CATALOGUE: dict[str, type[ComputorError]] = {}


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """What is wrong with one field of an input.

    Attributes:
        path: Where, as a dotted path from the body's root (``"schedule.due_at"``).
        code: Stable name of the rule that was broken (``"missing"``, ``"too_long"``).
        message: One sentence for a person.
    """

    path: str
    code: str
    message: str


class ComputorError(Exception):
    """Root of all errors that Computor raises on purpose.

    Args:
        message: One sentence that a user may see; never contains secrets or another user's data.
        hint: What to do about it.
        details: Facts for a program, JSON-serialisable.
        fields: Problems of single input fields.
    """

    code: ClassVar[str] = "error"
    internal_code: ClassVar[int] = 50000
    exit_status: ClassVar[int] = 1

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        details: Mapping[str, object] | None = None,
        fields: Sequence[FieldProblem] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.details: dict[str, object] = dict(details or {})
        self.fields = tuple(fields)

    def __init_subclass__(cls, **kwargs: object) -> None:
        """Enter the class in the catalogue; a code used twice is a programming error."""
        super().__init_subclass__(**kwargs)
        other = _CATALOGUE.get(cls.code)
        if other is not None and other.__qualname__ != cls.__qualname__ and "code" in cls.__dict__:
            raise TypeError(f"error code {cls.code!r} is taken by {other.__qualname__}")
        if "code" in cls.__dict__:
            _CATALOGUE[cls.code] = cls

    @property
    def status(self) -> int:
        """The HTTP status code that fits the error."""
        return self.internal_code // 100

    def __str__(self) -> str:
        text = f"{self.message} [{self.code}]"
        return f"{text}\nhint: {self.hint}" if self.hint else text


def error_catalogue() -> Mapping[str, type[ComputorError]]:
    """All error classes declared so far, by code."""
    return dict(_CATALOGUE)


# --- what a caller got wrong ------------------------------------------------------------


class InvalidError(ComputorError):
    """The input is well-formed but breaks a rule; ``fields`` says where."""

    code = "invalid"
    internal_code = 42200


class UsageError(ComputorError):
    """A command was called with the wrong words."""

    code = "usage"
    internal_code = 40000
    exit_status = 2


class UnsafeArchiveError(InvalidError):
    """An archive holds an entry that must not be extracted, or expands beyond its limits."""

    code = "unsafe_archive"
    internal_code = 42210


class EmptyArchiveError(InvalidError):
    """An archive holds not one file."""

    code = "empty_archive"
    internal_code = 42230


class AuthenticationError(ComputorError):
    """Nobody is signed in, or the credential is unknown, expired or revoked."""

    code = "unauthenticated"
    internal_code = 40100


class ForbiddenError(ComputorError):
    """The row is visible, the action on it is not allowed."""

    code = "forbidden"
    internal_code = 40300


class NotFoundError(ComputorError):
    """No such row, or none that the principal may see: the two are never told apart."""

    code = "not_found"
    internal_code = 40400


class ConflictError(ComputorError):
    """The change contradicts another row (a unique rule, a reference, a state)."""

    code = "conflict"
    internal_code = 40900


class IdempotencyConflictError(ConflictError):
    """An idempotency key was used again with a different request."""

    code = "idempotency_conflict"
    internal_code = 40910


class ScheduleClosedError(ConflictError):
    """The assignment isn't open: not yet released, closed, or no attempts are left."""

    code = "schedule_closed"
    internal_code = 40920


class QuotaExceededError(ConflictError):
    """A counted allowance is used up."""

    code = "quota_exceeded"
    internal_code = 40930


class PreconditionFailedError(ComputorError):
    """``If-Match`` named a version that is no longer the current one."""

    code = "precondition_failed"
    internal_code = 41200


class PayloadTooLargeError(ComputorError):
    """The body exceeds its limit; it was refused before it was stored."""

    code = "payload_too_large"
    internal_code = 41300


class TooManyRequestsError(ComputorError):
    """A rate limit was hit.

    Attributes:
        retry_after: Seconds until a new try can succeed.
    """

    code = "too_many_requests"
    internal_code = 42900

    def __init__(self, message: str, *, retry_after: float, hint: str | None = None) -> None:
        super().__init__(message, hint=hint, details={"retry_after": retry_after})
        self.retry_after = retry_after


# --- what an operator got wrong ---------------------------------------------------------


class ConfigurationError(ComputorError):
    """A setting is wrong or missing, or the deployment can't run as configured."""

    code = "configuration"
    internal_code = 50010
    exit_status = 78


class PluginError(ConfigurationError):
    """A plugin is broken, missing, incompatible or in conflict; ``details`` lists every one."""

    code = "plugin"
    internal_code = 50020


class SchemaVersionError(ConfigurationError):
    """The database's schema is older or newer than the installed code."""

    code = "schema_version"
    internal_code = 50030


class UnavailableError(ComputorError):
    """Something that the request needs is away for now.

    Attributes:
        retry_after: Seconds after which a new try makes sense, where known.
    """

    code = "unavailable"
    internal_code = 50300

    def __init__(
        self,
        message: str,
        *,
        retry_after: float | None = None,
        hint: str | None = None,
        details: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(message, hint=hint, details=details)
        self.retry_after = retry_after


# --- what a provider reports ------------------------------------------------------------


class ProviderError(ComputorError):
    """Root of the errors that providers (storage, git host, runner, …) raise."""

    code = "provider"
    internal_code = 50200


class ProviderUnavailableError(ProviderError, UnavailableError):
    """The server behind a provider can't be reached or is overloaded; work may be tried again."""

    code = "provider_unavailable"
    internal_code = 50310


class ProviderNotFoundError(ProviderError):
    """The object isn't there."""

    code = "provider_not_found"
    internal_code = 40410


class ProviderConflictError(ProviderError):
    """The object exists already or is in a state that forbids the change."""

    code = "provider_conflict"
    internal_code = 40940


class ProviderInvalidError(ProviderError):
    """The provider refused the request's content; trying again is of no use."""

    code = "provider_invalid"
    internal_code = 42220


class ProviderAuthFailedError(ProviderError):
    """The server refused the provider's own credentials or rights."""

    code = "provider_auth_failed"
    internal_code = 50210


class CapabilityNotSupportedError(ProviderError):
    """A method was called whose capability the provider doesn't declare."""

    code = "capability_not_supported"
    internal_code = 50100
