"""The ``local`` git host: bare repositories in the instance's folder."""

from __future__ import annotations

import os
import secrets
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import ClassVar, TypeVar, TypeVarTuple
from urllib.parse import quote

import anyio
from anyio import to_thread

from computor_core.plugin_api.errors import (
    ConfigurationError,
    ProviderConflictError,
    ProviderError,
    ProviderNotFoundError,
    ProviderUnavailableError,
)
from computor_core.plugin_api.providers.base import AppContext, Health, HealthState
from computor_core.plugin_api.providers.git import (
    AccessChange,
    CommitTree,
    EnsureRepository,
    GitCapability,
    GitHost,
    ReadTree,
    RepositoryRef,
    TreeEntry,
)
from computor_git_local import open_hosts
from computor_git_local.hook_scripts import install_hooks
from computor_git_local.names import ZERO_ID, check_branch, check_keep_name, is_commit_id, is_ref_name
from computor_git_local.origins import read_origin
from computor_git_local.process import Git, find_git
from computor_git_local.push_gate import GateHouse
from computor_git_local.repositories import (
    Origin,
    OriginGoneError,
    Repositories,
    default_branch_of,
    protect,
    protected_refs,
    remove_leftovers,
    size_on_disk,
)
from computor_git_local.settings import GitLocalSettings
from computor_git_local.trees import commit_tree, read_tree

__all__ = ["MOUNT", "LocalGitHost", "open_host"]

MOUNT = "/git"
"""Path under which the host application mounts the smart HTTP service."""

_T = TypeVar("_T")
_Arguments = TypeVarTuple("_Arguments")
_TRIES = 5


class LocalGitHost(GitHost):
    """Repositories whose ids are their paths; see the plugin's README for what happens when.

    Who may do what is asked of core at every request (``PushReceiver.access``), so
    :meth:`grant` and :meth:`revoke` keep nothing.

    Args:
        context: What the application hands to the instance.
        settings: What the operator set.
        git: The git program.
        repositories: The folders.
        gates: Where the service and the hooks of a push speak to each other.
    """

    capabilities: ClassVar[frozenset[StrEnum]] = frozenset({GitCapability.FORK, GitCapability.SMART_HTTP})

    def __init__(
        self,
        context: AppContext,
        settings: GitLocalSettings,
        git: Git,
        repositories: Repositories,
        gates: GateHouse,
    ) -> None:
        self.context = context
        self.settings = settings
        self.git = git
        self.repositories = repositories
        self.gates = gates
        self.transfers = anyio.CapacityLimiter(settings.transfers)

    # --- the contract ------------------------------------------------------------------------

    @property
    def longest_push(self) -> timedelta:
        """The time limit of a transfer, and a minute for git to end and the hooks to run."""
        return timedelta(seconds=self.settings.transfer_timeout_seconds + 60)

    async def ensure_repository(self, request: EnsureRepository) -> RepositoryRef:
        """Build the repository beside the others and rename it into place."""
        for _ in range(_TRIES):
            if await self._disk(self.repositories.exists, request.path):
                return await self._ref(request.path)
            origin: Origin | None = None
            if request.fork_of is not None:
                source = await self.find(request.fork_of)
                origin = await read_origin(self.git, source)
            try:
                await self._disk(self.repositories.create, request.path, request.description, origin)
            except OriginGoneError:
                continue
            return await self._ref(request.path)
        raise ProviderUnavailableError("The source moves faster than it can be copied.", retry_after=5)

    async def commit_tree(self, request: CommitTree) -> str:
        """Make the objects in memory, store what is new, and move the branch from its old value."""
        repository = await self.find(request.external_id)
        await self.clear_leftovers(repository, [f"refs/heads/{request.branch}"])
        commit, new = await commit_tree(self.git, repository, request, self.context.clock.now)
        if new:
            await self.repack(repository)
        return commit

    async def grant(self, request: AccessChange) -> None:
        """Nothing to keep: core answers for every request."""
        await self.find(request.external_id)

    async def revoke(self, request: AccessChange) -> None:
        """Nothing to take: core answers for every request."""
        await self.find(request.external_id)

    async def protect_branch(self, external_id: str, branch: str) -> None:
        """Note the branch beside the repository's refs; the update hook reads it."""
        ref = check_branch(branch)
        await self._disk(protect, await self.find(external_id), ref)

    async def resolve(self, external_id: str, ref: str) -> str | None:
        """Look the ref up; a name that git doesn't allow points at nothing."""
        repository = await self.find(external_id)
        if not is_ref_name(ref):
            return None
        (commit,) = await self.git.inspect(repository, [f"{ref}^{{commit}}"])
        return None if commit is None else commit.id

    async def keep(self, external_id: str, commit: str, name: str) -> None:
        """Create ``refs/computor/keep/<name>``, which no client sees or moves."""
        ref = check_keep_name(name)
        repository = await self.find(external_id)
        if not is_commit_id(commit):
            raise ProviderNotFoundError("There is no such commit.")
        found, kept = await self.git.inspect(repository, [commit, ref])
        if found is None or found.kind != "commit":
            raise ProviderNotFoundError("There is no such commit.", details={"commit": commit})
        if kept is None:
            await self.clear_leftovers(repository, [ref])
            await self.git.run(repository, "update-ref", ref, commit, ZERO_ID, accept=(0, 1, 128))
            (kept,) = await self.git.inspect(repository, [ref])
        if kept is None:
            raise ProviderUnavailableError("The commit couldn't be kept.", retry_after=5)
        if kept.id != commit:
            raise ProviderConflictError(
                "The name holds another commit.", details={"name": name, "commit": kept.id}
            )

    @asynccontextmanager
    async def read_tree(self, request: ReadTree) -> AsyncIterator[AsyncIterator[TreeEntry]]:
        """List, check, then read with ``git cat-file``; nothing is checked out."""
        repository = await self.find(request.external_id)
        async with read_tree(self.git, repository, request) as entries:
            yield entries

    async def delete_repository(self, external_id: str) -> bool:
        """Rename the repository away, then remove it."""
        return await self._disk(self.repositories.delete, external_id)

    async def health(self) -> Health:
        """Look whether the folder can be written and git runs."""
        root = self.repositories.root
        try:
            status = await to_thread.run_sync(_probe, root)
            with anyio.fail_after(5):
                await anyio.run_process([self.git.executable, "version"])
        except (OSError, TimeoutError, subprocess.CalledProcessError) as error:
            return Health(HealthState.DOWN, f"Repositories in {root} can't be served: {error}.")
        facts = {
            "folder": str(root),
            "git": ".".join(map(str, self.git.version)),
            "free_bytes": str(status.f_bavail * status.f_frsize),
            "memory_limit": "kernel" if self.git.confined else "none",
        }
        return Health(HealthState.OK, facts=facts)

    # --- for the smart HTTP service ----------------------------------------------------------

    async def find(self, external_id: str) -> Path:
        """Folder of a repository.

        Raises:
            ProviderNotFoundError: There is none.
        """
        return await self._disk(self.repositories.find, external_id)

    async def protected(self, repository: Path) -> list[str]:
        """Full names of the protected branches."""
        return await self._disk(protected_refs, repository)

    async def size(self, repository: Path) -> int:
        """Bytes of the repository's objects."""
        return await self._disk(size_on_disk, repository)

    async def clear_leftovers(self, repository: Path, refs: list[str]) -> None:
        """Remove what killed git processes left, older than any transfer may last."""
        age = self.stale_age
        for name in await self._disk(remove_leftovers, repository, refs, age):
            self.context.log.warning("removed %s of %s, left by a process that died", name, repository.name)

    async def repack(self, repository: Path) -> None:
        """Let git tidy the repository up if it needs it (git-gc(1), ``--auto``)."""
        try:
            await self.git.run(repository, "gc", "--auto", "--quiet")
        except ProviderError as error:
            # The write that came before is complete; the next one tries to tidy up again.
            self.context.log.warning("couldn't tidy up %s: %s", repository.name, error.message)

    @property
    def stale_age(self) -> float:
        """Seconds after which nothing that a transfer left can be in use any more."""
        return max(3600.0, 2 * self.settings.transfer_timeout_seconds)

    # --- inside ------------------------------------------------------------------------------

    async def _ref(self, path: str) -> RepositoryRef:
        branch = await self._disk(default_branch_of, await self.find(path))
        return RepositoryRef(path, self._http_url(path), branch)

    def _http_url(self, path: str) -> str:
        if not self.context.public_url:
            return ""
        instance = "" if self.context.instance == "default" else f"@{quote(self.context.instance)}/"
        return f"{self.context.public_url}{MOUNT}/{instance}{path}.git"

    async def _disk(self, call: Callable[[*_Arguments], _T], *arguments: *_Arguments) -> _T:
        """Run a blocking call in a worker thread; what the file system refuses is "unavailable"."""
        try:
            return await to_thread.run_sync(call, *arguments)
        except FileNotFoundError as error:
            raise ProviderNotFoundError("There is no such repository.") from error
        except OSError as error:
            raise ProviderUnavailableError(
                f"The git host's disk refused: {error.strerror or error}.",
                hint="Look at the disk behind the git instance's folder (space, quota, mount).",
                details={"errno": error.errno},
            ) from error


