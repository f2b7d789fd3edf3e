"""The page of commands."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import click

from computor_core.targets import load_target
from tools.reference.errors import PagesError
from tools.reference.inventory import Inventory
from tools.reference.markdown import block, code, heading, page

FILE = "commands.md"
TITLE = "Commands"
SUMMARY = "Every command of the command line with its help."

_WIDTH = 100
_EXTENSIONS = "x"
"""The command under which those of plugins stand; what it lists depends on the deployment."""


def render(inventory: Inventory) -> str:
    """The page."""
    intro = (
        "Exit status: 0, 2 for wrong usage, 78 for wrong configuration, 130 after Ctrl-C, 1 for anything "
        "else; see [Errors](errors.md). Commands that report something print JSON with `--json`."
    )
    parts = [part for words, command in known_commands(inventory) for part in _section(words, command)]
    return page(TITLE, intro, *parts)


def known_commands(inventory: Inventory) -> Iterator[tuple[str, click.Command]]:
    """Every command and group with the words that invoke it, plugins' commands last.

    Raises:
        PagesError: A command can't be loaded.
    """
    for name, entry in inventory.commands.items():
        if name != _EXTENSIONS:
            yield from _below(f"computor {name}", _as_command(name, entry.load()))
    if _EXTENSIONS in inventory.commands:
        yield f"computor {_EXTENSIONS}", _without_list(inventory)
    for (plugin, name), registered in sorted(inventory.registries.commands.items()):
        words = f"computor {_EXTENSIONS} {plugin} {name}"
        yield from _below(words, _as_command(words, load_target(registered.registration.target)))


def _below(words: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    yield words, command
    if isinstance(command, click.Group):
        for name in sorted(command.commands):
            yield from _below(f"{words} {name}", command.commands[name])


def _without_list(inventory: Inventory) -> click.Command:
    group = _as_command(_EXTENSIONS, inventory.commands[_EXTENSIONS].load())
    return click.Group(_EXTENSIONS, help=group.help)


def _section(words: str, command: click.Command) -> list[str]:
    context = click.Context(command, info_name=words, terminal_width=_WIDTH, max_content_width=_WIDTH)
    return [heading(2, code(words)), block(inspect.cleandoc(command.get_help(context)))]


def _as_command(name: str, loaded: object) -> click.Command:
    if not isinstance(loaded, click.Command):
        raise PagesError(f"the command {name!r} is a {type(loaded).__name__}, no click command")
    return loaded
