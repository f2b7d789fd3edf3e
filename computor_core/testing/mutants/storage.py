"""Broken storage backends; each names the test of :class:`StorageConformance` that rejects it."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import ClassVar

from computor_core.plugin_api.errors import PayloadTooLargeError, ProviderNotFoundError
from computor_core.plugin_api.providers.base import Health, HealthState
from computor_core.plugin_api.providers.storage import BlobInfo, OpenBlob, PresignBlob, PutBlob
from computor_core.testing.storage_memory import MemoryStorage

__all__ = ["MUTANTS", "StorageMutant"]


class StorageMutant(MemoryStorage):
    """Root of the mutants.

    Attributes:
        rejected_by: Name of the one test that must fail.
        streams: Whether it claims not to keep blobs in memory, which all mutants do.
    """

    rejected_by: ClassVar[str] = ""
    streams: ClassVar[bool] = False


class NotAtomic(StorageMutant):
    """Shows the bytes under their final key while they arrive."""

    rejected_by = "test_a_blob_appears_whole_or_not_at_all"

    async def put(self, request: PutBlob) -> BlobInfo:
        if request.sha256 is None:
            return await super().put(request)

        async def shown(key: str) -> AsyncIterator[bytes]:
            data = b""
            async for chunk in request.content:
                data += chunk
                if len(data) > len(chunk):
                    self.blobs[key] = data
                yield chunk

        return await super().put(replace(request, content=shown(request.sha256)))


class KeepsWhatFailed(StorageMutant):
    """Stores what had arrived when the source failed."""

    rejected_by = "test_a_failing_source_keeps_nothing"

    async def put(self, request: PutBlob) -> BlobInfo:
        data = bytearray()

        async def noted() -> AsyncIterator[bytes]:
            try:
                async for chunk in request.content:
                    data.extend(chunk)
                    yield chunk
            except Exception:
                self.blobs[hashlib.sha256(data).hexdigest()] = bytes(data)
                raise

        return await super().put(replace(request, content=noted()))


class KeepsWhatWasCancelled(StorageMutant):
    """Stores what had arrived when the call was cancelled."""

    rejected_by = "test_a_cancelled_put_keeps_nothing"

    async def put(self, request: PutBlob) -> BlobInfo:
        data = bytearray()
        done = False

        async def noted() -> AsyncIterator[bytes]:
            async for chunk in request.content:
                data.extend(chunk)
                yield chunk

        try:
            info = await super().put(replace(request, content=noted()))
            done = True
        except Exception:
            done = True
            raise
        finally:
            if not done:
                self.blobs[hashlib.sha256(data).hexdigest()] = bytes(data)
        return info


class IgnoresTheExpectedDigest(StorageMutant):
    """Stores whatever comes, though another digest was announced that isn't there yet."""

    rejected_by = "test_put_refuses_another_digest_and_keeps_nothing"

    async def put(self, request: PutBlob) -> BlobInfo:
        if request.sha256 is not None:
            self.check_key(request.sha256)
        if request.sha256 in self.blobs:
            return await super().put(request)
        return await super().put(replace(request, sha256=None))


class KeepsThePartBelowMaxBytes(StorageMutant):
    """Refuses a blob that is too large but keeps the part that fitted."""

    rejected_by = "test_put_beyond_max_bytes_keeps_nothing"

    async def put(self, request: PutBlob) -> BlobInfo:
        data = bytearray()

        async def noted() -> AsyncIterator[bytes]:
            async for chunk in request.content:
                data.extend(chunk)
                yield chunk

        try:
            return await super().put(replace(request, content=noted()))
        except PayloadTooLargeError:
            if request.sha256 is not None:
                raise
            part = bytes(data[: request.max_bytes])
            self.blobs[hashlib.sha256(part).hexdigest()] = part
            raise


class ReadsOnBeyondMaxBytes(StorageMutant):
    """Finds out that a blob is too large when it has read all of it."""

    rejected_by = "test_put_stops_reading_beyond_max_bytes"

    async def put(self, request: PutBlob) -> BlobInfo:
        chunks = [chunk async for chunk in request.content]

        async def again() -> AsyncIterator[bytes]:
            for chunk in chunks:
                yield chunk

        return await super().put(replace(request, content=again()))


class RefusesExactlyMaxBytes(StorageMutant):
    """Takes the limit for the first size that is too large."""

    rejected_by = "test_put_accepts_exactly_max_bytes"

    async def put(self, request: PutBlob) -> BlobInfo:
        limit = None if request.max_bytes is None else request.max_bytes - 1
        return await super().put(replace(request, max_bytes=limit))


class TrustsAnnouncedSizes(StorageMutant):
    """Forgets the limit when the digest is announced."""

    rejected_by = "test_max_bytes_holds_for_an_announced_digest_too"

    async def put(self, request: PutBlob) -> BlobInfo:
        if request.sha256 is not None:
            request = replace(request, max_bytes=None)
        return await super().put(request)


class TrustsKnownDigests(StorageMutant):
    """Accepts a digest that is there already without a look at the bytes."""

    rejected_by = "test_an_announced_digest_is_checked_though_it_is_there"

    async def put(self, request: PutBlob) -> BlobInfo:
        known = self.blobs.get(request.sha256 or "")
        if known is not None and request.max_bytes is None:
            return BlobInfo(hashlib.sha256(known).hexdigest(), len(known))
        return await super().put(request)


class GathersWholeBlobs(StorageMutant):
    """Says that it streams, and gathers a blob before it stores it."""

    rejected_by = "test_memory_does_not_grow_with_the_blob"
    streams = True


