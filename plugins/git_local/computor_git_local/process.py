"""Running git: the scrubbed environment, short commands, long transfers."""

from __future__ import annotations

import logging
import os
import re
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio
from anyio.abc import Process

from computor_core.plugin_api.errors import (
    ConfigurationError,
    ProviderNotFoundError,
    ProviderUnavailableError,
)
from computor_git_local.settings import GitLocalSettings

__all__ = ["Git", "GitResult", "ObjectInfo", "find_git"]

_OLDEST = (2, 34)
_COMMAND_TIMEOUT = 120.0
_GRACE = 5.0
"""Seconds a transfer has to clean up its locks and temporary files after SIGTERM."""


@dataclass(frozen=True, slots=True)
class GitResult:
    """How a command ended."""

    status: int
    output: bytes
    errors: str


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """An object of a repository: id, kind (``commit``, ``tree``, ``blob``, ``tag``), size in bytes."""

    id: str
    kind: str
    size: int


def find_git(name: str) -> tuple[str, tuple[int, ...]]:
    """Full path and version of the git program.

    Raises:
        ConfigurationError: It isn't there or is too old.
    """
    path = shutil.which(name)
    if path is None:
        raise ConfigurationError(
            f"The git program {name!r} isn't there.",
            hint="Install git (Debian: apt install git) or set the instance's 'git' to its full path.",
        )
    output = subprocess.run([path, "version"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"(\d+)\.(\d+)(?:\.(\d+))?", output)
    version = tuple(int(part) for part in found.groups(default="0")) if found else ()
    if version[:2] < _OLDEST:
        raise ConfigurationError(
            f"{path} is {output.strip() or 'no git at all'}; at least git 2.34 is needed.",
            hint="Install a newer git or set the instance's 'git' to another program.",
        )
    return path, version


def _configuration(settings: GitLocalSettings, version: tuple[int, ...], hooks: Path) -> dict[str, str]:
    """All configuration beside a repository's own file, which clients can't touch."""
    durable = (
        {"core.fsync": "committed,loose-object,reference"}
        if version[:2] >= (2, 36)
        else {"core.fsyncObjectFiles": "true"}
    )
    return durable | {
        "core.hooksPath": str(hooks),
        "core.attributesFile": os.devnull,
        "core.excludesFile": os.devnull,
        "core.fsmonitor": "false",
        "core.logAllRefUpdates": "false",
        "core.bigFileThreshold": "16m",
        "core.packedGitWindowSize": "16m",
        "core.packedGitLimit": "256m",
        "core.deltaBaseCacheLimit": "64m",
        "pack.threads": "1",
        "pack.windowMemory": "64m",
        "pack.deltaCacheSize": "64m",
        "protocol.allow": "never",
        "credential.helper": "",
        "transfer.fsckObjects": "true",
        "transfer.hideRefs": "refs/computor",
        "transfer.advertiseSID": "false",
        "receive.maxInputSize": str(int(settings.max_push_bytes)),
        "receive.autogc": "false",
        "receive.unpackLimit": "1",
        "receive.denyDeleteCurrent": "refuse",
        "receive.shallowUpdate": "false",
        "receive.updateServerInfo": "false",
        "receive.advertisePushOptions": "false",
        "uploadpack.allowFilter": "false",
        "uploadpack.allowRefInWant": "false",
        "gc.auto": "2000",
        "gc.autoPackLimit": "30",
        "gc.autoDetach": "false",
        "gc.pruneExpire": "2.weeks.ago",
        "repack.writeBitmaps": "false",
    }


class Git:
    """The git program with an environment in which nothing of the machine's or a user's counts.

    Args:
        executable: Full path of git.
        version: Its version.
        settings: Limits.
        hooks: The folder with our hooks, the only ones that run.
        home: An empty folder.
        confine: Whether ``ulimit -v`` works here and bounds the processes of transfers.
        log: For what git says on failure; it may name paths, so users don't see it.
    """

    def __init__(
        self,
        executable: str,
        version: tuple[int, ...],
        settings: GitLocalSettings,
        *,
        hooks: Path,
        home: Path,
        confine: bool,
        log: logging.Logger,
    ) -> None:
        self.executable = executable
        self.version = version
        self.confined = confine
        self._memory_kib = int(settings.memory_limit) // 1024
        self._limiter = anyio.CapacityLimiter(settings.commands)
        self._log = log
        self._configuration = _configuration(settings, version, hooks)
        self._environment = {
            "PATH": os.pathsep.join([str(Path(executable).parent), "/usr/local/bin", "/usr/bin", "/bin"]),
            "HOME": str(home),
            "LC_ALL": "C",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ALLOW_PROTOCOL": "none",
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_OPTIONAL_LOCKS": "0",
        }

    def environment(self, repository: Path, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """The whole environment of a git process working on a repository."""
        pairs = self._configuration | {"safe.directory": str(repository)}
        variables = dict(self._environment, GIT_CONFIG_COUNT=str(len(pairs)))
        for number, (key, value) in enumerate(pairs.items()):
            variables[f"GIT_CONFIG_KEY_{number}"] = key
            variables[f"GIT_CONFIG_VALUE_{number}"] = value
        return variables | dict(extra or {})

    async def run(
        self, repository: Path, *arguments: str, data: bytes = b"", accept: Sequence[int] = (0,)
    ) -> GitResult:
        """Run a short command to its end.

        Args:
            repository: The bare repository.
            arguments: Command and arguments.
            data: Its standard input.
            accept: Exit statuses that are answers; another one is an error.

        Raises:
            ProviderNotFoundError: The repository was deleted meanwhile.
            ProviderUnavailableError: Another exit status, or it took too long.
        """
        try:
            async with self._limiter:
                with anyio.fail_after(_COMMAND_TIMEOUT), _deleted_is_not_found(repository):
                    ended = await anyio.run_process(
                        [self.executable, f"--git-dir={repository}", *arguments],
                        input=data,
                        check=False,
                        cwd=repository,
                        env=self.environment(repository),
                        umask=0o077,
                    )
        except TimeoutError as error:
            raise ProviderUnavailableError(f"git {arguments[0]} took too long.", retry_after=60) from error
        errors = ended.stderr.decode("utf-8", "replace").strip()
        if ended.returncode not in accept:
            self._log.error("git %s ended with %d: %s", arguments[0], ended.returncode, errors)
            raise ProviderUnavailableError(
                f"git {arguments[0]} failed on the server.",
                hint="The server's log has git's own message.",
                details={"command": arguments[0], "status": ended.returncode},
            )
        return GitResult(ended.returncode, ended.stdout, errors)

    async def inspect(self, repository: Path, names: Sequence[str]) -> list[ObjectInfo | None]:
        """What each name (id, ref, ``<commit>:<path>``, …) stands for; None for nothing."""
        data = "".join(f"{name}\n" for name in names).encode()
        output = (await self.run(repository, "cat-file", "--batch-check", data=data)).output.decode(
            "utf-8", "surrogateescape"
        )
        found: list[ObjectInfo | None] = []
        for line in output.split("\n")[:-1]:
            parts = line.rsplit(" ", 2)
            known = len(parts) == 3 and parts[2].isdigit()
            found.append(ObjectInfo(parts[0], parts[1], int(parts[2])) if known else None)
        return found

    @asynccontextmanager
    async def stream(
        self,
        repository: Path,
        *arguments: str,
        extra: Mapping[str, str] | None = None,
        may_finish: bool = False,
    ) -> AsyncIterator[Process]:
        """Run a command whose input and output flow; on leaving it has ended.

        The process leads a group of its own. Left early, the group gets SIGTERM, upon which git
        removes its locks and temporary files, and after a grace SIGKILL.

        Args:
            repository: Where it runs.
            arguments: Command and arguments.
            extra: More variables for its environment.
            may_finish: Let it see the end of its input first and finish by itself.

        Raises:
            ProviderNotFoundError: The repository was deleted meanwhile.
        """
        command = [self.executable, *arguments]
        if self.confined:
            command = ["/bin/sh", "-c", _CONFINE, "sh", str(self._memory_kib), *command]
        with _deleted_is_not_found(repository):
            process = await anyio.open_process(
                command,
                cwd=repository,
                env=self.environment(repository, extra),
                start_new_session=True,
                umask=0o077,
            )
        try:
            yield process
        finally:
            with anyio.CancelScope(shield=True):
                await _end(process, _GRACE if may_finish else 0)
                await process.aclose()


@contextmanager
def _deleted_is_not_found(repository: Path) -> Iterator[None]:
    """Tell a working directory that is gone from a program that is gone."""
    try:
        yield
    except (FileNotFoundError, NotADirectoryError) as error:
        if error.filename != str(repository):
            raise
        raise ProviderNotFoundError("There is no such repository.") from error


_CONFINE = 'ulimit -v "$1" && shift && exec "$@"'


async def _end(process: Process, patience: float) -> None:
    if process.stdin is not None:
        await process.stdin.aclose()
    if patience:
        with anyio.move_on_after(patience):
            await process.wait()
    if process.returncode is None:
        _signal_group(process, signal.SIGTERM)
        with anyio.move_on_after(_GRACE):
            await process.wait()
    if process.returncode is None:
        _signal_group(process, signal.SIGKILL)
        await process.wait()


def _signal_group(process: Process, number: signal.Signals) -> None:
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return
