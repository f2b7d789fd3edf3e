"""Broken git hosts; each names the test of :class:`GitConformance` that rejects it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import ClassVar

from computor_core.plugin_api.errors import ProviderConflictError, ProviderInvalidError, ProviderNotFoundError
from computor_core.plugin_api.providers.base import Health, HealthState
from computor_core.plugin_api.providers.git import (
    CommitTree,
    EnsureRepository,
    ReadTree,
    RepositoryRef,
    TreeEntry,
    TreeFile,
)
from computor_core.testing.git_memory import MemoryGit, MemoryRepository

__all__ = ["MUTANTS", "GitMutant"]


class GitMutant(MemoryGit):
    """Root of the mutants.

    Attributes:
        rejected_by: Name of the one test that must fail.
    """

    rejected_by: ClassVar[str] = ""


class EnsureStartsAnew(GitMutant):
    """Replaces the repository that is there by an empty one."""

    rejected_by = "test_ensuring_again_changes_nothing"

    async def ensure_repository(self, request: EnsureRepository) -> RepositoryRef:
        if request.fork_of is None and request.path in self.repositories:
            self.repositories[request.path].refs.clear()
        return await super().ensure_repository(request)


class PathsMayClimb(GitMutant):
    """Allows ``..`` in a repository's path."""

    rejected_by = "test_a_bad_repository_path_is_invalid"

    def check_repository_path(self, path: str) -> None:
        super().check_repository_path(re.sub(r"(^|/)\.\.(?=/|$)", r"\1x", path))


class ForkShares(GitMutant):
    """Gives the fork the source's refs themselves instead of a copy."""

    rejected_by = "test_a_fork_and_its_source_are_apart"

    def new_repository(self, origin: MemoryRepository | None) -> MemoryRepository:
        made = super().new_repository(origin)
        return made if origin is None else replace(made, refs=origin.refs)


class ForkForgetsHistory(GitMutant):
    """Copies the last commit of each branch without those before."""

    rejected_by = "test_a_fork_starts_with_the_history"

    def new_repository(self, origin: MemoryRepository | None) -> MemoryRepository:
        made = super().new_repository(origin)
        tips = set(made.refs.values())
        return replace(made, commits={key: commit for key, commit in made.commits.items() if key in tips})


class ForkOfNothingIsEmpty(GitMutant):
    """Makes an empty repository when the source isn't there."""

    rejected_by = "test_a_fork_of_nothing_is_not_found"

    async def ensure_repository(self, request: EnsureRepository) -> RepositoryRef:
        if request.fork_of not in self.repositories:
            request = replace(request, fork_of=None)
        return await super().ensure_repository(request)


class UndeclaredForkIsEmpty(GitMutant):
    """Declares no forks, and answers one with an empty repository instead of the typed error."""

    rejected_by = "test_undeclared_forks_are_refused"
    capabilities = frozenset()

    async def ensure_repository(self, request: EnsureRepository) -> RepositoryRef:
        return await super().ensure_repository(replace(request, fork_of=None))


class CommitsTheSameTreeTwice(GitMutant):
    """Adds a commit that changes nothing."""

    rejected_by = "test_the_same_tree_is_no_commit"

    async def commit_tree(self, request: CommitTree) -> str:
        before = self.find(request.external_id).refs.get(self.check_branch(request.branch))
        commit = await super().commit_tree(request)
        if commit == before and request.expected_parent is None:
            repository = self.find(request.external_id)
            tree = repository.commits[commit].tree
            return self.commit(repository, f"refs/heads/{request.branch}", tree, commit)
        return commit


