"""Conformance suite for git hosts.

An adopter's whole test module::

    import pytest
    from computor_core.testing.git import GitConformance

    class TestMyGit(GitConformance):
        @pytest.fixture
        async def provider(self, tmp_path):
            async with open_my_host(MySettings(), context(tmp_path)) as host:
                yield host

Overriding ``client`` as well, mostly with a
:class:`~computor_core.testing.git_client.CommandGitClient`, adds the tests in which somebody
pushes: kept commits, protected branches, links. A declared capability must work, an undeclared
one must be refused.
"""
# ruff: noqa: S101 - a suite asserts

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from uuid import UUID

import pytest

from computor_core.plugin_api.errors import (
    CapabilityNotSupportedError,
    PayloadTooLargeError,
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
    RepositoryRef,
    TreeEntry,
    TreeFile,
)
from computor_core.testing.git_client import GitClient, PushRefusedError

__all__ = ["GitConformance"]

_COURSE = "kit-course"
_USER = UUID("01890000-0000-7000-8000-000000000001")
_NO_COMMIT = "1234567890" * 4
_FILES = (
    TreeFile("README.md", b"# Week 1\n"),
    TreeFile("week1/run.sh", b"#!/bin/sh\necho hi\n", 0o100755),
    TreeFile("week1/data/blob.bin", bytes(range(256)) * 40),
    TreeFile("week10/other.txt", b"not week1\n"),
)
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
_BAD_FILE_PATHS = (
    "",
    "/etc/passwd",
    "dir/",
    "a//b",
    ".",
    "..",
    "../outside",
    "a/../../b",
    "a/./b",
    ".git",
    ".git/hooks/post-checkout",
    "a/.git/config",
    ".GIT/config",
    ".git /config",
    ".git./config",
    ".git::$INDEX_ALLOCATION/config",
    "git~1/config",
    "a\\b",
    "a\nb",
    "a\0b",
)
_BAD_BRANCHES = (
    "",
    "-f",
    "a..b",
    "a b",
    "a~1",
    "a^",
    "a:b",
    "a.lock",
    "/a",
    "a/",
    "a//b",
    "@{u}",
    "a\nb",
    "a\\b",
)


async def _repository(
    provider: GitHost, name: str = "students/one", fork_of: str | None = None
) -> RepositoryRef:
    return await provider.ensure_repository(EnsureRepository(f"{_COURSE}/{name}", "A test", fork_of))


async def _commit(
    provider: GitHost,
    repository: RepositoryRef,
    files: Sequence[TreeFile] = _FILES,
    *,
    branch: str | None = None,
    expected_parent: str | None = None,
) -> str:
    return await provider.commit_tree(
        CommitTree(
            external_id=repository.external_id,
            branch=branch or repository.default_branch,
            files=files,
            message="A test's commit",
            author_name="Kit",
            author_email="kit@example.org",
            expected_parent=expected_parent,
        )
    )


async def _head(provider: GitHost, repository: RepositoryRef) -> str | None:
    return await provider.resolve(repository.external_id, f"refs/heads/{repository.default_branch}")


async def _read(provider: GitHost, request: ReadTree) -> list[TreeEntry]:
    async with provider.read_tree(request) as entries:
        return sorted([entry async for entry in entries], key=lambda entry: entry.path)


async def _refused(provider: GitHost, request: ReadTree, error: type[Exception]) -> None:
    with pytest.raises(error):
        async with provider.read_tree(request):
            pytest.fail("entered a tree that must be refused")


def _needs(provider: GitHost, capability: GitCapability) -> None:
    if capability not in provider.capabilities:
        pytest.skip(f"{type(provider).__name__} doesn't declare {capability.value}")


def _pushing(client: GitClient | None) -> GitClient:
    if client is None:
        pytest.skip("the adopter gave no 'client' that pushes")
    return client


