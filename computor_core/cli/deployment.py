"""The deployment that a command works on: settings and plugins, sound or with their problems."""

from __future__ import annotations

from dataclasses import dataclass, replace

from computor_core.settings.assembly import Assembly, assemble, load_settings
from computor_core.settings.composition import check_core
from computor_core.settings.problems import SettingProblem
from computor_core.settings.sources import read_sources


@dataclass(frozen=True, slots=True)
class Inspection:
    """A deployment with whatever is wrong with it.

    Attributes:
        assembly: The plugins that can be used and their settings.
        setting_problems: What is wrong with the settings, core's and plugins'.
    """

    assembly: Assembly
    setting_problems: tuple[SettingProblem, ...]


def inspect_deployment(*, thorough: bool = False) -> Inspection:
    """Look at the deployment without refusing anything but an unreadable settings file.

    Args:
        thorough: Also load and build what the plugins register, as a host does when it starts.

    Raises:
        ConfigurationError: The settings file can't be read.
    """
    settings, problems = check_core(read_sources())
    assembly = assemble(settings, composed=thorough)
    if thorough:
        from computor_core.plugins.routes import broken_routers  # here: it may bring a web framework

        broken = broken_routers(assembly)
        assembly = replace(assembly, plugins=assembly.plugins.without(broken)) if broken else assembly
    return Inspection(assembly, (*problems, *assembly.configuration.problems))


def sound_deployment() -> Assembly:
    """The deployment, ready to work with.

    Raises:
        ConfigurationError: Something is wrong; everything that is, is listed.
    """
    assembly = assemble(load_settings())
    assembly.require_sound()
    return assembly
