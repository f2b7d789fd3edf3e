"""Conformance of git hosts: reading trees that others wrote."""
# ruff: noqa: S101 - a suite asserts

from __future__ import annotations

import pytest

from computor_core.plugin_api.errors import (
    PayloadTooLargeError,
    ProviderInvalidError,
    ProviderNotFoundError,
)
from computor_core.plugin_api.providers.git import (
    GitHost,
    ReadTree,
    TreeEntry,
    TreeFile,
)
from computor_core.testing.git_cases import (
    FILES,
    NO_COMMIT,
    commit_files,
    new_repository,
    pushing_client,
    read_all,
    refuse_reading,
)
from computor_core.testing.git_client import GitClient

__all__ = ["ReadingConformance"]


class ReadingConformance:
    """Promises about reading what was submitted."""

    async def test_a_directory_is_read_with_paths_below_it(self, provider: GitHost) -> None:
        """``week1`` is neither the root nor the beginning of ``week10``."""
        repository = await new_repository(provider)
        commit = await commit_files(provider, repository)
        read = await read_all(provider, ReadTree(repository.external_id, commit, "week1"))
        assert [(entry.path, entry.mode) for entry in read] == [
            ("data/blob.bin", 0o100644),
            ("run.sh", 0o100755),
        ]
        nested = await read_all(provider, ReadTree(repository.external_id, commit, "week1/data"))
        assert nested == [TreeEntry("blob.bin", 0o100644, bytes(range(256)) * 40)]

    async def test_an_old_commit_is_read_as_it_was(self, provider: GitHost) -> None:
        """A submission is read at its commit, wherever the branch is now."""
        repository = await new_repository(provider)
        old = await commit_files(provider, repository, [TreeFile("a.txt", b"old")])
        await commit_files(provider, repository, [TreeFile("a.txt", b"new")])
        read = await read_all(provider, ReadTree(repository.external_id, old))
        assert read == [TreeEntry("a.txt", 0o100644, b"old")]

    async def test_names_of_any_script_are_read(self, provider: GitHost) -> None:
        """UTF-8 names, spaces and quotes come back unchanged."""
        repository = await new_repository(provider)
        names = ["Übung 1/Lösung.py", "a 'quoted' \"name\".txt", "日本語.txt", "-dash", "*"]
        commit = await commit_files(provider, repository, [TreeFile(name, name.encode()) for name in names])
        read = await read_all(provider, ReadTree(repository.external_id, commit))
        assert {entry.path: entry.content.decode() for entry in read} == {name: name for name in names}

    async def test_reading_what_is_not_there_is_not_found(self, provider: GitHost) -> None:
        """No such commit, and no such directory: also where a file or half a name is."""
        repository = await new_repository(provider)
        commit = await commit_files(provider, repository)
        for missing in (NO_COMMIT, "", "main", "HEAD", commit[:10], "refs/heads/main"):
            await refuse_reading(provider, ReadTree(repository.external_id, missing), ProviderNotFoundError)
        for missing in ("week2", "README.md", "week", "week1/data/blob.bin"):
            await refuse_reading(
                provider, ReadTree(repository.external_id, commit, missing), ProviderNotFoundError
            )

    @pytest.mark.parametrize(
        "directory", ["..", "week1/..", "/week1", "week1/", "./week1", "week1//data", "a\nb"]
    )
    async def test_a_directory_that_is_no_clean_path_is_invalid(
        self, provider: GitHost, directory: str
    ) -> None:
        """Directories are relative and plain."""
        repository = await new_repository(provider)
        commit = await commit_files(provider, repository)
        await refuse_reading(
            provider, ReadTree(repository.external_id, commit, directory), ProviderInvalidError
        )

    async def test_more_files_than_allowed_are_refused(self, provider: GitHost) -> None:
        """The limit itself is allowed; one more is refused before anything is read."""
        repository = await new_repository(provider)
        commit = await commit_files(
            provider, repository, [TreeFile(f"d/{number}", b"") for number in range(20)]
        )
        assert len(await read_all(provider, ReadTree(repository.external_id, commit, max_files=20))) == 20
        await refuse_reading(
            provider, ReadTree(repository.external_id, commit, max_files=19), PayloadTooLargeError
        )

    async def test_more_bytes_than_allowed_are_refused(self, provider: GitHost) -> None:
        """The sum over all files counts; the limit itself is allowed."""
        repository = await new_repository(provider)
        files = [TreeFile(f"{number}", bytes([number]) * 1000) for number in range(3)]
        commit = await commit_files(provider, repository, files)
        assert len(await read_all(provider, ReadTree(repository.external_id, commit, max_bytes=3000))) == 3
        await refuse_reading(
            provider, ReadTree(repository.external_id, commit, max_bytes=2999), PayloadTooLargeError
        )

    async def test_limits_count_the_directory_alone(self, provider: GitHost) -> None:
        """What lies beside the wanted directory doesn't use up its limits."""
        repository = await new_repository(provider)
        commit = await commit_files(provider, repository)
        request = ReadTree(repository.external_id, commit, "week10", max_files=1, max_bytes=10)
        assert [entry.path for entry in await read_all(provider, request)] == ["other.txt"]

    async def test_a_link_is_named_and_never_followed(
        self, provider: GitHost, client: GitClient | None
    ) -> None:
        """Links come with their mode and no content, wherever they point."""
        pushing = pushing_client(client)
        repository = await new_repository(provider)
        commit = await pushing.push(
            repository,
            "work",
            [
                TreeEntry("inside", 0o120000, b"real.txt"),
                TreeEntry("outside", 0o120000, b"/etc/passwd"),
                TreeEntry("real.txt", 0o100644, b"real"),
            ],
        )
        assert await read_all(provider, ReadTree(repository.external_id, commit)) == [
            TreeEntry("inside", 0o120000, b""),
            TreeEntry("outside", 0o120000, b""),
            TreeEntry("real.txt", 0o100644, b"real"),
        ]

    async def test_a_submodule_is_named_and_never_fetched(
        self, provider: GitHost, client: GitClient | None
    ) -> None:
        """Submodules come with their mode and no content."""
        pushing = pushing_client(client)
        repository = await new_repository(provider)
        entries = [TreeEntry("a.txt", 0o100644, b"a"), TreeEntry("module", 0o160000, NO_COMMIT.encode())]
        commit = await pushing.push(repository, "work", entries)
        assert await read_all(provider, ReadTree(repository.external_id, commit)) == [
            TreeEntry("a.txt", 0o100644, b"a"),
            TreeEntry("module", 0o160000, b""),
        ]

    async def test_a_reader_may_stop_early(self, provider: GitHost) -> None:
        """Leaving after the first file harms nothing."""
        repository = await new_repository(provider)
        commit = await commit_files(provider, repository)
        async with provider.read_tree(ReadTree(repository.external_id, commit)) as entries:
            async for entry in entries:
                assert entry.path in {file.path for file in FILES}
                break
        assert len(await read_all(provider, ReadTree(repository.external_id, commit))) == len(FILES)