class MergesInsteadOfReplacing(GitMutant):
    """Keeps the files of the tree before that the new one doesn't have."""

    rejected_by = "test_a_commit_replaces_the_whole_tree"

    async def commit_tree(self, request: CommitTree) -> str:
        repository = self.find(request.external_id)
        head = repository.commits.get(repository.refs.get(f"refs/heads/{request.branch}", ""))
        if head is not None and len(request.files) == 1 and request.expected_parent is None:
            new = {file.path for file in request.files}
            kept = [
                TreeFile(path, content, mode)
                for path, (mode, content) in head.tree.items()
                if path not in new
            ]
            if len(kept) > 1:
                request = replace(request, files=[*request.files, *kept])
        return await super().commit_tree(request)


class DropsTheExecutableBit(GitMutant):
    """Stores every file with one mode."""

    rejected_by = "test_a_commit_holds_the_whole_tree"

    async def commit_tree(self, request: CommitTree) -> str:
        self.check_files(request)
        plain = [replace(file, mode=0o100644) for file in request.files]
        return await super().commit_tree(replace(request, files=plain))

    def select(self, request: ReadTree) -> Sequence[TreeEntry]:
        # Only where the whole tree is read, so that the mutant has one mistake
        entries = super().select(request)
        return [
            replace(entry, mode=0o100755) if request.directory and entry.path == "run.sh" else entry
            for entry in entries
        ]


class IgnoresTheExpectedParent(GitMutant):
    """Commits wherever the branch is."""

    rejected_by = "test_another_parent_is_a_conflict"

    async def commit_tree(self, request: CommitTree) -> str:
        parallel = len(request.files) == 1 and request.files[0].path.endswith(".txt")
        return await super().commit_tree(request if parallel else replace(request, expected_parent=None))


class RepeatingIsAConflict(GitMutant):
    """Refuses a repeated call because its own first one moved the branch."""

    rejected_by = "test_a_repeated_commit_is_no_conflict"

    async def commit_tree(self, request: CommitTree) -> str:
        at = self.find(request.external_id).refs.get(self.check_branch(request.branch), "")
        if request.expected_parent not in {None, at}:
            raise ProviderConflictError("The branch is elsewhere.")
        return await super().commit_tree(request)


class FilesMayClimb(GitMutant):
    """Allows ``..`` in a file's path."""

    rejected_by = "test_a_bad_file_path_is_invalid"

    def check_files(self, request: CommitTree) -> None:
        plain = [replace(file, path=file.path.replace("..", "x")) for file in request.files]
        super().check_files(replace(request, files=plain))


class LastOfTwoWins(GitMutant):
    """Lets the later of two files with one path win."""

    rejected_by = "test_a_path_twice_is_invalid"

    def check_files(self, request: CommitTree) -> None:
        for file in request.files:
            super().check_files(replace(request, files=[file]))


class LinksAreFiles(GitMutant):
    """Commits a link when the mode says so."""

    rejected_by = "test_a_mode_that_is_no_file_is_invalid"

    def check_files(self, request: CommitTree) -> None:
        plain = [replace(file, mode=0o100644) for file in request.files]
        super().check_files(replace(request, files=plain))


class AnyBranchGoes(GitMutant):
    """Takes whatever is given as a branch."""

    rejected_by = "test_a_bad_branch_is_invalid"

    def check_branch(self, branch: str) -> str:
        return f"refs/heads/{branch}"


class ProtectsAgainstForceAlone(GitMutant):
    """Lets a protected branch be deleted."""

    rejected_by = "test_a_protected_branch_cannot_be_deleted"

    async def protect_branch(self, external_id: str, branch: str) -> None:
        await super().protect_branch(external_id, branch)
        if branch == "guarded":
            self.find(external_id).protected.clear()


class ProtectsNothing(GitMutant):
    """Forgets protection when the branch gets its next commit."""

    rejected_by = "test_a_protected_branch_takes_no_force_push"

    def commit(
        self,
        repository: MemoryRepository,
        ref: str,
        tree: Mapping[str, tuple[int, bytes]],
        parent: str | None,
    ) -> str:
        repository.protected.discard(ref)
        return super().commit(repository, ref, tree, parent)


