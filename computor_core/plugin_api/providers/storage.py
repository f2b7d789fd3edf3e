"""Object storage: content-addressed blobs.

Keys are lower-case SHA-256 digests of the content (FIPS 180-4), so a key can't be guessed,
chosen by a client or made to point at another object, and writing twice is harmless.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import ClassVar

from computor_core.plugin_api.providers.base import Provider


class StorageCapability(StrEnum):
    """What a storage backend may offer beyond put, open, stat, delete and list."""

    RANGES = "ranges"
    PRESIGNED_GET = "presigned_get"
    PRESIGNED_PUT = "presigned_put"


@dataclass(frozen=True, slots=True)
class PutBlob:
    """Store a blob.

    Attributes:
        content: The bytes, in chunks of any size; read once.
        sha256: Expected digest (64 lower-case hex digits) or None to accept what comes.
        max_bytes: Refuse and leave nothing behind when more arrives.
    """

    content: AsyncIterator[bytes]
    sha256: str | None = None
    max_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class BlobInfo:
    """A stored blob: its digest and size in bytes."""

    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class OpenBlob:
    """Read a blob.

    Attributes:
        sha256: The key.
        offset: First byte wanted (needs ``RANGES`` unless 0).
        length: Number of bytes wanted, None for all that follow (needs ``RANGES`` unless None).
    """

    sha256: str
    offset: int = 0
    length: int | None = None


@dataclass(frozen=True, slots=True)
class PresignBlob:
    """Ask for an address that lets a client move the bytes without the host."""

    sha256: str
    expires: timedelta
    filename: str | None = None


class StorageBackend(Provider):
    """Contract of a storage backend.

    ``put`` is atomic: a reader sees the whole blob or none, also after ``kill -9``. ``open``
    streams; memory doesn't grow with the blob. A key that isn't 64 lower-case hex digits raises
    ``ProviderInvalidError`` from every method, so no key ever becomes a path of its own choice.
    """

    seam: ClassVar[str] = "storage"

    async def put(self, request: PutBlob) -> BlobInfo:
        """Store the bytes and return digest and size.

        Storing what is there already succeeds. An exception of ``content`` itself passes
        through unchanged and nothing is kept, as when the call is cancelled.

        Raises:
            ProviderInvalidError: The digest isn't the expected one; nothing is kept.
            PayloadTooLargeError: More than ``max_bytes`` arrived; nothing is kept.
            ProviderUnavailableError: The store is away or full.
        """
        raise NotImplementedError

    def open(self, request: OpenBlob) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Stream the bytes.

        A range that reaches beyond the end stops at the end; one that starts at the end is empty.

        Raises:
            ProviderNotFoundError: On entering, when there is no such blob.
            ProviderInvalidError: On entering, when the offset lies behind the end, or offset or
                length is negative.
            CapabilityNotSupportedError: On entering, when a range is asked for without ``RANGES``.
        """
        raise NotImplementedError

    async def stat(self, sha256: str) -> BlobInfo | None:
        """Digest and size, or None when there is no such blob."""
        raise NotImplementedError

    async def delete(self, sha256: str) -> bool:
        """Remove the blob; False when there was none. Open readers finish undisturbed."""
        raise NotImplementedError

    def list(self) -> AsyncIterator[BlobInfo]:
        """All blobs, each once, in no given order; for reconciliation, never on a request's path.

        Blobs stored or deleted meanwhile may or may not be among them.
        """
        raise NotImplementedError

    async def presign_get(self, request: PresignBlob) -> str:
        """An address that serves the blob until it expires (capability ``PRESIGNED_GET``)."""
        raise self.unsupported(StorageCapability.PRESIGNED_GET)

    async def presign_put(self, request: PresignBlob) -> str:
        """An address that accepts the blob until it expires (capability ``PRESIGNED_PUT``)."""
        raise self.unsupported(StorageCapability.PRESIGNED_PUT)
