"""Which user runs sandboxes."""

from __future__ import annotations

import os
from pathlib import Path

_CAP_CHOWN, _CAP_SETGID, _CAP_SETUID = 0, 6, 7


def sandbox_uid(
    wanted: int, status: str | None = None, uid_map: str | None = None, euid: int | None = None
) -> int:
    """The user that the launcher is to be.

    A host that was started as root runs sandboxes as another user, since the kernel doesn't count root's
    processes. Where that can't be done, the host's own user has to do: it isn't root, or it is called
    root in a container that took its capabilities or maps no other user.

    Args:
        wanted: User to become when started as root.
        status: Text of ``/proc/self/status`` (proc_pid_status(5)), read when None.
        uid_map: Text of ``/proc/self/uid_map`` (user_namespaces(7)), read when None.
        euid: Effective user, the process's own when None.
    """
    euid = os.geteuid() if euid is None else euid
    if euid != 0:
        return euid
    status = Path("/proc/self/status").read_text() if status is None else status
    uid_map = Path("/proc/self/uid_map").read_text() if uid_map is None else uid_map
    effective = next(
        (int(line.split()[1], 16) for line in status.splitlines() if line.startswith("CapEff:")), 0
    )
    needed = 1 << _CAP_CHOWN | 1 << _CAP_SETGID | 1 << _CAP_SETUID
    ranges = [[int(number) for number in line.split()] for line in uid_map.splitlines()]
    mapped = any(inside <= wanted < inside + length for inside, _, length in ranges)
    return wanted if effective & needed == needed and mapped else euid
