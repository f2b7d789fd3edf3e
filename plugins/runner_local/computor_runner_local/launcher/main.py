"""The launcher's main loop: become an unprivileged user, then hand jobs to supervisors.

Started as ``python -I -S -c … <json>`` with one socket on file descriptor 3. Each message on it
brings one file descriptor, the connection of a new job. When the host closes the socket or dies,
the launcher ends; running supervisors notice by their own connections.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import select
import signal
import socket
import sys

from computor_runner_local.launcher import cgroups, kernel, seccomp, supervisor

CONTROL = 3
PRIVATE = b"private"
PLAIN = b"plain"


def main() -> None:
    """Run the launcher until the host hangs up."""
    settings = json.loads(sys.argv[1])
    control = socket.socket(fileno=CONTROL)
    control.set_inheritable(False)
    home = cgroups.Home(refusal="switched off")
    if settings["cgroups"]:
        home = cgroups.make_home(settings["name"], settings["uid"], settings["gid"])
    if settings["uid"] != os.geteuid():
        _become(settings["uid"], settings["gid"])
    kernel.set_dumpable(True)  # else the files of /proc/self belong to root, user_namespaces(7)
    home = cgroups.tried(home)
    unfiltered = seccomp.why_not()
    signal.signal(signal.SIGCHLD, _reap)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the host to handle
    gc.collect()
    gc.freeze()
    gc.disable()
    found = {"cgroups": home.version, "refusal": home.refusal, "unfiltered": unfiltered}
    control.sendall(json.dumps(found).encode())
    _Pool(control, home, settings["folder"], filtered=not unfiltered).serve()


def _become(uid: int, gid: int) -> None:
    """Give up root for good."""
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)


def _reap(_number: int, _frame: object) -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


class _Pool:
    """Supervisors that serve one job after the other, so that a job doesn't wait for a fork.

    A supervisor runs none of a job's code, and gives each job directories, sandboxes and control
    groups of its own. One that fails ends, and another takes its place.

    Args:
        control: Socket from the host.
        home: Where control groups are made.
        folder: Where supervisors mount their jobs' file systems.
        filtered: Whether the jobs' system calls are filtered.
    """

    def __init__(self, control: socket.socket, home: cgroups.Home, folder: str, *, filtered: bool) -> None:
        self._control = control
        self._home = home
        self._folder = folder
        self._filtered = filtered
        self._channels: dict[int, socket.socket] = {}
        self._idle: dict[bytes, list[socket.socket]] = {PRIVATE: [], PLAIN: []}
        self._kinds: dict[int, bytes] = {}
        self._poll = select.poll()
        self._poll.register(control, select.POLLIN)

    def serve(self) -> None:
        """Hand connections to supervisors until the host hangs up."""
        while True:
            for handle, _ in self._poll.poll():
                if handle != self._control.fileno():
                    self._hear(handle)
                    continue
                message, connections, _, _ = socket.recv_fds(self._control, 16, 1)
                if not message:
                    return
                self._assign(message, connections)
                for connection in connections:
                    os.close(connection)

    def _hear(self, handle: int) -> None:
        """A supervisor is free again, or has ended."""
        channel = self._channels.get(handle)
        if channel is None:
            return
        if channel.recv(16):
            self._idle[self._kinds[handle]].append(channel)
            return
        self._forget(handle)

    def _forget(self, handle: int) -> None:
        channel, kind = self._channels.pop(handle), self._kinds.pop(handle)
        self._poll.unregister(handle)
        if channel in self._idle[kind]:
            self._idle[kind].remove(channel)
        channel.close()

    def _assign(self, kind: bytes, connections: list[int]) -> None:
        while self._idle[kind]:
            channel = self._idle[kind].pop()
            try:
                socket.send_fds(channel, [kind], connections)
            except BrokenPipeError:
                self._forget(channel.fileno())  # it died while it waited
            else:
                return
        socket.send_fds(self._fork(kind), [kind], connections)

    def _fork(self, kind: bytes) -> socket.socket:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for handle in (self._control, ours, *self._channels.values()):
                handle.close()
            folder = self._folder if kind == PRIVATE else None
            supervisor.wait_and_serve(theirs, self._home, folder, filtered=self._filtered)
        theirs.close()
        self._channels[ours.fileno()] = ours
        self._kinds[ours.fileno()] = kind
        self._poll.register(ours, select.POLLIN)
        return ours


if __name__ == "__main__":
    main()
