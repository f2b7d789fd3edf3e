"""Every error as ``application/problem+json`` (RFC 9457).

The members are ``type``, ``title``, ``status`` and ``detail`` of the RFC, and ``code``,
``internal_code``, ``request_id``, ``hint``, ``details`` and ``fields`` as extensions. What went
wrong unexpectedly is logged under the request's id; its text never reaches the caller.
"""

from __future__ import annotations

import http
import logging
import math
from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

from fastapi.exceptions import RequestValidationError
from pydantic_core import to_json
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from computor_core.errors import (
    AuthenticationError,
    ComputorError,
    ConflictError,
    FieldProblem,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    PayloadTooLargeError,
    PreconditionFailedError,
    TooManyRequestsError,
    UnavailableError,
)
from computor_core.plugin_api.http import SCOPE_KEY
from computor_fastapi_host.errors import (
    InternalError,
    MalformedRequestError,
    MethodNotAllowedError,
    RangeNotSatisfiableError,
    RequestRefusedError,
    UnsupportedMediaTypeError,
)

__all__ = [
    "PROBLEM_TYPE",
    "Problem",
    "answer",
    "as_computor_error",
    "field_problems",
    "problem_response",
    "respond",
]

PROBLEM_TYPE = "application/problem+json"
_LEAST_SERVER_ERROR = 500
_RETRY_SECONDS = 2.0
_DATA_EXCEPTION = "22"
_log = logging.getLogger("computor.http")

_BY_STATUS: Mapping[int, tuple[type[ComputorError], str]] = {
    400: (MalformedRequestError, "the request is malformed"),
    401: (AuthenticationError, "this needs somebody who is signed in"),
    403: (ForbiddenError, "this isn't allowed"),
    404: (NotFoundError, "there is nothing here"),
    405: (MethodNotAllowedError, "this method doesn't work here"),
    409: (ConflictError, "this contradicts what is there"),
    412: (PreconditionFailedError, "the row has moved on"),
    413: (PayloadTooLargeError, "the body is too large"),
    415: (UnsupportedMediaTypeError, "the body's content type isn't understood here"),
    416: (RangeNotSatisfiableError, "the range lies outside of the content"),
    422: (InvalidError, "the request breaks a rule"),
    503: (UnavailableError, "this is away for now"),
}


class FieldMember(TypedDict):
    """A problem of one field of the input."""

    path: str
    code: str
    message: str


