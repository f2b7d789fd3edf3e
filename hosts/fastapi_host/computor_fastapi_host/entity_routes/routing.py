"""Finding the operation of a request by dictionary instead of trying one pattern after another.

Generated routes are many (several for each entity) and all of one shape, so one route object
holds them all; what it doesn't know falls through to the routes behind it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import Uuid
from starlette.datastructures import URLPath
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.routing import BaseRoute, Match, NoMatchFound
from starlette.types import Receive, Scope, Send

from computor_core.errors import NotFoundError
from computor_fastapi_host.context import host_request
from computor_fastapi_host.entity_routes.operations import PREFIX, EntityOperation

if TYPE_CHECKING:
    from sqlalchemy import Table

__all__ = ["EntityRoutes"]

_FOUND = "computor.operations"
_ROW = "computor.row"
_SHAPE_WITH_ROW = 3

Operations = Mapping[str, EntityOperation]
"""The operations of one path, by HTTP method."""


class EntityRoutes(BaseRoute):
    """One route for all generated operations.

    Args:
        operations: What there is.
        tables: The table of each entity, which says what its ids look like.
    """

    def __init__(self, operations: Iterable[EntityOperation], tables: Mapping[str, Table]) -> None:
        self._paths: dict[str, dict[tuple[str, ...], dict[str, EntityOperation]]] = {}
        for operation in operations:
            shapes = self._paths.setdefault(operation.registration.endpoint, {})
            shapes.setdefault(operation.tail, {})[operation.method] = operation
        self._row_ids = {endpoint: _row_id_parser(tables[endpoint]) for endpoint in self._paths}

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Find the operations of the path; a wrong method is a partial match."""
        if scope["type"] != "http":
            return Match.NONE, {}
        path = _local_path(scope)
        if not path.startswith(PREFIX + "/"):
            return Match.NONE, {}
        segments = path[len(PREFIX) + 1 :].split("/")
        # A plugin's endpoint has three segments: x, the plugin and the entity.
        own = 3 if segments[0] == "x" else 1
        endpoint, tail = "/".join(segments[:own]), segments[own:]
        shapes = self._paths.get(endpoint)
        if shapes is None or len(tail) >= _SHAPE_WITH_ROW:
            return Match.NONE, {}
        row: str | None = None
        found = shapes.get(tuple(tail))
        if found is None and tail:
            row = tail[0]
            found = shapes.get(("{id}", *tail[1:]))
        if found is None or row == "":
            return Match.NONE, {}
        match = Match.FULL if scope["method"] in found else Match.PARTIAL
        return match, {_FOUND: (endpoint, found), _ROW: row, "endpoint": EntityRoutes.handle}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Carry the operation out."""
        found: tuple[str, Operations] = scope[_FOUND]
        endpoint, operations = found
        operation = operations.get(scope["method"])
        if operation is None:
            raise HTTPException(405, headers={"allow": ", ".join(sorted(operations))})
        context = host_request(scope)
        context.route = operation.path
        row: str | None = scope[_ROW]
        row_id = None if row is None else self._row_ids[endpoint](row)
        answer = await operation.handler(Request(scope, receive, send), row_id)
        await answer.response()(scope, receive, send)

    def url_path_for(self, name: str, /, **path_params: object) -> URLPath:
        """No names: addresses of rows are built where they are answered."""
        raise NoMatchFound(name, path_params)


def _local_path(scope: Scope) -> str:
    """The path below the application's own root, when another application mounts it."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "")
    return path[len(root) :] if root and path.startswith(root + "/") else path


def _row_id_parser(table: Table) -> Callable[[str], UUID | str]:
    return _uuid if isinstance(table.c.id.type, Uuid) else str


def _uuid(text: str) -> UUID:
    try:
        parsed = UUID(text)
    except ValueError:
        raise NotFoundError("there is no such row") from None
    if str(parsed) != text.lower():
        # One spelling only: braces and missing hyphens would be second addresses of the same row.
        raise NotFoundError("there is no such row")
    return parsed
