"""Rules that a plugin's registrations must keep by themselves, whatever else is installed."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from computor_core.plugin_api.registrations import WorkflowRegistration
from computor_core.plugins.field_types import mistyped

if TYPE_CHECKING:
    from computor_core.plugins.offer import Offer

CORE_PLUGIN = "core"
"""Name under which core registers its own parts; its names carry no prefix."""

_TARGET = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
_ACTION = re.compile(r"([a-z][a-z0-9_]*:)?[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*")
_NAME = re.compile(r"[a-z][a-z0-9_-]*")
_WORK = re.compile(r"[a-z][a-z0-9_]*(\.[a-z0-9_]+)+")
_INTERFACE = ("endpoint", "get", "list", "query")
_ACCESS = frozenset({"session", "public", "own"})
_RESERVED_MOUNTS = ("/api", "/healthz", "/readyz", "/metrics", "/docs", "/openapi.json")


def unreadable(offer: Offer) -> Iterator[str]:
    """Fields that hold something of the wrong type, else interfaces that aren't whole.

    One sentence each. The other rules read these fields, and are asked once nothing is told here.
    """
    wrong = list(_fields(offer))
    yield from wrong or _interfaces(offer)


def broken_rules(offer: Offer) -> Iterator[str]:
    """What is wrong with a plugin's registrations, one sentence each."""
    yield from _targets(offer)
    yield from _vocabulary(offer)
    yield from _names(offer)
    yield from _routers(offer)
    if len(offer.migrations) > 1:
        yield "a plugin has one migration lineage, and computor_migrations returned several"


def _fields(offer: Offer) -> Iterator[str]:
    if offer.plugin == CORE_PLUGIN:
        return  # core is checked by its type checker
    for field in dataclasses.fields(offer):
        items = getattr(offer, field.name)
        if isinstance(items, tuple):
            for item in items:
                yield from mistyped(item)


def _interfaces(offer: Offer) -> Iterator[str]:
    for entity in offer.entities:
        missing = [name for name in _INTERFACE if not hasattr(entity.interface, name)]
        if missing:
            yield f"the interface {entity.interface.__name__} says no {', '.join(missing)}"
        elif not isinstance(getattr(entity.interface, "endpoint", None), str):
            yield f"the endpoint of the interface {entity.interface.__name__} isn't a text"


def _targets(offer: Offer) -> Iterator[str]:
    named: list[tuple[str, str | None]] = []
    for provider in offer.providers:
        named.append((f"factory of {provider.seam} type {provider.type!r}", provider.factory))
        named.append((f"settings of {provider.seam} type {provider.type!r}", provider.settings))
    for work in offer.workflows:
        kind = "workflow" if isinstance(work, WorkflowRegistration) else "step"
        named.append((f"target of {kind} {work.name!r}", work.target))
    named += [(f"target of report format {item.format!r}", item.target) for item in offer.report_parsers]
    named += [(f"target of example format {item.name!r}", item.target) for item in offer.example_formats]
    named += [(f"target of notifier {item.name!r}", item.target) for item in offer.notifiers]
    named += [(f"target of event handler {item.name!r}", item.target) for item in offer.event_handlers]
    named += [(f"target of router {item.name!r}", item.target) for item in offer.routers]
    named += [(f"target of command {item.name!r}", item.target) for item in offer.commands]
    for entity in offer.entities:
        named.append((f"model of endpoint {entity.endpoint!r}", entity.model))
        named.append((f"behavior of endpoint {entity.endpoint!r}", entity.behavior))
        named += [(f"handler of command {item.name!r}", item.handler) for item in entity.commands]
    named += [("target of a lifespan", item.target) for item in offer.lifespan]
    for what, target in named:
        if target is not None and not _TARGET.fullmatch(target):
            yield f"the {what} is {target!r}, which isn't of the form 'package.module:name'"


def _vocabulary(offer: Offer) -> Iterator[str]:
    is_core = offer.plugin == CORE_PLUGIN
    for action in offer.actions:
        if not _ACTION.fullmatch(action.name):
            yield f"action {action.name!r} isn't of the form '<plugin>:<noun>.<verb>'"
        elif is_core == (":" in action.name):
            yield f"action {action.name!r} must {'not ' if is_core else ''}carry a plugin's name"
        elif not is_core and not action.name.startswith(f"{offer.plugin}:"):
            yield f"action {action.name!r} must begin with '{offer.plugin}:'"
    for role in offer.roles:
        prefix = "_" if is_core else f"{offer.plugin}_"
        if not role.name.startswith(prefix):
            yield f"role {role.name!r} must begin with {prefix!r}"
    yield from _durable_names(offer)
    for entity in offer.entities:
        prefix = f"x/{offer.plugin}/"
        if not is_core and not entity.endpoint.startswith(prefix):
            yield f"endpoint {entity.endpoint!r} must begin with {prefix!r}"


def _durable_names(offer: Offer) -> Iterator[str]:
    """Names that rows of the database keep: they stay whose they are, whatever is installed later."""
    if offer.plugin == CORE_PLUGIN:
        return
    named = [
        ("workflow" if isinstance(work, WorkflowRegistration) else "step", work.name)
        for work in offer.workflows
    ]
    named += [("event handler", item.name) for item in offer.event_handlers]
    for what, name in named:
        if not name.startswith(f"{offer.plugin}.") or not _WORK.fullmatch(name):
            yield f"{what} {name!r} must be dotted lower-case words that begin with '{offer.plugin}.'"


def _names(offer: Offer) -> Iterator[str]:
    named = [(f"{item.seam} type", item.type) for item in offer.providers]
    named += [("report format", item.format) for item in offer.report_parsers]
    named += [("example format", item.name) for item in offer.example_formats]
    named += [("notifier", item.name) for item in offer.notifiers]
    named += [("router", item.name) for item in offer.routers]
    named += [("command", item.name) for item in offer.commands]
    for what, name in named:
        if not _NAME.fullmatch(name):
            yield f"{what} {name!r} must be lower-case letters, digits, '-' and '_', beginning with a letter"
    for work in offer.workflows:
        if isinstance(work, WorkflowRegistration) and work.version < 1:
            yield f"workflow {work.name!r} has version {work.version}; versions count from 1"


def _routers(offer: Offer) -> Iterator[str]:
    for router in offer.routers:
        name = f"router {router.name!r}"
        if router.access not in _ACCESS:
            yield f"{name} has access {router.access!r}; it must be one of {', '.join(sorted(_ACCESS))}"
        if router.kind not in {"router", "asgi"}:
            yield f"{name} is of kind {router.kind!r}; it must be 'router' or 'asgi'"
        if router.kind == "router" and router.mount is not None:
            yield f"{name} names a mount, which is for kind 'asgi'"
        if router.kind == "router" and router.access == "own":
            yield f"{name} has access 'own', which is for kind 'asgi'"
        if router.kind == "asgi" and not _free_mount(router.mount):
            needed = f"a top-level one that is free, such as '/{offer.plugin}'"
            yield f"{name} has mount {router.mount!r}; it needs {needed}"


def _free_mount(mount: str | None) -> bool:
    return mount is not None and bool(re.fullmatch(r"/[a-z0-9_-]+", mount)) and mount not in _RESERVED_MOUNTS
