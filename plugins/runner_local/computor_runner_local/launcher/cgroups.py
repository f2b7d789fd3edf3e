"""Control groups: the kernel's own limits on memory and processes, and its own evidence.

Both versions are spoken (Documentation/admin-guide/cgroup-v1 and cgroup-v2 in the kernel
source). A *home* is a directory in each hierarchy below the group that the launcher was started in;
each phase gets a group inside it. The home is made once, with whatever right the launcher was
started with, and given to the user that it becomes.
"""

from __future__ import annotations

import errno
import os
import time
from dataclasses import dataclass, field
from pathlib import Path

PREFIX = "computor-runner-"
_V1_CONTROLLERS = ("memory", "pids", "cpuacct")
_REMOVE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Home:
    """Where the groups of phases go.

    Attributes:
        version: 1 or 2, or 0 for no group at all.
        memory, pids, cpu: Directory of the hierarchy that has the controller, or None.
        refusal: Why there is none.
    """

    version: int = 0
    memory: Path | None = None
    pids: Path | None = None
    cpu: Path | None = None
    refusal: str = ""

    def directories(self) -> tuple[Path, ...]:
        """The distinct directories of the home."""
        return tuple(dict.fromkeys(path for path in (self.memory, self.pids, self.cpu) if path is not None))


def make_home(name: str, uid: int, gid: int) -> Home:
    """Make the home's directories, owned by the user that the launcher becomes.

    Args:
        name: Name of the directories, starting with :data:`PREFIX`.
        uid: User who will make groups in them.
        gid: That user's group.
    """
    version, bases = own_groups()
    try:
        if version == 1:
            return _make_v1(bases, name, uid, gid)
        if version == 2:
            return _make_v2(bases["unified"], name, uid, gid)
    except OSError as error:
        return Home(refusal=f"cgroup v{version}: {error}")
    return Home(refusal="no control groups with the memory and pids controllers are mounted")


def own_groups(mountinfo: str | None = None, membership: str | None = None) -> tuple[int, dict[str, Path]]:
    """Version in use and this process's own group by controller (``"unified"`` for version 2).

    Args:
        mountinfo: Text of ``/proc/self/mountinfo`` (proc_pid_mountinfo(5)), read when None.
        membership: Text of ``/proc/self/cgroup`` (cgroups(7)), read when None.
    """
    mountinfo = Path("/proc/self/mountinfo").read_text() if mountinfo is None else mountinfo
    membership = Path("/proc/self/cgroup").read_text() if membership is None else membership
    own: dict[str, str] = {}
    for line in membership.splitlines():
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(",") if controllers else ["unified"]:
            own[controller] = path
    found: dict[str, Path] = {}
    for line in mountinfo.splitlines():
        left, _, right = line.partition(" - ")
        root, point = left.split(" ")[3:5]
        kind, _, options = right.split(" ", 2)
        names = ["unified"] if kind == "cgroup2" else options.split(",") if kind == "cgroup" else []
        for controller in names:
            if controller in own:
                found[controller] = _below(Path(point), root, own[controller])
    if all(controller in found for controller in _V1_CONTROLLERS):
        return 1, {controller: found[controller] for controller in _V1_CONTROLLERS}
    if "unified" in found and _controllers(found["unified"]) >= {"memory", "pids"}:
        return 2, {"unified": found["unified"]}
    return 0, {}


def _below(point: Path, root: str, own: str) -> Path:
    """The group's directory, when the mount shows only the part of the tree below ``root``."""
    inside = own[len(root) :] if root != "/" and own.startswith(root) else own
    return point / inside.lstrip("/")


def _controllers(directory: Path) -> set[str]:
    try:
        return set((directory / "cgroup.controllers").read_text().split())
    except FileNotFoundError:
        return set()


def _give(directory: Path, uid: int, gid: int, files: tuple[str, ...]) -> None:
    os.chown(directory, uid, gid)
    for name in files:
        os.chown(directory / name, uid, gid)


def _make_v1(bases: dict[str, Path], name: str, uid: int, gid: int) -> Home:
    homes: dict[str, Path] = {}
    for controller in _V1_CONTROLLERS:
        home = bases[controller] / name
        home.mkdir(exist_ok=True)
        _give(home, uid, gid, ("cgroup.procs",))
        homes[controller] = home
    return Home(1, homes["memory"], homes["pids"], homes["cpuacct"])


def _make_v2(base: Path, name: str, uid: int, gid: int) -> Home:
    """A subtree with the controllers switched on.

    Controllers can be switched on only where no process lives (the "no internal process" rule),
    except in the root. In a service of its own (``Delegate=yes``) the host moves into a leaf first.
    """
    enable = b"+memory +pids" + (b" +cpu" if "cpu" in _controllers(base) else b"")
    try:
        _write(base / "cgroup.subtree_control", enable)
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
        ours = {str(os.getpid()), str(os.getppid())}
        if not set((base / "cgroup.procs").read_text().split()) <= ours:
            raise
        leaf = base / f"{name}-host"
        leaf.mkdir(exist_ok=True)
        for process in ours:
            _write(leaf / "cgroup.procs", process.encode())
        _write(base / "cgroup.subtree_control", enable)
    home = base / name
    home.mkdir(exist_ok=True)
    _write(home / "cgroup.subtree_control", enable)
    # A process may be moved only by who may write to the nearest group that both places lie in.
    launcher = home / "launcher"
    launcher.mkdir(exist_ok=True)
    _write(launcher / "cgroup.procs", str(os.getpid()).encode())
    _give(home, uid, gid, ("cgroup.procs", "cgroup.subtree_control"))
    _give(launcher, uid, gid, ("cgroup.procs",))
    return Home(2, home, home, home)


