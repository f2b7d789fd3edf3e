"""pkt-lines and side bands, the framing of git's protocol (gitprotocol-common(5), -pack(5))."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

__all__ = ["FLUSH", "PktError", "PktSplitter", "band_lines", "encode"]

FLUSH = b"0000"
_LARGEST = 65520
_BAND_PROGRESS = 2
_BAND_CHUNK = 900
"""Fits into both side-band (1,000 bytes a packet) and side-band-64k."""


class PktError(ValueError):
    """The bytes aren't pkt-lines."""


def encode(payload: bytes) -> bytes:
    """One pkt-line."""
    return b"%04x" % (len(payload) + 4) + payload


def band_lines(lines: Iterable[str]) -> Iterator[bytes]:
    """Packets of the progress band, which the client shows as ``remote: <line>``.

    Control characters are replaced, so that no text can steer the pusher's terminal.
    """
    for line in lines:
        for part in line.splitlines() or [""]:
            clean = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in part)
            text = clean.encode("utf-8", "replace") + b"\n"
            for start in range(0, len(text), _BAND_CHUNK):
                yield encode(bytes([_BAND_PROGRESS]) + text[start : start + _BAND_CHUNK])


class PktSplitter:
    """Cuts a stream into pkt-lines, whatever its chunks are; holds at most one packet."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The complete pkt-lines so far, each with its four length digits.

        Raises:
            PktError: A length isn't one.
        """
        self._buffer += data
        while (size := _size(self._buffer)) is not None and len(self._buffer) >= size:
            packet = bytes(self._buffer[:size])
            del self._buffer[:size]
            yield packet

    @property
    def rest(self) -> bytes:
        """Bytes that aren't a complete pkt-line (yet)."""
        return bytes(self._buffer)


def _size(buffer: bytearray) -> int | None:
    """Length of the first packet in bytes; special packets (flush, delimiter, end) have 4."""
    if len(buffer) < 4:
        return None
    try:
        size = int(bytes(buffer[:4]), 16)
    except ValueError as error:
        raise PktError("a pkt-line's length isn't four hex digits") from error
    if size == 3 or size > _LARGEST or not buffer[:4].isalnum():
        raise PktError("a pkt-line's length is out of range")
    return max(size, 4)
