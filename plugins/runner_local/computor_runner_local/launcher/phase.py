"""Running one phase: start it, watch it, end it, and say what came of it."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import select
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from computor_runner_local.launcher import bubblewrap, seccomp, start, usage
from computor_runner_local.launcher.cgroups import Group
from computor_runner_local.launcher.layout import Layout
from computor_runner_local.launcher.request import JobRequest, PhaseOutcome, PhaseRequest
from computor_runner_local.launcher.start import SandboxError, Started
from computor_runner_local.launcher.tree import collect, size_of

_TICK = 0.01
_SLOW_TICK = 0.05
_CHUNK = 1 << 16
_INIT_SECONDS = 10.0
# Threads that the sandbox itself has: its first process, for bubblewrap also the outer one.
_OWN_THREADS = {"namespaces": 1, "bubblewrap": 2, "none": 0}
_PROCESS_SLACK = 16
_SIGNAL_BASE = 128
_NAMESPACE_KINDS = ("user", "mnt", "pid", "net", "ipc", "uts")


class CancelledError(Exception):
    """The host hung up."""


@dataclass(slots=True)
class _Output:
    """What has been read of one output."""

    limit: int
    content: bytearray = field(default_factory=bytearray)
    closed: bool = False
    too_much: bool = False

    def read(self, handle: int) -> None:
        """Read what is there; at most one byte beyond the limit is ever asked for."""
        try:
            chunk = os.read(handle, min(_CHUNK, self.limit + 1 - len(self.content)))
        except BlockingIOError:
            return
        if not chunk:
            self.closed = True
        self.content += chunk
        if len(self.content) > self.limit:
            del self.content[self.limit :]
            self.too_much = True
            self.closed = True


class PhaseRun:
    """One phase from start to end.

    Args:
        job: The job.
        index: Which phase.
        layout: Its directories.
        group: Its control group, or None.
        stdin: What it reads.
        hangup: Socket whose closing means that the job is cancelled.
        filtered: Whether its system calls are filtered.
    """

    def __init__(
        self,
        job: JobRequest,
        index: int,
        layout: Layout,
        group: Group | None,
        stdin: bytes,
        hangup: int,
        *,
        filtered: bool,
    ) -> None:
        self._job = job
        self._phase: PhaseRequest = job.phases[index]
        self._layout = layout
        self._group = group
        self._stdin = stdin
        self._hangup = hangup
        self._filter = seccomp.program(platform.machine(), counted=group is not None) if filtered else b""
        self._limits = self._phase.limits
        self._outputs = (_Output(self._limits.output_bytes), _Output(self._limits.output_bytes))
        self._limit: str | None = None
        self._init = self._proc = -1
        self._own_threads = 0
        self._look: Callable[[], usage.Usage] | None = None
        self._cpu = 0.0
        self._memory = 0
        self.namespaces: list[str] = []

    def run(self) -> PhaseOutcome:
        """Run the phase.

        Raises:
            SandboxError: The sandbox couldn't be made.
            CancelledError: The host hung up; every process has been ended.
        """
        if self._group is not None:
            own = _OWN_THREADS[self._job.level]
            self._group.create(self._limits.memory_bytes, self._limits.processes + own)
        stdin = _memory_file(self._stdin)
        out_read, out_write = os.pipe2(os.O_CLOEXEC)
        err_read, err_write = os.pipe2(os.O_CLOEXEC)
        try:
            started, info = self._start((stdin, out_write, err_write))
        finally:
            for handle in (stdin, out_write, err_write):
                os.close(handle)
        os.set_blocking(out_read, False)
        os.set_blocking(err_read, False)
        watch = os.pidfd_open(started.pid)
        try:
            status, wall = self._attend(started, info, watch, (out_read, err_read))
        finally:
            for handle in (out_read, err_read, watch, started.go, self._proc):
                if handle >= 0:
                    os.close(handle)
        return self._outcome(status, wall)

    def _start(self, stdio: tuple[int, int, int]) -> tuple[Started, int]:
        # Without a control group the kernel's own limit leaves no trace when it strikes. It lies
        # above the limit proper, so that the watchdog meets a program that goes beyond.
        processes = None if self._group is not None else self._limits.processes + _PROCESS_SLACK
        system, layout, phase = self._job.system, self._layout, self._phase
        if self._job.level == "namespaces":
            limits = start.resource_limits(self._limits, processes)
            return start.start_in_namespaces(system, layout, phase, stdio, limits, self._filter), -1
        if self._job.level == "bubblewrap":
            limits = start.resource_limits(self._limits, processes)
            info_read, info_write = os.pipe2(os.O_CLOEXEC)
            calls = _memory_file(self._filter) if self._filter else -1
            keep = tuple(handle for handle in (info_write, calls) if handle >= 0)

            def command() -> list[str]:
                return bubblewrap.command_line(system, layout, phase, info_write, calls)

            started = start.start_directly(command, phase, "/", stdio, limits, keep=keep)
            for handle in keep:
                os.close(handle)
            return started, info_read
        # Without namespaces a limit on processes would count all of the user's.
        limits = start.resource_limits(self._limits, None)
        places = {"HOME": layout.work, "TMPDIR": f"{layout.root}/tmp"}  # noqa: S108
        phase = replace(phase, environment={**phase.environment, **places})
        started = start.start_directly(
            lambda: list(phase.command), phase, layout.work, stdio, limits, self._filter
        )
        return started, -1

    def _attend(
        self, started: Started, info: int, watch: int, outputs: tuple[int, int]
    ) -> tuple[int | None, float]:
        """See the phase through; wait status of the command (None if unknown) and wall time."""
        report = b""
        try:
            if started.status >= 0:
                self._await_ready(started)
            if self._group is not None:
                self._group.enter(started.pid)
            if info < 0:
                # Before the go-ahead: afterwards the first process lets nobody look into it.
                self._find_sandbox(started.pid)
            began = time.monotonic()
            started.release()
            if info >= 0:
                self._find_sandbox(_bubblewrap_init(info))
            self._watch(watch, outputs, began)
        except SandboxError as error:
            raise SandboxError(f"{error} {_read_now(outputs[1])}".strip()) from error
        finally:
            status = self._end(started.pid, watch)
            if started.status >= 0:
                report = _read_all(started.status)
                os.close(started.status)
            if info >= 0:
                os.close(info)
        wall = time.monotonic() - began
        self._drain(outputs)
        self._final_evidence()
        return self._command_status(status, report), wall

    def _await_ready(self, started: Started) -> None:
        readable, _, _ = select.select([started.status], [], [], _INIT_SECONDS)
        line = os.read(started.status, 4096) if readable else b""
        message = json.loads(line) if line else {"error": "its first process ended or hung"}
        if "error" in message:
            raise SandboxError(message["error"])

    def _find_sandbox(self, init: int) -> None:
        """Learn how to look at the phase's processes; ``init`` is the first one in the sandbox."""
        self._init = init
        if self._job.examine and self._job.level != "none":
            self.namespaces = _differing_namespaces(init)
        if self._group is not None:
            group = self._group
            self._look = lambda: usage.of_group(group)
            return
        self._look = self._look_at_processes
        if self._job.level == "namespaces":
            self._proc = _proc_inside(init)

    def _look_at_processes(self) -> usage.Usage:
        """Look by way of the sandbox's own ``/proc``, as soon and as long as there is one."""
        own = _OWN_THREADS[self._job.level]
        if own and self._proc < 0:
            self._proc = _proc_inside(self._init)
        if self._proc >= 0:
            self._own_threads = 1
            return usage.of_namespace(self._proc)
        self._own_threads = own
        return usage.of_descendants(os.getpid(), apart_from=self._init if own else -1)

    def _watch(self, watch: int, outputs: tuple[int, int], began: float) -> None:
        """Wait until the first process ends, a limit is reached or the host hangs up."""
        poll = select.poll()
        for handle in (watch, self._hangup, *outputs):
            poll.register(handle, select.POLLIN)
        tick = _TICK if self._group is not None or self._job.level != "none" else _SLOW_TICK
        look_at = began + tick
        while self._limit is None:
            now = time.monotonic()
            left = began + self._limits.wall_seconds - now
            if left <= 0:
                self._limit = "wall"
                return
            events = dict(poll.poll(max(0.0, min(left, look_at - now)) * 1000))
            if self._hangup in events:
                raise CancelledError
            for handle, output in zip(outputs, self._outputs, strict=True):
                if handle in events:
                    output.read(handle)
                    if output.closed:
                        poll.unregister(handle)
                    if output.too_much:
                        self._limit = "output"
            if watch in events:
                return
            if time.monotonic() >= look_at:
                self._check_usage()
                look_at = time.monotonic() + tick

    def _check_usage(self) -> None:
        if self._look is None:
            return
        try:
            seen = self._look()
        except (FileNotFoundError, ProcessLookupError):
            return  # it is ending right now; the exit is noticed next
        self._cpu = max(self._cpu, seen.cpu_seconds)
        self._memory = max(self._memory, seen.memory_bytes)
        if seen.out_of_memory or seen.memory_bytes > self._limits.memory_bytes:
            self._limit = "memory"
        elif seen.refused_fork or seen.processes > self._limits.processes + self._own_threads:
            self._limit = "processes"
        elif seen.cpu_seconds > self._limits.cpu_seconds:
            self._limit = "cpu"
        elif self._disk_exceeded():
            self._limit = "disk"

    def _disk_exceeded(self) -> bool:
        if self._layout.private:
            return self._layout.full()
        return size_of(self._layout.area, self._limits.disk_bytes) > self._limits.disk_bytes

    def _end(self, pid: int, watch: int) -> int:
        """Kill whatever is left, wait until it is gone, and reap our child."""
        if self._job.level == "none":
            status, cpu = _end_descendants(pid)
            self._cpu = max(self._cpu, cpu)
            return status
        init = -1
        if self._init not in (-1, pid):
            try:
                init = os.pidfd_open(self._init)
                signal.pidfd_send_signal(init, signal.SIGKILL)
            except ProcessLookupError:
                pass  # the inner first process has ended by itself
        signal.pidfd_send_signal(watch, signal.SIGKILL)
        if init >= 0:
            # Its descriptor becomes readable when it has ended, and it ends last in its namespace.
            select.select([init], [], [])
            os.close(init)
        status, cpu = _reap(pid)
        self._cpu = max(self._cpu, cpu)
        return status

    def _drain(self, outputs: tuple[int, int]) -> None:
        """Read what is still in the pipes; nobody writes to them any more."""
        for handle, output in zip(outputs, self._outputs, strict=True):
            while not output.closed:
                before = len(output.content)
                output.read(handle)
                if len(output.content) == before:
                    break
            if output.too_much and self._limit is None:
                self._limit = "output"

    def _final_evidence(self) -> None:
        """What the kernel has counted, also when the program ended before the next look."""
        limit = self._limit
        if self._group is not None:
            self._check_usage()
            peak = self._group.memory_peak()
            self._memory = max(self._memory, peak or 0)
        elif self._cpu > self._limits.cpu_seconds:
            self._limit = "cpu"
        elif self._disk_exceeded():
            self._limit = "disk"
        if limit is not None:
            self._limit = limit  # what stopped it first

    def _command_status(self, status: int, report: bytes) -> int | None:
        """The wait status of the command itself."""
        if self._job.level != "namespaces":
            return status
        for line in report.splitlines():
            message = json.loads(line)
            if "status" in message:
                return int(message["status"])
            if "cannot_run" in message:
                return int(message["cannot_run"]) << 8
        return None

    def _outcome(self, status: int | None, wall: float) -> PhaseOutcome:
        exit_code: int | None = None
        number: int | None = None
        if self._limit is None:
            if status is None or os.WIFSIGNALED(status):
                number = signal.SIGKILL if status is None else os.WTERMSIG(status)
            else:
                exit_code = os.WEXITSTATUS(status)
                if self._job.level == "bubblewrap" and _SIGNAL_BASE < exit_code <= _SIGNAL_BASE + 64:
                    # bwrap answers for a killed command as shells do, 128 and the signal's number.
                    number, exit_code = exit_code - _SIGNAL_BASE, None
        collected, uncollected = collect(self._layout.work, self._phase.collect, self._phase.collect_bytes)
        return PhaseOutcome(
            exit_code=exit_code,
            signal=number,
            limit=self._limit,
            wall_seconds=wall,
            cpu_seconds=self._cpu,
            memory_bytes=self._memory or None,
            stdout=bytes(self._outputs[0].content),
            stderr=bytes(self._outputs[1].content),
            collected=collected,
            uncollected=uncollected,
        )


