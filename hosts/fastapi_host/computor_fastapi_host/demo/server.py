"""The host as a process of its own: started, waited for, stopped by its own id."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from computor_fastapi_host.demo.api import DemoError, wait_for


@dataclass(frozen=True, slots=True)
class Server:
    """A running host.

    Attributes:
        base: Its address, without trailing slash.
        process: The process.
        log: File with its output.
    """

    base: str
    process: subprocess.Popen[bytes]
    log: Path


def free_port() -> int:
    """A port of 127.0.0.1 that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def command(*words: str) -> list[str]:
    """The ``computor`` command of this very environment."""
    return [sys.executable, "-m", "computor_cli", *words]


def run(environment: Mapping[str, str], *words: str, standard_input: str = "") -> str:
    """Run a ``computor`` command to its end and return what it printed.

    Raises:
        DemoError: It failed.
    """
    done = subprocess.run(
        command(*words),
        env={**os.environ, **environment},
        input=standard_input,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise DemoError(
            f"computor {' '.join(words)} failed ({done.returncode}):\n{done.stderr or done.stdout}"
        )
    return done.stdout


@contextmanager
def serving(environment: Mapping[str, str], port: int, log: Path) -> Iterator[Server]:
    """Start the host and wait until it is ready; stop it at the end of the block.

    Raises:
        DemoError: It ended or didn't become ready within a minute.
    """
    with log.open("ab") as output:
        process = subprocess.Popen(
            command("serve", "--host", "127.0.0.1", "--port", str(port)),
            env={**os.environ, **environment},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    server = Server(f"http://127.0.0.1:{port}", process, log)
    try:
        wait_for("the host's start", lambda: _ready(server), seconds=60)
        yield server
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _ready(server: Server) -> bool:
    if server.process.poll() is not None:
        raise DemoError(f"the host ended at its start:\n{server.log.read_text()[-4000:]}")
    try:
        return httpx.get(f"{server.base}/readyz", timeout=5).status_code == 200
    except httpx.TransportError:
        return False
