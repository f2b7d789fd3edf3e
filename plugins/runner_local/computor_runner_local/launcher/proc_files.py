"""What a sandbox's ``/proc`` doesn't show: the files that count what the whole machine does.

A program could read there what another phase or job does, ``processes`` of ``/proc/stat`` for example
counts every start of a thread. What isn't known to be harmless is hidden, so a newer kernel's counters
are as well.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

# What programs ask for (proc(5)): constants of the machine, and the free memory, by which runtimes
# choose how much of it they take.
_SHOWN = frozenset({"cmdline", "cpuinfo", "devices", "filesystems", "meminfo", "version", "sys", "sysvipc"})
# In /proc/sys are settings; here it counts.
_COUNTERS = ("sys/fs", "sys/kernel/pty")


@dataclass(frozen=True, slots=True)
class HiddenPaths:
    """Paths below a ``/proc``, each one there.

    Attributes:
        files: To be covered by an empty file.
        folders: To be covered by an empty directory.
    """

    files: tuple[str, ...]
    folders: tuple[str, ...]


def hidden_paths(proc: str) -> HiddenPaths:
    """What is to be covered in a ``/proc`` that shows the same kernel as this one.

    Args:
        proc: Path of one; an empty directory is no ``/proc`` and has nothing to hide.
    """
    files: list[str] = []
    folders = [name for name in _COUNTERS if os.path.isdir(f"{proc}/{name}")]  # noqa: PTH112
    with os.scandir(proc) as entries:
        for entry in entries:
            if entry.name.isdecimal() or entry.name in _SHOWN or entry.is_symlink():
                continue
            (folders if entry.is_dir() else files).append(entry.name)
    return HiddenPaths(tuple(sorted(files)), tuple(sorted(folders)))
