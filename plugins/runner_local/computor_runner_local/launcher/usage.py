"""What a phase uses, seen from outside: by its control group, or by looking at its processes."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from computor_runner_local.launcher.cgroups import Group

_PAGE = os.sysconf("SC_PAGE_SIZE")
_TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Usage:
    """One look at a phase.

    Attributes:
        cpu_seconds: Processor time so far.
        memory_bytes: Memory in use.
        processes: Processes and threads, 0 where the kernel counts them.
        out_of_memory: The kernel killed for want of memory.
        refused_fork: The kernel refused another process.
    """

    cpu_seconds: float = 0.0
    memory_bytes: int = 0
    processes: int = 0
    out_of_memory: bool = False
    refused_fork: bool = False


def of_group(group: Group) -> Usage:
    """What a control group says."""
    return Usage(
        cpu_seconds=group.cpu_seconds(),
        memory_bytes=group.memory_bytes(),
        out_of_memory=group.out_of_memory(),
        refused_fork=group.refused_fork(),
    )


@dataclass(frozen=True, slots=True)
class ProcessStat:
    """A line of ``/proc/<pid>/stat`` (proc_pid_stat(5)), as far as it matters here."""

    pid: int
    parent: int
    cpu_ticks: int
    threads: int
    resident_pages: int
    zombie: bool


def read_stat(proc: int, pid: str) -> ProcessStat | None:
    """Read one process's line, None when it has ended meanwhile."""
    try:
        handle = os.open(f"{pid}/stat", os.O_RDONLY | os.O_CLOEXEC, dir_fd=proc)
    except (FileNotFoundError, ProcessLookupError):
        return None
    try:
        line = os.read(handle, 4096)
    except ProcessLookupError:
        return None
    finally:
        os.close(handle)
    # The name is in parentheses and may contain anything, also parentheses.
    fields = line[line.rindex(b")") + 2 :].split()
    return ProcessStat(
        pid=int(pid),
        parent=int(fields[1]),
        cpu_ticks=sum(int(field) for field in fields[11:15]),
        threads=int(fields[17]),
        resident_pages=int(fields[21]),
        zombie=fields[0] == b"Z",
    )


def all_processes(proc: int) -> Iterator[ProcessStat]:
    """Every process that a ``/proc`` shows."""
    for name in os.listdir(proc):
        if name.isdigit() and (found := read_stat(proc, name)) is not None:
            yield found


def of_namespace(proc: int) -> Usage:
    """Look at all processes of a PID namespace.

    Args:
        proc: Handle of a ``/proc`` that belongs to the namespace, so that it shows its
            processes and no others. The first of them is the sandbox's own.
    """
    return _sum(all_processes(proc), apart_from=1)


def of_descendants(ancestor: int, apart_from: int) -> Usage:
    """Look at all descendants of a process that orphans return to (a subreaper).

    Args:
        ancestor: The subreaper.
        apart_from: A process whose memory is the sandbox's own.
    """
    return _sum(descendants(ancestor), apart_from)


def descendants(ancestor: int) -> list[ProcessStat]:
    """All processes below ``ancestor``, from one pass over ``/proc``."""
    proc = os.open("/proc", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        children: dict[int, list[ProcessStat]] = {}
        for process in all_processes(proc):
            children.setdefault(process.parent, []).append(process)
    finally:
        os.close(proc)
    found: list[ProcessStat] = []
    waiting = [ancestor]
    while waiting:
        below = children.get(waiting.pop(), [])
        found += below
        waiting += [process.pid for process in below]
    return found


def _sum(processes: Iterable[ProcessStat], apart_from: int) -> Usage:
    ticks = pages = threads = 0
    for process in processes:
        ticks += process.cpu_ticks
        pages += process.resident_pages if process.pid != apart_from else 0
        threads += 0 if process.zombie else process.threads
    return Usage(cpu_seconds=ticks / _TICK, memory_bytes=pages * _PAGE, processes=threads)
