"""Conformance of git hosts: making, guarding, keeping and removing repositories."""
# ruff: noqa: S101 - a suite asserts

from __future__ import annotations

import asyncio

import pytest

from computor_core.plugin_api.errors import (
    CapabilityNotSupportedError,
    ProviderConflictError,
    ProviderInvalidError,
    ProviderNotFoundError,
)
from computor_core.plugin_api.providers.base import HealthState
from computor_core.plugin_api.providers.git import (
    AccessChange,
    CommitTree,
    EnsureRepository,
    GitCapability,
    GitHost,
    ReadTree,
    TreeEntry,
    TreeFile,
)
from computor_core.testing.git_cases import (
    COURSE,
    FILES,
    NO_COMMIT,
    USER,
    commit_files,
    head_of,
    new_repository,
    pushing_client,
    read_all,
    refuse_reading,
    skip_without,
)
from computor_core.testing.git_client import GitClient, PushRefusedError

__all__ = ["RepositoryConformance"]

_BAD_REPOSITORY_PATHS = (
    "",
    "/absolute",
    "trailing/",
    "a//b",
    ".",
    "..",
    "a/../b",
    "../outside",
    ".hidden",
    "-option",
    "a/.git/b",
    "name.git",
    "a.git/b",
    "ref.lock",
    "a\\b",
    "a b",
    "a\nb",
    "a\0b",
    "ü",
    "a/b?c",
    "a%2f..",
)


