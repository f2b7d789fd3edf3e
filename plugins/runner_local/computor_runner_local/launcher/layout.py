"""The directories of a phase: what is copied, what is bound, and where it appears inside."""

# ruff: noqa: PTH101, PTH102, PTH103, PTH106
# os.path instead of pathlib: this runs for every phase, before the program starts.

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass

from computor_runner_local.launcher import kernel
from computor_runner_local.launcher.request import JobRequest, PhaseRequest
from computor_runner_local.launcher.tree import Budget, copy_tree

_INODES = 16_384
_COPIED_ENTRIES = 20_000


@dataclass(frozen=True, slots=True)
class Bind:
    """A directory that appears inside under another name."""

    source: str
    target: str
    writable: bool


@dataclass(frozen=True, slots=True)
class Layout:
    """A phase's directories as the supervisor sees them.

    Attributes:
        area: The phase's own directory; a size-limited tmpfs where there are namespaces.
        work: Its working directory.
        binds: What appears inside beside the system.
        root: Empty directory for the new root, or (without namespaces) the directory below which
            all targets are laid out.
        private: Whether ``area`` is a tmpfs.
    """

    area: str
    work: str
    binds: tuple[Bind, ...]
    root: str
    private: bool

    def full(self) -> bool:
        """Whether the tmpfs has no byte or no inode left."""
        if not self.private:
            return False
        found = os.statvfs(self.area)
        return found.f_bfree == 0 or found.f_ffree == 0


def make_layout(job: JobRequest, index: int, earlier: list[Layout]) -> Layout:
    """Make a phase's directories and fill its copies.

    The working directory, ``/tmp`` and ``/dev/shm`` share one tmpfs, so the kernel limits what is
    written to all of them together; what was copied in doesn't count.

    Raises:
        CopyError: What the phase mounts is too big to be copied.
        OSError: A directory or mount couldn't be made.
    """
    phase = job.phases[index]
    area = f"{job.folder}/{index}"
    os.mkdir(area, 0o755)
    private = job.level != "none"
    if private:
        size = job.copy_bytes + phase.limits.disk_bytes + (1 << 20)
        options = f"size={size},nr_inodes={_INODES + _COPIED_ENTRIES},mode=755"
        kernel.mount("tmpfs", area, "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, options)
    try:
        layout = _fill(job, phase, area, earlier, private=private)
    except BaseException:
        remove_layout(Layout(area, "", (), "", private))
        raise
    if private:
        used = os.statvfs(area)
        size = (used.f_blocks - used.f_bfree) * used.f_frsize + phase.limits.disk_bytes
        inodes = used.f_files - used.f_ffree + _INODES
        kernel.mount(
            "tmpfs",
            area,
            "tmpfs",
            kernel.MS_REMOUNT | kernel.MS_NOSUID | kernel.MS_NODEV,
            f"size={size},nr_inodes={inodes}",
        )
    return layout


def _fill(job: JobRequest, phase: PhaseRequest, area: str, earlier: list[Layout], *, private: bool) -> Layout:
    root = f"{area}/root"
    os.mkdir(root)
    work = _directory(f"{area}/work" if private else root + phase.workdir)
    binds = [Bind(work, phase.workdir, writable=True)]
    if private:
        binds.append(Bind(_directory(f"{area}/tmp", 0o1777), "/tmp", writable=True))  # noqa: S108
        binds.append(Bind(_directory(f"{area}/shm", 0o1777), "/dev/shm", writable=True))  # noqa: S108
    else:
        _directory(f"{root}/tmp", 0o1777)  # noqa: S108 - below the job's own folder
    budget = Budget(job.copy_bytes, _COPIED_ENTRIES)
    for number, mount in enumerate(phase.mounts):
        source = earlier[int(mount.source[1:])].work if mount.source.startswith("#") else mount.source
        if mount.target == phase.workdir:
            copy_tree(source, work, mount.only, budget)
        elif not private:
            copy_tree(source, _directory(root + mount.target), mount.only, budget)
        elif mount.writable or mount.only:
            copy = _directory(f"{area}/copy-{number}")
            copy_tree(source, copy, mount.only, budget)
            binds.append(Bind(copy, mount.target, mount.writable))
        else:
            binds.append(Bind(source, mount.target, writable=False))
    return Layout(area, work, tuple(binds), root, private)


def _directory(path: str, mode: int = 0o755) -> str:
    os.makedirs(path, exist_ok=True)
    os.chmod(path, mode)
    return path


def remove_layout(layout: Layout) -> None:
    """Remove a phase's directories, however deep or locked what a program left in them is."""
    if layout.private:
        kernel.unmount(layout.area)
        os.rmdir(layout.area)
        return
    try:
        shutil.rmtree(layout.area)
    except (OSError, RecursionError):
        _remove_the_hard_way(layout.area)


def _remove_the_hard_way(path: str) -> None:
    """Remove what is too deep for Python, or locked."""
    subprocess.run(["/bin/chmod", "-R", "u+rwx", "--", path], check=False, capture_output=True)
    subprocess.run(["/bin/rm", "-rf", "--", path], check=True, capture_output=True)
