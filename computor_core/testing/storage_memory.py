"""A storage backend in memory: the reference that passes the suite, and a fake for tests."""

from __future__ import annotations

import hashlib
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import StrEnum
from typing import ClassVar

from computor_core.plugin_api.errors import (
    PayloadTooLargeError,
    ProviderInvalidError,
    ProviderNotFoundError,
)
from computor_core.plugin_api.providers.base import Health, HealthState
from computor_core.plugin_api.providers.storage import (
    BlobInfo,
    OpenBlob,
    PutBlob,
    StorageBackend,
    StorageCapability,
)

__all__ = ["MemoryStorage"]

_CHUNK = 64 * 1024


class MemoryStorage(StorageBackend):
    """Keeps blobs in a dictionary, by digest."""

    capabilities: ClassVar[frozenset[StrEnum]] = frozenset({StorageCapability.RANGES})

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}

    @staticmethod
    def check_key(sha256: str) -> None:
        """Refuse what isn't a digest."""
        if not re.fullmatch(r"[0-9a-f]{64}", sha256):
            raise ProviderInvalidError("The key isn't a SHA-256 digest.")

    async def put(self, request: PutBlob) -> BlobInfo:
        """Gather the bytes, check them, then enter the blob."""
        if request.sha256 is not None:
            self.check_key(request.sha256)
        data = bytearray()
        async for chunk in request.content:
            data += chunk
            if request.max_bytes is not None and len(data) > request.max_bytes:
                raise PayloadTooLargeError("More bytes than allowed.")
        digest = hashlib.sha256(data).hexdigest()
        if request.sha256 not in {None, digest}:
            raise ProviderInvalidError("The digest isn't the expected one.")
        self.blobs[digest] = bytes(data)
        return BlobInfo(digest, len(data))

    @asynccontextmanager
    async def open(self, request: OpenBlob) -> AsyncIterator[AsyncIterator[bytes]]:
        """Serve from the object that was there on entering."""
        self.check_key(request.sha256)
        data = self.blobs.get(request.sha256)
        if data is None:
            raise ProviderNotFoundError("No such blob.")
        if not 0 <= request.offset <= len(data) or (request.length or 0) < 0:
            raise ProviderInvalidError("No such range.")
        end = len(data) if request.length is None else request.offset + request.length
        yield self._chunks(data[request.offset : end])

    @staticmethod
    async def _chunks(data: bytes) -> AsyncIterator[bytes]:
        for start in range(0, len(data), _CHUNK):
            yield data[start : start + _CHUNK]

    async def stat(self, sha256: str) -> BlobInfo | None:
        """Size of the object."""
        self.check_key(sha256)
        data = self.blobs.get(sha256)
        return None if data is None else BlobInfo(sha256, len(data))

    async def delete(self, sha256: str) -> bool:
        """Take the object out of the dictionary."""
        self.check_key(sha256)
        return self.blobs.pop(sha256, None) is not None

    async def list(self) -> AsyncIterator[BlobInfo]:
        """All objects."""
        for digest, data in list(self.blobs.items()):
            yield BlobInfo(digest, len(data))

    async def health(self) -> Health:
        """Always well."""
        return Health(HealthState.OK)
