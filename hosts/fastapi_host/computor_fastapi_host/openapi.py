"""The OpenAPI document, built when it is asked for the first time.

Generated operations are served without FastAPI's machinery; for the document each is described
to FastAPI by a route that is never called, so that schemas come from one place.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

from fastapi import Body, FastAPI, Header, Path, Query
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic import Field, create_model
from sqlalchemy import Uuid

from computor_core.interfaces import Dto, ReadDto
from computor_core.plugin_api.http import needs
from computor_fastapi_host.access import ACCESS_KEY
from computor_fastapi_host.entity_routes import EntityOperation
from computor_fastapi_host.problems import PROBLEM_TYPE

if TYPE_CHECKING:
    from computor_core.app import Computor

__all__ = ["build_openapi", "document"]

_PROBLEM_REF = "#/components/responses/Problem"
_IF_MATCH = "Version that the row must have, as an earlier `ETag` said; 412 when it moved on."
_IDEMPOTENCY = "Any text of your own; a repetition under the same key is carried out once."
_ERRORS: dict[str, tuple[int, ...]] = {
    "get": (401, 403, 404, 422),
    "post": (400, 401, 403, 404, 409, 413, 415, 422, 429),
    "patch": (400, 401, 403, 404, 409, 412, 413, 415, 422),
    "put": (400, 401, 403, 404, 409, 412, 413, 415, 422),
    "delete": (401, 403, 404, 409, 412, 422),
}
_PROBLEM_SCHEMA: dict[str, Any] = {
    "type": "object",
    "title": "Problem",
    "description": "What went wrong (RFC 9457).",
    "required": ["type", "title", "status", "detail", "code", "internal_code", "request_id"],
    "properties": {
        "type": {"type": "string", "description": "`urn:computor:error:` and the code."},
        "title": {"type": "string", "description": "The status in words."},
        "status": {"type": "integer", "description": "HTTP status."},
        "detail": {"type": "string", "description": "One sentence for a person."},
        "code": {"type": "string", "description": "Stable name of the error."},
        "internal_code": {"type": "integer", "description": "Stable number of the error."},
        "request_id": {"type": "string", "description": "What to quote to an operator."},
        "hint": {"type": "string", "description": "What to do about it."},
        "details": {"type": "object", "description": "Facts for a program."},
        "fields": {
            "type": "array",
            "description": "Problems of single fields of the input.",
            "items": {
                "type": "object",
                "required": ["path", "code", "message"],
                "properties": {name: {"type": "string"} for name in ("path", "code", "message")},
            },
        },
    },
}


class ListMeta(ReadDto):
    """About a page."""

    limit: int = Field(description="Most rows that the page could have.")
    next_cursor: str | None = Field(description="For the next page; null on the last one.")
    total: int | None = Field(None, description="Number of all matching rows, where asked for.")


def document(app: FastAPI, computor: Computor, operations: Iterable[EntityOperation]) -> None:
    """Have ``app.openapi()`` build the whole document at its first call."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = build_openapi(app, computor, operations)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def build_openapi(app: FastAPI, computor: Computor, operations: Iterable[EntityOperation]) -> dict[str, Any]:
    """The document of all routes, generated and written by hand."""
    shown = [_shown(computor, operation) for operation in operations]
    schema: dict[str, Any] = get_openapi(
        title=app.title,
        version=app.version,
        summary=app.summary,
        description=app.description,
        routes=[*shown, *app.routes],
    )
    components = schema.setdefault("components", {})
    components.setdefault("schemas", {})["Problem"] = _PROBLEM_SCHEMA
    components["responses"] = {
        "Problem": {
            "description": "Something went wrong.",
            "content": {PROBLEM_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
    }
    components["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer", "description": "A session or API token."},
        "cookie": {"type": "apiKey", "in": "cookie", "name": "__Host-computor"},
    }
    for method, operation in _operations(schema):
        _complete(method, operation)
    for unused in ("HTTPValidationError", "ValidationError"):
        components["schemas"].pop(unused, None)
    return schema


def _operations(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path in schema.get("paths", {}).values():
        for method, operation in path.items():
            if method in _ERRORS:
                yield method, operation


def _complete(method: str, operation: dict[str, Any]) -> None:
    """Add what holds of every operation: its errors and who may call it."""
    responses = operation.setdefault("responses", {})
    for status in _ERRORS[method]:
        responses[str(status)] = {"$ref": _PROBLEM_REF}
    responses["default"] = {"$ref": _PROBLEM_REF}
    public = operation.get(ACCESS_KEY) == "public"
    operation["security"] = [] if public else [{"bearer": []}, {"cookie": []}]


def _shown(computor: Computor, operation: EntityOperation) -> APIRoute:
    registration = operation.registration
    responses: dict[int | str, dict[str, Any]] = {}
    if operation.status == 204:
        responses[204] = {"description": "Done."}
    return APIRoute(
        operation.path,
        _stub(operation, _id_type(computor, registration.endpoint)),
        methods=[operation.method],
        response_model=_output(operation),
        status_code=operation.status,
        summary=_summary(operation),
        tags=[registration.endpoint],
        operation_id=operation.operation_id,
        responses=responses,
        openapi_extra=needs(operation.action),
    )


def _summary(operation: EntityOperation) -> str:
    if operation.command is not None:
        return operation.command.summary
    return f"{operation.name.capitalize()}: {operation.registration.summary}"


def _output(operation: EntityOperation) -> type[Dto] | None:
    interface = operation.registration.interface
    if operation.command is not None:
        return operation.command.output
    if operation.name == "delete":
        return None
    if operation.name != "list":
        return interface.get
    row = interface.list
    return create_model(
        f"{row.__name__}Page",
        __base__=ReadDto,
        __doc__="A page of rows.",
        data=(list[row], Field(description="The rows.")),  # type: ignore[valid-type]
        meta=(ListMeta, Field(description="About the page.")),
    )


def _id_type(computor: Computor, endpoint: str) -> type[Any]:
    return UUID if isinstance(computor.access.tables[endpoint].c.id.type, Uuid) else str


def _stub(operation: EntityOperation, id_type: type[Any]) -> Callable[..., Awaitable[None]]:
    """A function with the operation's parameters; FastAPI reads its signature and never calls it."""

    async def stub(**_: object) -> None:
        raise TypeError("this route only describes another")

    needed: dict[str, Any] = {}
    optional: dict[str, Any] = {}
    if "{id}" in operation.tail:
        needed["id"] = Annotated[id_type, Path(description="The row.")]
    body = _input(operation)
    if body is not None:
        needed["body"] = Annotated[body, Body()]
    if operation.name == "list" and operation.command is None:
        needed["query"] = Annotated[operation.registration.interface.query, Query()]
    if operation.name == "get" and operation.command is None:
        text = "Fields to answer with, separated by commas; all if empty."
        optional["fields"] = Annotated[str | None, Query(description=text)]
    if operation.method in {"PATCH", "DELETE"} or operation.name in {"archive", "unarchive"}:
        optional["if_match"] = Annotated[str | None, Header(description=_IF_MATCH)]
    if operation.name == "create" or operation.command is not None:
        optional["idempotency_key"] = Annotated[str | None, Header(description=_IDEMPOTENCY, max_length=255)]
    kind = inspect.Parameter.KEYWORD_ONLY
    signature = [inspect.Parameter(name, kind, annotation=note) for name, note in needed.items()]
    signature += [
        inspect.Parameter(name, kind, annotation=note, default=None) for name, note in optional.items()
    ]
    stub.__signature__ = inspect.Signature(signature)  # type: ignore[attr-defined]
    return stub


def _input(operation: EntityOperation) -> type[Dto] | None:
    interface = operation.registration.interface
    if operation.command is not None:
        return operation.command.input
    return {"create": interface.create, "update": interface.update}.get(operation.name)
