"""A plugin without the one that it requires."""

from computor_core.plugin_api import PluginMeta


class Plugin:
    meta = PluginMeta(name="lonely", summary="Requires a companion", requires=("companion",))
