"""Plugins that are installed nowhere: classes behind entry points that a test makes up."""

from dataclasses import dataclass
from typing import Any, cast

from computor_core.plugin_api import PluginMeta, hookimpl
from computor_core.plugins.discovery import InstalledPlugin
from computor_core.plugins.loader import Loader, PluginSet
from computor_core.plugins.report import PluginState

BOUND = ("computor-core>=0.1,<0.2",)


@dataclass
class Entry:
    """Stands in for an entry point; counts how often it is loaded."""

    value: Any
    loads: int = 0

    def load(self) -> Any:
        self.loads += 1
        if isinstance(self.value, BaseException):
            raise self.value
        return self.value


def installed(name: str, value: Any, *, dist: str = "", requires: tuple[str, ...] = BOUND) -> InstalledPlugin:
    entry = Entry(value)
    return InstalledPlugin(
        name, f"{name}_pkg:Plugin", dist or f"dist-{name}", "1.2", requires, cast("Any", entry)
    )


def plugin(
    plugin_name: str, *, requires: tuple[str, ...] = (), conflicts: tuple[str, ...] = (), **hooks: Any
) -> type:
    """A plugin class whose hooks return what is given by hook name without its prefix."""
    meta_object = PluginMeta(
        name=plugin_name, summary=f"The plugin {plugin_name}", requires=requires, conflicts=conflicts
    )
    namespace: dict[str, Any] = {"meta": meta_object}
    for hook, result in hooks.items():
        namespace[f"computor_{hook}"] = _implementation(result)
    return type("Plugin", (), namespace)


def _implementation(result: Any) -> Any:
    def implementation(self: object) -> Any:
        if isinstance(result, BaseException):
            raise result
        return result() if callable(result) else result

    return hookimpl(implementation)


def load(*items: InstalledPlugin, enabled: list[str] | None = None) -> PluginSet:
    names = [item.name for item in items] if enabled is None else enabled
    return Loader(core_version="0.1.0").load(names, items)


def state(found: PluginSet, name: str) -> PluginState:
    return next(record.state for record in found.records if record.name == name)
