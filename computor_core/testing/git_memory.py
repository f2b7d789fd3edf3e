"""A git host in memory: the reference that passes the suite, and a fake for tests."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar

from computor_core.plugin_api.errors import (
    PayloadTooLargeError,
    ProviderConflictError,
    ProviderInvalidError,
    ProviderNotFoundError,
)
from computor_core.plugin_api.providers.base import Health, HealthState
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
from computor_core.testing.git_client import PushRefusedError

__all__ = ["MemoryCommit", "MemoryGit", "MemoryGitClient", "MemoryRepository"]

_REPOSITORY = re.compile(
    r"(?!.*\.\.)(?:[A-Za-z0-9_](?:[\w.-]*[\w-])?/)*[A-Za-z0-9_](?:[\w.-]*[\w-])?", re.ASCII
)
_BRANCH = re.compile(
    r"(?!.*(?:\.\.|//|@\{|\.lock$))[^\x00-\x20~^:?*\[\\\x7f./-][^\x00-\x20~^:?*\[\\\x7f]*(?<![/.])"
)


@dataclass(frozen=True, slots=True)
class MemoryCommit:
    """A commit: its id, its whole tree by path, its parent."""

    id: str
    tree: Mapping[str, tuple[int, bytes]]
    parent: str | None


@dataclass(slots=True)
class MemoryRepository:
    """A repository: refs by full name, commits by id, protected refs."""

    refs: dict[str, str] = field(default_factory=dict)
    commits: dict[str, MemoryCommit] = field(default_factory=dict)
    protected: set[str] = field(default_factory=set)


class MemoryGit(GitHost):
    """Keeps whole trees in dictionaries; commit ids look like git's but aren't computed as git does."""

    capabilities: ClassVar[frozenset[StrEnum]] = frozenset({GitCapability.FORK})

    def __init__(self) -> None:
        self.repositories: dict[str, MemoryRepository] = {}

    # --- parts that mutants replace ----------------------------------------------------------

    def check_repository_path(self, path: str) -> None:
        """Refuse what could leave the instance."""
        endings = (".git", ".lock")
        if not _REPOSITORY.fullmatch(path) or any(part.lower().endswith(endings) for part in path.split("/")):
            raise ProviderInvalidError("The repository's path isn't allowed.")

    def check_files(self, request: CommitTree) -> None:
        """Refuse trees that git or a client's file system can't hold safely."""
        paths = [file.path for file in request.files]
        folders = {path[:end] for path in paths for end in range(len(path)) if path[end] == "/"}
        if len(set(paths)) != len(paths) or folders.intersection(paths):
            raise ProviderInvalidError("A path stands twice.")
        for file in request.files:
            if file.mode not in {0o100644, 0o100755} or not all(map(_is_clean, file.path.split("/"))):
                raise ProviderInvalidError("A path or mode isn't allowed.")

    def check_branch(self, branch: str) -> str:
        """Refuse what git doesn't allow as a branch; returns the full ref name."""
        if not _BRANCH.fullmatch(branch):
            raise ProviderInvalidError("The branch's name isn't allowed.")
        return f"refs/heads/{branch}"

    def commit(
        self,
        repository: MemoryRepository,
        ref: str,
        tree: Mapping[str, tuple[int, bytes]],
        parent: str | None,
    ) -> str:
        """Add a commit and move the ref."""
        seed = f"{sorted(tree.items())} {parent} {secrets.token_hex(8)}"
        made = MemoryCommit(hashlib.sha1(seed.encode(), usedforsecurity=False).hexdigest(), tree, parent)
        repository.commits[made.id] = made
        repository.refs[ref] = made.id
        return made.id

    def new_repository(self, origin: MemoryRepository | None) -> MemoryRepository:
        """A repository of its own, with the origin's branches."""
        if origin is None:
            return MemoryRepository()
        shown = {ref: commit for ref, commit in origin.refs.items() if ref.startswith("refs/heads/")}
        return MemoryRepository(refs=shown, commits=dict(origin.commits))

    def find(self, external_id: str) -> MemoryRepository:
        """The repository of an id."""
        if external_id not in self.repositories:
            raise ProviderNotFoundError("No such repository.")
        return self.repositories[external_id]

    # --- the contract ------------------------------------------------------------------------

    async def ensure_repository(self, request: EnsureRepository) -> RepositoryRef:
        """Enter the repository unless it is there."""
        self.check_repository_path(request.path)
        if request.path not in self.repositories:
            origin = None if request.fork_of is None else self.find(request.fork_of)
            self.repositories[request.path] = self.new_repository(origin)
        return RepositoryRef(request.path, "")

    async def commit_tree(self, request: CommitTree) -> str:
        """Compare whole trees, then add a commit."""
        repository = self.find(request.external_id)
        ref = self.check_branch(request.branch)
        self.check_files(request)
        tree = {file.path: (file.mode, file.content) for file in request.files}
        head = repository.commits.get(repository.refs.get(ref, ""))
        at = "" if head is None else head.id
        if (
            head is not None
            and head.tree == tree
            and request.expected_parent in {None, at, head.parent or ""}
        ):
            return at
        if request.expected_parent not in {None, at}:
            raise ProviderConflictError("The branch is elsewhere.")
        return self.commit(repository, ref, tree, at or None)

    async def grant(self, request: AccessChange) -> None:
        """Nothing to keep."""
        self.find(request.external_id)

    async def revoke(self, request: AccessChange) -> None:
        """Nothing to take."""
        self.find(request.external_id)

    async def protect_branch(self, external_id: str, branch: str) -> None:
        """Note the branch."""
        ref = self.check_branch(branch)
        self.find(external_id).protected.add(ref)

    async def resolve(self, external_id: str, ref: str) -> str | None:
        """Look the ref up."""
        return self.find(external_id).refs.get(ref)

    async def keep(self, external_id: str, commit: str, name: str) -> None:
        """Enter a hidden ref."""
        repository = self.find(external_id)
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,100}", name):
            raise ProviderInvalidError("The name isn't allowed.")
        if commit not in repository.commits:
            raise ProviderNotFoundError("No such commit.")
        if repository.refs.setdefault(f"refs/computor/keep/{name}", commit) != commit:
            raise ProviderConflictError("The name holds another commit.")

    @asynccontextmanager
    async def read_tree(self, request: ReadTree) -> AsyncIterator[AsyncIterator[TreeEntry]]:
        """Select the directory's files, check the limits, hand them out."""
        entries = self.select(request)
        if (
            len(entries) > request.max_files
            or sum(len(entry.content) for entry in entries) > request.max_bytes
        ):
            raise PayloadTooLargeError("The directory has more than allowed.")
        yield _each(entries)

    def select(self, request: ReadTree) -> Sequence[TreeEntry]:
        """The files below a directory, links and submodules without content."""
        commit = self.find(request.external_id).commits.get(request.commit)
        if commit is None:
            raise ProviderNotFoundError("No such commit.")
        if request.directory and not all(map(_is_clean, request.directory.split("/"))):
            raise ProviderInvalidError("The directory isn't a clean relative path.")
        prefix = f"{request.directory}/" if request.directory else ""
        entries = [
            TreeEntry(path.removeprefix(prefix), mode, content if mode in {0o100644, 0o100755} else b"")
            for path, (mode, content) in sorted(commit.tree.items())
            if path.startswith(prefix)
        ]
        if prefix and not entries:
            raise ProviderNotFoundError("No such directory.")
        return entries

    async def delete_repository(self, external_id: str) -> bool:
        """Take the repository out."""
        return self.repositories.pop(external_id, None) is not None

    async def health(self) -> Health:
        """Always well."""
        return Health(HealthState.OK)


