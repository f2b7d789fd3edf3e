"""One of two plugins that claim the same type."""

from contextlib import asynccontextmanager

from computor_core.plugin_api import PluginMeta, StorageBackendRegistration, hookimpl


@asynccontextmanager
async def open_twin(settings, context):
    """Would open an instance; nobody gets so far while both plugins are enabled."""
    yield None


class Plugin:
    meta = PluginMeta(name="twin_one", summary="Claims the storage type twin")

    @hookimpl
    def computor_storage_backends(self):
        return [
            StorageBackendRegistration(
                type="twin", factory="computor_example_twin_one:open_twin", summary="Twin one"
            )
        ]
