"""What the plugin registers."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from computor_core.plugin_api import (
    CommandRegistration,
    MigrationRegistration,
    PluginMeta,
    RouterRegistration,
    hookimpl,
)

if TYPE_CHECKING:
    from computor_core.plugin_api import ActionRegistration, RoleRegistration
    from computor_core.plugin_api.access import AccessRuleRegistration
    from computor_core.plugin_api.entities import EntityRegistration

__all__ = ["Plugin"]


class Plugin:
    """Registers notes: an entity with its table, access, routes and a CLI command."""

    meta: ClassVar[PluginMeta] = PluginMeta(
        name="notes",
        summary="Staff's notes on course members",
        settings="computor_notes.settings:NotesSettings",
    )

    @hookimpl
    def computor_entities(self) -> list[EntityRegistration]:
        """Register the entity."""
        from computor_notes.entities import NOTES  # here, not above: it imports pydantic

        return [NOTES]

    @hookimpl
    def computor_migrations(self) -> list[MigrationRegistration]:
        """Register the lineage of the table."""
        return [
            MigrationRegistration(
                package="computor_notes.migrations", models="computor_notes.tables", after_core="0001"
            )
        ]

    @hookimpl
    def computor_actions(self) -> list[ActionRegistration]:
        """Register reading and writing."""
        from computor_notes.access import ACTIONS

        return list(ACTIONS)

    @hookimpl
    def computor_roles(self) -> list[RoleRegistration]:
        """Register the role of those who read notes everywhere."""
        from computor_notes.access import ROLES

        return list(ROLES)

    @hookimpl
    def computor_access_rules(self) -> list[AccessRuleRegistration]:
        """Register what the actions reach on core's entities."""
        from computor_notes.access import RULES_ON_CORE

        return list(RULES_ON_CORE)

    @hookimpl
    def computor_routers(self) -> list[RouterRegistration]:
        """Register the summary of a course."""
        return [RouterRegistration("summary", "computor_notes.http:router", access="session")]

    @hookimpl
    def computor_commands(self) -> list[CommandRegistration]:
        """Register the export."""
        return [CommandRegistration("export", "computor_notes.cli:export", "Write a course's notes as JSON")]
