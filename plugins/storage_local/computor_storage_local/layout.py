"""Where a blob lies below the instance's folder."""

from __future__ import annotations

import re
from pathlib import Path

from computor_core.plugin_api.errors import ProviderInvalidError

__all__ = ["TEMPORARY", "blob_path", "digest_of", "is_shard"]

TEMPORARY = "tmp"
"""Folder of files that are still being written; never two hex digits, so never a shard."""

_DIGEST = re.compile(r"[0-9a-f]{64}")
_SHARD = re.compile(r"[0-9a-f]{2}")


def blob_path(root: Path, sha256: str) -> Path:
    """Path of a blob: ``<root>/aa/bb/<sha256>``.

    Two levels of 256 folders keep every folder below some thousands of entries with a hundred
    million blobs.

    Raises:
        ProviderInvalidError: The key isn't 64 lower-case hex digits, so no path is made of it.
    """
    if not _DIGEST.fullmatch(sha256):
        raise ProviderInvalidError(
            "A blob's key is the SHA-256 of its content in 64 lower-case hex digits.",
            details={"key": sha256[:80]},
        )
    return root / sha256[:2] / sha256[2:4] / sha256


def is_shard(name: str) -> bool:
    """Whether a folder's name is one level of the layout."""
    return _SHARD.fullmatch(name) is not None


def digest_of(name: str, shard: str) -> str | None:
    """The key that a file name in folder ``shard`` ("aabb") stands for; None for a foreign file."""
    return name if _DIGEST.fullmatch(name) and name.startswith(shard) else None
