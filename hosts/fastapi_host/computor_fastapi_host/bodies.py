"""Reading what a request says, and answering with what is JSON already."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import to_json
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response

from computor_core.errors import InvalidError, PreconditionFailedError
from computor_fastapi_host.errors import MalformedRequestError, UnsupportedMediaTypeError
from computor_fastapi_host.problems import field_problems

__all__ = ["Answer", "etag", "if_match", "parse_json", "parse_query", "read_json", "refuse_query"]

_Model = TypeVar("_Model", bound=BaseModel)
JSON_TYPE = "application/json"
_VERSION = re.compile(r"[0-9]{1,18}")
"""A row's version in an entity tag; more digits than a 64-bit number has name none."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A response that is finished, so that it can be kept and given again.

    Attributes:
        status: HTTP status.
        body: The JSON text; empty for none.
        headers: Headers beside the content type.
    """

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    @classmethod
    def of(cls, status: int, value: object, **headers: str) -> Answer:
        """An answer with a value as JSON; header names are written with ``_`` for ``-``."""
        named = {name.replace("_", "-"): text for name, text in headers.items() if text}
        return cls(status, to_json(value), named)

    def response(self) -> Response:
        """The response to send."""
        media_type = JSON_TYPE if self.body else None
        return Response(self.body, self.status, dict(self.headers), media_type=media_type)


async def read_json(request: Request) -> bytes:
    """The body of a request that must be JSON.

    Raises:
        UnsupportedMediaTypeError: It says that it is something else. So no form of another site
            can pass for JSON.
    """
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type != JSON_TYPE:
        raise UnsupportedMediaTypeError("the body must be JSON", hint=f"send content-type: {JSON_TYPE}")
    return await request.body()


def parse_json(model: type[_Model], body: bytes) -> _Model:
    """A body as a DTO.

    Raises:
        MalformedRequestError: It isn't JSON.
        InvalidError: It breaks the DTO's rules; every broken one is named.
    """
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False, include_context=False)
        if any(problem["type"] == "json_invalid" for problem in problems):
            raise MalformedRequestError("the body isn't valid JSON") from None
        raise InvalidError("the body breaks a rule", fields=field_problems(problems)) from None


def parse_query(model: type[_Model], query: QueryParams) -> _Model:
    """Query parameters as a DTO; a field that is a list takes its parameter several times.

    Raises:
        InvalidError: An unknown, repeated or wrong parameter; every one is named.
    """
    values: dict[str, Any] = {}
    lists = _list_fields(model)
    for name, value in query.multi_items():
        if name in lists:
            values.setdefault(name, []).append(value)
        elif name in values:
            raise MalformedRequestError(f"the parameter {name[:64]!r} is given twice")
        else:
            values[name] = value
    try:
        return model.model_validate(values)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False, include_context=False)
        raise InvalidError("a parameter breaks a rule", fields=field_problems(problems)) from None


def refuse_query(query: QueryParams, known: frozenset[str] = frozenset()) -> None:
    """Refuse parameters that a route doesn't know: they would change nothing, and hide a mistake.

    Raises:
        InvalidError: There is one.
    """
    unknown = sorted(set(query.keys()) - known)
    if unknown:
        problems = field_problems(
            [{"loc": (name[:64],), "type": "extra_forbidden", "msg": "unknown parameter"} for name in unknown]
        )
        raise InvalidError("a parameter breaks a rule", fields=problems)


def etag(row: Mapping[str, Any]) -> str:
    """The entity tag of a row with a version, "" for one without."""
    version = row.get("version")
    return f'"{version}"' if isinstance(version, int) else ""


def if_match(header: str | None) -> int | None:
    """The version that ``If-Match`` demands (RFC 9110, 13.1.1); None when any will do.

    Raises:
        PreconditionFailedError: It names none of our tags, so it can't match.
    """
    if header is None or header.strip() == "*":
        return None
    text = header.strip()
    number = text[1:-1]
    if text[:1] != '"' or text[-1:] != '"' or _VERSION.fullmatch(number) is None:
        raise PreconditionFailedError(
            "If-Match names no version of this row", hint="send back the ETag of an earlier answer"
        )
    return int(number)


def _list_fields(model: type[BaseModel]) -> frozenset[str]:
    known = _LISTS.get(model)
    if known is None:
        known = _LISTS[model] = frozenset(
            name for name, info in model.model_fields.items() if "list[" in str(info.annotation)
        )
    return known


_LISTS: dict[type[BaseModel], frozenset[str]] = {}
