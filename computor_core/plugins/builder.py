"""Merging the offers of several plugins; two that claim one name are told apart by distribution."""

from __future__ import annotations

from collections.abc import Iterator
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from computor_core.plugin_api.registrations import StepRegistration, WorkflowRegistration
from computor_core.plugins.registries import Registered, Registries

if TYPE_CHECKING:
    from computor_core.plugins.offer import Offer

_SEAM_ATTRIBUTES = {
    "auth": "auth_providers",
    "storage": "storage_backends",
    "git": "git_hosts",
    "runner": "test_runners",
    "engine": "workflow_engines",
    "cache": "caches",
    "bus": "event_buses",
}
_TUPLES = ("access_rules", "lifespan")
_KIND_NAMES = {
    "entities": "endpoint",
    "migrations": "migration lineage",
    "actions": "action",
    "roles": "role",
    "auth_providers": "auth type",
    "storage_backends": "storage type",
    "git_hosts": "git type",
    "test_runners": "runner type",
    "workflow_engines": "engine type",
    "caches": "cache type",
    "event_buses": "bus type",
    "workflows": "workflow",
    "steps": "step",
    "report_parsers": "report format",
    "example_formats": "example format",
    "notifiers": "notifier",
    "event_handlers": "event handler",
    "routers": "router",
    "commands": "command",
    "mounts": "mount",
}


class RegistryBuilder:
    """Collects offers, then freezes them."""

    def __init__(self) -> None:
        self._named: dict[str, dict[Any, Registered[Any]]] = {kind: {} for kind in _KIND_NAMES}
        self._listed: dict[str, list[Registered[Any]]] = {kind: [] for kind in _TUPLES}

    def add(self, offer: Offer) -> list[str]:
        """Take an offer in, whole or not at all.

        Returns:
            The conflicts, one sentence each, both distributions named; empty when it was taken.
        """
        entries = list(_entries(offer))
        conflicts = []
        own: dict[tuple[str, Any], Registered[Any]] = {}
        for kind, key, entry in entries:
            other = own.get((kind, key)) or self._named[kind].get(key)
            if other is not None:
                conflicts.append(_conflict(kind, key, other, offer))
            own[kind, key] = entry
        conflicts += self._foreign_workflows(offer)
        if conflicts:
            return conflicts
        for kind, key, entry in entries:
            self._named[kind][key] = entry
        for kind in _TUPLES:
            self._listed[kind] += [
                Registered(offer.plugin, offer.distribution, item) for item in getattr(offer, kind)
            ]
        return []

    def _foreign_workflows(self, offer: Offer) -> Iterator[str]:
        """Versions of workflows that are another plugin's: the newest one would take it over."""
        for work in offer.workflows:
            if not isinstance(work, WorkflowRegistration):
                continue
            for (name, version), other in self._named["workflows"].items():
                if name == work.name and version != work.version and other.plugin != offer.plugin:
                    yield (
                        f"workflow {name!r} belongs to {other.plugin} ({other.distribution}), and "
                        f"{offer.plugin} ({offer.distribution}) registers a version {work.version} of it"
                    )
                    break

    def freeze(self) -> Registries:
        """The registries; later changes of the builder don't reach them."""
        parts: dict[str, Any] = {kind: MappingProxyType(dict(items)) for kind, items in self._named.items()}
        del parts["mounts"]  # checked for conflicts; the routers carry them
        parts |= {kind: tuple(items) for kind, items in self._listed.items()}
        return Registries(**parts)


def _entries(offer: Offer) -> Iterator[tuple[str, Any, Registered[Any]]]:
    for kind, key, item in _items(offer):
        yield kind, key, Registered(offer.plugin, offer.distribution, item)


def _items(offer: Offer) -> Iterator[tuple[str, Any, object]]:
    yield from (("entities", item.endpoint, item) for item in offer.entities)
    yield from (("migrations", offer.plugin, item) for item in offer.migrations)
    yield from (("actions", item.name, item) for item in offer.actions)
    yield from (("roles", item.id, item) for item in offer.roles)
    yield from ((_SEAM_ATTRIBUTES[item.seam], item.type, item) for item in offer.providers)
    for work in offer.workflows:
        if isinstance(work, WorkflowRegistration):
            yield "workflows", (work.name, work.version), work
        elif isinstance(work, StepRegistration):
            yield "steps", work.name, work
    yield from (("report_parsers", item.format, item) for item in offer.report_parsers)
    yield from (("example_formats", item.name, item) for item in offer.example_formats)
    yield from (("notifiers", item.name, item) for item in offer.notifiers)
    yield from (("event_handlers", item.name, item) for item in offer.event_handlers)
    for router in offer.routers:
        yield "routers", (offer.plugin, router.name), router
        if router.mount is not None:
            yield "mounts", router.mount, router
    yield from (("commands", (offer.plugin, item.name), item) for item in offer.commands)


def _conflict(kind: str, key: object, other: Registered[Any], offer: Offer) -> str:
    shown = key
    if isinstance(key, tuple):
        shown = "@".join(map(str, key)) if kind == "workflows" else key[-1]
    what = f"{_KIND_NAMES[kind]} {shown!r}"
    if other.plugin == offer.plugin:
        return f"{what} is registered twice by {offer.plugin} ({offer.distribution})"
    both = f"{other.plugin} ({other.distribution}) and {offer.plugin} ({offer.distribution})"
    return f"{what} is registered by both {both}"
