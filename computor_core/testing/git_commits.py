"""Conformance of git hosts: committing trees and resolving refs."""
# ruff: noqa: S101 - a suite asserts

from __future__ import annotations

import asyncio

import pytest

from computor_core.plugin_api.errors import (
    ProviderConflictError,
    ProviderInvalidError,
)
from computor_core.plugin_api.providers.git import (
    CommitTree,
    GitHost,
    ReadTree,
    TreeFile,
)
from computor_core.testing.git_cases import (
    FILES,
    NO_COMMIT,
    commit_files,
    head_of,
    new_repository,
    read_all,
)

__all__ = ["CommitConformance"]

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


class CommitConformance:
    """Promises about commits that the host makes."""

    async def test_a_commit_is_where_the_branch_points(self, provider: GitHost) -> None:
        """The returned id is a full commit id, and resolve gives the same."""
        repository = await new_repository(provider)
        commit = await commit_files(provider, repository)
        assert len(commit) == 40
        assert await head_of(provider, repository) == commit

    async def test_a_commit_holds_the_whole_tree(self, provider: GitHost) -> None:
        """Paths, bytes and the executable bit come back."""
        repository = await new_repository(provider)
        commit = await commit_files(provider, repository)
        expected = sorted((file.path, file.mode, file.content) for file in FILES)
        read = await read_all(provider, ReadTree(repository.external_id, commit))
        assert [(entry.path, entry.mode, entry.content) for entry in read] == expected

    async def test_a_commit_replaces_the_whole_tree(self, provider: GitHost) -> None:
        """Files that aren't in the new tree are gone, and the old commit still has them."""
        repository = await new_repository(provider)
        first = await commit_files(provider, repository)
        second = await commit_files(provider, repository, [TreeFile("only.txt", b"only")])
        assert [
            entry.path for entry in await read_all(provider, ReadTree(repository.external_id, second))
        ] == ["only.txt"]
        assert len(await read_all(provider, ReadTree(repository.external_id, first))) == len(FILES)

    async def test_an_empty_tree_can_be_committed(self, provider: GitHost) -> None:
        """Taking everything back is a commit like any other."""
        repository = await new_repository(provider)
        await commit_files(provider, repository)
        empty = await commit_files(provider, repository, [])
        assert await head_of(provider, repository) == empty
        assert await read_all(provider, ReadTree(repository.external_id, empty)) == []

    async def test_the_same_tree_is_no_commit(self, provider: GitHost) -> None:
        """Releasing again what is released changes nothing, in whatever order the files come."""
        repository = await new_repository(provider)
        first = await commit_files(provider, repository)
        assert await commit_files(provider, repository, FILES[::-1]) == first
        assert await head_of(provider, repository) == first

    async def test_branches_are_apart(self, provider: GitHost) -> None:
        """A commit moves its own branch alone."""
        repository = await new_repository(provider)
        main = await commit_files(provider, repository)
        other = await commit_files(provider, repository, FILES[:2], branch="feature/two")
        assert await head_of(provider, repository) == main
        assert await provider.resolve(repository.external_id, "refs/heads/feature/two") == other

    async def test_the_expected_parent_is_accepted(self, provider: GitHost) -> None:
        """The branch's commit, or "" for a branch that isn't there."""
        repository = await new_repository(provider)
        first = await commit_files(provider, repository, FILES[:1], expected_parent="")
        second = await commit_files(provider, repository, FILES[:2], expected_parent=first)
        assert await head_of(provider, repository) == second

    async def test_another_parent_is_a_conflict(self, provider: GitHost) -> None:
        """A branch that moved meanwhile isn't overwritten."""
        repository = await new_repository(provider)
        first = await commit_files(provider, repository, FILES[:1])
        second = await commit_files(provider, repository, FILES[:2])
        for expected in (first, "", NO_COMMIT):
            with pytest.raises(ProviderConflictError):
                await commit_files(provider, repository, FILES[:3], expected_parent=expected)
        assert await head_of(provider, repository) == second

    async def test_a_repeated_commit_is_no_conflict(self, provider: GitHost) -> None:
        """A caller that died after success repeats the call and gets the same commit."""
        repository = await new_repository(provider)
        first = await commit_files(provider, repository, FILES[:1], expected_parent="")
        assert await commit_files(provider, repository, FILES[:1], expected_parent="") == first
        second = await commit_files(provider, repository, FILES[:2], expected_parent=first)
        assert await commit_files(provider, repository, FILES[:2], expected_parent=first) == second

    async def test_parallel_commits_lose_nothing(self, provider: GitHost) -> None:
        """Of several writers with one expected parent exactly one succeeds."""
        repository = await new_repository(provider)
        start = await commit_files(provider, repository, FILES[:1])
        outcomes = await asyncio.gather(
            *(
                commit_files(provider, repository, [TreeFile(f"{number}.txt", b"x")], expected_parent=start)
                for number in range(5)
            ),
            return_exceptions=True,
        )
        commits = [outcome for outcome in outcomes if isinstance(outcome, str)]
        others = [outcome for outcome in outcomes if not isinstance(outcome, str)]
        assert [type(outcome) for outcome in others] == [ProviderConflictError] * 4
        assert [await head_of(provider, repository)] == commits

    @pytest.mark.parametrize("path", _BAD_FILE_PATHS)
    async def test_a_bad_file_path_is_invalid(self, provider: GitHost, path: str) -> None:
        """Nothing that leaves the tree or enters a ``.git`` folder on any system; nothing is committed."""
        repository = await new_repository(provider)
        with pytest.raises(ProviderInvalidError):
            await commit_files(provider, repository, [TreeFile("good.txt", b"good"), TreeFile(path, b"bad")])
        assert await head_of(provider, repository) is None

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
        repository = await new_repository(provider)
        with pytest.raises(ProviderInvalidError):
            await commit_files(provider, repository, files)
        assert await head_of(provider, repository) is None

    @pytest.mark.parametrize("mode", [0o120000, 0o160000, 0o040000, 0o100777, 0])
    async def test_a_mode_that_is_no_file_is_invalid(self, provider: GitHost, mode: int) -> None:
        """Links, submodules and directories can't be committed as files."""
        repository = await new_repository(provider)
        with pytest.raises(ProviderInvalidError):
            await commit_files(provider, repository, [TreeFile("file", b"/etc/passwd", mode)])
        assert await head_of(provider, repository) is None

    @pytest.mark.parametrize("branch", _BAD_BRANCHES)
    async def test_a_bad_branch_is_invalid(self, provider: GitHost, branch: str) -> None:
        """What git refuses as a branch is refused before git sees it."""
        repository = await new_repository(provider)
        with pytest.raises(ProviderInvalidError):
            await provider.protect_branch(repository.external_id, branch)
        with pytest.raises(ProviderInvalidError):
            await provider.commit_tree(
                CommitTree(repository.external_id, branch, FILES, "m", "Kit", "kit@example.org")
            )

    async def test_a_name_cannot_break_out_of_its_field(self, provider: GitHost) -> None:
        """Authors, e-mails and messages with line breaks and brackets make an ordinary commit."""
        repository = await new_repository(provider)
        commit = await provider.commit_tree(
            CommitTree(
                repository.external_id,
                repository.default_branch,
                FILES,
                "subject\n\nauthor Mallory <m@example.org> 0 +0000\0end",
                "Eve> <x@example.org>\nauthor Mallory",
                "eve@example.org>\n\nparent of nothing",
            )
        )
        assert await head_of(provider, repository) == commit
        assert len(await read_all(provider, ReadTree(repository.external_id, commit))) == len(FILES)

    async def test_resolve_of_nothing_is_none(self, provider: GitHost) -> None:
        """Refs that aren't there, and what isn't a ref at all."""
        repository = await new_repository(provider)
        await commit_files(provider, repository)
        for ref in ("refs/heads/none", "refs/tags/none", "", "--all", "refs/heads/../heads/main", "a b"):
            assert await provider.resolve(repository.external_id, ref) is None
