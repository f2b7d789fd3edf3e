"""The host as a process of its own: started, waited for, stopped by its own id."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import NoReturn

from computor_fastapi_host.demo.api import DemoError, wait_for

TOLD = "Computor answers at "
"""What ``computor serve`` says, followed by its address, once it answers."""


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


def command(*words: str) -> list[str]:
    """The ``computor`` command of this very environment."""
    return [sys.executable, "-m", "computor_cli", *words]


def variables(environment: Mapping[str, str]) -> dict[str, str]:
    """A process's variables: this one's without any setting of Computor's, and the given ones.

    An operator's own settings would lead the demo to the operator's database.
    """
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("COMPUTOR_")}
    return {**inherited, **environment}


def run(environment: Mapping[str, str], *words: str, standard_input: str = "") -> str:
    """Run a ``computor`` command to its end and return what it printed.

    Raises:
        DemoError: It failed.
    """
    done = subprocess.run(
        command(*words),
        env=variables(environment),
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
def ended_by_signals() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end the block as Ctrl-C does, so that the host is stopped and not left alone.

    The host has a session of its own, so no signal to the demo's process group or terminal reaches
    it. A signal that is ignored (``nohup``) stays so.
    """
    heeded = [
        number for number in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(number) is not signal.SIG_IGN
    ]
    before = {number: signal.signal(number, _interrupt) for number in heeded}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


@contextmanager
def serving(environment: Mapping[str, str], port: int, log: Path) -> Iterator[Server]:
    """Start the host and wait until it answers; stop it at the end of the block.

    Args:
        environment: Its settings.
        port: Its port; 0 lets it take a free one.
        log: File that its output is added to.

    Raises:
        DemoError: It ended, as it does on a taken port, or didn't answer within a minute.
    """
    with log.open("ab") as output:
        before = output.tell()
        process = subprocess.Popen(
            command("serve", "--host", "127.0.0.1", "--port", str(port)),
            env=variables(environment),
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    base = ""

    def answers() -> bool:
        # Its own word alone counts: whatever else answers on that port isn't this host.
        nonlocal base
        base = _address(process, log, before)
        return bool(base)

    try:
        wait_for("the host's start", answers, seconds=60)
        yield Server(base, process, log)
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _address(process: subprocess.Popen[bytes], log: Path, before: int) -> str:
    """Where the host says that it answers, "" while it says nothing."""
    ended = process.poll() is not None  # asked first, so that an ended host has said all it will
    said = log.read_bytes()[before:].decode(errors="replace")
    if ended:
        raise DemoError(f"the host ended at its start:\n{said[-4000:].strip()}")
    for line in said.splitlines(keepends=True):
        if line.startswith(TOLD) and line.endswith("\n"):
            return line.removeprefix(TOLD).strip()
    return ""
