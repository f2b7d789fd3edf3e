"""One of two plugins that claim the same type."""

from computor_core.plugin_api import PluginMeta, StorageBackendRegistration, hookimpl


class Plugin:
    meta = PluginMeta(name="twin_two", summary="Claims the storage type twin")

    @hookimpl
    def computor_storage_backends(self):
        return [StorageBackendRegistration(type="twin", factory="nowhere:open", summary="Twin two")]
