"""The host's side of the launcher: start it, hand it jobs, notice when it dies."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import computor_runner_local
from computor_core.plugin_api.errors import ProviderUnavailableError
from computor_runner_local.launcher import wire
from computor_runner_local.launcher.main import CONTROL, PLAIN, PRIVATE
from computor_runner_local.launcher.request import JobRequest

_BOOT = (
    "import sys; sys.path.insert(0, sys.argv.pop(1)); "
    "from computor_runner_local.launcher.main import main; main()"
)
_GREETING_SECONDS = 20.0
_CANCEL_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Answer:
    """A supervisor's answer: its header and byte strings."""

    header: dict[str, Any]
    blobs: list[bytes]


class Launcher:
    """A launcher process, started when it is first needed and again when it has died.

    Args:
        name: Name for its control groups.
        mount_point: Empty directory that the launcher's user owns.
        uid: Who it becomes when started as root.
        cgroups: Whether it may use control groups.
        log: Where its last words go.

    Attributes:
        cgroup_version: Version of the control groups that phases get, 0 for none.
        cgroup_refusal: Why there are none.
        unfiltered: Why the system calls of jobs aren't filtered; "" when they are.
    """

    def __init__(self, name: str, mount_point: Path, uid: int, *, cgroups: bool, log: logging.Logger) -> None:
        self._settings = json.dumps(
            {"name": name, "folder": str(mount_point), "uid": uid, "gid": uid, "cgroups": cgroups}
        )
        self._log = log
        self._lock = asyncio.Lock()
        self._process: asyncio.subprocess.Process | None = None
        self._control: socket.socket | None = None
        self._reader: asyncio.Task[None] | None = None
        self.cgroup_version = 0
        self.cgroup_refusal = ""
        self.unfiltered = ""

    async def run(self, job: JobRequest, stdin: Sequence[bytes]) -> Answer:
        """Run a job; cancelling ends every process of it before this returns.

        Raises:
            ProviderUnavailableError: The launcher or the job's supervisor died.
        """
        await self.start()
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                self._send(theirs, private=job.level != "none")
            reader, writer = await asyncio.open_connection(sock=ours)
        except BaseException:
            ours.close()
            raise
        try:
            for piece in wire.pack(job.to_wire(), list(stdin)):
                writer.write(piece)
            await writer.drain()
            return await _read_answer(reader)
        except (wire.WireError, ConnectionError, asyncio.IncompleteReadError) as error:
            raise ProviderUnavailableError(f"the job's supervisor ended: {error}", retry_after=1) from error
        except asyncio.CancelledError:
            writer.write_eof()
            await asyncio.shield(asyncio.wait_for(_read_to_end(reader), _CANCEL_SECONDS))
            raise
        finally:
            writer.close()

    async def start(self) -> None:
        """Start the launcher unless it runs.

        Raises:
            ProviderUnavailableError: It doesn't start; the message has its last words.
        """
        async with self._lock:
            if self._process is not None and self._process.returncode is None:
                return
            await self._close()
            await self._spawn()

    async def _spawn(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        root = str(Path(computor_runner_local.__file__).parent.parent)
        with theirs:
            # The socket gets its number in the child by a shell-free dup: subprocess keeps numbers.
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-I", "-S", "-c", f"import os; os.dup2({theirs.fileno()}, {CONTROL}); {_BOOT}"),
                *(root, self._settings),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
                pass_fds=(theirs.fileno(),),
                env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"},
                cwd="/",
                start_new_session=True,
            )
        self._control = ours
        self._reader = asyncio.create_task(self._log_errors(self._process))
        ours.setblocking(False)
        try:
            async with asyncio.timeout(_GREETING_SECONDS):
                greeting = await asyncio.get_running_loop().sock_recv(ours, 65536)
        except TimeoutError:
            greeting = b""
        if not greeting:
            await self._close()
            raise ProviderUnavailableError("the launcher doesn't start", hint="see the runner's log")
        found = json.loads(greeting)
        self.cgroup_version, self.cgroup_refusal = found["cgroups"], found["refusal"]
        self.unfiltered = found["unfiltered"]

    async def _log_errors(self, process: asyncio.subprocess.Process) -> None:
        if process.stderr is not None:
            async for line in process.stderr:
                self._log.error("launcher: %s", line.decode(errors="replace").rstrip())

    def _send(self, connection: socket.socket, *, private: bool) -> None:
        if self._control is None:
            raise ProviderUnavailableError("the launcher has been stopped", retry_after=1)
        try:
            socket.send_fds(self._control, [PRIVATE if private else PLAIN], [connection.fileno()])
        except (BlockingIOError, ConnectionError) as error:
            raise ProviderUnavailableError(f"the launcher doesn't listen: {error}", retry_after=1) from error

    async def aclose(self) -> None:
        """End the launcher; jobs in flight end with their connections."""
        async with self._lock:
            await self._close()

    async def _close(self) -> None:
        if self._control is not None:
            self._control.close()
            self._control = None
        if self._process is not None:
            await self._process.wait()
            self._process = None
        if self._reader is not None:
            await self._reader
            self._reader = None


async def _read_answer(reader: asyncio.StreamReader) -> Answer:
    length = wire.header_length(await reader.readexactly(4))
    header, lengths = wire.parse_header(await reader.readexactly(length))
    return Answer(header, [await reader.readexactly(size) for size in lengths])


async def _read_to_end(reader: asyncio.StreamReader) -> None:
    while await reader.read(65536):
        pass
