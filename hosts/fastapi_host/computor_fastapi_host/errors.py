"""Errors that only HTTP knows, in the same tree as core's."""

from __future__ import annotations

from computor_core.errors import ComputorError, ForbiddenError

__all__ = [
    "AddressUnavailableError",
    "CsrfError",
    "InternalError",
    "MalformedRequestError",
    "MethodNotAllowedError",
    "RangeNotSatisfiableError",
    "RequestRefusedError",
    "UnsupportedMediaTypeError",
]


class MalformedRequestError(ComputorError):
    """The request isn't what HTTP or JSON allow: a broken body, header or parameter."""

    code = "malformed_request"
    internal_code = 40010


class RequestRefusedError(ComputorError):
    """A route refused the request with a status that has no error of its own.

    Args:
        message: One sentence for the caller.
        status: The HTTP status; ``internal_code`` is the same for all of them.
    """

    code = "request_refused"
    internal_code = 40020

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self._status = status

    @property
    def status(self) -> int:
        """The status that the route chose."""
        return self._status


class AddressUnavailableError(ComputorError):
    """The server can't listen where it was told to: the port is taken or the address is another's."""

    code = "address_unavailable"
    internal_code = 50060


class CsrfError(ForbiddenError):
    """A change was asked for by cookie, without the session's anti-forgery token."""

    code = "csrf"
    internal_code = 40310


class MethodNotAllowedError(ComputorError):
    """The path exists, the method doesn't work on it."""

    code = "method_not_allowed"
    internal_code = 40500


class UnsupportedMediaTypeError(ComputorError):
    """The body's content type isn't one that this route reads."""

    code = "unsupported_media_type"
    internal_code = 41500


class RangeNotSatisfiableError(ComputorError):
    """The requested range lies outside of the content."""

    code = "range_not_satisfiable"
    internal_code = 41600


class InternalError(ComputorError):
    """Something unexpected happened; the log has it under the request's id."""

    code = "internal"
    internal_code = 50001
