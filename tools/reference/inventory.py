"""Everything that the pages are made from: the workspace's modules and what its plugins register."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from computor_core import __version__
from computor_core._compat import EntryPoint, entry_points
from computor_core.builtin import CorePlugin
from computor_core.plugins.discovery import scan
from computor_core.plugins.loader import Loader, PluginSet
from computor_core.plugins.registries import Registries
from tools.reference.errors import PagesError
from tools.reference.members import Member, import_all, read_members

COMMANDS = "computor.commands"
"""Entry-point group of the commands."""


@dataclass(frozen=True, slots=True)
class Inventory:
    """What there is to describe.

    Attributes:
        root: Root of the tree.
        members: The workspace's distributions.
        modules: All their modules by name.
        plugins: Core and the workspace's plugins, all of them in use.
        commands: The workspace's commands by name.
    """

    root: Path
    members: tuple[Member, ...]
    modules: Mapping[str, ModuleType]
    plugins: PluginSet
    commands: Mapping[str, EntryPoint]

    @property
    def registries(self) -> Registries:
        """What the plugins register."""
        return self.plugins.registries


def take_inventory(root: Path) -> Inventory:
    """Import and load everything; other plugins that happen to be installed are left out.

    Raises:
        PagesError: A distribution is missing, a module can't be imported or a plugin is broken.
    """
    members = read_members(root)
    modules = import_all(members)
    names = {member.name for member in members}
    found = [plugin for plugin in scan() if plugin.distribution in names]
    loader = Loader(core_version=__version__)
    plugins = loader.load([plugin.name for plugin in found], found, builtin=CorePlugin())
    if plugins.problems:
        raise PagesError("\n".join(problem.line() for problem in plugins.problems))
    commands = {
        entry.name: entry
        for entry in sorted(entry_points(group=COMMANDS), key=lambda entry: entry.name)
        if entry.dist is not None and entry.dist.name in names
    }
    return Inventory(root, members, modules, plugins, commands)
