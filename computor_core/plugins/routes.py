"""Building plugins' routers: what a host serves, and what ``plugins check`` looks at before."""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Callable, Collection, Iterator
from typing import TYPE_CHECKING, Any

from computor_core.clock import SystemClock
from computor_core.errors import PluginError
from computor_core.plugin_api.providers.base import AppContext
from computor_core.plugins.doors import Doors
from computor_core.plugins.report import PluginProblem, PluginState
from computor_core.targets import load_target, raised

if TYPE_CHECKING:
    from computor_core.plugin_api.http import APIRouter
    from computor_core.plugin_api.registrations import RouterRegistration
    from computor_core.plugins.registries import Registered
    from computor_core.settings.assembly import Assembly


def build_router(
    registration: RouterRegistration, context: AppContext, actions: Collection[str]
) -> Callable[..., Any]:
    """A plugin's router or ASGI application.

    Args:
        registration: What the plugin registered.
        context: What its target is called with.
        actions: The names of all actions.

    Raises:
        PluginError: It can't be loaded or built, is of the wrong kind, or a route declares no
            access or an action that nobody registers.
    """
    label = f"the router {registration.name!r}"
    try:
        target: Any = load_target(registration.target)
        built: Any = target(context)
    except (Exception, SystemExit) as error:
        raise PluginError(f"{label} can't be built: {raised(error)}") from error
    routes: Callable[..., Any] = built
    if registration.kind == "asgi":
        if not callable(built):
            raise PluginError(f"{label} is a {type(built).__name__}, no ASGI application")
        return routes
    from computor_core.plugin_api.http import APIRouter  # brings FastAPI, which a host has

    if not isinstance(built, APIRouter):
        raise PluginError(f"{label} is a {type(built).__name__}, not an APIRouter")
    problems = list(_undeclared(built, actions))
    if problems:
        hint = 'give every route openapi_extra=needs("<action>")'
        raise PluginError(f"{label} has routes that can't be served: {'; '.join(problems)}", hint=hint)
    return routes


def _undeclared(router: APIRouter, actions: Collection[str]) -> Iterator[str]:
    from computor_core.plugin_api.http import OWN, PUBLIC, route_declarations

    known = {*actions, *OWN.values(), *PUBLIC.values()}
    for method, path, declared in route_declarations(router):
        if declared is None:
            yield f"{method} {path} declares no access"
        elif declared not in known:
            yield f"{method} {path} needs the unknown action {declared}"


def _alike(plugin: str, router: object, seen: set[tuple[str, str, str]]) -> Iterator[str]:
    """Routes that a plugin has twice, whatever their parameters are called."""
    from computor_core.plugin_api.http import APIRouter, route_declarations

    if isinstance(router, APIRouter):
        for method, path, _ in route_declarations(router):
            shape = "/".join("{}" if part.startswith("{") else part for part in path.split("/"))
            if (plugin, method, shape) in seen:
                yield f"{method} /api/v1/x/{plugin}{path} is registered twice"
            seen.add((plugin, method, shape))


def broken_routers(assembly: Assembly) -> list[PluginProblem]:
    """What is wrong with the routers of plugins in use; nothing is told where FastAPI isn't installed."""
    if importlib.util.find_spec("fastapi") is None:
        return []
    registries = assembly.plugins.registries
    problems: list[PluginProblem] = []
    seen: set[tuple[str, str, str]] = set()
    for (plugin, _name), registered in registries.routers.items():
        try:
            built = build_router(registered.registration, _context(assembly, plugin), registries.actions)
            twice = list(_alike(plugin, built, seen))
            if twice:
                raise PluginError("; ".join(twice), hint="give each route a path of its own")
        except PluginError as error:
            problems.append(router_problem(plugin, registered, error))
    return problems


def router_problem(
    plugin: str, registered: Registered[RouterRegistration], error: PluginError
) -> PluginProblem:
    """The problem that a router's error is."""
    hint = (
        error.hint or f"mend or update {registered.distribution}, or take {plugin!r} out of plugins.enabled"
    )
    return PluginProblem(plugin, registered.distribution, PluginState.FAILED, error.message, hint)


def _context(assembly: Assembly, plugin: str) -> AppContext:
    """A context for building alone: its services' doors are shut, and its folder isn't made."""
    return AppContext(
        instance="",
        plugin=plugin,
        data_dir=assembly.settings.data_dir / "plugins" / plugin,
        public_url=assembly.settings.public_url,
        clock=SystemClock(),
        log=logging.getLogger(f"computor.plugins.{plugin}"),
        services=Doors(),
        settings=assembly.configuration.plugins.get(plugin),
    )
