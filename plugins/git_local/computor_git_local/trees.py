"""Writing and reading whole trees without a working copy, so that no filter can run."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import anyio
from anyio import to_thread
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream

from computor_core.plugin_api.errors import (
    PayloadTooLargeError,
    ProviderConflictError,
    ProviderInvalidError,
    ProviderNotFoundError,
    ProviderUnavailableError,
)
from computor_core.plugin_api.providers.git import CommitTree, ReadTree, TreeEntry
from computor_git_local.names import ZERO_ID, check_branch, check_tree_path, is_commit_id
from computor_git_local.objects import GitObject, TreeObjects, build_commit, build_tree, write_pack
from computor_git_local.process import Git

__all__ = ["commit_tree", "read_tree"]

_TRIES = 5
_LONGEST_PATH = 4096
_BEFORE_PATH = 100
"""Most bytes that git-ls-tree(1) writes before a path."""
_LIST_TIMEOUT = 60.0
_LINK, _SUBMODULE = 0o120000, 0o160000


async def commit_tree(
    git: Git, repository: Path, request: CommitTree, now: Callable[[], datetime]
) -> tuple[str, bool]:
    """Commit a tree; returns the branch's commit and whether it is new.

    Raises:
        ProviderConflictError: The branch isn't at ``expected_parent``, or can't be created
            beside a branch of a colliding name.
        ProviderInvalidError: A path, mode or branch isn't allowed.
        ProviderUnavailableError: git failed, or other writers were faster every time.
    """
    ref = check_branch(request.branch)
    tree = await to_thread.run_sync(build_tree, request.files)
    for _ in range(_TRIES):
        head, head_tree, head_parent, *known = await git.inspect(
            repository, [f"{ref}^{{commit}}", f"{ref}^{{tree}}", f"{ref}^", *tree.objects]
        )
        at = head.id if head else ""
        if head_tree is not None and head_tree.id == tree.root:
            before = head_parent.id if head_parent else ""
            if request.expected_parent in {None, at, before}:
                return at, False
        if request.expected_parent not in {None, at}:
            raise ProviderConflictError(
                "The branch isn't at the expected commit.",
                details={"branch": request.branch, "expected": request.expected_parent, "actual": at},
            )
        missing = {oid for oid, info in zip(tree.objects, known, strict=True) if info is None}
        commit = build_commit(
            tree.root, at or None, request.message, request.author_name, request.author_email, now()
        )
        await _store(git, repository, await to_thread.run_sync(_pack, tree, missing, commit))
        moved = await git.run(repository, "update-ref", ref, commit.id, at or ZERO_ID, accept=(0, 1, 128))
        if moved.status == 0:
            return commit.id, True
        if "exists; cannot create" in moved.errors:
            raise ProviderConflictError(
                "A branch exists whose name is the beginning of this one's, or the other way round.",
                details={"branch": request.branch},
            )
    raise ProviderUnavailableError("The branch couldn't be moved, others hold it.", retry_after=5)


def _pack(tree: TreeObjects, missing: set[str], commit: GitObject) -> bytes:
    return write_pack([*(tree.objects[oid] for oid in missing), commit])


async def _store(git: Git, repository: Path, pack: bytes) -> None:
    stored = await git.run(repository, "index-pack", "--stdin", "--strict", data=pack, accept=(0, 1, 128))
    if "fsck error" in stored.errors:
        raise ProviderInvalidError(
            "git refuses the tree's content.", details={"git": stored.errors.splitlines()[0][:200]}
        )
    if stored.status:
        raise ProviderUnavailableError("git couldn't store the tree.", details={"status": stored.status})


@dataclass(frozen=True, slots=True)
class _Listed:
    path: str
    mode: int
    id: str
    size: int

    @property
    def has_content(self) -> bool:
        return self.mode not in {_LINK, _SUBMODULE}


@asynccontextmanager
async def read_tree(git: Git, repository: Path, request: ReadTree) -> AsyncIterator[AsyncIterator[TreeEntry]]:
    """List a directory and check it against the limits, then stream the files one by one.

    Raises:
        ProviderNotFoundError: No such commit or directory.
        ProviderInvalidError: The directory or a name in it isn't allowed.
        PayloadTooLargeError: More files or bytes than allowed.
    """
    directory = await _find(git, repository, request)
    with anyio.move_on_after(_LIST_TIMEOUT) as scope:
        entries = await _list(git, repository, directory, request.max_files)
    if scope.cancelled_caught:
        raise ProviderUnavailableError("Listing the tree took too long.")
    total = sum(entry.size for entry in entries if entry.has_content)
    if total > request.max_bytes:
        raise PayloadTooLargeError(
            f"The files have {total} bytes; at most {request.max_bytes} are allowed.",
            details={"bytes": total, "max_bytes": request.max_bytes},
        )
    async with (
        git.stream(repository, f"--git-dir={repository}", "cat-file", "--batch") as process,
        aclosing(_contents(process, entries)) as contents,
    ):
        yield contents


async def _find(git: Git, repository: Path, request: ReadTree) -> str:
    if not is_commit_id(request.commit):
        raise ProviderNotFoundError("There is no such commit.", details={"commit": request.commit[:80]})
    path = "/".join(check_tree_path(request.directory)) if request.directory else ""
    commit, directory = await git.inspect(repository, [request.commit, f"{request.commit}:{path}"])
    if commit is None or commit.kind != "commit":
        raise ProviderNotFoundError("There is no such commit.", details={"commit": request.commit})
    if directory is None or directory.kind != "tree":
        raise ProviderNotFoundError(
            "There is no such directory at that commit.", details={"directory": request.directory}
        )
    return directory.id


async def _list(git: Git, repository: Path, directory: str, max_files: int) -> list[_Listed]:
    """All files below a directory.

    Directories are counted too: nested trees that share one another hold exponentially many
    paths in a few kilobytes, also without any file.
    """
    entries: list[_Listed] = []
    directories = 0
    arguments = ["ls-tree", "-r", "-t", "-l", "-z", "--full-tree", directory]
    async with git.stream(repository, f"--git-dir={repository}", *arguments) as process:
        async for record in _records(process):
            entry = _parse(record)
            if entry is None:
                directories += 1
            else:
                entries.append(entry)
            if len(entries) > max_files or directories > 10 * max_files + 1000:
                raise PayloadTooLargeError(
                    f"There are more than {max_files} files.", details={"max_files": max_files}
                )
        if await process.wait():
            raise ProviderUnavailableError("git couldn't list the tree.")
    return entries


async def _records(process: Process) -> AsyncIterator[bytes]:
    assert process.stdout is not None  # noqa: S101 - opened with a pipe
    rest = b""
    async for data in process.stdout:
        *records, rest = (rest + data).split(b"\0")
        if max(map(len, [*records, rest])) > _LONGEST_PATH + _BEFORE_PATH:
            raise PayloadTooLargeError(f"A path is longer than {_LONGEST_PATH} bytes.")
        for record in records:
            yield record


def _parse(record: bytes) -> _Listed | None:
    """Read "mode kind id size TAB path" (git-ls-tree(1), ``-l``); None for a directory."""
    head, _, name = record.partition(b"\t")
    mode, kind, oid, size = head.decode("ascii").split()
    if kind == "tree":
        return None
    try:
        path = name.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ProviderInvalidError(
            "A file's name isn't UTF-8.", details={"path": name[:200].decode("utf-8", "backslashreplace")}
        ) from error
    return _Listed(path, int(mode, 8), oid, int(size) if size.isdigit() else 0)


async def _contents(process: Process, entries: list[_Listed]) -> AsyncGenerator[TreeEntry, None]:
    assert process.stdin is not None  # noqa: S101 - opened with pipes
    assert process.stdout is not None  # noqa: S101
    output = BufferedByteReceiveStream(process.stdout)
    for entry in entries:
        content = b""
        if entry.has_content:
            try:
                await process.stdin.send(f"{entry.id}\n".encode())
                header = await output.receive_until(b"\n", 200)
                if header != f"{entry.id} blob {entry.size}".encode():
                    raise ProviderUnavailableError("git answered with another object.")
                content = (await output.receive_exactly(entry.size + 1))[:-1]
            except (anyio.BrokenResourceError, anyio.IncompleteRead) as error:
                raise ProviderUnavailableError("git couldn't read the tree.") from error
        yield TreeEntry(entry.path, entry.mode, content)
