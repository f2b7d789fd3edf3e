"""The plugin's registrations."""

from __future__ import annotations

from typing import ClassVar

from computor_core.plugin_api import PluginMeta, hookimpl
from computor_core.plugin_api.registrations import StorageBackendRegistration

__all__ = ["Plugin"]


class Plugin:
    """Registers the storage type ``local``."""

    meta: ClassVar[PluginMeta] = PluginMeta(
        name="storage_local",
        summary="Blobs as content-addressed files on the server's own disk",
    )

    @hookimpl
    def computor_storage_backends(self) -> list[StorageBackendRegistration]:
        """Register the type."""
        return [
            StorageBackendRegistration(
                type="local",
                factory="computor_storage_local.provider:open_storage",
                summary="Content-addressed files under the deployment's data folder",
                settings="computor_storage_local.settings:StorageLocalSettings",
                capabilities=frozenset({"ranges"}),
            )
        ]
