"""Core as a plugin: what core itself registers, through the same hooks as everybody else."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from computor_core.plugin_api import (
    CacheRegistration,
    EventBusRegistration,
    EventHandlerRegistration,
    ExampleFormatRegistration,
    HandlerTiming,
    PluginMeta,
    WorkflowEngineRegistration,
    hookimpl,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from computor_core.plugin_api import (
        ActionRegistration,
        RoleRegistration,
        StepRegistration,
        WorkflowRegistration,
    )
    from computor_core.plugin_api.access import AccessRuleRegistration
    from computor_core.plugin_api.entities import EntityRegistration


class CorePlugin:
    """Core's own registrations; always the first and always enabled."""

    meta: ClassVar[PluginMeta] = PluginMeta(
        name="core", summary="Entities, access rules, workflows and the embedded infrastructure"
    )

    @hookimpl
    def computor_entities(self) -> Sequence[EntityRegistration]:
        """Core's entities."""
        from computor_core.catalogue import entities

        return entities.registrations()

    @hookimpl
    def computor_actions(self) -> Sequence[ActionRegistration]:
        """Core's access vocabulary."""
        from computor_core.catalogue import actions

        return actions.registrations()

    @hookimpl
    def computor_roles(self) -> Sequence[RoleRegistration]:
        """The built-in roles."""
        from computor_core.catalogue import roles

        return roles.registrations()

    @hookimpl
    def computor_access_rules(self) -> Sequence[AccessRuleRegistration]:
        """Rules that stand apart from an entity."""
        from computor_core.catalogue import rules

        return rules.registrations()

    @hookimpl
    def computor_workflows(self) -> Sequence[WorkflowRegistration | StepRegistration]:
        """Testing of submissions, releases and repositories."""
        from computor_core.release_workflow import registrations as release
        from computor_core.submission_workflow import registrations as submission

        return (*submission.registrations(), *release.registrations())

    @hookimpl
    def computor_workflow_engines(self) -> Sequence[WorkflowEngineRegistration]:
        """The engine that works in the host's own process and database."""
        return [
            WorkflowEngineRegistration(
                type="inprocess",
                factory="computor_core.workflows.in_process:create",
                summary="Durable workflows in the host's own process and database",
                settings="computor_core.workflows.in_process:InProcessSettings",
            )
        ]

    @hookimpl
    def computor_caches(self) -> Sequence[CacheRegistration]:
        """The cache of a single process."""
        return [
            CacheRegistration(
                type="memory",
                factory="computor_core.cache.memory:create",
                summary="This process's memory",
                settings="computor_core.cache.memory:MemoryCacheSettings",
            )
        ]

    @hookimpl
    def computor_event_buses(self) -> Sequence[EventBusRegistration]:
        """The bus of a single process."""
        return [
            EventBusRegistration(
                type="memory", factory="computor_core.events.memory_bus:create", summary="Within this process"
            )
        ]

    @hookimpl
    def computor_example_formats(self) -> Sequence[ExampleFormatRegistration]:
        """The original's example directories."""
        return [
            ExampleFormatRegistration(
                name="computor",
                target="computor_core.assessment.formats.computor:ComputorFormat",
                summary="meta.yaml, test.yaml, content, templates and solution in one directory",
            )
        ]

    @hookimpl
    def computor_event_handlers(self) -> Sequence[EventHandlerRegistration]:
        """What follows from an enrolment."""
        return [
            EventHandlerRegistration(
                event="entity.created",
                target="computor_core.services.enrolment:provide_for_new_member",
                timing=HandlerTiming.IN_TRANSACTION,
                name="core.provide_for_new_member",
            )
        ]
