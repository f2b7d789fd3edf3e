"""A plugin whose author forgot a dependency."""

import a_module_that_nobody_installed  # noqa: F401

from computor_core.plugin_api import PluginMeta


class Plugin:
    meta = PluginMeta(name="broken_import", summary="Fails to import")
