"""Safe extraction of uploaded archives into a private spool folder.

Nothing in an archive is trusted: neither names nor sizes nor kinds nor counts. Every file is written
under a name of ours (a number), so no path of the archive ever reaches the file system, and bytes are
counted as they come out, not as the archive announces them.
"""

from __future__ import annotations

import hashlib
import lzma
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from computor_core.errors import EmptyArchiveError, PayloadTooLargeError, UnsafeArchiveError
from computor_core.services.archive_entries import ROOT, ArchiveEntry
from computor_core.services.archive_tar import tar_entries
from computor_core.services.archive_zip import is_zip, zip_entries
from computor_core.services.trees import FileEntry, SpooledFile, refuse_collisions, safe_path

_TAR_BYTES_PER_ENTRY = 4096  # a pax header, a header and the padding of both and of the content
_DAMAGED = (
    zipfile.BadZipFile,
    tarfile.TarError,
    EOFError,
    lzma.LZMAError,
    zlib.error,
    struct.error,  # zipfile: fields that are cut off
    ValueError,  # zipfile: names that aren't what they say they are encoded in
    NotImplementedError,  # zipfile: a version or a patch method that it doesn't know
    RuntimeError,  # zipfile: encrypted entry
)


@dataclass(frozen=True, slots=True)
class ArchiveLimits:
    """Limits on what comes out of an archive.

    Attributes:
        files: Number of files and folders.
        file_bytes: Bytes of one file.
        total_bytes: Bytes of all files.
        ratio: Bytes out per byte in, beyond the first mebibyte; stops zip bombs early.
    """

    files: int = 2000
    file_bytes: int = 16 * 1024 * 1024
    total_bytes: int = 64 * 1024 * 1024
    ratio: int = 200


def extract(archive: Path, spool: Path, limits: ArchiveLimits) -> list[SpooledFile]:
    """Extract a ZIP or tar archive (the latter plain or by gzip, bzip2 or xz) into a spool folder.

    Blocking; run it in a thread.

    Args:
        archive: The uploaded file.
        spool: An empty private folder; empty again after an error.
        limits: What may come out.

    Returns:
        The files, sorted by path.

    Raises:
        UnsafeArchiveError: Not an archive, an unsafe path, a link, a device, a name that stands
            twice, an encrypted entry, bytes that belong to no entry, or a damaged stream.
        PayloadTooLargeError: More files, folders or bytes than the limits allow.
        EmptyArchiveError: Not one file.
    """
    try:
        return _extract(archive, spool, limits)
    except BaseException:
        for leftover in spool.iterdir():
            leftover.unlink()
        raise


def _extract(archive: Path, spool: Path, limits: ArchiveLimits) -> list[SpooledFile]:
    meter = _Meter(limits, archive.stat().st_size)
    found: list[SpooledFile] = []
    try:
        for entry in _entries(archive, meter):
            meter.entry()
            if entry.chunks is not None:
                target = spool / str(len(found))
                found.append(_spool(safe_path(entry.path), entry.mode, entry.chunks, target, meter))
            elif entry.path != ROOT:
                safe_path(entry.path)
    except _DAMAGED as error:
        raise _damaged() from error
    except OSError as error:
        # The decompressors report bad data as an OSError without errno; a real one is the disk's.
        if error.errno is not None:
            raise
        raise _damaged() from error
    if not found:
        raise EmptyArchiveError("there is no file in the archive")
    refuse_collisions(item.entry.path for item in found)
    return sorted(found, key=lambda item: item.entry)


def _entries(archive: Path, meter: _Meter) -> Iterator[ArchiveEntry]:
    with archive.open("rb") as packed:
        start = packed.read(4)
        packed.seek(0)
        if is_zip(start):
            yield from zip_entries(archive, meter.limits.files)
        else:
            headers = meter.limits.files * _TAR_BYTES_PER_ENTRY
            yield from tar_entries(packed, meter.allowed + headers)


def _damaged() -> UnsafeArchiveError:
    return UnsafeArchiveError(
        "the archive is damaged, encrypted or of an unknown kind", hint="send a ZIP or tar archive"
    )


class _Meter:
    """Counts what comes out."""

    def __init__(self, limits: ArchiveLimits, packed: int) -> None:
        self.limits = limits
        self.allowed = min(limits.total_bytes, 1024 * 1024 + packed * limits.ratio)
        self.entries = 0
        self.total = 0

    def entry(self) -> None:
        self.entries += 1
        if self.entries > self.limits.files:
            raise PayloadTooLargeError(f"the archive has more than {self.limits.files} files and folders")

    def bytes(self, size_so_far: int, more: int) -> None:
        self.total += more
        if size_so_far > self.limits.file_bytes:
            raise PayloadTooLargeError(f"a file is larger than {self.limits.file_bytes} bytes")
        if self.total > self.limits.total_bytes:
            raise PayloadTooLargeError(f"the files are larger than {self.limits.total_bytes} bytes together")
        if self.total > self.allowed:
            raise UnsafeArchiveError("the archive expands out of proportion")


def _spool(path: str, mode: int, chunks: Iterator[bytes], target: Path, meter: _Meter) -> SpooledFile:
    digest = hashlib.sha256()
    size = 0
    with target.open("xb") as out:
        for chunk in chunks:
            size += len(chunk)
            meter.bytes(size, len(chunk))
            digest.update(chunk)
            out.write(chunk)
    return SpooledFile(FileEntry(path, mode, size, digest.hexdigest()), target)