class RepositoryConformance:
    """Promises about repositories, their branches and kept commits."""

    # --- ensure_repository -------------------------------------------------------------------

    async def test_a_new_repository_is_empty(self, provider: GitHost) -> None:
        """It has an id and a default branch, which points nowhere yet."""
        repository = await new_repository(provider)
        assert repository.external_id
        assert repository.default_branch
        assert await head_of(provider, repository) is None

    async def test_ensuring_again_changes_nothing(self, provider: GitHost) -> None:
        """The second call returns the same repository with what is in it."""
        first = await new_repository(provider)
        commit = await commit_files(provider, first)
        assert await new_repository(provider) == first
        assert await head_of(provider, first) == commit

    async def test_ensuring_in_parallel_makes_one(self, provider: GitHost) -> None:
        """Eight callers get the same repository, and a commit to it is seen by all."""
        refs = await asyncio.gather(*(new_repository(provider) for _ in range(8)))
        assert len(set(refs)) == 1
        commit = await commit_files(provider, refs[0])
        assert await head_of(provider, refs[7]) == commit

    async def test_repositories_are_apart(self, provider: GitHost) -> None:
        """A commit in one is nowhere else, also where one path begins with the other."""
        outer = await new_repository(provider, "students")
        inner = await new_repository(provider, "students/one")
        assert outer.external_id != inner.external_id
        await commit_files(provider, inner)
        assert await head_of(provider, outer) is None

    @pytest.mark.parametrize("path", _BAD_REPOSITORY_PATHS)
    async def test_a_bad_repository_path_is_invalid(self, provider: GitHost, path: str) -> None:
        """No path leaves the instance or means something to git, a shell or a URL."""
        with pytest.raises(ProviderInvalidError):
            await provider.ensure_repository(EnsureRepository(path, "A test"))

    async def test_a_fork_starts_with_the_history(self, provider: GitHost) -> None:
        """The same commits are there, with their content."""
        skip_without(provider, GitCapability.FORK)
        template = await new_repository(provider, "template")
        first = await commit_files(provider, template, FILES[:1])
        second = await commit_files(provider, template)
        fork = await new_repository(provider, "students/one", template.external_id)
        assert await head_of(provider, fork) == second
        read = await read_all(provider, ReadTree(fork.external_id, first))
        assert read == [TreeEntry("README.md", 0o100644, b"# Week 1\n")]

    async def test_a_fork_and_its_source_are_apart(self, provider: GitHost) -> None:
        """Later commits stay where they were made, and the fork outlives its source."""
        skip_without(provider, GitCapability.FORK)
        template = await new_repository(provider, "template")
        start = await commit_files(provider, template, FILES[:1])
        fork = await new_repository(provider, "students/one", template.external_id)
        in_fork = await commit_files(provider, fork, [TreeFile("mine.txt", b"mine")])
        assert await head_of(provider, template) == start
        await commit_files(provider, template)
        assert await head_of(provider, fork) == in_fork
        await provider.delete_repository(template.external_id)
        assert [entry.path for entry in await read_all(provider, ReadTree(fork.external_id, start))] == [
            "README.md"
        ]

    async def test_a_fork_of_an_empty_repository_is_empty(self, provider: GitHost) -> None:
        """Forking before the first release is no error."""
        skip_without(provider, GitCapability.FORK)
        template = await new_repository(provider, "template")
        fork = await new_repository(provider, "students/one", template.external_id)
        assert await head_of(provider, fork) is None

    async def test_a_fork_of_nothing_is_not_found(self, provider: GitHost) -> None:
        """And no repository is left behind by the attempt."""
        skip_without(provider, GitCapability.FORK)
        with pytest.raises(ProviderNotFoundError):
            await new_repository(provider, "students/one", f"{COURSE}/nowhere")
        source = await new_repository(provider, "template")
        commit = await commit_files(provider, source)
        fork = await new_repository(provider, "students/one", source.external_id)
        assert await head_of(provider, fork) == commit

    async def test_undeclared_forks_are_refused(self, provider: GitHost) -> None:
        """Without the capability a fork is an error, never an empty repository."""
        if GitCapability.FORK in provider.capabilities:
            pytest.skip("the host declares fork")
        template = await new_repository(provider, "template")
        with pytest.raises(CapabilityNotSupportedError):
            await new_repository(provider, "students/one", template.external_id)

    # --- rights and branches -----------------------------------------------------------------

    async def test_grant_and_revoke_can_be_repeated(self, provider: GitHost) -> None:
        """Granting twice and revoking twice succeeds."""
        repository = await new_repository(provider)
        change = AccessChange(repository.external_id, USER)
        await provider.grant(change)
        await provider.grant(change)
        await provider.revoke(change)
        await provider.revoke(change)

    async def test_a_branch_can_be_protected_early_and_twice(self, provider: GitHost) -> None:
        """Protection may come before the first commit, and the host itself still commits."""
        repository = await new_repository(provider)
        await provider.protect_branch(repository.external_id, repository.default_branch)
        commit = await commit_files(provider, repository)
        await provider.protect_branch(repository.external_id, repository.default_branch)
        assert await head_of(provider, repository) == commit

    async def test_a_protected_branch_takes_no_force_push(
        self, provider: GitHost, client: GitClient | None
    ) -> None:
        """What builds on the branch passes; what rewrites it doesn't."""
        pushing = pushing_client(client)
        repository = await new_repository(provider)
        start = await commit_files(provider, repository)
        await provider.protect_branch(repository.external_id, repository.default_branch)
        entries = [TreeEntry("a.txt", 0o100644, b"a")]
        good = await pushing.push(repository, repository.default_branch, entries, parent=start)
        with pytest.raises(PushRefusedError):
            await pushing.push(repository, repository.default_branch, entries, parent=start, force=True)
        assert await head_of(provider, repository) == good

    async def test_a_protected_branch_cannot_be_deleted(
        self, provider: GitHost, client: GitClient | None
    ) -> None:
        """A branch beside it can."""
        pushing = pushing_client(client)
        repository = await new_repository(provider)
        await commit_files(provider, repository)
        guarded = await commit_files(provider, repository, branch="guarded")
        await commit_files(provider, repository, branch="other")
        await provider.protect_branch(repository.external_id, "guarded")
        await pushing.delete_branch(repository, "other")
        with pytest.raises(PushRefusedError):
            await pushing.delete_branch(repository, "guarded")
        assert await provider.resolve(repository.external_id, "refs/heads/guarded") == guarded
        assert await provider.resolve(repository.external_id, "refs/heads/other") is None

    # --- keep --------------------------------------------------------------------------------

    async def test_keeping_twice_is_once(self, provider: GitHost) -> None:
        """The same name and commit again changes nothing."""
        repository = await new_repository(provider)
        commit = await commit_files(provider, repository)
        await provider.keep(repository.external_id, commit, "submission-1")
        await provider.keep(repository.external_id, commit, "submission-1")
        assert await head_of(provider, repository) == commit

    async def test_a_kept_name_is_never_let_go(self, provider: GitHost) -> None:
        """The name of one commit can't be given to another."""
        repository = await new_repository(provider)
        first = await commit_files(provider, repository, FILES[:1])
        second = await commit_files(provider, repository)
        await provider.keep(repository.external_id, first, "submission-1")
        with pytest.raises(ProviderConflictError):
            await provider.keep(repository.external_id, second, "submission-1")

    async def test_keeping_nothing_is_not_found(self, provider: GitHost) -> None:
        """A commit that isn't there can't be kept."""
        repository = await new_repository(provider)
        for commit in (NO_COMMIT, "", "main", "refs/heads/main"):
            with pytest.raises(ProviderNotFoundError):
                await provider.keep(repository.external_id, commit, "submission-1")

    @pytest.mark.parametrize("name", ["", "a/b", "..", "a b", "a.lock", "x" * 101, "a\n"])
    async def test_a_bad_name_to_keep_is_invalid(self, provider: GitHost, name: str) -> None:
        """Names have letters, digits, ``_`` and ``-``."""
        repository = await new_repository(provider)
        commit = await commit_files(provider, repository)
        with pytest.raises(ProviderInvalidError):
            await provider.keep(repository.external_id, commit, name)

    async def test_a_kept_commit_survives_force_push_and_gc(
        self, provider: GitHost, client: GitClient | None
    ) -> None:
        """A submitted commit is readable after the student rewrote the branch and garbage was collected."""
        pushing = pushing_client(client)
        repository = await new_repository(provider)
        entries = [TreeEntry("solution.py", 0o100644, b"print(42)\n")]
        submitted = await pushing.push(repository, "work", entries)
        await provider.keep(repository.external_id, submitted, "submission-1")
        rewritten = [TreeEntry("solution.py", 0o100644, b"oops\n")]
        await pushing.push(repository, "work", rewritten, force=True)
        await pushing.collect_garbage(repository)
        assert await read_all(provider, ReadTree(repository.external_id, submitted)) == entries

    async def test_a_kept_commit_is_hidden_from_clients(
        self, provider: GitHost, client: GitClient | None
    ) -> None:
        """Clients see their branches and nothing of what is kept."""
        pushing = pushing_client(client)
        repository = await new_repository(provider)
        commit = await commit_files(provider, repository)
        await provider.keep(repository.external_id, commit, "submission-1")
        assert dict(await pushing.refs(repository)) == {f"refs/heads/{repository.default_branch}": commit}

    # --- delete, missing repositories, health ------------------------------------------------

    async def test_delete_removes_and_says_whether(self, provider: GitHost) -> None:
        """True the first time, False afterwards; made anew, the repository is empty."""
        repository = await new_repository(provider)
        commit = await commit_files(provider, repository)
        other = await new_repository(provider, "students/two")
        kept = await commit_files(provider, other)
        assert await provider.delete_repository(repository.external_id) is True
        assert await provider.delete_repository(repository.external_id) is False
        again = await new_repository(provider)
        assert await head_of(provider, again) is None
        await refuse_reading(provider, ReadTree(again.external_id, commit), ProviderNotFoundError)
        assert await head_of(provider, other) == kept

    @pytest.mark.parametrize("external_id", [f"{COURSE}/nowhere", "", "..", "../../etc", "/", "a\0b"])
    async def test_a_missing_repository_is_not_found(self, provider: GitHost, external_id: str) -> None:
        """Every call says so with the same error, also for ids that never could be one."""
        change = AccessChange(external_id, USER)
        commit = CommitTree(external_id, "main", FILES, "m", "Kit", "kit@example.org")
        with pytest.raises(ProviderNotFoundError):
            await provider.commit_tree(commit)
        with pytest.raises(ProviderNotFoundError):
            await provider.grant(change)
        with pytest.raises(ProviderNotFoundError):
            await provider.revoke(change)
        with pytest.raises(ProviderNotFoundError):
            await provider.protect_branch(external_id, "main")
        with pytest.raises(ProviderNotFoundError):
            await provider.resolve(external_id, "refs/heads/main")
        with pytest.raises(ProviderNotFoundError):
            await provider.keep(external_id, NO_COMMIT, "submission-1")
        await refuse_reading(provider, ReadTree(external_id, NO_COMMIT), ProviderNotFoundError)
        assert await provider.delete_repository(external_id) is False

    async def test_health_of_a_working_host_is_ok(self, provider: GitHost) -> None:
        """A reachable host is well."""
        assert (await provider.health()).state is HealthState.OK