class Problem(TypedDict, total=False):
    """The body of an error."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    internal_code: int
    request_id: str
    hint: str
    details: dict[str, Any]
    fields: list[FieldMember]


def problem_response(
    error: ComputorError, request_id: str, *, headers: Mapping[str, str] | None = None
) -> Response:
    """The response for an error.

    Args:
        error: The error. Of one that stands for the server's own fault (status 500) only the
            code is told.
        request_id: The request's id.
        headers: More headers.
    """
    status = error.status
    faulty = status == _LEAST_SERVER_ERROR
    body: Problem = {
        "type": f"urn:computor:error:{error.code}",
        "title": _phrase(status),
        "status": status,
        "detail": "something went wrong; quote the request's id to an operator" if faulty else error.message,
        "code": error.code,
        "internal_code": error.internal_code,
        "request_id": request_id,
    }
    if not faulty:
        if error.hint:
            body["hint"] = error.hint
        if error.details:
            body["details"] = error.details
        if error.fields:
            body["fields"] = [
                {"path": field.path, "code": field.code, "message": field.message} for field in error.fields
            ]
    known = {"cache-control": "no-store", **(headers or {})}
    if isinstance(error, AuthenticationError):
        known.setdefault("www-authenticate", 'Bearer realm="computor"')
    if isinstance(error, TooManyRequestsError | UnavailableError) and error.retry_after is not None:
        known.setdefault("retry-after", str(max(math.ceil(error.retry_after), 1)))
    # A detail may hold any value; one that JSON lacks must not turn a clear error into a crash.
    return Response(to_json(body, fallback=str), status, known, media_type=PROBLEM_TYPE)


def field_problems(errors: Sequence[Mapping[str, Any]], *, strip: int = 0) -> list[FieldProblem]:
    """Pydantic's errors as field problems; the input's values are left out.

    Args:
        errors: As ``ValidationError.errors()`` gives them.
        strip: Leading parts of each location to leave out.
    """
    return [
        FieldProblem(
            path=".".join(str(part) for part in error["loc"][strip:]),
            code=str(error["type"]),
            message=str(error["msg"]),
        )
        for error in errors
    ]


def as_computor_error(error: Exception) -> ComputorError:
    """The error of our tree that stands for any exception; unknown ones become ``internal``."""
    if isinstance(error, ComputorError):
        return error
    if isinstance(error, RequestValidationError):
        return _of_validation(error)
    if isinstance(error, HTTPException):
        return _of_status(error.status_code, error.detail)
    if isinstance(error, DBAPIError) and _sqlstate(error).startswith(_DATA_EXCEPTION):
        return InvalidError(
            "the request holds a value that can't be stored",
            hint="texts can't hold the character NUL, numbers have 64 bits",
        )
    if _is_away(error):
        return UnavailableError("the database or a service is away for now", retry_after=_RETRY_SECONDS)
    return InternalError("something unexpected happened")


def _of_validation(error: RequestValidationError) -> ComputorError:
    """The same answers as the entities' own routes give."""
    problems = error.errors()
    if any(one["loc"][0] == "path" for one in problems):
        return NotFoundError("there is no such row")
    if isinstance(error.body, bytes):  # FastAPI leaves a body unparsed that doesn't say it is JSON
        return UnsupportedMediaTypeError("the body must be JSON", hint="send content-type: application/json")
    if any(one["type"] == "json_invalid" for one in problems):
        return MalformedRequestError("the body isn't valid JSON")
    return InvalidError("the request breaks a rule", fields=field_problems(problems, strip=1))


def _of_status(status: int, detail: object) -> ComputorError:
    known = _BY_STATUS.get(status)
    said = isinstance(detail, str) and detail != _phrase(status)
    if known is not None:
        kind, message = known
        return kind(str(detail) if said else message)
    if status >= _LEAST_SERVER_ERROR:
        return InternalError("something unexpected happened")
    return RequestRefusedError(str(detail) if said else "the request was refused", status)


def _phrase(status: int) -> str:
    try:
        return http.HTTPStatus(status).phrase
    except ValueError:
        return "Error"


def _sqlstate(error: DBAPIError) -> str:
    """PostgreSQL's five characters for what went wrong; "" on other systems."""
    return str(getattr(error.orig, "sqlstate", None) or getattr(error.orig, "pgcode", None) or "")


def _is_away(error: Exception) -> bool:
    # asyncpg's failures to connect are the operating system's own errors; SQLAlchemy leaves them so.
    if isinstance(error, OperationalError | InterfaceError | PoolTimeoutError | ConnectionError):
        return True
    return isinstance(error, DBAPIError) and error.connection_invalidated


def request_id_of(request: Request) -> str:
    """The id of a request; "" outside of a host."""
    context = request.scope.get(SCOPE_KEY)
    return context.request_id if context is not None else ""


async def answer(request: Request, exception: Exception) -> Response:
    """Answer an exception; the handler that FastAPI is given."""
    return respond(request, exception)


def respond(request: Request, exception: Exception) -> Response:
    """Answer an exception; what is the server's own fault is logged with its traceback."""
    error = as_computor_error(exception)
    if error.status >= _LEAST_SERVER_ERROR:
        _log.error(
            "request failed",
            exc_info=exception,
            extra={"request_id": request_id_of(request), "code": error.code, "path": request.url.path},
        )
    headers = exception.headers if isinstance(exception, HTTPException) else None
    return problem_response(error, request_id_of(request), headers=headers)
