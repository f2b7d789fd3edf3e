"""Copying and collecting files that a student's program may have made.

Everything here goes from one directory handle to the next and never follows a link (openat(2)
with ``O_NOFOLLOW``), because whatever has a name inside a working directory can be replaced, at any
moment, by something that points elsewhere.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass

MAX_DEPTH = 64
_CHUNK = 1 << 20
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


class CopyError(Exception):
    """A tree is too deep, too big or has too many entries to be copied."""


@dataclass(slots=True)
class Budget:
    """How much may still be copied: bytes and entries."""

    bytes: int
    entries: int

    def take(self, size: int) -> None:
        """Take one entry of a size from the budget, or refuse."""
        self.bytes -= size
        self.entries -= 1
        if self.bytes < 0 or self.entries < 0:
            raise CopyError("an input is larger than this runner copies")


def copy_tree(source: str, target: str, only: Sequence[str], budget: Budget) -> None:
    """Copy regular files, directories and links (as links); leave out everything else.

    Args:
        source: Directory to copy from; opened once, then walked by handle.
        target: Existing directory of our own to copy into.
        only: Relative paths to take, all when empty; missing ones are left out.
        budget: What may be copied; counted down.

    Raises:
        CopyError: The budget doesn't suffice or the tree is too deep.
        OSError: Something couldn't be read or written.
    """
    root = os.open(source, _DIRECTORY & ~os.O_NOFOLLOW)
    into = os.open(target, _DIRECTORY)
    try:
        if not only:
            _copy_directory(root, into, budget, depth=0)
        for path in only:
            _copy_one(root, into, path.split("/"), budget)
    finally:
        os.close(root)
        os.close(into)


def _copy_one(source: int, target: int, parts: Sequence[str], budget: Budget) -> None:
    """Copy one file given by the parts of its path, with the directories above it."""
    opened: list[int] = []
    try:
        for part in parts[:-1]:
            source = os.open(part, _DIRECTORY, dir_fd=source)
            opened.append(source)
            if not os.access(part, os.F_OK, dir_fd=target, follow_symlinks=False):
                os.mkdir(part, 0o755, dir_fd=target)
            target = os.open(part, _DIRECTORY, dir_fd=target)
            opened.append(target)
        if stat.S_ISREG(os.stat(parts[-1], dir_fd=source, follow_symlinks=False).st_mode):
            _copy_file(source, target, parts[-1], budget)
    except (FileNotFoundError, NotADirectoryError):
        return
    finally:
        for handle in opened:
            os.close(handle)


def _copy_directory(source: int, target: int, budget: Budget, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise CopyError(f"an input is more than {MAX_DEPTH} directories deep")
    for name in sorted(os.listdir(source)):
        mode = os.stat(name, dir_fd=source, follow_symlinks=False).st_mode
        if stat.S_ISDIR(mode):
            budget.take(0)
            with contextlib.suppress(FileExistsError):
                os.mkdir(name, 0o755, dir_fd=target)
            inner, into = os.open(name, _DIRECTORY, dir_fd=source), os.open(name, _DIRECTORY, dir_fd=target)
            try:
                _copy_directory(inner, into, budget, depth + 1)
            finally:
                os.close(inner)
                os.close(into)
        elif stat.S_ISREG(mode):
            _copy_file(source, target, name, budget)
        elif stat.S_ISLNK(mode):
            budget.take(0)
            _make_way(target, name)
            os.symlink(os.readlink(name, dir_fd=source), name, dir_fd=target)


def _copy_file(source: int, target: int, name: str, budget: Budget) -> None:
    reader = os.open(name, _FILE, dir_fd=source)
    try:
        found = os.fstat(reader)
        if not stat.S_ISREG(found.st_mode):
            return
        budget.take(found.st_size)
        mode = 0o755 if found.st_mode & 0o111 else 0o644
        _make_way(target, name)
        writer = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode, dir_fd=target)
        try:
            left = found.st_size
            while left and (chunk := os.read(reader, min(left, _CHUNK))):
                left -= len(chunk)
                while chunk:
                    chunk = chunk[os.write(writer, chunk) :]
        finally:
            os.close(writer)
    finally:
        os.close(reader)


def _make_way(target: int, name: str) -> None:
    """Remove what an earlier mount on the same directory has put under a name."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(name, dir_fd=target)


def collect(root: str, paths: Sequence[str], limit: int) -> tuple[dict[str, bytes], dict[str, str]]:
    """Read named files below a working directory.

    Args:
        root: The working directory as this process sees it.
        paths: Relative paths without ``.`` or ``..``.
        limit: Bytes of all files together; a file that doesn't fit is left out whole, because
            a cut report could be mistaken for a complete one.

    Returns:
        Contents by path, and for each path that wasn't brought out the reason: ``missing``,
        ``not_a_file`` (a link, a directory, a device, …), ``too_large`` or ``unreadable``.
    """
    found: dict[str, bytes] = {}
    left_out: dict[str, str] = {}
    for path in paths:
        try:
            content = _read_below(root, path.split("/"), limit)
        except FileNotFoundError:
            left_out[path] = "missing"
        except PermissionError:
            left_out[path] = "unreadable"
        except OSError:
            # O_NOFOLLOW answers ELOOP for a link and ENOTDIR for a link in the middle.
            left_out[path] = "not_a_file"
        else:
            if isinstance(content, bytes):
                found[path] = content
                limit -= len(content)
            else:
                left_out[path] = content
    return found, left_out


def _read_below(root: str, parts: Sequence[str], limit: int) -> bytes | str:
    handle = os.open(root, _DIRECTORY)
    try:
        for part in parts[:-1]:
            inner = os.open(part, _DIRECTORY, dir_fd=handle)
            os.close(handle)
            handle = inner
        reader = os.open(parts[-1], _FILE, dir_fd=handle)
    finally:
        os.close(handle)
    try:
        found = os.fstat(reader)
        if not stat.S_ISREG(found.st_mode):
            return "not_a_file"
        if found.st_size > limit:
            return "too_large"
        chunks: list[bytes] = []
        left = found.st_size
        while left and (chunk := os.read(reader, min(left, _CHUNK))):
            chunks.append(chunk)
            left -= len(chunk)
        return b"".join(chunks)
    finally:
        os.close(reader)


def size_of(root: str, enough: int) -> int:
    """Bytes of all files below a directory, counting stops beyond ``enough``.

    For runs without a file system of their own, where the kernel can't limit what is written.
    """
    total = 0
    waiting = [root]
    while waiting and total <= enough:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    else:
                        total += entry.stat(follow_symlinks=False).st_blocks * 512
        except FileNotFoundError:
            continue  # the program removed it between two looks
        except PermissionError:
            continue  # unreadable to us means unwritable for the program as well, same user
    return total
