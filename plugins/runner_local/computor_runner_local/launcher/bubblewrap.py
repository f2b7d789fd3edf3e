"""The command line for bubblewrap (bwrap(1))."""

from __future__ import annotations

from computor_runner_local.launcher.layout import Layout
from computor_runner_local.launcher.proc_files import hidden_paths
from computor_runner_local.launcher.request import PhaseRequest, SystemView

INSIDE_UID = 1000


def command_line(
    system: SystemView, layout: Layout, phase: PhaseRequest, info_fd: int, filter_fd: int
) -> list[str]:
    """Program and arguments that run a phase's command inside bubblewrap.

    ``/`` and ``/dev`` are file systems in memory that bubblewrap leaves writable; both are made
    read-only last, else they would be places to write without limit.

    Args:
        system: The read-only part of the file system.
        layout: The phase's directories.
        phase: What to run.
        info_fd: Where bubblewrap says the id of its first process.
        filter_fd: From where it reads the filter on system calls, -1 for none.
    """
    line = [
        *system.bubblewrap,
        *("--unshare-user", "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts"),
        *("--unshare-cgroup-try", "--uid", str(INSIDE_UID), "--gid", str(INSIDE_UID)),
        *("--hostname", "sandbox", "--die-with-parent", "--new-session", "--cap-drop", "ALL"),
        *("--info-fd", str(info_fd)),
    ]
    if filter_fd >= 0:
        line += ["--seccomp", str(filter_fd)]
    for target, source in system.binds.items():
        line += ["--ro-bind", source, target]
    for target, link in system.links.items():
        line += ["--symlink", link, target]
    line += ["--dev", "/dev", "--proc", "/proc"]
    hidden = hidden_paths("/proc")
    for name in hidden.files:
        line += ["--dev-bind", "/dev/null", f"/proc/{name}"]
    for name in hidden.folders:
        line += ["--tmpfs", f"/proc/{name}", "--remount-ro", f"/proc/{name}"]
    for bind in layout.binds:
        line += ["--bind" if bind.writable else "--ro-bind", bind.source, bind.target]
    line += ["--remount-ro", "/dev", "--remount-ro", "/", "--chdir", phase.workdir, "--", *phase.command]
    return line