class RangeIncludesItsEnd(StorageMutant):
    """Serves one byte more than the length says."""

    rejected_by = "test_a_range_gives_exactly_its_bytes"

    @asynccontextmanager
    async def open(self, request: OpenBlob) -> AsyncIterator[AsyncIterator[bytes]]:
        if request.length is not None and request.length >= 0:
            request = replace(request, length=request.length + 1)
        async with super().open(request) as chunks:
            yield chunks


class AcceptsSenselessRanges(StorageMutant):
    """Serves nothing, instead of an error, for a range behind the end."""

    rejected_by = "test_a_senseless_range_is_invalid"

    @asynccontextmanager
    async def open(self, request: OpenBlob) -> AsyncIterator[AsyncIterator[bytes]]:
        info = await self.stat(request.sha256)
        offset = min(max(request.offset, 0), 0 if info is None else info.size)
        length = None if request.length is None else max(request.length, 0)
        request = replace(request, offset=offset, length=length)
        async with super().open(request) as chunks:
            yield chunks


class WholeBlobInsteadOfRange(StorageMutant):
    """Declares no ranges, and answers one with the whole blob instead of the typed error."""

    rejected_by = "test_undeclared_ranges_are_refused"
    capabilities = frozenset()

    @asynccontextmanager
    async def open(self, request: OpenBlob) -> AsyncIterator[AsyncIterator[bytes]]:
        async with super().open(replace(request, offset=0, length=None)) as chunks:
            yield chunks


class MissingIsEmpty(StorageMutant):
    """Serves an empty stream for a blob that isn't there."""

    rejected_by = "test_open_of_nothing_is_not_found"

    @asynccontextmanager
    async def open(self, request: OpenBlob) -> AsyncIterator[AsyncIterator[bytes]]:
        try:
            stack = super().open(request)
            chunks = await stack.__aenter__()
        except ProviderNotFoundError:
            yield self._chunks(b"")
            return
        yield chunks
        await stack.__aexit__(None, None, None)


class DeleteBreaksReaders(StorageMutant):
    """Looks the blob up again for every chunk, so a delete cuts readers off."""

    rejected_by = "test_delete_leaves_open_readers_undisturbed"

    @asynccontextmanager
    async def open(self, request: OpenBlob) -> AsyncIterator[AsyncIterator[bytes]]:
        async def checked(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
            async for chunk in chunks:
                if request.sha256 not in self.blobs:
                    return
                yield chunk

        async with super().open(request) as chunks:
            yield checked(chunks)


class DeleteAlwaysSaysTrue(StorageMutant):
    """Claims to have removed a blob that wasn't there."""

    rejected_by = "test_delete_removes_and_says_whether"

    async def delete(self, sha256: str) -> bool:
        await super().delete(sha256)
        return True


class DeletedKeysStayDead(StorageMutant):
    """Hides a key for ever once it was deleted."""

    rejected_by = "test_a_deleted_blob_can_be_stored_again"

    def __init__(self) -> None:
        super().__init__()
        self.dead: set[str] = set()

    async def delete(self, sha256: str) -> bool:
        deleted = await super().delete(sha256)
        self.dead.add(sha256)
        return deleted

    @asynccontextmanager
    async def open(self, request: OpenBlob) -> AsyncIterator[AsyncIterator[bytes]]:
        if request.sha256 in self.dead:
            raise ProviderNotFoundError("No such blob.")
        async with super().open(request) as chunks:
            yield chunks


class ListForgets(StorageMutant):
    """Lists the first page only."""

    rejected_by = "test_list_names_every_blob_once"

    async def list(self) -> AsyncIterator[BlobInfo]:
        page = 0
        async for info in super().list():
            page += 1
            if page <= 20:
                yield info


class AnyKeyGoes(StorageMutant):
    """Makes a path of whatever key is given."""

    rejected_by = "test_a_key_that_is_no_digest_is_invalid"

    @staticmethod
    def check_key(sha256: str) -> None:
        return


class EmptyBlobIsNothing(StorageMutant):
    """Takes an empty blob for a missing one."""

    rejected_by = "test_an_empty_blob_is_a_blob"

    async def stat(self, sha256: str) -> BlobInfo | None:
        info = await super().stat(sha256)
        return info if info is not None and info.size else None


class UndeclaredPresign(StorageMutant):
    """Hands out an address without declaring that it can."""

    rejected_by = "test_undeclared_presigned_get_is_refused"

    async def presign_get(self, request: PresignBlob) -> str:
        return f"memory:{request.sha256}?{request.expires / timedelta(seconds=1)}"


class AlwaysIll(StorageMutant):
    """Says that it is down while it works."""

    rejected_by = "test_health_of_a_working_backend_is_ok"

    async def health(self) -> Health:
        return Health(HealthState.DOWN, "not well")


MUTANTS: tuple[type[StorageMutant], ...] = (
    NotAtomic,
    KeepsWhatFailed,
    KeepsWhatWasCancelled,
    IgnoresTheExpectedDigest,
    KeepsThePartBelowMaxBytes,
    ReadsOnBeyondMaxBytes,
    RefusesExactlyMaxBytes,
    TrustsAnnouncedSizes,
    TrustsKnownDigests,
    GathersWholeBlobs,
    RangeIncludesItsEnd,
    AcceptsSenselessRanges,
    WholeBlobInsteadOfRange,
    MissingIsEmpty,
    DeleteBreaksReaders,
    DeleteAlwaysSaysTrue,
    DeletedKeysStayDead,
    ListForgets,
    AnyKeyGoes,
    EmptyBlobIsNothing,
    UndeclaredPresign,
    AlwaysIll,
)
