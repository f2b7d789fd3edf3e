"""What a plugin registers, as lines for people."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable, Mapping
from typing import Any

from computor_core.plugin_api.access import AccessRuleRegistration
from computor_core.plugin_api.entities import EntityRegistration
from computor_core.plugin_api.registrations import (
    EventHandlerRegistration,
    LifespanRegistration,
    MigrationRegistration,
    ProviderRegistration,
    ReportParserRegistration,
    RoleRegistration,
    RouterRegistration,
    StepRegistration,
    WorkflowRegistration,
)
from computor_core.plugins.registries import Registered, Registries


def registrations_of(plugin: str, registries: Registries) -> dict[str, list[str]]:
    """What a plugin registers, one line per registration, by registry."""
    lines: dict[str, list[str]] = {}
    for field in dataclasses.fields(registries):
        entries = _entries(getattr(registries, field.name))
        own = [describe(entry.registration) for entry in entries if entry.plugin == plugin]
        if own:
            lines[field.name] = own
    return lines


def _entries(
    registry: Mapping[Any, Registered[Any]] | tuple[Registered[Any], ...],
) -> Iterable[Registered[Any]]:
    return registry.values() if isinstance(registry, Mapping) else registry


@functools.singledispatch
def describe(item: Any) -> str:  # noqa: ANN401 - the kinds that have a name and a summary
    """A registration on one line: its name, then what a reader should know of it."""
    return f"{item.name}: {item.summary}"


@describe.register
def _(item: EntityRegistration) -> str:
    text = f"{item.endpoint}: {', '.join(sorted(operation.value for operation in item.operations))}"
    commands = ", ".join(command.name for command in item.commands)
    return f"{text}; commands: {commands}" if commands else text


@describe.register
def _(item: AccessRuleRegistration) -> str:
    branches = ", ".join(branch.name for branch in item.branches)
    return f"{item.action} on {item.endpoint}: {branches or 'deny only'}"


@describe.register
def _(item: RoleRegistration) -> str:
    return f"{item.id}: {item.title}"


@describe.register
def _(item: ProviderRegistration) -> str:
    return f"{item.type}: {item.summary}"


@describe.register
def _(item: ReportParserRegistration) -> str:
    return f"{item.format}: {item.summary}"


@describe.register
def _(item: WorkflowRegistration) -> str:
    return f"{item.name}@{item.version}: {item.target}"


@describe.register
def _(item: StepRegistration) -> str:
    return f"{item.name}: {item.target}"


@describe.register
def _(item: EventHandlerRegistration) -> str:
    return f"{item.name}: {item.event}, {item.timing.value}"


@describe.register
def _(item: RouterRegistration) -> str:
    text = f"{item.name}: {item.kind}, access {item.access}"
    return f"{text}, at {item.mount}" if item.mount else text


@describe.register
def _(item: MigrationRegistration) -> str:
    return item.package


@describe.register
def _(item: LifespanRegistration) -> str:
    return item.target