class MemoryGitClient:
    """The client's side of a :class:`MemoryGit`."""

    def __init__(self, host: MemoryGit) -> None:
        self._host = host

    async def push(
        self,
        repository: RepositoryRef,
        branch: str,
        entries: Sequence[TreeEntry],
        *,
        parent: str | None = None,
        force: bool = False,
    ) -> str:
        """Add the commit as receive-pack would."""
        stored = self._host.repositories[repository.external_id]
        ref = f"refs/heads/{branch}"
        forward = stored.refs.get(ref) in {None, parent}
        if not forward and (not force or ref in stored.protected):
            raise PushRefusedError(f"{ref} is not forward")
        tree = {entry.path: (entry.mode, entry.content) for entry in entries}
        return self._host.commit(stored, ref, tree, parent)

    async def delete_branch(self, repository: RepositoryRef, branch: str) -> None:
        """Remove the ref unless it is protected."""
        stored = self._host.repositories[repository.external_id]
        if f"refs/heads/{branch}" in stored.protected:
            raise PushRefusedError("the branch is protected")
        del stored.refs[f"refs/heads/{branch}"]

    async def refs(self, repository: RepositoryRef) -> Mapping[str, str]:
        """All refs but the server's own."""
        refs = self._host.repositories[repository.external_id].refs
        return {ref: commit for ref, commit in refs.items() if not ref.startswith("refs/computor/")}

    async def collect_garbage(self, repository: RepositoryRef) -> None:
        """Remove the commits that no ref reaches."""
        stored = self._host.repositories[repository.external_id]
        reached: set[str] = set()
        for tip in stored.refs.values():
            commit = stored.commits.get(tip)
            while commit is not None and commit.id not in reached:
                reached.add(commit.id)
                commit = stored.commits.get(commit.parent or "")
        for gone in set(stored.commits) - reached:
            del stored.commits[gone]


def _is_clean(segment: str) -> bool:
    plain = segment.partition(":")[0].rstrip(" .").lower()
    return bool(plain) and plain not in {".git", "git~1"} and not re.search(r"[\x00-\x1f\x7f\\]", segment)


async def _each(entries: Sequence[TreeEntry]) -> AsyncIterator[TreeEntry]:
    for entry in entries:
        yield entry
