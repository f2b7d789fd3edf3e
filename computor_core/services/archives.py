"""Safe extraction of uploaded archives into a private spool folder.

Nothing in an archive is trusted: neither names nor sizes nor kinds. Every file is written under
a name of ours (a number), so no path of the archive ever reaches the file system, and bytes
are counted as they come out, not as the archive announces them. ZIP: APPNOTE 6.3; tar: POSIX
pax, read as a stream.
"""

from __future__ import annotations

import hashlib
import lzma
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from computor_core.errors import PayloadTooLargeError, UnsafeArchiveError
from computor_core.services.trees import (
    EXECUTABLE,
    REGULAR,
    FileEntry,
    SpooledFile,
    refuse_collisions,
    safe_path,
)

_CHUNK = 64 * 1024
_DAMAGED = (
    zipfile.BadZipFile,
    tarfile.TarError,
    EOFError,
    lzma.LZMAError,
    zlib.error,
    NotImplementedError,  # zipfile: unknown compression method
    RuntimeError,  # zipfile: encrypted entry
)


@dataclass(frozen=True, slots=True)
class ArchiveLimits:
    """Limits on what comes out of an archive.

    Attributes:
        files: Number of files.
        file_bytes: Bytes of one file.
        total_bytes: Bytes of all files.
        ratio: Bytes out per byte in, beyond the first mebibyte; stops zip bombs early.
    """

    files: int = 2000
    file_bytes: int = 16 * 1024 * 1024
    total_bytes: int = 64 * 1024 * 1024
    ratio: int = 200


def extract(archive: Path, spool: Path, limits: ArchiveLimits) -> list[SpooledFile]:
    """Extract a ZIP or tar archive (optionally gzip, bzip2 or xz) into a spool folder.

    Blocking; run it in a thread.

    Args:
        archive: The uploaded file.
        spool: An empty private folder; on an error the caller removes it.
        limits: What may come out.

    Returns:
        The files, sorted by path.

    Raises:
        UnsafeArchiveError: Not an archive, an unsafe path, a link, a device, a name that stands
            twice, an encrypted entry, or a damaged stream.
        PayloadTooLargeError: More files or bytes than the limits allow.
    """
    entries = _zip_entries(archive) if zipfile.is_zipfile(archive) else _tar_entries(archive)
    meter = _Meter(limits, archive.stat().st_size)
    found: list[SpooledFile] = []
    try:
        with closing(entries):
            for raw, mode, source in entries:
                path = safe_path(raw)
                meter.file()
                found.append(_spool(path, mode, source, spool / str(len(found)), meter))
    except _DAMAGED as error:
        raise _damaged() from error
    except OSError as error:
        # The decompressors report bad data as an OSError without errno; a real one is the disk's.
        if error.errno is not None:
            raise
        raise _damaged() from error
    refuse_collisions(item.entry.path for item in found)
    return sorted(found, key=lambda item: item.entry)


def _damaged() -> UnsafeArchiveError:
    return UnsafeArchiveError(
        "the archive is damaged, encrypted or of an unknown kind", hint="send a ZIP or tar archive"
    )


class _Meter:
    """Counts what comes out."""

    def __init__(self, limits: ArchiveLimits, packed: int) -> None:
        self.limits = limits
        self.allowed = min(limits.total_bytes, 1024 * 1024 + packed * limits.ratio)
        self.files = 0
        self.total = 0

    def file(self) -> None:
        self.files += 1
        if self.files > self.limits.files:
            raise PayloadTooLargeError(f"the archive has more than {self.limits.files} files")

    def bytes(self, size_so_far: int, more: int) -> None:
        self.total += more
        if size_so_far > self.limits.file_bytes:
            raise PayloadTooLargeError(f"a file is larger than {self.limits.file_bytes} bytes")
        if self.total > self.limits.total_bytes:
            raise PayloadTooLargeError(f"the files are larger than {self.limits.total_bytes} bytes together")
        if self.total > self.allowed:
            raise UnsafeArchiveError("the archive expands out of proportion")


def _spool(path: str, mode: int, source: IO[bytes], target: Path, meter: _Meter) -> SpooledFile:
    digest = hashlib.sha256()
    size = 0
    with source, target.open("xb") as out:
        while chunk := source.read(_CHUNK):
            size += len(chunk)
            meter.bytes(size, len(chunk))
            digest.update(chunk)
            out.write(chunk)
    return SpooledFile(FileEntry(path, mode, size, digest.hexdigest()), target)


def _zip_entries(archive: Path) -> Generator[tuple[str, int, IO[bytes]], None, None]:
    with zipfile.ZipFile(archive) as opened:
        for info in opened.infolist():
            mode = info.external_attr >> 16
            kind = stat.S_IFMT(mode)
            if info.is_dir() or stat.S_ISDIR(mode):
                if info.filename.strip("/"):
                    safe_path(info.filename.rstrip("/"))
                continue
            if kind not in (0, stat.S_IFREG):
                raise UnsafeArchiveError("the archive has a link or a special file")
            yield info.filename, _mode(mode), opened.open(info)


def _tar_entries(archive: Path) -> Generator[tuple[str, int, IO[bytes]], None, None]:
    with tarfile.open(archive, mode="r|*") as opened:
        for info in opened:
            if info.isdir():
                if info.name.strip("./"):
                    safe_path(info.name.removeprefix("./").rstrip("/"))
                continue
            if not info.isreg() or info.issparse():
                raise UnsafeArchiveError("the archive has a link or a special file")
            source = opened.extractfile(info)
            if source is None:
                raise UnsafeArchiveError("the archive has an entry without content")
            yield info.name.removeprefix("./"), _mode(info.mode), source


def _mode(mode: int) -> int:
    return EXECUTABLE if mode & stat.S_IXUSR else REGULAR