def _probe(root: Path) -> os.statvfs_result:
    probe = root / "staging" / secrets.token_hex(8)
    probe.mkdir(mode=0o700)
    probe.rmdir()
    return os.statvfs(root)


def _ulimit_works() -> bool:
    program = ["/bin/sh", "-c", "ulimit -v 1048576 && echo works"]
    try:
        return subprocess.run(program, capture_output=True, check=False, env={}).stdout == b"works\n"
    except OSError:
        return False


def _prepare(context: AppContext, settings: GitLocalSettings) -> LocalGitHost:
    root = context.data_dir.resolve()
    executable, version = find_git(settings.git)
    repositories = Repositories(root, settings.default_branch)
    gates = GateHouse(root)
    try:
        repositories.prepare()
        (root / "home").mkdir(mode=0o500, exist_ok=True)
        hooks = install_hooks(root)
        removed = gates.open()
    except OSError as error:
        raise ConfigurationError(
            f"The folder {root} of the git host can't be used: {error.strerror or error}.",
            hint="Give the server's user write access to data_dir, or set another data_dir.",
            details={"folder": str(root), "errno": error.errno},
        ) from error
    confine = _ulimit_works()
    if not confine:
        context.log.warning("memory_limit has no effect: this system's shell has no 'ulimit -v'")
    git = Git(
        executable, version, settings, hooks=hooks, home=root / "home", confine=confine, log=context.log
    )
    host = LocalGitHost(context, settings, git, repositories, gates)
    removed += repositories.sweep(host.stale_age)
    if removed:
        context.log.info("removed %d unfinished folders of processes that died", removed)
    return host


@asynccontextmanager
async def open_host(settings: GitLocalSettings, context: AppContext) -> AsyncIterator[LocalGitHost]:
    """Factory of the ``local`` git host type.

    Raises:
        ConfigurationError: git is missing or too old, or the instance's folder can't be used.
    """
    host = await to_thread.run_sync(_prepare, context, settings)
    try:
        with open_hosts.entered(host):
            yield host
    finally:
        with anyio.CancelScope(shield=True):
            await to_thread.run_sync(host.gates.close)