class GitConformance:
    """Every promise of :class:`GitHost` as a test.

    Override ``provider`` with a fixture that yields an open host without repositories, new for
    each test, and ``client`` with one that can push to it.
    """

    pytestmark = pytest.mark.asyncio

    @pytest.fixture
    def provider(self) -> GitHost:
        """The host under test: open and empty."""
        raise NotImplementedError("override the fixture 'provider' in your subclass")

    @pytest.fixture
    def client(self) -> GitClient | None:
        """A client of that host, or None: then tests that push are skipped."""
        return None

    # --- ensure_repository -------------------------------------------------------------------

    async def test_a_new_repository_is_empty(self, provider: GitHost) -> None:
        """It has an id and a default branch, which points nowhere yet."""
        repository = await _repository(provider)
        assert repository.external_id
        assert repository.default_branch
        assert await _head(provider, repository) is None

    async def test_ensuring_again_changes_nothing(self, provider: GitHost) -> None:
        """The second call returns the same repository with what is in it."""
        first = await _repository(provider)
        commit = await _commit(provider, first)
        assert await _repository(provider) == first
        assert await _head(provider, first) == commit

    async def test_ensuring_in_parallel_makes_one(self, provider: GitHost) -> None:
        """Eight callers get the same repository, and a commit to it is seen by all."""
        refs = await asyncio.gather(*(_repository(provider) for _ in range(8)))
        assert len(set(refs)) == 1
        commit = await _commit(provider, refs[0])
        assert await _head(provider, refs[7]) == commit

    async def test_repositories_are_apart(self, provider: GitHost) -> None:
        """A commit in one is nowhere else, also where one path begins with the other."""
        outer = await _repository(provider, "students")
        inner = await _repository(provider, "students/one")
        assert outer.external_id != inner.external_id
        await _commit(provider, inner)
        assert await _head(provider, outer) is None

    @pytest.mark.parametrize("path", _BAD_REPOSITORY_PATHS)
    async def test_a_bad_repository_path_is_invalid(self, provider: GitHost, path: str) -> None:
        """No path leaves the instance or means something to git, a shell or a URL."""
        with pytest.raises(ProviderInvalidError):
            await provider.ensure_repository(EnsureRepository(path, "A test"))

    async def test_a_fork_starts_with_the_history(self, provider: GitHost) -> None:
        """The same commits are there, with their content."""
        _needs(provider, GitCapability.FORK)
        template = await _repository(provider, "template")
        first = await _commit(provider, template, _FILES[:1])
        second = await _commit(provider, template)
        fork = await _repository(provider, "students/one", template.external_id)
        assert await _head(provider, fork) == second
        read = await _read(provider, ReadTree(fork.external_id, first))
        assert read == [TreeEntry("README.md", 0o100644, b"# Week 1\n")]

    async def test_a_fork_and_its_source_are_apart(self, provider: GitHost) -> None:
        """Later commits stay where they were made, and the fork outlives its source."""
        _needs(provider, GitCapability.FORK)
        template = await _repository(provider, "template")
        start = await _commit(provider, template, _FILES[:1])
        fork = await _repository(provider, "students/one", template.external_id)
        in_fork = await _commit(provider, fork, [TreeFile("mine.txt", b"mine")])
        assert await _head(provider, template) == start
        await _commit(provider, template)
        assert await _head(provider, fork) == in_fork
        await provider.delete_repository(template.external_id)
        assert [entry.path for entry in await _read(provider, ReadTree(fork.external_id, start))] == [
            "README.md"
        ]

    async def test_a_fork_of_an_empty_repository_is_empty(self, provider: GitHost) -> None:
        """Forking before the first release is no error."""
        _needs(provider, GitCapability.FORK)
        template = await _repository(provider, "template")
        fork = await _repository(provider, "students/one", template.external_id)
        assert await _head(provider, fork) is None

    async def test_a_fork_of_nothing_is_not_found(self, provider: GitHost) -> None:
        """And no repository is left behind by the attempt."""
        _needs(provider, GitCapability.FORK)
        with pytest.raises(ProviderNotFoundError):
            await _repository(provider, "students/one", f"{_COURSE}/nowhere")
        source = await _repository(provider, "template")
        commit = await _commit(provider, source)
        fork = await _repository(provider, "students/one", source.external_id)
        assert await _head(provider, fork) == commit

    async def test_undeclared_forks_are_refused(self, provider: GitHost) -> None:
        """Without the capability a fork is an error, never an empty repository."""
        if GitCapability.FORK in provider.capabilities:
            pytest.skip("the host declares fork")
        template = await _repository(provider, "template")
        with pytest.raises(CapabilityNotSupportedError):
            await _repository(provider, "students/one", template.external_id)

    # --- commit_tree and resolve -------------------------------------------------------------

    async def test_a_commit_is_where_the_branch_points(self, provider: GitHost) -> None:
        """The returned id is a full commit id, and resolve gives the same."""
        repository = await _repository(provider)
        commit = await _commit(provider, repository)
        assert len(commit) == 40
        assert await _head(provider, repository) == commit

    async def test_a_commit_holds_the_whole_tree(self, provider: GitHost) -> None:
        """Paths, bytes and the executable bit come back."""
        repository = await _repository(provider)
        commit = await _commit(provider, repository)
        expected = sorted((file.path, file.mode, file.content) for file in _FILES)
        read = await _read(provider, ReadTree(repository.external_id, commit))
        assert [(entry.path, entry.mode, entry.content) for entry in read] == expected

    async def test_a_commit_replaces_the_whole_tree(self, provider: GitHost) -> None:
        """Files that aren't in the new tree are gone, and the old commit still has them."""
        repository = await _repository(provider)
        first = await _commit(provider, repository)
        second = await _commit(provider, repository, [TreeFile("only.txt", b"only")])
        assert [entry.path for entry in await _read(provider, ReadTree(repository.external_id, second))] == [
            "only.txt"
        ]
        assert len(await _read(provider, ReadTree(repository.external_id, first))) == len(_FILES)

    async def test_an_empty_tree_can_be_committed(self, provider: GitHost) -> None:
        """Taking everything back is a commit like any other."""
        repository = await _repository(provider)
        await _commit(provider, repository)
        empty = await _commit(provider, repository, [])
        assert await _head(provider, repository) == empty
        assert await _read(provider, ReadTree(repository.external_id, empty)) == []

    async def test_the_same_tree_is_no_commit(self, provider: GitHost) -> None:
        """Releasing again what is released changes nothing, in whatever order the files come."""
        repository = await _repository(provider)
        first = await _commit(provider, repository)
        assert await _commit(provider, repository, _FILES[::-1]) == first
        assert await _head(provider, repository) == first

    async def test_branches_are_apart(self, provider: GitHost) -> None:
        """A commit moves its own branch alone."""
        repository = await _repository(provider)
        main = await _commit(provider, repository)
        other = await _commit(provider, repository, _FILES[:2], branch="feature/two")
        assert await _head(provider, repository) == main
        assert await provider.resolve(repository.external_id, "refs/heads/feature/two") == other

    async def test_the_expected_parent_is_accepted(self, provider: GitHost) -> None:
        """The branch's commit, or "" for a branch that isn't there."""
        repository = await _repository(provider)
        first = await _commit(provider, repository, _FILES[:1], expected_parent="")
        second = await _commit(provider, repository, _FILES[:2], expected_parent=first)
        assert await _head(provider, repository) == second

    async def test_another_parent_is_a_conflict(self, provider: GitHost) -> None:
        """A branch that moved meanwhile isn't overwritten."""
        repository = await _repository(provider)
        first = await _commit(provider, repository, _FILES[:1])
        second = await _commit(provider, repository, _FILES[:2])
        for expected in (first, "", _NO_COMMIT):
            with pytest.raises(ProviderConflictError):
                await _commit(provider, repository, _FILES[:3], expected_parent=expected)
        assert await _head(provider, repository) == second

    async def test_a_repeated_commit_is_no_conflict(self, provider: GitHost) -> None:
        """A caller that died after success repeats the call and gets the same commit."""
        repository = await _repository(provider)
        first = await _commit(provider, repository, _FILES[:1], expected_parent="")
        assert await _commit(provider, repository, _FILES[:1], expected_parent="") == first
        second = await _commit(provider, repository, _FILES[:2], expected_parent=first)
        assert await _commit(provider, repository, _FILES[:2], expected_parent=first) == second

    async def test_parallel_commits_lose_nothing(self, provider: GitHost) -> None:
        """Of several writers with one expected parent exactly one succeeds."""
        repository = await _repository(provider)
        start = await _commit(provider, repository, _FILES[:1])
        outcomes = await asyncio.gather(
            *(
                _commit(provider, repository, [TreeFile(f"{number}.txt", b"x")], expected_parent=start)
                for number in range(5)
            ),
            return_exceptions=True,
        )
        commits = [outcome for outcome in outcomes if isinstance(outcome, str)]
        others = [outcome for outcome in outcomes if not isinstance(outcome, str)]
        assert [type(outcome) for outcome in others] == [ProviderConflictError] * 4
        assert [await _head(provider, repository)] == commits

    @pytest.mark.parametrize("path", _BAD_FILE_PATHS)
    async def test_a_bad_file_path_is_invalid(self, provider: GitHost, path: str) -> None:
        """Nothing that leaves the tree or enters a ``.git`` folder on any system; nothing is committed."""
        repository = await _repository(provider)
        with pytest.raises(ProviderInvalidError):
            await _commit(provider, repository, [TreeFile("good.txt", b"good"), TreeFile(path, b"bad")])
        assert await _head(provider, repository) is None

    @pytest.mark.parametrize(
        "files",
        [
            [TreeFile("twice", b"1"), TreeFile("twice", b"2")],
            [TreeFile("both", b"file"), TreeFile("both/below", b"directory")],
            [TreeFile("both/below", b"directory"), TreeFile("both", b"file")],
        ],
        ids=["twice", "file-then-directory", "directory-then-file"],
    )
    async def test_a_path_twice_is_invalid(self, provider: GitHost, files: list[TreeFile]) -> None:
        """One path is one file, or a directory."""
        repository = await _repository(provider)
        with pytest.raises(ProviderInvalidError):
            await _commit(provider, repository, files)
        assert await _head(provider, repository) is None

    @pytest.mark.parametrize("mode", [0o120000, 0o160000, 0o040000, 0o100777, 0])
    async def test_a_mode_that_is_no_file_is_invalid(self, provider: GitHost, mode: int) -> None:
        """Links, submodules and directories can't be committed as files."""
        repository = await _repository(provider)
        with pytest.raises(ProviderInvalidError):
            await _commit(provider, repository, [TreeFile("file", b"/etc/passwd", mode)])
        assert await _head(provider, repository) is None

    @pytest.mark.parametrize("branch", _BAD_BRANCHES)
    async def test_a_bad_branch_is_invalid(self, provider: GitHost, branch: str) -> None:
        """What git refuses as a branch is refused before git sees it."""
        repository = await _repository(provider)
        with pytest.raises(ProviderInvalidError):
            await provider.protect_branch(repository.external_id, branch)
        with pytest.raises(ProviderInvalidError):
            await provider.commit_tree(
                CommitTree(repository.external_id, branch, _FILES, "m", "Kit", "kit@example.org")
            )

    async def test_a_name_cannot_break_out_of_its_field(self, provider: GitHost) -> None:
        """Authors, e-mails and messages with line breaks and brackets make an ordinary commit."""
        repository = await _repository(provider)
        commit = await provider.commit_tree(
            CommitTree(
                repository.external_id,
                repository.default_branch,
                _FILES,
                "subject\n\nauthor Mallory <m@example.org> 0 +0000\0end",
                "Eve> <x@example.org>\nauthor Mallory",
                "eve@example.org>\n\nparent of nothing",
            )
        )
        assert await _head(provider, repository) == commit
        assert len(await _read(provider, ReadTree(repository.external_id, commit))) == len(_FILES)

    async def test_resolve_of_nothing_is_none(self, provider: GitHost) -> None:
        """Refs that aren't there, and what isn't a ref at all."""
        repository = await _repository(provider)
        await _commit(provider, repository)
        for ref in ("refs/heads/none", "refs/tags/none", "", "--all", "refs/heads/../heads/main", "a b"):
            assert await provider.resolve(repository.external_id, ref) is None

    # --- rights and branches -----------------------------------------------------------------

    async def test_grant_and_revoke_can_be_repeated(self, provider: GitHost) -> None:
        """Granting twice and revoking twice succeeds."""
        repository = await _repository(provider)
        change = AccessChange(repository.external_id, _USER)
        await provider.grant(change)
        await provider.grant(change)
        await provider.revoke(change)
        await provider.revoke(change)

    async def test_a_branch_can_be_protected_early_and_twice(self, provider: GitHost) -> None:
        """Protection may come before the first commit, and the host itself still commits."""
        repository = await _repository(provider)
        await provider.protect_branch(repository.external_id, repository.default_branch)
        commit = await _commit(provider, repository)
        await provider.protect_branch(repository.external_id, repository.default_branch)
        assert await _head(provider, repository) == commit

    async def test_a_protected_branch_takes_no_force_push(
        self, provider: GitHost, client: GitClient | None
    ) -> None:
        """What builds on the branch passes; what rewrites it doesn't."""
        pushing = _pushing(client)
        repository = await _repository(provider)
        start = await _commit(provider, repository)
        await provider.protect_branch(repository.external_id, repository.default_branch)
        entries = [TreeEntry("a.txt", 0o100644, b"a")]
        good = await pushing.push(repository, repository.default_branch, entries, parent=start)
        with pytest.raises(PushRefusedError):
            await pushing.push(repository, repository.default_branch, entries, parent=start, force=True)
        assert await _head(provider, repository) == good

    async def test_a_protected_branch_cannot_be_deleted(
        self, provider: GitHost, client: GitClient | None
    ) -> None:
        """A branch beside it can."""
        pushing = _pushing(client)
        repository = await _repository(provider)
        await _commit(provider, repository)
        guarded = await _commit(provider, repository, branch="guarded")
        await _commit(provider, repository, branch="other")
        await provider.protect_branch(repository.external_id, "guarded")
        await pushing.delete_branch(repository, "other")
        with pytest.raises(PushRefusedError):
            await pushing.delete_branch(repository, "guarded")
        assert await provider.resolve(repository.external_id, "refs/heads/guarded") == guarded
        assert await provider.resolve(repository.external_id, "refs/heads/other") is None

    # --- keep --------------------------------------------------------------------------------

    async def test_keeping_twice_is_once(self, provider: GitHost) -> None:
        """The same name and commit again changes nothing."""
        repository = await _repository(provider)
        commit = await _commit(provider, repository)
        await provider.keep(repository.external_id, commit, "submission-1")
        await provider.keep(repository.external_id, commit, "submission-1")
        assert await _head(provider, repository) == commit

    async def test_a_kept_name_is_never_let_go(self, provider: GitHost) -> None:
        """The name of one commit can't be given to another."""
        repository = await _repository(provider)
        first = await _commit(provider, repository, _FILES[:1])
        second = await _commit(provider, repository)
        await provider.keep(repository.external_id, first, "submission-1")
        with pytest.raises(ProviderConflictError):
            await provider.keep(repository.external_id, second, "submission-1")

    async def test_keeping_nothing_is_not_found(self, provider: GitHost) -> None:
        """A commit that isn't there can't be kept."""
        repository = await _repository(provider)
        for commit in (_NO_COMMIT, "", "main", "refs/heads/main"):
            with pytest.raises(ProviderNotFoundError):
                await provider.keep(repository.external_id, commit, "submission-1")

    @pytest.mark.parametrize("name", ["", "a/b", "..", "a b", "a.lock", "x" * 101, "a\n"])
    async def test_a_bad_name_to_keep_is_invalid(self, provider: GitHost, name: str) -> None:
        """Names have letters, digits, ``_`` and ``-``."""
        repository = await _repository(provider)
        commit = await _commit(provider, repository)
        with pytest.raises(ProviderInvalidError):
            await provider.keep(repository.external_id, commit, name)

    async def test_a_kept_commit_survives_force_push_and_gc(
        self, provider: GitHost, client: GitClient | None
    ) -> None:
        """A submitted commit is readable after the student rewrote the branch and garbage was collected."""
        pushing = _pushing(client)
        repository = await _repository(provider)
        entries = [TreeEntry("solution.py", 0o100644, b"print(42)\n")]
        submitted = await pushing.push(repository, "work", entries)
        await provider.keep(repository.external_id, submitted, "submission-1")
        rewritten = [TreeEntry("solution.py", 0o100644, b"oops\n")]
        await pushing.push(repository, "work", rewritten, force=True)
        await pushing.collect_garbage(repository)
        assert await _read(provider, ReadTree(repository.external_id, submitted)) == entries

    async def test_a_kept_commit_is_hidden_from_clients(
        self, provider: GitHost, client: GitClient | None
    ) -> None:
        """Clients see their branches and nothing of what is kept."""
        pushing = _pushing(client)
        repository = await _repository(provider)
        commit = await _commit(provider, repository)
        await provider.keep(repository.external_id, commit, "submission-1")
        assert dict(await pushing.refs(repository)) == {f"refs/heads/{repository.default_branch}": commit}

    # --- read_tree ---------------------------------------------------------------------------

    async def test_a_directory_is_read_with_paths_below_it(self, provider: GitHost) -> None:
        """``week1`` is neither the root nor the beginning of ``week10``."""
        repository = await _repository(provider)
        commit = await _commit(provider, repository)
        read = await _read(provider, ReadTree(repository.external_id, commit, "week1"))
        assert [(entry.path, entry.mode) for entry in read] == [
            ("data/blob.bin", 0o100644),
            ("run.sh", 0o100755),
        ]
        nested = await _read(provider, ReadTree(repository.external_id, commit, "week1/data"))
        assert nested == [TreeEntry("blob.bin", 0o100644, bytes(range(256)) * 40)]

    async def test_an_old_commit_is_read_as_it_was(self, provider: GitHost) -> None:
        """A submission is read at its commit, wherever the branch is now."""
        repository = await _repository(provider)
        old = await _commit(provider, repository, [TreeFile("a.txt", b"old")])
        await _commit(provider, repository, [TreeFile("a.txt", b"new")])
        read = await _read(provider, ReadTree(repository.external_id, old))
        assert read == [TreeEntry("a.txt", 0o100644, b"old")]

    async def test_names_of_any_script_are_read(self, provider: GitHost) -> None:
        """UTF-8 names, spaces and quotes come back unchanged."""
        repository = await _repository(provider)
        names = ["Übung 1/Lösung.py", "a 'quoted' \"name\".txt", "日本語.txt", "-dash", "*"]
        commit = await _commit(provider, repository, [TreeFile(name, name.encode()) for name in names])
        read = await _read(provider, ReadTree(repository.external_id, commit))
        assert {entry.path: entry.content.decode() for entry in read} == {name: name for name in names}

    async def test_reading_what_is_not_there_is_not_found(self, provider: GitHost) -> None:
        """No such commit, and no such directory: also where a file or half a name is."""
        repository = await _repository(provider)
        commit = await _commit(provider, repository)
        for missing in (_NO_COMMIT, "", "main", "HEAD", commit[:10], "refs/heads/main"):
            await _refused(provider, ReadTree(repository.external_id, missing), ProviderNotFoundError)
        for missing in ("week2", "README.md", "week", "week1/data/blob.bin"):
            await _refused(provider, ReadTree(repository.external_id, commit, missing), ProviderNotFoundError)

    @pytest.mark.parametrize(
        "directory", ["..", "week1/..", "/week1", "week1/", "./week1", "week1//data", "a\nb"]
    )
    async def test_a_directory_that_is_no_clean_path_is_invalid(
        self, provider: GitHost, directory: str
    ) -> None:
        """Directories are relative and plain."""
        repository = await _repository(provider)
        commit = await _commit(provider, repository)
        await _refused(provider, ReadTree(repository.external_id, commit, directory), ProviderInvalidError)

    async def test_more_files_than_allowed_are_refused(self, provider: GitHost) -> None:
        """The limit itself is allowed; one more is refused before anything is read."""
        repository = await _repository(provider)
        commit = await _commit(provider, repository, [TreeFile(f"d/{number}", b"") for number in range(20)])
        assert len(await _read(provider, ReadTree(repository.external_id, commit, max_files=20))) == 20
        await _refused(provider, ReadTree(repository.external_id, commit, max_files=19), PayloadTooLargeError)

    async def test_more_bytes_than_allowed_are_refused(self, provider: GitHost) -> None:
        """The sum over all files counts; the limit itself is allowed."""
        repository = await _repository(provider)
        files = [TreeFile(f"{number}", bytes([number]) * 1000) for number in range(3)]
        commit = await _commit(provider, repository, files)
        assert len(await _read(provider, ReadTree(repository.external_id, commit, max_bytes=3000))) == 3
        await _refused(
            provider, ReadTree(repository.external_id, commit, max_bytes=2999), PayloadTooLargeError
        )

    async def test_limits_count_the_directory_alone(self, provider: GitHost) -> None:
        """What lies beside the wanted directory doesn't use up its limits."""
        repository = await _repository(provider)
        commit = await _commit(provider, repository)
        request = ReadTree(repository.external_id, commit, "week10", max_files=1, max_bytes=10)
        assert [entry.path for entry in await _read(provider, request)] == ["other.txt"]

    async def test_a_link_is_named_and_never_followed(
        self, provider: GitHost, client: GitClient | None
    ) -> None:
        """Links come with their mode and no content, wherever they point."""
        pushing = _pushing(client)
        repository = await _repository(provider)
        commit = await pushing.push(
            repository,
            "work",
            [
                TreeEntry("inside", 0o120000, b"real.txt"),
                TreeEntry("outside", 0o120000, b"/etc/passwd"),
                TreeEntry("real.txt", 0o100644, b"real"),
            ],
        )
        assert await _read(provider, ReadTree(repository.external_id, commit)) == [
            TreeEntry("inside", 0o120000, b""),
            TreeEntry("outside", 0o120000, b""),
            TreeEntry("real.txt", 0o100644, b"real"),
        ]

    async def test_a_submodule_is_named_and_never_fetched(
        self, provider: GitHost, client: GitClient | None
    ) -> None:
        """Submodules come with their mode and no content."""
        pushing = _pushing(client)
        repository = await _repository(provider)
        entries = [TreeEntry("a.txt", 0o100644, b"a"), TreeEntry("module", 0o160000, _NO_COMMIT.encode())]
        commit = await pushing.push(repository, "work", entries)
        assert await _read(provider, ReadTree(repository.external_id, commit)) == [
            TreeEntry("a.txt", 0o100644, b"a"),
            TreeEntry("module", 0o160000, b""),
        ]

    async def test_a_reader_may_stop_early(self, provider: GitHost) -> None:
        """Leaving after the first file harms nothing."""
        repository = await _repository(provider)
        commit = await _commit(provider, repository)
        async with provider.read_tree(ReadTree(repository.external_id, commit)) as entries:
            async for entry in entries:
                assert entry.path in {file.path for file in _FILES}
                break
        assert len(await _read(provider, ReadTree(repository.external_id, commit))) == len(_FILES)

    # --- delete, missing repositories, health ------------------------------------------------

    async def test_delete_removes_and_says_whether(self, provider: GitHost) -> None:
        """True the first time, False afterwards; made anew, the repository is empty."""
        repository = await _repository(provider)
        commit = await _commit(provider, repository)
        other = await _repository(provider, "students/two")
        kept = await _commit(provider, other)
        assert await provider.delete_repository(repository.external_id) is True
        assert await provider.delete_repository(repository.external_id) is False
        again = await _repository(provider)
        assert await _head(provider, again) is None
        await _refused(provider, ReadTree(again.external_id, commit), ProviderNotFoundError)
        assert await _head(provider, other) == kept

    @pytest.mark.parametrize("external_id", [f"{_COURSE}/nowhere", "", "..", "../../etc", "/", "a\0b"])
    async def test_a_missing_repository_is_not_found(self, provider: GitHost, external_id: str) -> None:
        """Every call says so with the same error, also for ids that never could be one."""
        change = AccessChange(external_id, _USER)
        commit = CommitTree(external_id, "main", _FILES, "m", "Kit", "kit@example.org")
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
            await provider.keep(external_id, _NO_COMMIT, "submission-1")
        await _refused(provider, ReadTree(external_id, _NO_COMMIT), ProviderNotFoundError)
        assert await provider.delete_repository(external_id) is False

    async def test_health_of_a_working_host_is_ok(self, provider: GitHost) -> None:
        """A reachable host is well."""
        assert (await provider.health()).state is HealthState.OK
