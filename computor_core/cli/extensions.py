"""``computor x``: the commands of plugins."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import click

from computor_core.cli.deployment import inspect_deployment, sound_deployment
from computor_core.errors import PluginError
from computor_core.plugins.loader import PluginSet
from computor_core.plugins.report import plugin_error
from computor_core.targets import load_target, raised

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from computor_core.plugin_api.services import Application


def open_application() -> AbstractAsyncContextManager[Application]:
    """The deployment's application, not open yet; what commands get as their context's object."""
    from computor_core.app import Computor  # here, not above: `computor x --help` opens nothing

    return Computor(sound_deployment().settings)


@functools.cache
def _plugins() -> PluginSet:
    return inspect_deployment().assembly.plugins


class PluginCommands(click.Group):
    """The commands of one plugin; each is imported when it is invoked.

    Args:
        plugin: The plugin's name.
    """

    def __init__(self, plugin: str) -> None:
        super().__init__(
            name=plugin,
            help=f"Commands of the plugin {plugin}.",
            context_settings={"obj": open_application},
        )
        self._plugin = plugin

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of the plugin's commands."""
        return sorted(name for plugin, name in _plugins().registries.commands if plugin == self._plugin)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command.

        Raises:
            PluginError: It can't be imported, or is no click command.
        """
        registered = _plugins().registries.commands.get((self._plugin, cmd_name))
        if registered is None:
            return None
        target = registered.registration.target
        label = f"the command {cmd_name!r} of plugin {self._plugin} ({registered.distribution})"
        try:
            command = load_target(target)
        except (Exception, SystemExit) as error:
            raise PluginError(f"{label} can't be loaded: {raised(error)}") from error
        if not isinstance(command, click.Command):
            raise PluginError(f"{label} is a {type(command).__name__}, not a click command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands with the registered summaries; nothing is imported."""
        rows = [
            (name, _plugins().registries.commands[self._plugin, name].registration.summary)
            for name in self.list_commands(ctx)
        ]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


class Extensions(click.Group):
    """One group per plugin that has commands."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of the plugins that have commands."""
        return sorted({plugin for plugin, _name in _plugins().registries.commands})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """A plugin's group.

        Raises:
            PluginError: The plugin is enabled and can't be used.
        """
        problems = [problem for problem in _plugins().problems if problem.plugin == cmd_name]
        if problems:
            raise plugin_error(problems)
        return PluginCommands(cmd_name) if cmd_name in self.list_commands(ctx) else None


x = Extensions(name="x", help="Commands of plugins: computor x PLUGIN COMMAND.")
