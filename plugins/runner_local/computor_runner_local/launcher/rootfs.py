"""The file system of a sandbox made of bare namespaces, built by its first process."""

# ruff: noqa: PTH102, PTH103, PTH112, PTH120, PTH211
# os.path instead of pathlib: this runs for every phase, before the program starts.

from __future__ import annotations

import os
from pathlib import Path

from computor_runner_local.launcher import kernel
from computor_runner_local.launcher.layout import Layout
from computor_runner_local.launcher.proc_files import hidden_paths
from computor_runner_local.launcher.request import SystemView

_READ_ONLY = kernel.MOUNT_ATTR_RDONLY | kernel.MOUNT_ATTR_NOSUID | kernel.MOUNT_ATTR_NODEV
_PRIVATE = kernel.MOUNT_ATTR_NOSUID | kernel.MOUNT_ATTR_NODEV
_DEVICES = ("null", "zero", "full", "random", "urandom")
_DEVICE_LINKS = {
    "fd": "/proc/self/fd",
    "stdin": "/proc/self/fd/0",
    "stdout": "/proc/self/fd/1",
    "stderr": "/proc/self/fd/2",
}


def enter_root(system: SystemView, layout: Layout) -> None:
    """Build the new root and make it this process's, with nothing of the old one reachable.

    Must run as the first process of fresh user, mount and PID namespaces.

    Raises:
        OSError: The kernel refused a step; the message names it.
    """
    kernel.mount("none", "/", flags=kernel.MS_REC | kernel.MS_PRIVATE)
    root = layout.root
    flags = kernel.MS_NOSUID | kernel.MS_NODEV
    kernel.mount("tmpfs", root, "tmpfs", flags, "size=1m,nr_inodes=2048,mode=755")
    for target, source in system.binds.items():
        _bind(source, root + target, _READ_ONLY)
    for target, link in system.links.items():
        os.makedirs(os.path.dirname(root + target), exist_ok=True)
        os.symlink(link, root + target)
    os.makedirs(f"{root}/dev/shm")  # noqa: S108 - inside the sandbox
    for name in _DEVICES:
        _bind(f"/dev/{name}", f"{root}/dev/{name}", kernel.MOUNT_ATTR_NOSUID)
    for name, link in _DEVICE_LINKS.items():
        os.symlink(link, f"{root}/dev/{name}")
    for bind in layout.binds:
        _bind(bind.source, root + bind.target, _PRIVATE if bind.writable else _READ_ONLY)
    _mount_proc(f"{root}/proc")
    kernel.pivot_root(root)
    _forbid_more_namespaces()
    kernel.set_attributes("/", _READ_ONLY)


def _bind(source: str, target: str, attributes: int) -> None:
    if os.path.isdir(source):
        os.makedirs(target, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC))
    kernel.bind(source, target, attributes)


def _mount_proc(target: str) -> None:
    """Mount a ``/proc`` of the sandbox's own processes alone, where the kernel allows it.

    Inside containers whose own ``/proc`` is partly covered it doesn't (mount_namespaces(7)); the
    sandbox then has an empty directory, which shows less rather than more.
    """
    os.mkdir(target)
    try:
        kernel.mount("proc", target, "proc", kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC)
    except PermissionError:
        return
    hidden = hidden_paths(target)
    for name in hidden.files:
        kernel.bind("/dev/null", f"{target}/{name}", kernel.MOUNT_ATTR_NOSUID)
    for name in hidden.folders:
        flags = kernel.MS_NOSUID | kernel.MS_NODEV
        kernel.mount("tmpfs", f"{target}/{name}", "tmpfs", flags, "size=4k,nr_inodes=1,mode=555")
        kernel.set_attributes(f"{target}/{name}", _READ_ONLY)


def _forbid_more_namespaces() -> None:
    """Refuse further user namespaces inside: they are where most local kernel attacks begin."""
    try:
        Path("/proc/sys/user/max_user_namespaces").write_text("0")
    except FileNotFoundError:
        return  # no /proc of our own, or a kernel without the switch
