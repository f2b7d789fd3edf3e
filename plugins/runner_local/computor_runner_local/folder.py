"""The runner's folder on the host, and what crashed hosts left behind.

A folder and the control groups of a host carry the id and the start time of its process in their
name. A process id is used again; the pair isn't, so what belongs to no living process can be told
from what does and is removed at the next start.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import stat
import time
from pathlib import Path

from computor_runner_local.launcher.cgroups import PREFIX, own_groups, remove_group

_NAME = re.compile(re.escape(PREFIX) + r"(\d+)-(\d+)-\d+$")
_REMOVE_SECONDS = 2.0
# What the dynamic linker and Debian's alternatives need; nothing here tells of users or services.
_COPIED_ETC = ("ld.so.cache", "ld.so.conf", "ld.so.conf.d", "alternatives")
_ETC = {
    "passwd": "student:x:1000:1000:student:/box:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
    "group": "student:x:1000:\nnogroup:x:65534:\n",
    "hosts": "127.0.0.1 localhost sandbox\n::1 localhost\n",
    "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
}


def start_time(pid: int) -> int | None:
    """When a process started, in clock ticks since boot (proc_pid_stat(5)); None when there is none."""
    try:
        line = Path(f"/proc/{pid}/stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return int(line[line.rindex(b")") + 2 :].split()[19])


def own_name(serial: int) -> str:
    """Name for this process's things; ``serial`` tells several runners in one process apart."""
    return f"{PREFIX}{os.getpid()}-{start_time(os.getpid())}-{serial}"


def is_orphan(name: str) -> bool:
    """Whether a name is one of ours whose process has ended."""
    match = _NAME.match(name)
    return match is not None and start_time(int(match[1])) != int(match[2])


class WorkFolder:
    """A folder for jobs, staged inputs, libraries and the few files of a sandbox's ``/etc``.

    Args:
        tmp_dir: Where to make it.
        name: Its name, from :func:`own_name`.
        uid: Who the launcher is; jobs' folders are given to that user.
    """

    def __init__(self, tmp_dir: Path, name: str, uid: int) -> None:
        self.path = tmp_dir / name
        self._uid = uid

    def create(self) -> None:
        """Make the folder.

        Raises:
            OSError: It can't be made or, with the same name, belongs to somebody else.
        """
        self.path.mkdir(mode=0o711)
        self.path.chmod(0o711)
        self.mount_point.mkdir()
        self.etc.mkdir()
        for name, text in _ETC.items():
            (self.etc / name).write_text(text)
        for name in _COPIED_ETC:
            source = Path("/etc") / name
            if source.is_dir():
                shutil.copytree(source, self.etc / name, symlinks=True)
            elif source.exists():
                shutil.copyfile(source, self.etc / name)
        make_readable(self.etc)
        if self._uid != os.geteuid():
            os.chown(self.mount_point, self._uid, self._uid)

    @property
    def etc(self) -> Path:
        """The sandboxes' ``/etc``."""
        return self.path / "etc"

    @property
    def mount_point(self) -> Path:
        """Where each supervisor, in a mount namespace of its own, mounts its job's file system."""
        return self.path / "job"

    def new_job(self, name: str) -> Path:
        """A new empty folder that the launcher's user owns."""
        path = self.path / name
        path.mkdir(mode=0o700)
        if self._uid != os.geteuid():
            os.chown(path, self._uid, self._uid)
        return path

    def stage(self, source: Path, name: str) -> Path:
        """Copy an input to where the launcher's user can read it; needed only when started as root.

        Raises:
            OSError: The input can't be read, or isn't a directory.
        """
        path = self.path / name
        shutil.copytree(source, path, symlinks=True)
        make_readable(path)
        return path

    def remove(self, path: Path | None = None) -> None:
        """Remove a part of the folder, or all of it."""
        shutil.rmtree(path or self.path, ignore_errors=False)


def make_readable(root: Path) -> None:
    """Let every user read a tree of our own; links in it are left as they are."""
    for folder, _, files in os.walk(root):
        Path(folder).chmod(0o755)
        for file in files:
            path = Path(folder) / file
            mode = path.lstat().st_mode
            if not stat.S_ISLNK(mode):
                path.chmod(0o755 if mode & 0o111 else 0o644)


def collect_orphans(tmp_dir: Path) -> list[str]:
    """Remove what hosts that have ended left behind: processes, control groups and folders.

    Returns:
        Names of what was removed.
    """
    removed = []
    for base in set(own_groups()[1].values()):
        for group in sorted(base.glob(f"{PREFIX}*")):
            if is_orphan(group.name):
                remove_groups(group)
                removed.append(str(group))
    for folder in sorted(tmp_dir.glob(f"{PREFIX}*")):
        # A name in a shared folder proves nothing: what isn't ours is left alone, links as well.
        with contextlib.suppress(FileNotFoundError):
            found = folder.lstat()
            if is_orphan(folder.name) and stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid():
                _remove_beside_others(folder)
                removed.append(str(folder))
    return removed


def _remove_beside_others(folder: Path) -> None:
    """Remove a folder that another host, which starts at the same time, may be removing as well."""
    while folder.exists():
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(folder)


def remove_groups(group: Path) -> None:
    """End the processes in a control group and the groups below it, then remove them all."""
    deadline = time.monotonic() + _REMOVE_SECONDS
    for path in [*sorted(group.glob("*/")), group]:
        with contextlib.suppress(FileNotFoundError):
            for process in (path / "cgroup.procs").read_text().split():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(process), signal.SIGKILL)
            remove_group(path, deadline)
