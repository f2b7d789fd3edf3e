"""What must hold of the routes before the host serves: no two alike, none without access."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from fastapi import FastAPI
from fastapi.routing import APIRoute, iter_route_contexts
from starlette.routing import Mount, Route

from computor_core.errors import ConfigurationError
from computor_fastapi_host.access import declared_access
from computor_fastapi_host.entity_routes import EntityOperation, EntityRoutes
from computor_fastapi_host.plugin_routes import PluginMount

__all__ = ["Endpoint", "check_routes", "endpoints"]

_IMPLIED = "HEAD"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A method on a path.

    Attributes:
        method: HTTP method.
        path: The path, with its parameters' names.
        operation_id: Its name in the documents; "" for a route that isn't in them.
        access: The action it needs, ``"public"``, ``"own"`` or None when nothing is declared.
    """

    method: str
    path: str
    operation_id: str
    access: str | None


def endpoints(app: FastAPI, operations: Iterable[EntityOperation]) -> Iterator[Endpoint]:
    """Everything that can be called, generated or written by hand; mounted applications aside.

    FastAPI nests included routers, so ``app.routes`` isn't the list of routes;
    ``iter_route_contexts`` is.
    """
    for operation in operations:
        yield Endpoint(operation.method, operation.path, operation.operation_id, operation.action)
    for context in iter_route_contexts(app.routes):
        route = context.original_route
        if isinstance(route, EntityRoutes | Mount):
            continue
        if isinstance(route, APIRoute):
            access = declared_access(route.openapi_extra)
            name = context.unique_id if context.include_in_schema else ""
            for method in sorted(context.methods or ()):
                yield Endpoint(method, context.path or route.path, name, access)
        elif isinstance(route, Route):
            for method in sorted((route.methods or set()) - {_IMPLIED}):
                yield Endpoint(method, context.path or route.path, "", None)
        else:
            yield Endpoint("*", getattr(route, "path", repr(route)), "", None)


def check_routes(app: FastAPI, operations: Iterable[EntityOperation], mounts: Iterable[PluginMount]) -> None:
    """Refuse routes that shadow each other or that say nothing about access.

    Raises:
        ConfigurationError: There are some; all of them are listed.
    """
    problems: list[str] = []
    seen: dict[tuple[str, str], int] = {}
    names: dict[str, str] = {}
    for endpoint in endpoints(app, operations):
        shape = "/".join("{}" if part.startswith("{") else part for part in endpoint.path.split("/"))
        key = (endpoint.method, shape)
        seen[key] = seen.get(key, 0) + 1
        if seen[key] == 2:
            problems.append(f"{endpoint.method} {endpoint.path} is registered twice")
        if endpoint.operation_id:
            other = names.setdefault(endpoint.operation_id, endpoint.path)
            if other != endpoint.path:
                problems.append(f"{endpoint.path} and {other} share the name {endpoint.operation_id}")
        if endpoint.access is None:
            problems.append(f"{endpoint.method} {endpoint.path} declares no access")
    problems += [f"{mount.path} ({mount.plugin}) declares no access" for mount in mounts if not mount.access]
    if problems:
        raise ConfigurationError(
            "the routes can't be served:\n" + "\n".join(f"  {problem}" for problem in problems),
            hint='give every route openapi_extra=needs("<action>")',
            details={"problems": problems},
        )
