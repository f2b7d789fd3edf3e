"""Reading a ZIP archive (APPNOTE 6.3): its directory bounded, its entries apart from each other."""

from __future__ import annotations

import io
import stat
import struct
import zipfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import IO

from computor_core.errors import PayloadTooLargeError, UnsafeArchiveError
from computor_core.services.archive_entries import (
    CHUNK,
    ArchiveEntry,
    entry_mode,
    something_follows,
    special_file,
)

_DIRECTORY_BYTES_PER_ENTRY = 512
_END_BYTES = 22
_LOCAL_BYTES = 30
_LOCAL_LENGTHS = 26


def is_zip(start: bytes) -> bool:
    """Whether a file that begins so is a ZIP archive: with an entry, or with the end of an empty one."""
    return start.startswith((b"PK\x03\x04", b"PK\x05\x06"))


def zip_entries(archive: Path, limit: int) -> Iterator[ArchiveEntry]:
    """The entries of a ZIP archive.

    Args:
        archive: The file.
        limit: The most entries that it may have.

    Raises:
        PayloadTooLargeError: More entries, or a directory that is larger than such a number needs.
        UnsafeArchiveError: Links and special files, entries that share bytes, another compression
            than deflate, or bytes before or after the archive.
        zipfile.BadZipFile, ValueError, RuntimeError, EOFError, zlib.error: A damaged or encrypted
            archive.
    """
    with (
        _BoundedFile(archive, 2 * CHUNK + limit * _DIRECTORY_BYTES_PER_ENTRY) as packed,
        zipfile.ZipFile(packed) as opened,
    ):
        infos = opened.infolist()
        if len(infos) > limit:
            raise PayloadTooLargeError(f"the archive has more than {limit} files and folders")
        _check_layout(opened, packed)
        for info in infos:
            # `filename` ends at a NUL byte, `orig_filename` is what the archive has.
            path, mode = info.orig_filename, info.external_attr >> 16
            if path.endswith("/") or stat.S_ISDIR(mode):
                yield ArchiveEntry(path.rstrip("/"), 0, None)
                continue
            if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
                raise special_file()
            if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                # For the others zipfile unpacks whatever a piece holds at once, without a bound.
                raise UnsafeArchiveError("the archive is compressed by another method than deflate")
            yield ArchiveEntry(path, entry_mode(mode), _pieces(opened, info))


def _pieces(opened: zipfile.ZipFile, info: zipfile.ZipInfo) -> Iterator[bytes]:
    with opened.open(info) as source:
        yield from iter(partial(source.read, CHUNK), b"")


class _BoundedFile(io.BufferedReader):
    """A file of which nobody reads more than a bound at once.

    ``zipfile`` reads the directory of an archive in one call, whatever size the archive gives it, and
    makes an object of each 46 bytes of it.

    Args:
        path: The file.
        bound: Bytes.
    """

    def __init__(self, path: Path, bound: int) -> None:
        super().__init__(io.FileIO(path))
        self._bound = bound
        self._size = path.stat().st_size

    def read(self, size: int | None = -1, /) -> bytes:
        """Read at most ``size`` bytes, to the end when negative.

        Raises:
            PayloadTooLargeError: That is more than the bound.
        """
        wanted = self._size - self.tell() if size is None or size < 0 else size
        if wanted > self._bound:
            raise PayloadTooLargeError(f"the archive's directory is larger than {self._bound} bytes")
        return super().read(wanted)


def _check_layout(opened: zipfile.ZipFile, packed: IO[bytes]) -> None:
    """Refuse entries that share bytes (a bomb needs no other trick), and a file that is more than an archive.

    Source: D. Fifield, "A better zip bomb", WOOT 2019.
    """
    end = 0
    for number, info in enumerate(sorted(opened.infolist(), key=lambda info: info.header_offset)):
        if number == 0 and info.header_offset != 0:
            raise something_follows()
        if info.header_offset < end or info.header_offset + _LOCAL_BYTES > opened.start_dir:
            raise UnsafeArchiveError("entries of the archive share bytes")
        packed.seek(info.header_offset + _LOCAL_LENGTHS)
        name, extra = struct.unpack("<HH", packed.read(4))
        end = info.header_offset + _LOCAL_BYTES + name + extra + info.compress_size
    if end > opened.start_dir:
        raise UnsafeArchiveError("entries of the archive share bytes")
    packed.seek(-_END_BYTES - len(opened.comment), io.SEEK_END)
    if packed.read(4) != b"PK\x05\x06":
        raise something_follows()