def _memory_file(content: bytes) -> int:
    """A sealed file in memory, open for reading: an input that nobody can change or block on."""
    writable = os.memfd_create("stdin", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        while content:
            content = content[os.write(writable, content) :]
        return os.open(f"/proc/self/fd/{writable}", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        os.close(writable)


def _bubblewrap_init(info: int) -> int:
    """Id of bubblewrap's inner first process.

    Raises:
        SandboxError: bubblewrap ended before it got that far.
    """
    text = b""
    while not text.rstrip().endswith(b"}"):
        chunk = os.read(info, 4096)
        if not chunk:
            raise SandboxError("bubblewrap couldn't make the sandbox")
        text += chunk
    return int(json.loads(text)["child-pid"])


def _proc_inside(init: int) -> int:
    """Handle of a sandbox's own ``/proc``, -1 while there is none.

    bubblewrap's first process sees the host's until it has changed its root. The two are told apart
    by ``self``, which leads nowhere in the ``/proc`` of a namespace that the reader isn't in.
    """
    try:
        handle = os.open(f"/proc/{init}/root/proc", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return -1
    with contextlib.suppress(FileNotFoundError):
        os.stat("1/stat", dir_fd=handle)
        try:
            os.stat("self", dir_fd=handle)
        except FileNotFoundError:
            return handle
    os.close(handle)
    return -1


def _differing_namespaces(pid: int) -> list[str]:
    return [
        kind
        for kind in _NAMESPACE_KINDS
        if Path(f"/proc/{pid}/ns/{kind}").readlink() != Path(f"/proc/self/ns/{kind}").readlink()
    ]


def _end_descendants(pid: int) -> tuple[int, float]:
    """Kill everything below this process; it is the subreaper, so nothing can get out from under it.

    Returns:
        The wait status of ``pid`` and the processor time of all that was reaped.
    """
    status, cpu = -1, 0.0
    while True:
        for process in usage.descendants(os.getpid()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
        try:
            reaped = -1
            while reaped:
                reaped, found, used = os.wait4(-1, 0 if status == -1 else os.WNOHANG)
                cpu += used.ru_utime + used.ru_stime
                if reaped == pid:
                    status = found
        except ChildProcessError:
            return status, cpu
        time.sleep(0.001)


def _reap(pid: int) -> tuple[int, float]:
    """Reap all children, all of which are dying; orphans of the sandbox may be among them.

    Returns:
        The wait status of ``pid`` and the processor time of all of them.
    """
    status, cpu = -1, 0.0
    while True:
        try:
            reaped, found, used = os.wait4(-1, 0)
        except ChildProcessError:
            return status, cpu
        cpu += used.ru_utime + used.ru_stime
        if reaped == pid:
            status = found


def _read_all(handle: int) -> bytes:
    chunks = []
    while chunk := os.read(handle, 4096):
        chunks.append(chunk)
    return b"".join(chunks)


def _read_now(handle: int) -> str:
    """What bubblewrap itself has said so far."""
    try:
        return os.read(handle, 4096).decode(errors="replace").strip()
    except BlockingIOError:
        return ""
