"""The command line: install, run, start, stop, status."""

import argparse
import os
import shlex
import sys
from collections.abc import Sequence

from tools.services.errors import ServiceError
from tools.services.execute import last_lines
from tools.services.foreground import CommandError, Foreground, InterruptedBySignalError
from tools.services.pins import read_pins
from tools.services.process import identify
from tools.services.record import (
    BY_HAND,
    Record,
    abandoned_records,
    own_record_name,
    read_record,
    record_path,
)
from tools.services.registry import all_servers, choose
from tools.services.server import Server
from tools.services.session import say, start_all, stop_all

FAILED = 1
ELSEWHERE = "start the servers yourself and set the COMPUTOR_TEST_ variables (docs/howto/test-services.md)"
_USAGE = {"run": " [--only NAME,…] -- COMMAND [ARGUMENT …]", "stop": ""}


def main(arguments: Sequence[str]) -> int:
    """Run one subcommand and return the exit status.

    That is 0, the status of the user's command, 1 for a server that failed, 2 for wrong usage, and 128 plus
    the signal's number when a signal ended it.
    """
    parser = _parser()
    own, command = _split(arguments)
    options = parser.parse_args(own)
    if (options.action == "run") != bool(command):
        parser.error(
            f"{options.action} takes {'a command' if options.action == 'run' else 'no command'} after --"
        )
    options.command = command
    try:
        servers = choose(all_servers(read_pins()), options.only)
    except ValueError as error:
        parser.error(f"--only: {error}")
    except ServiceError as error:
        say(f"error: {error}")
        return FAILED
    with Foreground() as foreground:
        try:
            if sys.platform != "linux":
                raise ServiceError(
                    "services", "look at the system", f"{sys.platform} is not Linux", ELSEWHERE
                )
            return _dispatch(options, servers, foreground)
        except CommandError as error:
            say(f"error: {error}")
            return error.status
        except ServiceError as error:
            say(f"error: {error}")
            return FAILED
        except InterruptedBySignalError as interrupted:
            say("interrupted")
            return interrupted.status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tools.services", description="Real servers for the tests."
    )
    commands = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name, summary in (
        ("install", "install or build what is missing"),
        ("run", "start servers, run a command, stop them"),
        ("start", "start servers by hand; prints the variables to export"),
        ("stop", "stop the servers started by hand"),
        ("status", "say what is installed and what was started by hand"),
    ):
        usage = f"%(prog)s [-h]{_USAGE.get(name, ' [--only NAME,…]')}"
        command = commands.add_parser(name, help=summary, description=summary, usage=usage)
        command.set_defaults(only=None)
        if name != "stop":
            command.add_argument("--only", metavar="NAME,…", help="these servers alone (default: all)")
    return parser


def _split(arguments: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    """Part the tool's own arguments from the command after ``--``, which is left as it is."""
    if "--" not in arguments:
        return arguments, ()
    at = arguments.index("--")
    return arguments[:at], arguments[at + 1 :]


def _dispatch(options: argparse.Namespace, servers: tuple[Server, ...], foreground: Foreground) -> int:
    match options.action:
        case "install":
            return _install(servers)
        case "run":
            return _run(servers, options.command, foreground)
        case "start":
            return _start(servers)
        case "stop":
            return _stop()
        case _:
            return _status(servers)


def _install(servers: tuple[Server, ...]) -> int:
    for server in servers:
        if server.installed() is None:
            say(f"installing {server.name}")
        found = server.install()
        say(f"{server.name}: {found.version}, {found.program}")
    return 0


def _run(servers: tuple[Server, ...], command: Sequence[str], foreground: Foreground) -> int:
    _clear_abandoned()
    record = start_all(servers, own_record_name(), identify(os.getpid()))
    try:
        status = foreground.run(command, _variables(record))
        died = _died(record)
    finally:
        foreground.settle()
        stop_all(record)
    for message in died:
        say(f"error: {message}")
    return status or (FAILED if died else 0)


def _start(servers: tuple[Server, ...]) -> int:
    _clear_abandoned()
    path = record_path(BY_HAND)
    if read_record(path) is not None:
        raise ServiceError("services", "start", f"{path} says that servers were started", "stop them first")
    record = start_all(servers, BY_HAND, owner=None)
    _print_exports(record)
    return 0


def _stop() -> int:
    record = read_record(record_path(BY_HAND))
    if record is None:
        say("nothing was started by hand")
        return 0
    stop_all(record)
    say(f"stopped {_names(record)}")
    return 0


def _status(servers: tuple[Server, ...]) -> int:
    for server in servers:
        try:
            found = server.installed()
        except ServiceError as error:
            print(f"# {error}")
        else:
            print(
                f"# {server.name}: "
                + ("not installed" if found is None else f"{found.version}, {found.program}")
            )
    record = read_record(record_path(BY_HAND))
    if record is None:
        print("# nothing was started by hand")
        return 0
    for running in record.servers:
        state = "runs" if running.process.alive() else "has ended"
        print(f"# {running.server} {state}: process {running.process.pid}, port {running.port}")
    _print_exports(record)
    return 0


def _died(record: Record) -> list[str]:
    """Describe the servers that ended before they were asked to."""
    return [
        f"{running.server}: ended while the command ran{last_lines(running.log.read_text(errors='replace'))}"
        for running in record.servers
        if not running.process.alive()
    ]


def _clear_abandoned() -> None:
    for record in abandoned_records():
        say(f"stopping what a killed run left: {_names(record)}")
        stop_all(record)


def _names(record: Record) -> str:
    return ", ".join(running.server for running in record.servers) or "no server"


def _variables(record: Record) -> dict[str, str]:
    return {name: value for running in record.servers for name, value in running.environment.items()}


def _print_exports(record: Record) -> None:
    for name, value in _variables(record).items():
        print(f"export {name}={shlex.quote(value)}")
