"""Starts a set of servers, and stops it whole."""

import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tools.services.errors import PortTakenError, ServiceError
from tools.services.process import Process, free_port
from tools.services.record import Record, record_path
from tools.services.server import Installed, Running, Server

PORT_ATTEMPTS = 3


def say(text: str) -> None:
    """Tell the user what happens, on standard error; standard output is for results."""
    print(f"services: {text}", file=sys.stderr, flush=True)


def require_installed(servers: Sequence[Server]) -> list[tuple[Server, Installed]]:
    """Pair each server with what is installed of it.

    Raises:
        ServiceError: One is missing.
    """
    found: list[tuple[Server, Installed]] = []
    for server in servers:
        installed = server.installed()
        if installed is None:
            hint = f"run: python3 -m tools.services install --only {server.name}"
            raise ServiceError(server.name, "look for it", "it is not installed", hint)
        found.append((server, installed))
    return found


def start_all(servers: Sequence[Server], name: str, owner: Process | None) -> Record:
    """Start servers, each with no data; when one fails, those before it are stopped again.

    Args:
        servers: What to start, in this order.
        name: Name of the record to keep of them.
        owner: The process that will stop them, if any.

    Raises:
        ServiceError: One is not installed or does not start.
    """
    chosen = require_installed(servers)
    folder = Path(tempfile.mkdtemp(prefix="computor-services-"))
    # A server that runs as another user must be able to reach its own folder in it, and nothing else.
    folder.chmod(0o711)
    record = Record(record_path(name), folder, owner)
    try:
        record.save()
        for server, installed in chosen:
            running = _start(server, installed, folder)
            record.servers.append(running)
            record.save()
            say(f"{server.name} answers on port {running.port} ({installed.version})")
    except BaseException:
        stop_all(record)
        raise
    return record


def stop_all(record: Record) -> None:
    """Stop the servers of a record in reverse order, then remove their data and the record.

    Raises:
        ServiceError: Some server could not be stopped; the others are, and the record stays.
    """
    errors: list[ServiceError] = []
    for running in reversed(record.servers):
        try:
            running.stop()
        except ServiceError as error:
            errors.append(error)
    if errors:
        raise ServiceError("services", "stop", "\n".join(str(error) for error in errors))
    try:
        if record.folder.exists():
            shutil.rmtree(record.folder)
        record.path.unlink(missing_ok=True)
    except OSError as error:
        raise ServiceError("services", "remove their data", str(error)) from error


def _start(server: Server, installed: Installed, folder: Path) -> Running:
    for attempt in range(1, PORT_ATTEMPTS + 1):
        own = folder / f"{server.name}-{attempt}"
        own.mkdir(mode=0o700)
        try:
            return server.start(installed, own, free_port())
        except PortTakenError:
            if attempt == PORT_ATTEMPTS:
                raise
            say(f"{server.name}: its port was taken meanwhile, trying another")
    raise AssertionError
