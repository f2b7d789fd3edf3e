"""The plugin's registrations."""

from __future__ import annotations

from typing import ClassVar

from computor_core.plugin_api import PluginMeta, hookimpl
from computor_core.plugin_api.registrations import TestRunnerRegistration

__all__ = ["Plugin"]


class Plugin:
    """Registers the test-runner type ``local``."""

    meta: ClassVar[PluginMeta] = PluginMeta(
        name="runner_local",
        summary="Tests in a sandbox on this machine: bubblewrap, else bare namespaces",
    )

    @hookimpl
    def computor_test_runners(self) -> list[TestRunnerRegistration]:
        """Register the type."""
        return [
            TestRunnerRegistration(
                type="local",
                factory="computor_runner_local.provider:open_runner",
                summary="Sandboxes on this machine, no server needed (Linux)",
                settings="computor_runner_local.settings:LocalRunnerSettings",
            )
        ]
