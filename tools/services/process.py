"""Starting, recognising and stopping the processes of servers."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.services.errors import PortTakenError, ServiceError
from tools.services.execute import last_lines

LOOPBACK = "127.0.0.1"
POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Process:
    """A process that can't be mistaken for a later one with the same number.

    Attributes:
        pid: Process id.
        started: Start time in clock ticks since boot, field 22 of ``/proc/<pid>/stat`` (proc(5)).
    """

    pid: int
    started: int

    def alive(self) -> bool:
        """Tell whether this very process still runs; a zombie does not."""
        return identify(self.pid) == self


def identify(pid: int) -> Process | None:
    """Return the identity of a running process, or None if there is none or it is a zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The second field is the program's name in parentheses and may itself contain both.
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else Process(pid, int(fields[19]))


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def spawn(
    server: str, command: Sequence[str | Path], log: Path, env: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Start a server in a session of its own, so that a Ctrl-C meant for the command doesn't reach it.

    Args:
        server: Named in the error.
        command: Program and arguments.
        log: File that takes its output.
        env: The whole environment; the caller's own when absent.

    Raises:
        ServiceError: The program can't be started.
    """
    try:
        with log.open("wb") as output:
            return subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                cwd=log.parent,
                env=None if env is None else dict(env),
            )
    except OSError as error:
        raise ServiceError(server, "start", str(error)) from error


def await_ready(
    server: str, child: subprocess.Popen[bytes], log: Path, probe: Callable[[], str], timeout: float
) -> Process:
    """Wait till a server that was just spawned answers.

    Args:
        server: Named in the error.
        child: The server.
        log: Its output, shown in the error.
        probe: Asks the server; returns an empty string once it answers, else the reason why not.
        timeout: Seconds to wait.

    Raises:
        PortTakenError: It ended because its port was in use.
        ServiceError: It ended, or did not answer in time; it is stopped then.
    """
    process = identify(child.pid)
    try:
        deadline = time.monotonic() + timeout
        while child.poll() is None and process is not None:
            reason = probe()
            if not reason:
                return process
            if time.monotonic() > deadline:
                message = f"no answer within {timeout:g} s ({reason}){_tail(log)}"
                raise ServiceError(server, "wait for its answer", message)
            time.sleep(POLL_SECONDS)
    except BaseException:
        if process is not None:
            stop(server, process, signal.SIGTERM, grace=5, child=child)
        raise
    raise start_failure(server, f"ended at once with status {child.wait()}{_tail(log)}")


def start_failure(server: str, error: str) -> ServiceError:
    """Return the error for a failed start, telling a taken port from everything else."""
    taken = "address already in use" in error.lower()
    return (PortTakenError if taken else ServiceError)(server, "start", error)


def stop(
    server: str,
    process: Process,
    with_signal: signal.Signals,
    grace: float,
    child: subprocess.Popen[bytes] | None = None,
) -> None:
    """Ask one process to end and wait for it; kill it when it doesn't.

    Args:
        server: Named in the error.
        process: The process; nothing happens if it already ended, even if its number is in use again.
        with_signal: How it is asked.
        grace: Seconds it is given before SIGKILL.
        child: The same process where it is a child of ours, so that it is reaped.

    Raises:
        ServiceError: It can't be signalled, or survives SIGKILL.
    """
    for number, seconds in ((with_signal, grace), (signal.SIGKILL, 10.0)):
        if _ended(process, child):
            return
        try:
            os.kill(process.pid, number)
        except ProcessLookupError:
            return
        except PermissionError as error:
            raise ServiceError(server, f"stop process {process.pid}", str(error)) from error
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if _ended(process, child):
                return
            time.sleep(POLL_SECONDS)
    raise ServiceError(server, f"stop process {process.pid}", "it is still there after SIGKILL")


def _ended(process: Process, child: subprocess.Popen[bytes] | None) -> bool:
    if child is not None:
        return child.poll() is not None
    return not process.alive()


def _tail(log: Path) -> str:
    return last_lines(log.read_text(errors="replace"))
