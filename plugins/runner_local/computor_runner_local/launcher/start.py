"""Starting the first process of a phase, held back until its limits are in place."""

from __future__ import annotations

import json
import math
import os
import resource
import signal
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

from computor_runner_local.launcher import bubblewrap, kernel, rootfs
from computor_runner_local.launcher.layout import Layout
from computor_runner_local.launcher.request import LimitsRequest, PhaseRequest, SystemView

_NAMESPACES = (
    kernel.CLONE_NEWUSER
    | kernel.CLONE_NEWNS
    | kernel.CLONE_NEWPID
    | kernel.CLONE_NEWNET
    | kernel.CLONE_NEWIPC
    | kernel.CLONE_NEWUTS
    | kernel.CLONE_NEWCGROUP
)
# Python ignores these two; a program started by it would inherit that.
_RESET_SIGNALS = (signal.SIGPIPE, signal.SIGXFSZ)
_OPEN_FILES = 1024
_CANNOT_RUN = 126
_NOT_FOUND = 127


class SandboxError(Exception):
    """The sandbox couldn't be made; says which step failed and with which error."""


@dataclass(slots=True)
class Started:
    """A phase's first process, waiting for :meth:`release`.

    Attributes:
        pid: Our child.
        go: Pipe end; a byte lets the process go on, closing it ends it.
        status: Pipe end from which the sandbox's own first process reports, or -1.
    """

    pid: int
    go: int
    status: int

    def release(self) -> None:
        """Let the command start."""
        os.write(self.go, b"g")
        os.close(self.go)
        self.go = -1


def resource_limits(limits: LimitsRequest, processes: int | None) -> dict[int, int]:
    """Limits that the kernel keeps for each process (setrlimit(2)), as a second line of defence.

    Args:
        limits: Limits of the phase.
        processes: Number of processes and threads for RLIMIT_NPROC, or None to leave it.
    """
    found = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_CPU: math.ceil(limits.cpu_seconds) + 1,
        # More than the tmpfs holds, so a full disk is what a program meets first; bounds what can
        # be written to anonymous files, which live in no directory.
        resource.RLIMIT_FSIZE: limits.disk_bytes + (256 << 20),
        resource.RLIMIT_NOFILE: _OPEN_FILES,
        resource.RLIMIT_MEMLOCK: 1 << 16,
        resource.RLIMIT_MSGQUEUE: 1 << 16,
    }
    if processes is not None:
        found[resource.RLIMIT_NPROC] = processes
    return found


def _apply(limits: dict[int, int]) -> None:
    for kind, value in limits.items():
        _, hard = resource.getrlimit(kind)
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (value, value))


def _keep_only(*handles: int) -> None:
    """Close every other file descriptor of this process."""
    lowest = 3
    for handle in sorted(set(handles)):
        if handle >= lowest:
            os.closerange(lowest, handle)
            lowest = handle + 1
    os.closerange(lowest, os.sysconf("SC_OPEN_MAX"))


def start_in_namespaces(
    system: SystemView,
    layout: Layout,
    phase: PhaseRequest,
    stdio: tuple[int, int, int],
    limits: dict[int, int],
    call_filter: bytes,
) -> Started:
    """Start a phase in bare namespaces.

    The child is the first process of a PID namespace: when it ends, the kernel kills whatever
    else is in there. It reports its command's exit through ``status`` as one JSON line, after a
    first line that says that the sandbox stands.

    Args:
        system: The read-only part of its file system.
        layout: Its directories.
        phase: What to run.
        stdio: Its standard input, output and error.
        limits: Its resource limits.
        call_filter: Its filter on system calls, empty for none.
    """
    outside = (os.getuid(), os.getgid())
    go_read, go_write = os.pipe()
    status_read, status_write = os.pipe()
    pid = kernel.clone(_NAMESPACES)
    if pid == 0:
        handles = (*stdio, go_read, status_write)
        _first_process(system, layout, phase, handles, limits, call_filter, outside)
    os.close(go_read)
    os.close(status_write)
    return Started(pid, go_write, status_read)


