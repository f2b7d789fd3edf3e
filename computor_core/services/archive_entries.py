"""What the readers of archives hand over: one entry after the other, its bytes in small pieces."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from dataclasses import dataclass

from computor_core.errors import UnsafeArchiveError
from computor_core.services.trees import EXECUTABLE, REGULAR

CHUNK = 64 * 1024
"""The most bytes that a reader keeps of a stream at a time."""

ROOT = "."
"""Path of the entry that some programs write for the folder that they packed."""


@dataclass(frozen=True, slots=True)
class ArchiveEntry:
    """A file or a folder of an archive, unchecked.

    Attributes:
        path: As the archive has it, without a leading ``./`` and without a slash at the end.
        mode: ``REGULAR`` or ``EXECUTABLE``; of no meaning for a folder.
        chunks: The file's bytes, to be read before the next entry is asked for; None for a folder.
    """

    path: str
    mode: int
    chunks: Iterator[bytes] | None


def entry_mode(mode: int) -> int:
    """The mode in a tree for the permission bits in an archive."""
    return EXECUTABLE if mode & stat.S_IXUSR else REGULAR


def special_file() -> UnsafeArchiveError:
    """The error for what is neither a file nor a folder."""
    return UnsafeArchiveError("the archive has a link or a special file")


def something_follows() -> UnsafeArchiveError:
    """The error for bytes that belong to no entry, which other programs might take for some."""
    return UnsafeArchiveError(
        "something stands before the archive or follows its end", hint="send one ZIP or tar archive"
    )
