"""The plugin's registrations."""

from __future__ import annotations

from typing import ClassVar

from computor_core.plugin_api import PluginMeta, hookimpl
from computor_core.plugin_api.registrations import WorkflowEngineRegistration

__all__ = ["Plugin"]


class Plugin:
    """Registers the engine type ``temporal``."""

    meta: ClassVar[PluginMeta] = PluginMeta(
        name="engine_temporal",
        summary="Workflows on a Temporal server",
    )

    @hookimpl
    def computor_workflow_engines(self) -> list[WorkflowEngineRegistration]:
        """Register the type."""
        return [
            WorkflowEngineRegistration(
                type="temporal",
                factory="computor_engine_temporal.provider:create",
                summary="Runs are carried by workers of a Temporal server",
                settings="computor_engine_temporal.settings:TemporalSettings",
                capabilities=frozenset({"external_state"}),
            )
        ]
