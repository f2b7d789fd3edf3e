"""Identity of a tree of files: the same for an archive, a folder and a git commit."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from computor_core.errors import UnsafeArchiveError

REGULAR = 0o100644
EXECUTABLE = 0o100755
MAX_PATH_BYTES = 1024
MAX_NAME_BYTES = 255  # what Linux's file systems take
MAX_DEPTH = 32

# Control and format characters (zero width, direction, tags), line and paragraph ends: no reader sees
# them, and HFS+ ignores some of them when it compares names (git: utf8.c, next_hfs_char).
_INVISIBLE = frozenset({"Cc", "Cf", "Zl", "Zp"})


@dataclass(frozen=True, slots=True, order=True)
class FileEntry:
    """A file of a tree: its path, mode (0o100644 or 0o100755), size in bytes and SHA-256."""

    path: str
    mode: int
    size: int
    sha256: str

    def to_json(self) -> dict[str, Any]:
        """As kept in ``artifact.files``."""
        return {"path": self.path, "mode": self.mode, "size": self.size, "sha256": self.sha256}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> FileEntry:
        """From ``artifact.files``."""
        return cls(values["path"], values["mode"], values["size"], values["sha256"])


@dataclass(frozen=True, slots=True)
class SpooledFile:
    """A file of a tree whose bytes lie in a private spool folder."""

    entry: FileEntry
    location: Path


def tree_hash(entries: Iterable[FileEntry]) -> str:
    r"""SHA-256 over the sorted (mode, UTF-8 path, size, blob SHA-256) of all files.

    Each file is one line ``"<mode octal> <size> <sha256> <path>\\0"``, sorted by the path's
    bytes, so that the hash depends on nothing else: no order, no times, no git.
    """
    digest = hashlib.sha256()
    for entry in sorted(entries, key=lambda item: item.path.encode()):
        digest.update(f"{entry.mode:o} {entry.size} {entry.sha256} {entry.path}\0".encode())
    return digest.hexdigest()


def safe_path(raw: str) -> str:
    """Check a relative path from outside and return it in NFC.

    This is the one rule for the names of a tree, whether it was uploaded or pushed.

    Raises:
        UnsafeArchiveError: Empty, absolute, with ``..``, backslashes, drive letters, invisible
            characters or a part that is ``.git`` on some file system, too long, or too deep.
    """
    path = unicodedata.normalize("NFC", raw)
    problem = _path_problem(path)
    if problem:
        raise UnsafeArchiveError(f"the path {_printable(raw)!r} {problem}", details={"path": _printable(raw)})
    return path


def _path_problem(path: str) -> str | None:
    try:
        encoded = path.encode()
    except UnicodeEncodeError:
        return "isn't valid text"
    parts = path.split("/")
    checks = (
        (not path or path.startswith("/"), "is empty or absolute"),
        ("\\" in path or ":" in parts[0], "has a backslash or a drive letter"),
        (
            any(unicodedata.category(char) in _INVISIBLE for char in path),
            "has control or invisible characters",
        ),
        (not all(map(_on_ntfs, parts)), "leaves its folder or has empty parts"),
        (any(_on_ntfs(part) in {".git", "git~1"} for part in parts), "touches .git"),
        (len(encoded) > MAX_PATH_BYTES, f"is longer than {MAX_PATH_BYTES} bytes"),
        (
            any(len(part.encode()) > MAX_NAME_BYTES for part in parts),
            f"has a name of more than {MAX_NAME_BYTES} bytes",
        ),
        (len(parts) > MAX_DEPTH, f"is deeper than {MAX_DEPTH} folders"),
    )
    return next((text for broken, text in checks if broken), None)


def _on_ntfs(part: str) -> str:
    """What a name becomes on NTFS: no stream, no dots and spaces at the end, any case (git: path.c)."""
    return part.partition(":")[0].rstrip(" .").casefold()


def refuse_collisions(paths: Iterable[str]) -> None:
    """Refuse a tree in which two paths are the same on some file system, or a file is also a folder.

    Raises:
        UnsafeArchiveError: Names the second path.
    """
    files: set[str] = set()
    folders: set[str] = set()
    for path in paths:
        key = path.casefold()
        parents = {key[:index] for index, char in enumerate(key) if char == "/"}
        if key in files or key in folders or parents & files:
            raise UnsafeArchiveError(f"the path {path!r} stands twice", details={"path": path})
        files.add(key)
        folders |= parents


def _printable(raw: str) -> str:
    return raw.encode("ascii", "backslashreplace").decode()[:200]