def _first_process(
    system: SystemView,
    layout: Layout,
    phase: PhaseRequest,
    handles: tuple[int, int, int, int, int],
    limits: dict[int, int],
    call_filter: bytes,
    outside: tuple[int, int],
) -> NoReturn:
    """Be the first process: build the sandbox, drop all power, start the command, wait for it."""
    *stdio, go, status = handles
    code = 1
    try:
        kernel.die_with_parent()
        _keep_only(*handles)
        os.umask(0o022)
        kernel.map_user(bubblewrap.INSIDE_UID, bubblewrap.INSIDE_UID, *outside)
        rootfs.enter_root(system, layout)
        kernel.raise_loopback()
        os.chdir(phase.workdir)
        kernel.no_new_privileges()
        kernel.drop_capabilities()
        _apply(limits)
        if call_filter:
            kernel.install_filter(call_filter)
        _say(status, {"ready": True})
        if os.read(go, 1):
            kernel.set_dumpable(False)
            _say(status, _run_command(phase, stdio))
            code = 0
    except Exception as error:  # noqa: BLE001 - whatever it is, the supervisor has to hear of it
        _say(status, {"error": str(error)})
    finally:
        os._exit(code)


def _say(status: int, message: dict[str, Any]) -> None:
    os.write(status, json.dumps(message).encode() + b"\n")


def _run_command(phase: PhaseRequest, stdio: list[int]) -> dict[str, Any]:
    os.environ["PATH"] = phase.environment["PATH"]
    try:
        command = os.posix_spawnp(
            phase.command[0],
            list(phase.command),
            phase.environment,
            file_actions=[(os.POSIX_SPAWN_DUP2, handle, number) for number, handle in enumerate(stdio)],
            setsid=True,
            setsigmask=(),
            setsigdef=_RESET_SIGNALS,
        )
    except OSError as error:
        return {"cannot_run": not_runnable(error)}
    # Readers outside see the end of the outputs only when nobody holds them any more.
    for handle in stdio:
        os.close(handle)
    while True:
        pid, status = os.wait()
        if pid == command:
            return {"status": status}


def not_runnable(error: OSError) -> int:
    """The exit status that a shell gives for a command that can't be run (POSIX 2.8.2)."""
    return _NOT_FOUND if isinstance(error, FileNotFoundError) else _CANNOT_RUN


def start_directly(
    make_command: Callable[[], list[str]],
    phase: PhaseRequest,
    workdir: str,
    stdio: tuple[int, int, int],
    limits: dict[int, int],
    call_filter: bytes = b"",
    keep: tuple[int, ...] = (),
) -> Started:
    """Fork, wait for the go-ahead and execute: for bubblewrap, and for no isolation at all.

    Args:
        make_command: Program and arguments.
        phase: For its environment.
        workdir: Where the program starts.
        stdio: Its standard input, output and error.
        limits: Its resource limits.
        call_filter: Its filter on system calls; bubblewrap gets it by its command line instead.
        keep: Further file descriptors that it inherits.
    """
    go_read, go_write = os.pipe()
    pid = os.fork()
    if pid:
        os.close(go_read)
        return Started(pid, go_write, -1)
    code = 1
    try:
        kernel.die_with_parent()
        for number, handle in enumerate(stdio):
            os.dup2(handle, number)
        _keep_only(go_read, *keep)
        for handle in keep:
            os.set_inheritable(handle, True)
        if not os.read(go_read, 1):
            os._exit(code)
        os.setsid()
        os.umask(0o022)
        os.chdir(workdir)
        kernel.no_new_privileges()
        _apply(limits)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        for number in _RESET_SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        command = make_command()
        os.environ["PATH"] = phase.environment["PATH"]
        if call_filter:
            kernel.install_filter(call_filter)
        os.execvpe(command[0], command, phase.environment)  # noqa: S606 - no shell is wanted
    except OSError as error:
        code = not_runnable(error)
    finally:
        os._exit(code)
