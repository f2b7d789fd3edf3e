"""Everything that the plugins registered, checked and frozen."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from computor_core.plugin_api.access import AccessRuleRegistration
    from computor_core.plugin_api.entities import EntityRegistration
    from computor_core.plugin_api.registrations import (
        ActionRegistration,
        AuthProviderRegistration,
        CacheRegistration,
        CommandRegistration,
        EventBusRegistration,
        EventHandlerRegistration,
        ExampleFormatRegistration,
        GitHostRegistration,
        LifespanRegistration,
        MigrationRegistration,
        NotifierRegistration,
        ProviderRegistration,
        ReportParserRegistration,
        RoleRegistration,
        RouterRegistration,
        StepRegistration,
        StorageBackendRegistration,
        TestRunnerRegistration,
        WorkflowEngineRegistration,
        WorkflowRegistration,
    )

T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Registered(Generic[T_co]):
    """A registration and where it comes from.

    Attributes:
        plugin: Name of the plugin (``"core"`` for core's own).
        distribution: Distribution of the plugin.
        registration: What it registered.
    """

    plugin: str
    distribution: str
    registration: T_co


def _none() -> Mapping[str, Registered[T_co]]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Registries:
    """One attribute per hook (workflows and their steps apart), in the order of the settings.

    Attributes:
        entities: By endpoint.
        migrations: By plugin.
        actions: By name.
        roles: By id.
        access_rules: In order.
        auth_providers, storage_backends, git_hosts, test_runners: By type.
        workflow_engines, caches, event_buses: By type.
        workflows: By ``(name, version)``.
        steps: By name.
        report_parsers: By format.
        example_formats, notifiers: By name.
        event_handlers: By name.
        routers, commands: By ``(plugin, name)``.
        lifespan: In order.
    """

    entities: Mapping[str, Registered[EntityRegistration]] = field(default_factory=_none)
    migrations: Mapping[str, Registered[MigrationRegistration]] = field(default_factory=_none)
    actions: Mapping[str, Registered[ActionRegistration]] = field(default_factory=_none)
    roles: Mapping[str, Registered[RoleRegistration]] = field(default_factory=_none)
    access_rules: tuple[Registered[AccessRuleRegistration], ...] = ()
    auth_providers: Mapping[str, Registered[AuthProviderRegistration]] = field(default_factory=_none)
    storage_backends: Mapping[str, Registered[StorageBackendRegistration]] = field(default_factory=_none)
    git_hosts: Mapping[str, Registered[GitHostRegistration]] = field(default_factory=_none)
    test_runners: Mapping[str, Registered[TestRunnerRegistration]] = field(default_factory=_none)
    workflow_engines: Mapping[str, Registered[WorkflowEngineRegistration]] = field(default_factory=_none)
    caches: Mapping[str, Registered[CacheRegistration]] = field(default_factory=_none)
    event_buses: Mapping[str, Registered[EventBusRegistration]] = field(default_factory=_none)
    workflows: Mapping[tuple[str, int], Registered[WorkflowRegistration]] = field(
        default_factory=lambda: MappingProxyType({})
    )
    steps: Mapping[str, Registered[StepRegistration]] = field(default_factory=_none)
    report_parsers: Mapping[str, Registered[ReportParserRegistration]] = field(default_factory=_none)
    example_formats: Mapping[str, Registered[ExampleFormatRegistration]] = field(default_factory=_none)
    notifiers: Mapping[str, Registered[NotifierRegistration]] = field(default_factory=_none)
    event_handlers: Mapping[str, Registered[EventHandlerRegistration]] = field(default_factory=_none)
    routers: Mapping[tuple[str, str], Registered[RouterRegistration]] = field(
        default_factory=lambda: MappingProxyType({})
    )
    commands: Mapping[tuple[str, str], Registered[CommandRegistration]] = field(
        default_factory=lambda: MappingProxyType({})
    )
    lifespan: tuple[Registered[LifespanRegistration], ...] = ()

    def only(self, plugins: Collection[str]) -> Registries:
        """What these plugins registered."""
        parts: dict[str, Any] = {}
        for part in fields(self):
            entries = getattr(self, part.name)
            if isinstance(entries, tuple):
                parts[part.name] = tuple(entry for entry in entries if entry.plugin in plugins)
            else:
                kept = {key: entry for key, entry in entries.items() if entry.plugin in plugins}
                parts[part.name] = MappingProxyType(kept)
        return Registries(**parts)

    def provider_types(self, seam: str) -> Mapping[str, Registered[ProviderRegistration]]:
        """The provider types of a seam, by type.

        Raises:
            KeyError: No such seam.
        """
        return {
            "auth": self.auth_providers,
            "storage": self.storage_backends,
            "git": self.git_hosts,
            "runner": self.test_runners,
            "engine": self.workflow_engines,
            "cache": self.caches,
            "bus": self.event_buses,
        }[seam]


SEAMS = ("auth", "storage", "git", "runner", "engine", "cache", "bus")
"""The seams at which instances are named in the settings, in the order in which they open.

Storage, git and runner come before engine; closing goes the other way round.
"""