def tried(home: Home) -> Home:
    """The home, if a process can really be put into a group of it; else none, with the reason."""
    if not home.version:
        return home
    group = Group(home, "trial")
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(writer)
        os.read(reader, 1)
        os._exit(0)
    try:
        group.create(64 << 20, 4)
        group.enter(child)
        group.cpu_seconds()
        group.out_of_memory()
        group.refused_fork()
    except OSError as error:
        return Home(refusal=f"cgroup v{home.version}: {error}")
    finally:
        os.close(reader)
        os.close(writer)
        os.waitpid(child, 0)
        group.remove()
    return home


def _write(path: Path, content: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(handle, content)
    finally:
        os.close(handle)


@dataclass(slots=True)
class Group:
    """The group of one phase.

    Attributes:
        home: Where it is made.
        name: Its directory's name.
    """

    home: Home
    name: str
    made: list[Path] = field(default_factory=list)

    def create(self, memory_bytes: int, processes: int) -> None:
        """Make the directories and set the limits; ``processes`` counts the sandbox's own as well."""
        for directory in self.home.directories():
            path = directory / self.name
            path.mkdir()
            self.made.append(path)
        memory, pids = self._path(self.home.memory), self._path(self.home.pids)
        if self.home.version == 1:
            _write(memory / "memory.limit_in_bytes", str(memory_bytes).encode())
            if (memory / "memory.memsw.limit_in_bytes").exists():
                _write(memory / "memory.memsw.limit_in_bytes", str(memory_bytes).encode())
        else:
            _write(memory / "memory.max", str(memory_bytes).encode())
            if (memory / "memory.swap.max").exists():
                _write(memory / "memory.swap.max", b"0")
            _write(memory / "memory.oom.group", b"1")
        _write(pids / "pids.max", str(processes).encode())

    def _path(self, directory: Path | None) -> Path:
        if directory is None:
            raise OSError(errno.ENOENT, "no such controller")
        return directory / self.name

    def enter(self, process: int) -> None:
        """Move a process in; what it starts from then on is born in the group."""
        for path in self.made:
            _write(path / "cgroup.procs", str(process).encode())

    def cpu_seconds(self) -> float:
        """Processor time of all that ever ran in the group."""
        path = self._path(self.home.cpu)
        if self.home.version == 1:
            return int((path / "cpuacct.usage").read_text()) / 1e9
        return _keyed(path / "cpu.stat").get("usage_usec", 0) / 1e6

    def memory_bytes(self) -> int:
        """Memory charged now."""
        name = "memory.usage_in_bytes" if self.home.version == 1 else "memory.current"
        return int((self._path(self.home.memory) / name).read_text())

    def memory_peak(self) -> int | None:
        """Highest memory charged, None where the kernel doesn't keep it (version 2 before 5.19)."""
        name = "memory.max_usage_in_bytes" if self.home.version == 1 else "memory.peak"
        try:
            return int((self._path(self.home.memory) / name).read_text())
        except FileNotFoundError:
            return None

    def out_of_memory(self) -> bool:
        """Whether the kernel has killed a process of the group for want of memory."""
        name = "memory.oom_control" if self.home.version == 1 else "memory.events"
        return _keyed(self._path(self.home.memory) / name).get("oom_kill", 0) > 0

    def refused_fork(self) -> bool:
        """Whether the kernel has refused a process or thread because the group was full."""
        return _keyed(self._path(self.home.pids) / "pids.events").get("max", 0) > 0

    def processes(self) -> list[int]:
        """Ids of the group's processes."""
        if not self.made:
            return []
        return [int(line) for line in (self.made[0] / "cgroup.procs").read_text().split()]

    def remove(self) -> None:
        """Remove the directories; a group stays busy for a moment after its last process ended."""
        deadline = time.monotonic() + _REMOVE_SECONDS
        for path in self.made:
            remove_group(path, deadline)
        self.made.clear()


def remove_group(path: Path, deadline: float) -> None:
    """Remove a group's directory, trying again until ``deadline`` while it is still busy."""
    while True:
        try:
            path.rmdir()
        except FileNotFoundError:
            return
        except OSError as error:
            if error.errno != errno.EBUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.002)
        else:
            return


def _keyed(path: Path) -> dict[str, int]:
    """A flat keyed file: ``name number`` on each line."""
    pairs = (line.split() for line in path.read_text().splitlines())
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdigit()}
