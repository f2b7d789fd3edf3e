"""From settings to loaded plugins and checked sections, with everything wrong told at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from computor_core import __version__
from computor_core.builtin import CorePlugin
from computor_core.errors import ConfigurationError, PluginError
from computor_core.plugins.discovery import InstalledPlugin, scan
from computor_core.plugins.loader import Loader, PluginSet
from computor_core.plugins.report import PluginProblem, plugin_error
from computor_core.plugins.rules import CORE_PLUGIN
from computor_core.settings.composition import PluginConfiguration, check_core, compose
from computor_core.settings.instances import enabled_plugins
from computor_core.settings.model import Settings
from computor_core.settings.problems import SettingProblem, configuration_error
from computor_core.settings.sources import read_sources

if TYPE_CHECKING:
    from computor_core.clock import Clock
    from computor_core.composition import Composition


@dataclass(frozen=True, slots=True)
class Assembly:
    """The plugins of a deployment and their part of the settings.

    Attributes:
        settings: Core's settings.
        plugins: What came of loading.
        configuration: The plugins' settings and the provider instances.
        composition: What stands on the registries alone; None unless it was asked for, or when
            core itself can't be composed.
    """

    settings: Settings
    plugins: PluginSet
    configuration: PluginConfiguration
    composition: Composition | None = None

    def require_sound(self) -> None:
        """Refuse to go on with what is wrong; with ``plugins.on_error = "degrade"``, without the plugin.

        Raises:
            PluginError: A plugin can't be used; every problem is listed, settings included.
            ConfigurationError: Settings are wrong; every problem is listed.
        """
        degrade = self.settings.plugins.on_error == "degrade"
        plugin_problems = [
            problem for problem in self.plugins.problems if not degrade or problem.plugin == CORE_PLUGIN
        ]
        error = startup_error(plugin_problems, self.configuration.problems)
        if error is not None:
            raise error


def assemble(
    settings: Settings,
    *,
    installed: Sequence[InstalledPlugin] | None = None,
    builtin: object | None = None,
    composed: bool = False,
    clock: Clock | None = None,
) -> Assembly:
    """Load the enabled plugins and check their settings.

    Args:
        settings: Core's settings.
        installed: What discovery found, None to look now.
        builtin: Core's own plugin, None for the real one.
        composed: Also bring together what the plugins registered, and load what they name: what a
            host needs, and what tells every mistake before a request meets it.
        clock: The application's clock, for the composition.
    """
    found = scan() if installed is None else tuple(installed)
    names = {item.name for item in found}
    loader = Loader(core_version=__version__, trace=settings.plugins.trace)
    plugins = loader.load(enabled_plugins(settings, names), found, builtin=builtin or CorePlugin())
    configuration = compose(settings, plugins, installed=names)
    if configuration.plugin_problems:
        plugins = plugins.without(configuration.plugin_problems)
        configuration = compose(settings, plugins, installed=names)
    if not composed:
        return Assembly(settings, plugins, configuration)
    from computor_core.composition import examine  # here: a look at the settings needs no models

    composition, sound = examine(plugins, clock)
    if sound is not plugins:
        configuration = compose(settings, sound, installed=names)
    return Assembly(settings, sound, configuration, composition)


def load_settings(file: Path | None = None, environment: Mapping[str, str] | None = None) -> Settings:
    """Read and check core's settings.

    Args:
        file: The settings file, or None for ``$COMPUTOR_CONFIG``, else ``./computor.toml``.
        environment: The variables, or None for the process's own.

    Raises:
        ConfigurationError: Something is wrong; everything that is, is listed, with what the
            plugins have against their sections.
    """
    settings, problems = check_core(read_sources(file, environment))
    if problems:
        assembly = assemble(settings)
        error = startup_error(assembly.plugins.problems, [*problems, *assembly.configuration.problems])
        if error is not None:
            raise error
    return settings


def startup_error(
    plugins: Sequence[PluginProblem], settings: Sequence[SettingProblem]
) -> ConfigurationError | None:
    """One error for everything that is wrong, or None."""
    if not plugins:
        return configuration_error(settings) if settings else None
    error = plugin_error(plugins)
    if not settings:
        return error
    also = configuration_error(settings)
    return PluginError(
        f"{error.message}\n{also.message}",
        hint=error.hint,
        details={**error.details, "settings": also.details["problems"]},
    )
