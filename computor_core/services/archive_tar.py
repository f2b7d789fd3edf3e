"""Reading a tar archive as a stream: POSIX ustar and pax, and GNU's long names.

``tarfile`` reads the bodies of pax and long-name headers whole and keeps every entry that it has seen;
both are the sender's to choose. So the headers are read here, block by block, and only their fields are
left to :class:`tarfile.TarInfo`.
"""

from __future__ import annotations

import bz2
import lzma
import tarfile
import zlib
from collections.abc import Iterator
from functools import partial
from typing import IO

from computor_core.errors import UnsafeArchiveError
from computor_core.services.archive_entries import (
    CHUNK,
    ArchiveEntry,
    entry_mode,
    something_follows,
    special_file,
)

HEADER_BYTES = 64 * 1024
"""The most that a pax or long-name header may hold; a path has at most 1024 bytes."""

HEADERS_BEFORE = 8
"""The most headers that may stand before an entry's own; writers put up to four there."""

_BLOCK = 512
_LZMA_MEMORY = 96 * 1024 * 1024  # xz -9 needs 65 MiB
_FILES = (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE)
_PAX = (tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE)
_EXTENDED = (*_PAX, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK)


def tar_entries(packed: IO[bytes], allowed: int) -> Iterator[ArchiveEntry]:
    """The entries of a tar archive, plain or compressed by gzip, bzip2 or xz.

    Args:
        packed: The archive, at its beginning.
        allowed: The most bytes that may be read of it, uncompressed and with all headers.

    Raises:
        UnsafeArchiveError: Something other than files and folders, a header that is too large, bytes
            after the end, or more than is allowed.
        tarfile.TarError, EOFError, OSError, zlib.error, lzma.LZMAError: A damaged archive.
    """
    stream = _Stream(_unpacked(packed), allowed)
    while (info := _next_header(stream)) is not None:
        path = info.name.removeprefix("./")
        if info.isdir():
            yield ArchiveEntry(path.rstrip("/"), 0, None)
        elif info.type in _FILES:
            yield ArchiveEntry(path, entry_mode(info.mode), stream.pieces(info.size))
            stream.exactly(-info.size % _BLOCK)
        else:
            raise special_file()
    while rest := stream.read(CHUNK):
        if rest.strip(b"\0"):
            raise something_follows()


class _Stream:
    """Reads pieces of any size from blocks, and counts.

    Args:
        blocks: The bytes, in blocks that aren't empty.
        allowed: The most bytes to take.
    """

    def __init__(self, blocks: Iterator[bytes], allowed: int) -> None:
        self._blocks = blocks
        self._left = allowed
        self._block = b""
        self._at = 0

    def read(self, size: int) -> bytes:
        """At least one byte and at most ``size``; none at the end."""
        if self._at == len(self._block):
            self._block, self._at = next(self._blocks, b""), 0
            self._left -= len(self._block)
            if self._left < 0:
                raise UnsafeArchiveError("the archive expands out of proportion")
        piece = self._block[self._at : self._at + size]
        self._at += len(piece)
        return piece

    def pieces(self, size: int) -> Iterator[bytes]:
        """The next ``size`` bytes in pieces.

        Raises:
            EOFError: There are fewer.
        """
        while size:
            piece = self.read(min(size, CHUNK))
            if not piece:
                raise EOFError
            size -= len(piece)
            yield piece

    def exactly(self, size: int) -> bytes:
        """The next ``size`` bytes; only for sizes that are bounded.

        Raises:
            EOFError: There are fewer.
        """
        return b"".join(self.pieces(size))


def _next_header(stream: _Stream) -> tarfile.TarInfo | None:
    """The header of the next file or folder, with what the headers before it say of it; None at the end."""
    path: str | None = None
    size: int | None = None
    for _ in range(HEADERS_BEFORE + 1):
        block = stream.exactly(_BLOCK)
        if not any(block):
            return None
        info = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        if info.size < 0:
            raise tarfile.ReadError("a negative size")
        if info.type not in _EXTENDED:
            info.name = info.name if path is None else path
            info.size = info.size if size is None else size
            return info
        if info.size > HEADER_BYTES:
            raise UnsafeArchiveError(f"a header of the archive is larger than {HEADER_BYTES} bytes")
        body = stream.exactly(info.size)
        stream.exactly(-info.size % _BLOCK)
        if info.type == tarfile.GNUTYPE_LONGNAME:
            path = _text(body.rstrip(b"\0"))
        elif info.type in _PAX:
            for key, value in _records(body):
                if key == b"path":
                    path = _text(value)
                elif key == b"size":
                    size = _number(value)
                elif key.startswith(b"GNU.sparse."):
                    raise special_file()
    raise UnsafeArchiveError(f"more than {HEADERS_BEFORE} headers of the archive say something of one entry")


def _records(body: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The records ``<length> <key>=<value><newline>`` of a pax header (POSIX.1-2017, pax, 4.2)."""
    at = 0
    while at < len(body):
        space = body.find(b" ", at, at + 10)
        end = at + _number(body[at:space]) if space > 0 else 0
        key, equals, value = body[space + 1 : end - 1].partition(b"=")
        if not space < end <= len(body) or body[end - 1 : end] != b"\n" or not equals:
            raise tarfile.ReadError("not a pax record")
        yield key, value
        at = end


def _number(digits: bytes) -> int:
    if not digits.isdigit() or len(digits) > 20:
        raise tarfile.ReadError("not a number")
    return int(digits)


def _text(value: bytes) -> str:
    return value.decode("utf-8", "surrogateescape")


def _unpacked(packed: IO[bytes]) -> Iterator[bytes]:
    """The bytes of one compressed stream, or of a plain file, in blocks of at most :data:`CHUNK`."""
    start = packed.read(6)
    packed.seek(0)
    if start.startswith(b"\x1f\x8b"):
        return _gunzipped(packed)
    if start.startswith(b"BZh"):
        return _decompressed(packed, bz2.BZ2Decompressor())
    if start.startswith((b"\xfd7zXZ\0", b"\x5d\0\0")):
        return _decompressed(packed, lzma.LZMADecompressor(memlimit=_LZMA_MEMORY))
    return iter(partial(packed.read, CHUNK), b"")


def _gunzipped(packed: IO[bytes]) -> Iterator[bytes]:
    unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)  # with gzip's header and check sum, RFC 1952
    while not unpacker.eof:
        taken = unpacker.unconsumed_tail or packed.read(CHUNK)
        block = unpacker.decompress(taken, CHUNK)
        if block:
            yield block
        elif not taken:
            raise EOFError
    if unpacker.unused_data or packed.read(1):
        raise something_follows()


def _decompressed(
    packed: IO[bytes], unpacker: bz2.BZ2Decompressor | lzma.LZMADecompressor
) -> Iterator[bytes]:
    while not unpacker.eof:
        taken = packed.read(CHUNK) if unpacker.needs_input else b""
        if unpacker.needs_input and not taken:
            raise EOFError
        block = unpacker.decompress(taken, CHUNK)
        if block:
            yield block
    if unpacker.unused_data or packed.read(1):
        raise something_follows()
