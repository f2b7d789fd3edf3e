"""What one plugin registers: collected from all its hooks, before it is compared with others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from computor_core.plugin_api.access import AccessRuleRegistration
    from computor_core.plugin_api.entities import EntityRegistration
    from computor_core.plugin_api.registrations import (
        ActionRegistration,
        CommandRegistration,
        EventHandlerRegistration,
        ExampleFormatRegistration,
        LifespanRegistration,
        MigrationRegistration,
        NotifierRegistration,
        ProviderRegistration,
        ReportParserRegistration,
        RoleRegistration,
        RouterRegistration,
        StepRegistration,
        WorkflowRegistration,
    )
    from computor_core.plugins.hooks import Hooks


@dataclass(frozen=True, slots=True)
class Offer:
    """The registrations of one plugin.

    Attributes:
        plugin: Name of the plugin.
        distribution: Its distribution, for messages.
        table_prefix: What the names of its tables begin with.
        package: Where its code is: the package that its class lies in, or that one module; ""
            for core, and where nothing is known of it.
        providers: The provider types of all seams.
        workflows: Workflows and steps.
    """

    plugin: str
    distribution: str
    table_prefix: str
    package: str = ""
    entities: tuple[EntityRegistration, ...] = ()
    migrations: tuple[MigrationRegistration, ...] = ()
    actions: tuple[ActionRegistration, ...] = ()
    roles: tuple[RoleRegistration, ...] = ()
    access_rules: tuple[AccessRuleRegistration, ...] = ()
    providers: tuple[ProviderRegistration, ...] = ()
    workflows: tuple[WorkflowRegistration | StepRegistration, ...] = ()
    report_parsers: tuple[ReportParserRegistration, ...] = ()
    example_formats: tuple[ExampleFormatRegistration, ...] = ()
    notifiers: tuple[NotifierRegistration, ...] = ()
    event_handlers: tuple[EventHandlerRegistration, ...] = ()
    routers: tuple[RouterRegistration, ...] = ()
    commands: tuple[CommandRegistration, ...] = ()
    lifespan: tuple[LifespanRegistration, ...] = ()


def collect(hooks: Hooks, plugin: str, distribution: str, table_prefix: str, package: str = "") -> Offer:
    """Call every hook of a plugin; the other arguments are attributes of the offer.

    Raises:
        HookProblem: A hook raised or returned something else than its registrations.
    """
    return Offer(
        plugin=plugin,
        distribution=distribution,
        table_prefix=table_prefix,
        package=package,
        entities=hooks.entities(plugin),
        migrations=hooks.migrations(plugin),
        actions=hooks.actions(plugin),
        roles=hooks.roles(plugin),
        access_rules=hooks.access_rules(plugin),
        providers=(
            *hooks.auth_providers(plugin),
            *hooks.storage_backends(plugin),
            *hooks.git_hosts(plugin),
            *hooks.test_runners(plugin),
            *hooks.workflow_engines(plugin),
            *hooks.caches(plugin),
            *hooks.event_buses(plugin),
        ),
        workflows=hooks.workflows(plugin),
        report_parsers=hooks.report_parsers(plugin),
        example_formats=hooks.example_formats(plugin),
        notifiers=hooks.notifiers(plugin),
        event_handlers=hooks.event_handlers(plugin),
        routers=hooks.routers(plugin),
        commands=hooks.commands(plugin),
        lifespan=hooks.lifespan(plugin),
    )
