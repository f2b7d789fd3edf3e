"""The ``computor`` command: finds commands by their entry points and imports the one that runs.

Commands are click commands in the entry-point group ``computor.commands``. The shell itself
imports neither click nor any of them until one is invoked: at the time of writing importing click
takes several times as long as starting the interpreter, and ``computor --help`` has to be quick.
"""

from __future__ import annotations

import importlib.metadata
import sys
from collections.abc import Sequence
from typing import Protocol, cast

GROUP = "computor.commands"
"""Entry-point group of commands."""

USAGE = 2
"""Exit status of a wrong call."""

CONFIGURATION = 78
"""Exit status of a deployment that can't work as it is: EX_CONFIG of sysexits.h."""

INTERRUPTED = 130
"""Exit status after Ctrl-C: 128 + SIGINT."""


class _Failure(Exception):  # noqa: N818 - its subclasses are the installed packages' own errors
    """What an error that explains itself has; ``computor_core.errors.ComputorError`` is one."""

    code: str
    message: str
    hint: str | None
    exit_status: int


class _Command(Protocol):
    """The part of a click command that the shell uses."""

    def main(self, args: list[str], prog_name: str, *, standalone_mode: bool) -> object: ...


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: The words after ``computor``; None for the process's own.

    Returns:
        The exit status: 0, 2 usage, 78 configuration, 130 interrupted, 1 anything else.
    """
    try:
        return _dispatch(list(sys.argv[1:] if arguments is None else arguments))
    except KeyboardInterrupt:  # while something is imported, too
        sys.stderr.write("interrupted\n")
        return INTERRUPTED


def _dispatch(words: list[str]) -> int:
    if not words:
        sys.stderr.write(overview())
        return USAGE
    if words[0] in ("-h", "--help"):
        sys.stdout.write(overview())
        return 0
    if words[0] == "--version":
        sys.stdout.write(f"computor {importlib.metadata.version('computor-cli')}\n")
        return 0
    found = [entry for entry in _entries() if entry.name == words[0]]
    if len(found) != 1:
        return _refuse(words[0], found)
    return _run(found[0], words[1:])


def overview() -> str:
    """The help text: commands by the distribution that brings them; nothing is imported."""
    by_owner: dict[str, list[str]] = {}
    for entry in _entries():
        by_owner.setdefault(_owner(entry), []).append(entry.name)
    lines = [
        "Usage: computor COMMAND [ARGUMENTS]...",
        "",
        "Operate Computor.",
        "",
        "Options:",
        "  --version   Show the version and exit.",
        "  -h, --help  Show this message and exit.",
        "",
        "Commands (computor COMMAND --help says what one does):",
    ]
    width = max((len(owner) for owner in by_owner), default=0)
    lines += [f"  {owner:<{width}}  {'  '.join(sorted(names))}" for owner, names in sorted(by_owner.items())]
    if not by_owner:
        lines.append("  none: install computor-core or computor-fastapi-host")
    return "\n".join(lines) + "\n"


def _entries() -> list[importlib.metadata.EntryPoint]:
    return sorted(importlib.metadata.entry_points(group=GROUP), key=lambda entry: (entry.name, _owner(entry)))


def _owner(entry: importlib.metadata.EntryPoint) -> str:
    return entry.dist.name if entry.dist is not None else "unknown"


def _refuse(name: str, found: list[importlib.metadata.EntryPoint]) -> int:
    if found:
        owners = " and ".join(_owner(entry) for entry in found)
        _print_error("usage", f"the command {name!r} is offered by {owners}", "uninstall all but one")
        return USAGE
    if name.startswith("-"):
        _print_error("usage", f"there is no option {name!r}", "computor --help lists what there is")
        return USAGE
    import difflib  # here, not above: only a wrong word needs it

    close = difflib.get_close_matches(name, [entry.name for entry in _entries()], n=1)
    hint = f"did you mean {close[0]!r}?" if close else "computor --help lists the commands"
    _print_error("usage", f"there is no command {name!r}", hint)
    return USAGE


def _run(entry: importlib.metadata.EntryPoint, words: list[str]) -> int:
    try:
        command = cast("_Command", entry.load())
    except ImportError as error:
        _print_error(
            "configuration",
            f"the command {entry.name!r} of {_owner(entry)} can't be loaded: {error}",
            f"install {_owner(entry)} with its dependencies",
        )
        return CONFIGURATION
    return _invoke(command, f"computor {entry.name}", words)


def _invoke(command: _Command, name: str, words: list[str]) -> int:
    import click  # here, not above: see the module's docstring

    try:
        result = command.main(args=words, prog_name=name, standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return error.exit_code
    except click.ClickException as error:
        context = getattr(error, "ctx", None)
        hint = f"{context.command_path} --help says what it takes" if context is not None else None
        code = "usage" if isinstance(error, click.UsageError) else "error"
        _report(words, error, code, error.format_message(), hint)
        return error.exit_code
    except click.Abort as error:
        raise KeyboardInterrupt from error
    except Exception as error:
        if not explains_itself(error):
            raise  # a defect: its traceback is the report
        failure = cast("_Failure", error)
        _report(words, error, failure.code, failure.message, failure.hint)
        return failure.exit_status
    return result if isinstance(result, int) else 0


def _report(words: list[str], error: Exception, code: str, message: str, hint: str | None) -> None:
    if "--json" in words:
        _print_json(code, message, hint, getattr(error, "details", {}))
    else:
        _print_error(code, message, hint)


def explains_itself(error: Exception) -> bool:
    """Whether an error has a code, a message, a hint and an exit status to show instead of a traceback."""
    return all(hasattr(error, name) for name in ("code", "message", "hint", "exit_status"))


def _print_error(code: str, message: str, hint: str | None) -> None:
    sys.stderr.write(f"error [{code}]: {message}\n")
    if hint:
        sys.stderr.write(f"hint: {hint}\n")


def _print_json(code: str, message: str, hint: str | None, details: object) -> None:
    import json  # here, not above: only --json needs it

    error = {"code": code, "message": message, "hint": hint, "details": details}
    sys.stdout.write(json.dumps({"error": error}, indent=2, default=str) + "\n")


if __name__ == "__main__":
    sys.exit(main())