class KeepsTheBranchInstead(GitMutant):
    """Keeps nothing, because the commit is on a branch anyway."""

    rejected_by = "test_a_kept_commit_survives_force_push_and_gc"

    async def keep(self, external_id: str, commit: str, name: str) -> None:
        repository = self.find(external_id)
        await super().keep(external_id, commit, name)
        if "refs/heads/work" in repository.refs:
            del repository.refs[f"refs/computor/keep/{name}"]


class KeepsInTheOpen(GitMutant):
    """Keeps a commit under a tag that clients see."""

    rejected_by = "test_a_kept_commit_is_hidden_from_clients"

    async def keep(self, external_id: str, commit: str, name: str) -> None:
        await super().keep(external_id, commit, name)
        self.find(external_id).refs[f"refs/tags/{name}"] = commit


class KeptNamesMove(GitMutant):
    """Gives the name of a kept commit to another one."""

    rejected_by = "test_a_kept_name_is_never_let_go"

    async def keep(self, external_id: str, commit: str, name: str) -> None:
        if commit in self.find(external_id).commits:
            self.find(external_id).refs.pop(f"refs/computor/keep/{name}", None)
        await super().keep(external_id, commit, name)


class KeepsNothingGladly(GitMutant):
    """Claims to keep a commit that isn't there."""

    rejected_by = "test_keeping_nothing_is_not_found"

    async def keep(self, external_id: str, commit: str, name: str) -> None:
        if commit in self.find(external_id).commits or not name.startswith("submission"):
            await super().keep(external_id, commit, name)


class FollowsLinks(GitMutant):
    """Reads what a link points at."""

    rejected_by = "test_a_link_is_named_and_never_followed"

    def select(self, request: ReadTree) -> Sequence[TreeEntry]:
        tree = self.find(request.external_id).commits[request.commit].tree if _known(self, request) else {}
        return [
            replace(entry, content=tree.get(tree[entry.path][1].decode(), (0, b"root:x:0:0"))[1])
            if entry.mode == 0o120000
            else entry
            for entry in super().select(request)
        ]


class HidesSubmodules(GitMutant):
    """Leaves submodules out, so that nobody can refuse them."""

    rejected_by = "test_a_submodule_is_named_and_never_fetched"

    def select(self, request: ReadTree) -> Sequence[TreeEntry]:
        return [entry for entry in super().select(request) if entry.mode != 0o160000]


class IgnoresMaxFiles(GitMutant):
    """Reads as many files as there are."""

    rejected_by = "test_more_files_than_allowed_are_refused"

    @asynccontextmanager
    async def read_tree(self, request: ReadTree) -> AsyncIterator[AsyncIterator[TreeEntry]]:
        async with super().read_tree(replace(request, max_files=10**9)) as entries:
            yield entries


class IgnoresMaxBytes(GitMutant):
    """Checks each file against the limit instead of their sum."""

    rejected_by = "test_more_bytes_than_allowed_are_refused"

    @asynccontextmanager
    async def read_tree(self, request: ReadTree) -> AsyncIterator[AsyncIterator[TreeEntry]]:
        limit = request.max_bytes * request.max_files
        async with super().read_tree(replace(request, max_bytes=limit)) as entries:
            yield entries


class LimitsCountTheWholeTree(GitMutant):
    """Counts files that lie beside the wanted directory."""

    rejected_by = "test_limits_count_the_directory_alone"

    @asynccontextmanager
    async def read_tree(self, request: ReadTree) -> AsyncIterator[AsyncIterator[TreeEntry]]:
        async with super().read_tree(replace(request, directory="")):
            pass
        async with super().read_tree(request) as entries:
            yield entries


class DirectoryIsAPrefix(GitMutant):
    """Takes every path that begins with the directory's name."""

    rejected_by = "test_a_directory_is_read_with_paths_below_it"

    def select(self, request: ReadTree) -> Sequence[TreeEntry]:
        entries = list(super().select(request))
        if request.directory == "week1":
            whole = super().select(replace(request, directory=""))
            entries += [entry for entry in whole if entry.path.startswith("week10/")]
        return entries


