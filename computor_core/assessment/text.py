"""Making what a program wrote fit to be stored and shown."""

from __future__ import annotations

import re

# ECMA-48: CSI … final byte; OSC, DCS, SOS, PM and APC up to their terminator; two-character escapes.
_ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"
    r"|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?"
    r"|\x1b[ -/]*[0-~]?"
)
# C0 and C1 controls but tab and newline, and the characters that reorder text (Unicode UAX 9).
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
SHOWN = 8_000


def decode(content: bytes) -> str:
    """Bytes as text: UTF-8, what isn't becomes U+FFFD; CR LF becomes LF. Nothing else changes."""
    return content.decode("utf-8", errors="replace").replace("\r\n", "\n")


def clean(text: str | bytes, limit: int = SHOWN) -> str:
    """Text without terminal escapes, control characters and surrogates, cut to a length.

    Args:
        text: What a program wrote, or a text that may hold some of it.
        limit: Most characters that are kept; a note says how many were cut.
    """
    if isinstance(text, bytes):
        text = decode(text)
    text = text.encode("utf-8", errors="replace").decode("utf-8")
    kept = _CONTROLS.sub("\ufffd", _ESCAPES.sub("", text[: 4 * limit + 4096]))
    cut = len(text) - limit
    return kept if len(kept) <= limit else f"{kept[:limit]}\n… [{cut} characters cut]"
