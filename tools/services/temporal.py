"""Temporal's development server, built from its Go module."""

import os
import signal
from collections.abc import Mapping
from pathlib import Path

from tools.services.cache import build_once, cached_folder
from tools.services.errors import ServiceError
from tools.services.execute import execute
from tools.services.pins import GoModulePin, GoToolchainPin
from tools.services.process import LOOPBACK, await_ready, spawn
from tools.services.server import Installed, Running, Server
from tools.services.toolchain import build_module

START_SECONDS = 90
PROBE_SECONDS = 10


class Temporal(Server):
    """``temporal server start-dev`` without its web page, on a database file of its own."""

    name = "temporal"
    variable = "COMPUTOR_TEST_TEMPORAL_ADDRESS"

    def __init__(self, pin: GoModulePin, toolchain: GoToolchainPin) -> None:
        self._pin = pin
        self._toolchain = toolchain

    def installed(self) -> Installed | None:
        """Return the cached build of the pinned version."""
        program = cached_folder(self.name, self._pin.version) / "bin" / "temporal"
        return Installed(self._version(program), program) if program.is_file() else None

    def install(self) -> Installed:
        """Build the pinned version, which takes some minutes, unless the cache has it."""

        def build(part: Path) -> None:
            build_module(self.name, self._pin, self._toolchain, part / "bin")
            self._version(part / "bin" / "temporal")

        folder = build_once(self.name, self._pin.version, build)
        found = self.installed()
        if found is None:
            error = f"{folder} has no bin/temporal"
            raise ServiceError(self.name, "install", error, f"remove {folder} and install again")
        return found

    def start(self, installed: Installed, folder: Path, port: int) -> Running:
        """Start it and wait till it serves and its default namespace exists."""
        log, address, env = folder / "log", f"{LOOPBACK}:{port}", _environment(folder)
        command: list[str | Path] = [installed.program, "server", "start-dev", "--headless", "--ip", LOOPBACK]
        command += ["--port", str(port), "--db-filename", folder / "temporal.db"]
        child = spawn(self.name, command, log, env)

        def probe() -> str:
            connect = ["--address", address, "--command-timeout", f"{PROBE_SECONDS}s"]
            for question in (["cluster", "health"], ["namespace", "describe", "default"]):
                ask: list[str | Path] = [installed.program, "operator", *question, *connect]
                try:
                    execute(self.name, "ask", ask, timeout=2 * PROBE_SECONDS, env=env, cwd=folder)
                except ServiceError as error:
                    return error.error
            return ""

        process = await_ready(self.name, child, log, probe, START_SECONDS)
        return Running(self.name, process, signal.SIGTERM, port, log, {self.variable: address})

    def _version(self, program: Path) -> str:
        reported = execute(self.name, "ask its version", [program, "--version"], timeout=60)
        return f"{reported.strip()} {self._pin.version}"


def _environment(folder: Path) -> Mapping[str, str]:
    """Return an environment in which no configuration of the user's own Temporal client applies."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("TEMPORAL_")}
    return {**kept, "HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