class ReadsTheBranch(GitMutant):
    """Reads the newest commit instead of the one that was asked for."""

    rejected_by = "test_an_old_commit_is_read_as_it_was"

    def select(self, request: ReadTree) -> Sequence[TreeEntry]:
        repository = self.find(request.external_id)
        head = repository.refs.get("refs/heads/main", "")
        if _known(self, request) and repository.commits.get(head, None) is not None:
            older = repository.commits[head].parent == request.commit
            if older and set(repository.commits[head].tree) == set(repository.commits[request.commit].tree):
                request = replace(request, commit=head)
        return super().select(request)


class MissingDirectoryIsEmpty(GitMutant):
    """Reads nothing, instead of an error, from a directory that isn't there."""

    rejected_by = "test_reading_what_is_not_there_is_not_found"

    def select(self, request: ReadTree) -> Sequence[TreeEntry]:
        try:
            return super().select(request)
        except ProviderNotFoundError:
            if not _known(self, request):
                raise
            return []


class CleansDirectories(GitMutant):
    """Mends an unclean directory instead of refusing it."""

    rejected_by = "test_a_directory_that_is_no_clean_path_is_invalid"

    def select(self, request: ReadTree) -> Sequence[TreeEntry]:
        return super().select(replace(request, directory=request.directory.strip("/")))


class DeleteKeepsTheHistory(GitMutant):
    """Hides a deleted repository and shows it again when it is made anew."""

    rejected_by = "test_delete_removes_and_says_whether"

    def __init__(self) -> None:
        super().__init__()
        self.hidden: dict[str, MemoryRepository] = {}

    async def delete_repository(self, external_id: str) -> bool:
        if external_id in self.repositories:
            self.hidden[external_id] = self.repositories[external_id]
        return await super().delete_repository(external_id)

    async def ensure_repository(self, request: EnsureRepository) -> RepositoryRef:
        if request.path in self.hidden:
            self.repositories[request.path] = self.hidden.pop(request.path)
        return await super().ensure_repository(request)


class MissingRepositoryIsInvalid(GitMutant):
    """Answers a missing repository with another error."""

    rejected_by = "test_a_missing_repository_is_not_found"

    def find(self, external_id: str) -> MemoryRepository:
        if ".." in external_id:
            raise ProviderInvalidError("Nice try.")
        return super().find(external_id)


class AlwaysIll(GitMutant):
    """Says that it is down while it works."""

    rejected_by = "test_health_of_a_working_host_is_ok"

    async def health(self) -> Health:
        return Health(HealthState.DOWN, "not well")


def _known(host: MemoryGit, request: ReadTree) -> bool:
    return request.commit in host.find(request.external_id).commits


MUTANTS: tuple[type[GitMutant], ...] = (
    EnsureStartsAnew,
    PathsMayClimb,
    ForkShares,
    ForkForgetsHistory,
    ForkOfNothingIsEmpty,
    UndeclaredForkIsEmpty,
    CommitsTheSameTreeTwice,
    MergesInsteadOfReplacing,
    DropsTheExecutableBit,
    IgnoresTheExpectedParent,
    RepeatingIsAConflict,
    FilesMayClimb,
    LastOfTwoWins,
    LinksAreFiles,
    AnyBranchGoes,
    ProtectsAgainstForceAlone,
    ProtectsNothing,
    KeepsTheBranchInstead,
    KeepsInTheOpen,
    KeptNamesMove,
    KeepsNothingGladly,
    FollowsLinks,
    HidesSubmodules,
    IgnoresMaxFiles,
    IgnoresMaxBytes,
    LimitsCountTheWholeTree,
    DirectoryIsAPrefix,
    ReadsTheBranch,
    MissingDirectoryIsEmpty,
    CleansDirectories,
    DeleteKeepsTheHistory,
    MissingRepositoryIsInvalid,
    AlwaysIll,
)
