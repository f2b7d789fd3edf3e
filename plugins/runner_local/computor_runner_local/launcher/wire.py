"""Frames on the socket between host and supervisor: a JSON header and byte strings.

A frame is the header's length (4 bytes, big endian), the header, then the byte strings one
after the other; the header's ``"blobs"`` lists their lengths. Both ends are ours, yet lengths are
bounded, so that a broken end can't make the other allocate without end.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any

HEADER_LIMIT = 16 * 1024 * 1024
BLOB_LIMIT = 1024 * 1024 * 1024


class WireError(Exception):
    """The other end ended early or sent something that isn't a frame."""


def pack(header: Mapping[str, Any], blobs: Sequence[bytes]) -> list[bytes]:
    """The pieces of a frame, in order."""
    text = json.dumps({**header, "blobs": [len(blob) for blob in blobs]}).encode()
    return [struct.pack(">I", len(text)), text, *blobs]


def header_length(prefix: bytes) -> int:
    """Length of the header that follows the first four bytes."""
    (length,) = struct.unpack(">I", prefix)
    if length > HEADER_LIMIT:
        raise WireError(f"a header of {length} bytes")
    return int(length)


def parse_header(text: bytes) -> tuple[dict[str, Any], list[int]]:
    """The header and the lengths of the byte strings that follow it."""
    try:
        header = json.loads(text)
        lengths = [int(length) for length in header.pop("blobs")]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise WireError(f"not a header: {error}") from error
    if any(length < 0 for length in lengths) or sum(lengths) > BLOB_LIMIT:
        raise WireError("byte strings beyond the limit")
    return header, lengths


def read(receive: Callable[[int], bytes]) -> tuple[dict[str, Any], list[bytes]]:
    """Read one frame with a blocking ``receive(count)`` such as ``socket.recv``."""

    def exactly(count: int) -> bytes:
        parts: list[bytes] = []
        while count:
            part = receive(min(count, 1 << 20))
            if not part:
                raise WireError("the other end closed the connection")
            parts.append(part)
            count -= len(part)
        return b"".join(parts)

    header, lengths = parse_header(exactly(header_length(exactly(4))))
    return header, [exactly(length) for length in lengths]
