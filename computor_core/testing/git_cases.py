"""What the tests of git hosts share: an ordinary tree and the calls around it."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import pytest

from computor_core.plugin_api.providers.git import (
    CommitTree,
    EnsureRepository,
    GitCapability,
    GitHost,
    ReadTree,
    RepositoryRef,
    TreeEntry,
    TreeFile,
)
from computor_core.testing.git_client import GitClient

__all__ = [
    "COURSE",
    "FILES",
    "NO_COMMIT",
    "USER",
    "commit_files",
    "head_of",
    "new_repository",
    "pushing_client",
    "read_all",
    "refuse_reading",
    "skip_without",
]

COURSE = "kit-course"
"""Where the kit's repositories lie."""

USER = UUID("01890000-0000-7000-8000-000000000001")
"""Somebody."""

NO_COMMIT = "1234567890" * 4
"""An id that no commit has."""

FILES = (
    TreeFile("README.md", b"# Week 1\n"),
    TreeFile("week1/run.sh", b"#!/bin/sh\necho hi\n", 0o100755),
    TreeFile("week1/data/blob.bin", bytes(range(256)) * 40),
    TreeFile("week10/other.txt", b"not week1\n"),
)
"""An ordinary tree: nested, binary, executable, and a name that begins like another."""


async def new_repository(
    provider: GitHost, name: str = "students/one", fork_of: str | None = None
) -> RepositoryRef:
    """A repository of the kit's course."""
    return await provider.ensure_repository(EnsureRepository(f"{COURSE}/{name}", "A test", fork_of))


async def commit_files(
    provider: GitHost,
    repository: RepositoryRef,
    files: Sequence[TreeFile] = FILES,
    *,
    branch: str | None = None,
    expected_parent: str | None = None,
) -> str:
    """Commit a tree to a branch, the default one unless told."""
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


async def head_of(provider: GitHost, repository: RepositoryRef) -> str | None:
    """Commit of the default branch."""
    return await provider.resolve(repository.external_id, f"refs/heads/{repository.default_branch}")


async def read_all(provider: GitHost, request: ReadTree) -> list[TreeEntry]:
    """All entries of a tree, by path."""
    async with provider.read_tree(request) as entries:
        return sorted([entry async for entry in entries], key=lambda entry: entry.path)


async def refuse_reading(provider: GitHost, request: ReadTree, error: type[Exception]) -> None:
    """Expect an error on entering a tree."""
    with pytest.raises(error):
        async with provider.read_tree(request):
            pytest.fail("entered a tree that must be refused")


def skip_without(provider: GitHost, capability: GitCapability) -> None:
    """Skip the test when the capability isn't declared."""
    if capability not in provider.capabilities:
        pytest.skip(f"{type(provider).__name__} doesn't declare {capability.value}")


def pushing_client(client: GitClient | None) -> GitClient:
    """The client, or a skip where the adopter gave none."""
    if client is None:
        pytest.skip("the adopter gave no 'client' that pushes")
    return client
