"""Putting the routes in place, once the application knows what is registered."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from fastapi import Depends, FastAPI, Request

from computor_core.plugin_api.http import signed_in
from computor_fastapi_host.access import PUBLIC
from computor_fastapi_host.context import host_request
from computor_fastapi_host.entity_routes import EntityRoutes, entity_operations
from computor_fastapi_host.openapi import document
from computor_fastapi_host.plugin_routes import add_plugin_routes
from computor_fastapi_host.route_check import check_routes
from computor_fastapi_host.state import HostState
from computor_fastapi_host.system_routes import router as system_router
from computor_fastapi_host.views import VIEWS

if TYPE_CHECKING:
    from computor_core.app import Computor

__all__ = ["PREFIX", "assemble_routes"]

PREFIX = "/api/v1"


def assemble_routes(app: FastAPI, computor: Computor, state: HostState) -> None:
    """Add every route to the application and check them all.

    Raises:
        ConfigurationError: Two routes are alike, or one declares no access.
        PluginError: A plugin's routes can't be served.
    """
    operations = tuple(entity_operations(computor))
    app.router.routes.insert(0, EntityRoutes(operations, computor.access.tables))
    for view in VIEWS:
        guards = [Depends(named(PREFIX))]
        if view.access == "session":
            guards.append(Depends(signed_in))
        app.include_router(view.router(), prefix=PREFIX, dependencies=guards)
    app.include_router(system_router, dependencies=[Depends(named(""))])
    mounts = list(add_plugin_routes(app, computor, body_bytes=state.limits.upload_bytes))
    app.add_api_route(
        f"{PREFIX}/openapi.json",
        _openapi,
        methods=["GET"],
        include_in_schema=False,
        openapi_extra=PUBLIC,
    )
    check_routes(app, operations, mounts)
    document(app, computor, operations)


def named(prefix: str) -> Callable[[Request], Coroutine[Any, Any, None]]:
    """A dependency that tells the request's context which route it reached, for the metrics."""

    async def name(request: Request) -> None:
        host_request(request).route = prefix + getattr(request.scope.get("route"), "path", "")

    return name


async def _openapi(request: Request) -> dict[str, Any]:
    """The OpenAPI document."""
    document: dict[str, Any] = request.app.openapi()
    return document
