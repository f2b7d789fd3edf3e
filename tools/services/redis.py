"""Redis from the distribution's package."""

import re
import shutil
import signal
import socket
from pathlib import Path

from tools.services.errors import ServiceError
from tools.services.execute import execute
from tools.services.packages import install_packages
from tools.services.pins import PackagePin
from tools.services.process import LOOPBACK, await_ready, spawn
from tools.services.server import Installed, Running, Server

START_SECONDS = 30


class Redis(Server):
    """A Redis server that keeps nothing on disk."""

    name = "redis"
    variable = "COMPUTOR_TEST_REDIS_URL"

    def __init__(self, pin: PackagePin) -> None:
        self._pin = pin

    def installed(self) -> Installed | None:
        """Return the server on PATH."""
        program = shutil.which("redis-server")
        if program is None:
            return None
        reported = execute(self.name, "ask its version", [program, "--version"], timeout=20)
        found = re.search(r"v=((\d+)\.[\d.]+)", reported)
        if found is None or (int(found[2]),) < self._pin.minimum:
            error = f"{program} reports {reported.strip()!r}"
            hint = f"version {self._pin.minimum[0]} or later is needed"
            raise ServiceError(self.name, "check its version", error, hint)
        return Installed(f"Redis {found[1]}", Path(program))

    def install(self) -> Installed:
        """Install the package where the program is missing."""
        found = self.installed()
        if found is None:
            install_packages(self.name, self._pin)
            found = self.installed()
        if found is None:
            raise ServiceError(self.name, "install", "installed, but there is no redis-server on PATH")
        return found

    def start(self, installed: Installed, folder: Path, port: int) -> Running:
        """Start it and wait for its PONG."""
        log = folder / "log"
        address = ["--bind", LOOPBACK, "--port", str(port)]
        command: list[str | Path] = [
            installed.program,
            *address,
            "--save",
            "",
            "--appendonly",
            "no",
            "--dir",
            folder,
        ]
        child = spawn(self.name, command, log)
        process = await_ready(self.name, child, log, lambda: _ping(port), START_SECONDS)
        url = f"redis://{LOOPBACK}:{port}/0"
        return Running(self.name, process, signal.SIGTERM, port, log, {self.variable: url})


def _ping(port: int) -> str:
    """Send an inline PING; return an empty string for +PONG, else what went wrong."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=2) as connection:
            connection.sendall(b"PING\r\n")
            answer = connection.recv(64)
    except OSError as error:
        return str(error)
    return "" if answer == b"+PONG\r\n" else f"answered PING with {answer!r}"
