"""Plugins' routes: routers under ``/api/v1/x/<plugin>``, ASGI applications at a path of their own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fastapi import Depends, FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from computor_core.errors import PluginError
from computor_core.plugin_api.http import APIRouter, signed_in
from computor_core.plugins.report import PluginProblem, plugin_error
from computor_core.plugins.routes import build_router, router_problem
from computor_fastapi_host.context import host_request

if TYPE_CHECKING:
    from computor_core.app import Computor
    from computor_core.plugin_api.registrations import RouterRegistration

__all__ = ["PluginMount", "add_plugin_routes"]

_PREFIX = "/api/v1/x"
_RESERVED = ("/api", "/healthz", "/readyz", "/metrics")


@dataclass(frozen=True, slots=True)
class PluginMount:
    """An ASGI application that a plugin mounted.

    Attributes:
        plugin: The plugin.
        path: Where.
        access: How callers are let in.
    """

    plugin: str
    path: str
    access: str


class _Mounted:
    """A plugin's ASGI application inside the host: access, body limit and the route's name.

    Args:
        app: The plugin's.
        path: Where it is mounted.
        access: ``"session"``, ``"public"`` or ``"own"``.
        body_bytes: Most bytes of a body.
    """

    def __init__(self, app: ASGIApp, path: str, access: str, body_bytes: int) -> None:
        self._app = app
        self._path = path
        self._access = access
        self._body_bytes = body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] == "http":
            context = host_request(scope)
            context.route = f"{self._path}/…"
            context.body_limit = self._body_bytes
            if self._access == "session":
                await signed_in(await context.principal())
        await self._app(scope, receive, send)


def add_plugin_routes(app: FastAPI, computor: Computor, *, body_bytes: int) -> Iterator[PluginMount]:
    """Add what the plugins registered; yields the mounted applications.

    Args:
        app: The host's application.
        computor: The application whose plugins they are.
        body_bytes: Most bytes of a body that a mounted application gets.

    Raises:
        PluginError: A router can't be loaded, is of the wrong kind, or takes a path that is taken.
    """
    taken: dict[str, str] = {}
    problems: list[PluginProblem] = []
    for (plugin, _name), registered in computor.registries.routers.items():
        registration = registered.registration
        try:
            target = build_router(registration, computor.context(plugin), computor.registries.actions)
            path = _mount_path(registration, taken) if registration.kind == "asgi" else ""
        except PluginError as error:
            problems.append(router_problem(plugin, registered, error))
            continue
        if isinstance(target, APIRouter):
            guards = [Depends(signed_in)] if registration.access == "session" else []
            app.include_router(target, prefix=f"{_PREFIX}/{plugin}", dependencies=guards, tags=[plugin])
        else:
            taken[path] = plugin
            app.mount(path, _Mounted(target, path, registration.access, body_bytes))
            yield PluginMount(plugin, path, registration.access)
    if problems:
        raise plugin_error(problems)


def _mount_path(registration: RouterRegistration, taken: Mapping[str, str]) -> str:
    path = (registration.mount or "").rstrip("/")
    if not path.startswith("/") or path.count("/") != 1:
        raise PluginError(f"{registration.mount!r} is no top-level path to mount at")
    if path in _RESERVED or path in taken:
        owner = taken.get(path, "the host")
        raise PluginError(f"the path {path} belongs to {owner}")
    return path
