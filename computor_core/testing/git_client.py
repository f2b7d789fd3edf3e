"""A git client's side of the repositories under test."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from computor_core.plugin_api.providers.git import RepositoryRef, TreeEntry

__all__ = ["CommandGitClient", "GitClient", "GitRun", "GitUser", "PushRefusedError"]


class PushRefusedError(Exception):
    """The host refused a push; the text is what the client's terminal shows."""


class GitClient(Protocol):
    """What a person with a clone can do, and a host's own housekeeping."""

    async def push(
        self,
        repository: RepositoryRef,
        branch: str,
        entries: Sequence[TreeEntry],
        *,
        parent: str | None = None,
        force: bool = False,
    ) -> str:
        """Commit a whole tree on ``parent`` and push it to a branch; returns the commit's id.

        Links have their target as content, submodules a commit id.

        Raises:
            PushRefusedError: The host refused.
        """
        ...

    async def delete_branch(self, repository: RepositoryRef, branch: str) -> None:
        """Delete a branch by a push.

        Raises:
            PushRefusedError: The host refused.
        """
        ...

    async def refs(self, repository: RepositoryRef) -> Mapping[str, str]:
        """The refs that the host shows, with their commits."""
        ...

    async def collect_garbage(self, repository: RepositoryRef) -> None:
        """Have the host remove every object that no ref reaches, however young."""
        ...


@dataclass(frozen=True, slots=True)
class GitRun:
    """How a git command ended: status, standard output, what the terminal showed."""

    status: int
    output: str
    messages: str


@dataclass(slots=True)
class GitUser:
    """A person with git, a folder and a token, and nobody's configuration.

    Attributes:
        folder: Where the commands run.
        token: Password for the server.
    """

    folder: Path
    token: str = ""

    async def git(self, *arguments: str, data: bytes = b"") -> GitRun:
        """Run a git command to its end."""
        person = {"NAME": "Student", "EMAIL": "student@example.org"}
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self.folder),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_TERMINAL_PROMPT": "0",
            "LC_ALL": "C",
            **{f"GIT_AUTHOR_{key}": value for key, value in person.items()},
            **{f"GIT_COMMITTER_{key}": value for key, value in person.items()},
        }
        process = await asyncio.create_subprocess_exec(
            "git",
            *arguments,
            cwd=self.folder,
            env=environment,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        output, messages = await process.communicate(data)
        return GitRun(
            process.returncode or 0, output.decode(errors="replace"), messages.decode(errors="replace")
        )

    async def must(self, *arguments: str, data: bytes = b"") -> str:
        """Run a git command that has to succeed; returns its output without the last line break.

        Raises:
            RuntimeError: It failed; the text is what the terminal showed.
        """
        ran = await self.git(*arguments, data=data)
        if ran.status:
            raise RuntimeError(f"git {' '.join(arguments)} ended with {ran.status}: {ran.messages}")
        return ran.output.rstrip("\n")

    def url(self, repository: RepositoryRef) -> str:
        """The repository's address with the token as password."""
        return repository.http_url.replace("://", f"://any-name:{self.token}@")

    async def start(self, repository: RepositoryRef) -> None:
        """Begin with one commit on ``main`` and the repository as ``origin``."""
        await self.must("init", "--quiet", "--initial-branch=main", ".")
        await self.must("remote", "add", "origin", self.url(repository))
        await self.commit("first")

    async def commit(self, text: str, name: str = "solution.py") -> str:
        """Write a file and commit it; returns the commit's id."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        await self.must("add", "--all", "--force", ".")
        await self.must("commit", "--quiet", "--message", text[:40])
        return await self.must("rev-parse", "HEAD")


class CommandGitClient:
    """The real ``git`` command.

    Args:
        url: Makes the address to use, with credentials, of a repository.
        folder: An empty folder for scratch repositories.
        collect: Has the host collect garbage.
    """

    def __init__(
        self,
        url: Callable[[RepositoryRef], str],
        folder: Path,
        collect: Callable[[RepositoryRef], Awaitable[None]],
    ) -> None:
        self._url = url
        self._folder = folder
        self._user = GitUser(folder)
        self._collect = collect

    async def push(
        self,
        repository: RepositoryRef,
        branch: str,
        entries: Sequence[TreeEntry],
        *,
        parent: str | None = None,
        force: bool = False,
    ) -> str:
        """Build the commit with fast-import, which takes any path and mode, and push it."""
        scratch = str(self._folder / f"scratch-{secrets.token_hex(4)}.git")
        await self._user.must("init", "--quiet", "--bare", scratch)
        if parent is not None:
            await self._user.must(
                "-C", scratch, "fetch", "--quiet", self._url(repository), "+refs/*:refs/theirs/*"
            )
        await self._user.must(
            "-C", scratch, "fast-import", "--quiet", "--force", data=_stream(branch, entries, parent)
        )
        commit = await self._user.must("-C", scratch, "rev-parse", f"refs/heads/{branch}")
        options = ["--force"] if force else []
        await self._push(
            "-C", scratch, "push", *options, self._url(repository), f"{commit}:refs/heads/{branch}"
        )
        return commit

    async def delete_branch(self, repository: RepositoryRef, branch: str) -> None:
        """Push nothing to the branch."""
        scratch = str(self._folder / f"scratch-{secrets.token_hex(4)}.git")
        await self._user.must("init", "--quiet", "--bare", scratch)
        await self._push("-C", scratch, "push", self._url(repository), f":refs/heads/{branch}")

    async def refs(self, repository: RepositoryRef) -> Mapping[str, str]:
        """``git ls-remote``, without HEAD."""
        output = await self._user.must("ls-remote", self._url(repository))
        pairs = (line.split("\t") for line in output.splitlines())
        return {ref: commit for commit, ref in pairs if ref != "HEAD"}

    async def collect_garbage(self, repository: RepositoryRef) -> None:
        """As the adopter said."""
        await self._collect(repository)

    async def _push(self, *arguments: str) -> None:
        ran = await self._user.git(*arguments)
        if ran.status:
            raise PushRefusedError(ran.messages)


def _stream(branch: str, entries: Sequence[TreeEntry], parent: str | None) -> bytes:
    """A stream for git-fast-import(1)."""
    message = secrets.token_hex(8).encode()
    parts = [
        f"commit refs/heads/{branch}\ncommitter Student <student@example.org> 1700000000 +0000\n".encode(),
        b"data %d\n%s\n" % (len(message), message),
    ]
    if parent is not None:
        parts.append(f"from {parent}\n".encode())
    parts.append(b"deleteall\n")
    for entry in entries:
        path = entry.path.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        if entry.mode == 0o160000:
            parts.append(f'M 160000 {entry.content.decode()} "{path}"\n'.encode())
        else:
            parts.append(f'M {entry.mode:o} inline "{path}"\n'.encode())
            parts.append(b"data %d\n%s\n" % (len(entry.content), entry.content))
    return b"".join(parts)
