"""The launcher's main loop: become an unprivileged user, then fork a supervisor for each job.

Started as ``python -I -S -c … <json>`` with one socket on file descriptor 3. Each message on it
brings one file descriptor, the connection of a new job. When the host closes the socket or dies,
the launcher ends; running supervisors notice by their own connections.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import signal
import socket
import sys
from dataclasses import dataclass

from computor_runner_local.launcher import cgroups, kernel, supervisor

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
    signal.signal(signal.SIGCHLD, _reap)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the host to handle
    gc.collect()
    gc.freeze()
    gc.disable()
    control.sendall(json.dumps({"cgroups": home.version, "refusal": home.refusal}).encode())
    _accept(control, home, settings["folder"])


def _become(uid: int, gid: int) -> None:
    """Give up root for good."""
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)


def _reap(_number: int, _frame: object) -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


@dataclass(slots=True)
class _Spare:
    """A supervisor forked ahead of its job, so that the job doesn't wait for the fork.

    Attributes:
        private: Whether it has a mount namespace of its own already.
        channel: Where it waits for its connection.
    """

    private: bool
    channel: socket.socket


def _accept(control: socket.socket, home: cgroups.Home, folder: str) -> None:
    """Hand each connection to a supervisor; the message says whether the job has namespaces."""
    spare: _Spare | None = None
    while True:
        message, handles, _, _ = socket.recv_fds(control, 16, 1)
        if not message:
            return
        private = message == PRIVATE
        while True:
            if spare is None or spare.private is not private:
                spare = _fork_spare(control, home, folder, private=private)
            with spare.channel:
                try:
                    socket.send_fds(spare.channel, [message], handles)
                    break
                except BrokenPipeError:
                    spare = None  # it died while it waited; take a fresh one
        for handle in handles:
            os.close(handle)
        spare = _fork_spare(control, home, folder, private=private)


def _fork_spare(control: socket.socket, home: cgroups.Home, folder: str, *, private: bool) -> _Spare:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    if os.fork():
        theirs.close()
        return _Spare(private, ours)
    control.close()
    ours.close()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    return supervisor.wait_and_serve(theirs, home, folder if private else None)


if __name__ == "__main__":
    main()
