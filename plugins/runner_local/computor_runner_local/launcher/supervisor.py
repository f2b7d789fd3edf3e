"""The supervisor: a process between the host and the sandboxes of a job's phases.

For each job it gets one frame with all of it and answers with one frame. When the host hangs up, it
ends every process of the job, so neither a cancelled call nor a host that died leaves
anything running. It runs none of the job's code.
"""

from __future__ import annotations

import contextlib
import os
import socket
import traceback
from typing import Any, NoReturn

from computor_runner_local.launcher import kernel, wire
from computor_runner_local.launcher.cgroups import Group, Home
from computor_runner_local.launcher.layout import Layout, make_layout, remove_layout
from computor_runner_local.launcher.phase import CancelledError, PhaseRun
from computor_runner_local.launcher.request import JobRequest, PhaseOutcome
from computor_runner_local.launcher.start import SandboxError
from computor_runner_local.launcher.tree import CopyError


def wait_and_serve(channel: socket.socket, home: Home, folder: str | None, *, filtered: bool) -> NoReturn:
    """Wait for connections of jobs, serve one after the other, and end with the launcher.

    Args:
        channel: Where the launcher hands over connections, and hears when this one is done.
        home: Where control groups are made.
        folder: Directory on which to mount the jobs' own file systems, in a mount namespace of
            this process's own; None where there are no namespaces.
        filtered: Whether the jobs' system calls are filtered.
    """
    try:
        why = _prepare(folder)
        while True:
            message, handles, _, _ = socket.recv_fds(channel, 16, 1)
            if not message:
                break
            with socket.socket(fileno=handles[0]) as connection:
                connection.set_inheritable(False)
                # When the host has gone, the job has been ended on the way here.
                with contextlib.suppress(wire.WireError, CancelledError, ConnectionError):
                    _serve(connection, home, why, filtered=filtered)
            channel.sendall(b"idle")
    except ConnectionError:
        pass  # the launcher has gone, and this process goes with it
    except Exception:  # noqa: BLE001 - the host logs it; the next job gets a fresh supervisor
        traceback.print_exc()
    finally:
        os._exit(1)


def _serve(connection: socket.socket, home: Home, why: str, *, filtered: bool) -> None:
    header, blobs = wire.read(connection.recv)
    answer: tuple[dict[str, Any], list[bytes]] = {"error": why}, []
    if not why:
        answer = _run(JobRequest.from_wire(header), blobs, connection, home, filtered=filtered)
    for piece in wire.pack(*answer):
        connection.sendall(piece)


def _prepare(folder: str | None) -> str:
    """Get what a job needs: a mount namespace to work in, or the right to catch orphans.

    Returns:
        Why that is refused here, or "".
    """
    try:
        kernel.become_subreaper()
        if folder is None:
            return ""
        uid, gid = os.getuid(), os.getgid()
        kernel.unshare(kernel.CLONE_NEWUSER | kernel.CLONE_NEWNS)
        kernel.map_user(uid, gid, uid, gid)
        kernel.mount("none", "/", flags=kernel.MS_REC | kernel.MS_PRIVATE)
        flags = kernel.MS_NOSUID | kernel.MS_NODEV
        kernel.mount("tmpfs", folder, "tmpfs", flags, "size=1m,nr_inodes=2048,mode=755")
    except OSError as error:
        return str(error)
    return ""


def _run(
    job: JobRequest, blobs: list[bytes], connection: socket.socket, home: Home, *, filtered: bool
) -> tuple[dict[str, Any], list[bytes]]:
    layouts: list[Layout] = []
    outcomes: list[PhaseOutcome] = []
    namespaces: list[str] = []
    group: Group | None = None
    try:
        for index, phase in enumerate(job.phases):
            try:
                layouts.append(make_layout(job, index, layouts))
            except CopyError:
                outcomes.append(_too_big())
                break
            if home.version:
                group = Group(home, f"{job.name}-{index}")
            hangup = connection.fileno()
            run = PhaseRun(job, index, layouts[-1], group, blobs[index], hangup, filtered=filtered)
            try:
                outcomes.append(run.run())
            finally:
                if group is not None:
                    group.remove()
            namespaces = run.namespaces if index == 0 else namespaces
            failed = outcomes[-1].exit_code != 0
            if failed and not phase.continue_on_failure:
                break
    except (OSError, SandboxError) as error:
        return {"error": str(error)}, []
    finally:
        for layout in layouts:
            remove_layout(layout)
    return _answer(outcomes, namespaces)


def _too_big() -> PhaseOutcome:
    """A phase that couldn't begin, because what an earlier one left is more than may be copied."""
    return PhaseOutcome(None, None, "disk", 0.0, 0.0, None, b"", b"", {}, {})


def _answer(outcomes: list[PhaseOutcome], namespaces: list[str]) -> tuple[dict[str, Any], list[bytes]]:
    phases: list[dict[str, Any]] = []
    pieces: list[bytes] = []
    for outcome in outcomes:
        phases.append(
            {
                "exit_code": outcome.exit_code,
                "signal": outcome.signal,
                "limit": outcome.limit,
                "wall_seconds": outcome.wall_seconds,
                "cpu_seconds": outcome.cpu_seconds,
                "memory_bytes": outcome.memory_bytes,
                "collected": list(outcome.collected),
                "uncollected": outcome.uncollected,
            }
        )
        pieces += [outcome.stdout, outcome.stderr, *outcome.collected.values()]
    return {"phases": phases, "namespaces": namespaces}, pieces
