"""Conformance suite for storage backends.

An adopter's whole test module, with :class:`~computor_core.testing.storage_memory.MemoryStorage` where
the adopter's own backend stands::

    import pytest_asyncio
    from computor_core.testing.storage import StorageConformance
    from computor_core.testing.storage_memory import MemoryStorage

    class TestMyStorage(StorageConformance):
        streams = False  # it keeps its blobs in memory

        @pytest_asyncio.fixture
        async def provider(self):
            yield MemoryStorage()

A declared capability must work, an undeclared one must be refused.
"""
# ruff: noqa: S101 - a suite asserts

from __future__ import annotations

import asyncio
import functools
import hashlib
import tracemalloc
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from computor_core.plugin_api.errors import (
    CapabilityNotSupportedError,
    PayloadTooLargeError,
    ProviderInvalidError,
    ProviderNotFoundError,
)
from computor_core.plugin_api.providers.base import HealthState
from computor_core.plugin_api.providers.storage import (
    BlobInfo,
    OpenBlob,
    PresignBlob,
    PutBlob,
    StorageBackend,
    StorageCapability,
)

__all__ = ["StorageConformance"]

_BAD_KEYS = ("", "abc", "../" * 21 + "a", "A" * 64, "g" * 64, "0" * 63, "0" * 65, "0" * 64 + "\n")


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@functools.lru_cache(maxsize=16)
def _pattern(size: int) -> bytes:
    """Bytes in which a shifted range never equals the right one."""
    return b"".join(index.to_bytes(4, "big") for index in range((size + 3) // 4))[:size]


async def _chunks(data: bytes, size: int = 1000) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def _put(provider: StorageBackend, data: bytes) -> BlobInfo:
    return await provider.put(PutBlob(_chunks(data)))


async def _read(provider: StorageBackend, request: OpenBlob) -> bytes:
    async with provider.open(request) as chunks:
        return b"".join([chunk async for chunk in chunks])


async def _listed(provider: StorageBackend) -> list[BlobInfo]:
    return sorted([info async for info in provider.list()], key=lambda info: info.sha256)


def _needs(provider: StorageBackend, capability: StorageCapability) -> None:
    if capability not in provider.capabilities:
        pytest.skip(f"{type(provider).__name__} doesn't declare {capability.value}")


def _lacks(provider: StorageBackend, capability: StorageCapability) -> None:
    if capability in provider.capabilities:
        pytest.skip(f"{type(provider).__name__} declares {capability.value}")


class StorageConformance:
    """Every promise of :class:`StorageBackend` as a test.

    Override ``provider`` with a fixture that yields an open, empty backend, new for each test.

    Attributes:
        streams: False for a backend that keeps its blobs in this process's memory by design.
    """

    pytestmark = pytest.mark.asyncio
    streams = True

    @pytest.fixture
    def provider(self) -> StorageBackend:
        """The backend under test: open and empty."""
        raise NotImplementedError("override the fixture 'provider' in your subclass")

    # --- put ---------------------------------------------------------------------------------

    async def test_put_returns_digest_and_size(self, provider: StorageBackend) -> None:
        """The key is the SHA-256 of all bytes, however they were cut into chunks."""
        data = _pattern(10_007)
        info = await provider.put(PutBlob(_chunks(data, 37)))
        assert info == BlobInfo(_digest(data), len(data))

    async def test_put_then_open_gives_the_same_bytes(self, provider: StorageBackend) -> None:
        """Three megabytes come back as they went in."""
        data = _pattern(3 * 1024 * 1024 + 1)
        info = await provider.put(PutBlob(_chunks(data, 64 * 1024)))
        assert await _read(provider, OpenBlob(info.sha256)) == data

    async def test_an_empty_blob_is_a_blob(self, provider: StorageBackend) -> None:
        """No bytes at all can be stored and read."""
        info = await _put(provider, b"")
        assert info == BlobInfo(_digest(b""), 0)
        assert await provider.stat(info.sha256) == info
        assert await _read(provider, OpenBlob(info.sha256)) == b""

    async def test_put_again_changes_nothing(self, provider: StorageBackend) -> None:
        """Storing what is there succeeds, and there is one blob."""
        first = await _put(provider, b"same")
        assert await _put(provider, b"same") == first
        assert await _listed(provider) == [first]
        assert await _read(provider, OpenBlob(first.sha256)) == b"same"

    async def test_parallel_puts_of_one_content_make_one_blob(self, provider: StorageBackend) -> None:
        """Eight writers of the same bytes all succeed."""
        data = _pattern(200_000)
        infos = await asyncio.gather(*(_put(provider, data) for _ in range(8)))
        assert set(infos) == {BlobInfo(_digest(data), len(data))}
        assert await _listed(provider) == [infos[0]]
        assert await _read(provider, OpenBlob(infos[0].sha256)) == data

    async def test_put_accepts_the_expected_digest(self, provider: StorageBackend) -> None:
        """A right expectation is no hindrance."""
        info = await provider.put(PutBlob(_chunks(b"right"), sha256=_digest(b"right")))
        assert info.sha256 == _digest(b"right")

    async def test_put_refuses_another_digest_and_keeps_nothing(self, provider: StorageBackend) -> None:
        """Content that isn't what was announced is stored under neither key."""
        announced = _digest(b"announced")
        with pytest.raises(ProviderInvalidError):
            await provider.put(PutBlob(_chunks(b"sent"), sha256=announced))
        assert await _listed(provider) == []
        assert await provider.stat(announced) is None
        assert await provider.stat(_digest(b"sent")) is None

    async def test_put_accepts_exactly_max_bytes(self, provider: StorageBackend) -> None:
        """The limit itself is allowed."""
        data = _pattern(5000)
        info = await provider.put(PutBlob(_chunks(data), max_bytes=5000))
        assert info.size == 5000

    async def test_put_beyond_max_bytes_keeps_nothing(self, provider: StorageBackend) -> None:
        """One byte more is refused; neither the whole nor the part that fitted is kept."""
        data = _pattern(5001)
        with pytest.raises(PayloadTooLargeError):
            await provider.put(PutBlob(_chunks(data), max_bytes=5000))
        assert await _listed(provider) == []

    async def test_max_bytes_holds_for_an_announced_digest_too(self, provider: StorageBackend) -> None:
        """Announcing what is too large doesn't get it in, be it new or there already."""
        data = _pattern(5001)
        for _ in range(2):
            with pytest.raises(PayloadTooLargeError):
                await provider.put(PutBlob(_chunks(data), sha256=_digest(data), max_bytes=5000))
            assert await _listed(provider) in ([], [BlobInfo(_digest(data), 5001)])
            await _put(provider, data)

    async def test_an_announced_digest_is_checked_though_it_is_there(self, provider: StorageBackend) -> None:
        """Who knows a digest alone has to bring the bytes: a key proves nothing."""
        info = await _put(provider, b"somebody else's work")
        for content in (b"", b"something else"):
            with pytest.raises(ProviderInvalidError):
                await provider.put(PutBlob(_chunks(content), sha256=info.sha256))
        assert await _listed(provider) == [info]
        assert await _read(provider, OpenBlob(info.sha256)) == b"somebody else's work"

    async def test_memory_does_not_grow_with_the_blob(self, provider: StorageBackend) -> None:
        """64 MiB go in and out in pieces: never half of them are held at once."""
        if not self.streams:
            pytest.skip(f"{type(provider).__name__} keeps its blobs in memory")
        pieces, size = 1024, 64 * 1024
        digest = hashlib.sha256()

        async def content() -> AsyncIterator[bytes]:
            for number in range(pieces):
                piece = number.to_bytes(4, "big") * (size // 4)
                digest.update(piece)
                yield piece

        tracemalloc.start()
        try:
            info = await provider.put(PutBlob(content()))
            _, stored = tracemalloc.get_traced_memory()
            tracemalloc.reset_peak()
            read = hashlib.sha256()
            async with provider.open(OpenBlob(info.sha256)) as chunks:
                async for chunk in chunks:
                    read.update(chunk)
            _, served = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert info == BlobInfo(digest.hexdigest(), pieces * size)
        assert read.digest() == digest.digest()
        assert max(stored, served) < pieces * size // 2

    async def test_put_stops_reading_beyond_max_bytes(self, provider: StorageBackend) -> None:
        """An endless body is left at the limit, not read to the end."""
        given = 0

        async def endless() -> AsyncIterator[bytes]:
            nonlocal given
            while given < 1000:
                given += 1
                yield bytes(1000)

        with pytest.raises(PayloadTooLargeError):
            await provider.put(PutBlob(endless(), max_bytes=10_000))
        assert given < 100

    async def test_a_failing_source_keeps_nothing(self, provider: StorageBackend) -> None:
        """When the content breaks off with an error, that error passes and no blob appears."""

        class BrokenOff(Exception):  # noqa: N818 - stands for any error of the caller
            pass

        async def breaking() -> AsyncIterator[bytes]:
            yield b"half of "
            raise BrokenOff

        with pytest.raises(BrokenOff):
            await provider.put(PutBlob(breaking()))
        assert await _listed(provider) == []
        assert await provider.stat(_digest(b"half of ")) is None

    async def test_a_cancelled_put_keeps_nothing(self, provider: StorageBackend) -> None:
        """A put that is cancelled half-way leaves no blob."""
        started = asyncio.Event()

        async def stalling() -> AsyncIterator[bytes]:
            yield b"half of "
            started.set()
            await asyncio.Event().wait()

        task = asyncio.create_task(provider.put(PutBlob(stalling())))
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await _listed(provider) == []

    async def test_a_blob_appears_whole_or_not_at_all(self, provider: StorageBackend) -> None:
        """While the bytes arrive nobody sees a blob, under the final key or any other."""
        data = _pattern(3 * 1024 * 1024)
        seen: list[object] = []

        async def observed() -> AsyncIterator[bytes]:
            async for chunk in _chunks(data, 512 * 1024):
                yield chunk
                seen.append(await provider.stat(_digest(data)))
                seen.extend(await _listed(provider))

        info = await provider.put(PutBlob(observed(), sha256=_digest(data)))
        assert [item for item in seen if item is not None] == []
        assert await provider.stat(info.sha256) == info

    # --- open --------------------------------------------------------------------------------

    async def test_open_of_nothing_is_not_found(self, provider: StorageBackend) -> None:
        """The error comes on entering, before any byte."""
        with pytest.raises(ProviderNotFoundError):
            async with provider.open(OpenBlob(_digest(b"never stored"))):
                pytest.fail("entered a blob that isn't there")

    @pytest.mark.parametrize(
        ("offset", "length"),
        [(0, None), (0, 1), (1, None), (999, 2), (1000, 1000), (4999, 1), (4990, 100), (5000, None), (7, 0)],
    )
    async def test_a_range_gives_exactly_its_bytes(
        self, provider: StorageBackend, offset: int, length: int | None
    ) -> None:
        """Ranges are half-open, and one beyond the end stops at the end."""
        _needs(provider, StorageCapability.RANGES)
        data = _pattern(5000)
        info = await _put(provider, data)
        end = len(data) if length is None else offset + length
        assert await _read(provider, OpenBlob(info.sha256, offset, length)) == data[offset:end]

    @pytest.mark.parametrize(("offset", "length"), [(5001, None), (-1, None), (0, -1)])
    async def test_a_senseless_range_is_invalid(
        self, provider: StorageBackend, offset: int, length: int | None
    ) -> None:
        """Starting behind the end or counting backwards is refused on entering."""
        _needs(provider, StorageCapability.RANGES)
        info = await _put(provider, _pattern(5000))
        with pytest.raises(ProviderInvalidError):
            async with provider.open(OpenBlob(info.sha256, offset, length)):
                pytest.fail("entered a range that makes no sense")

    @pytest.mark.parametrize(("offset", "length"), [(1, None), (0, 1)])
    async def test_undeclared_ranges_are_refused(
        self, provider: StorageBackend, offset: int, length: int | None
    ) -> None:
        """Without the capability a range is an error, never the whole blob."""
        _lacks(provider, StorageCapability.RANGES)
        info = await _put(provider, _pattern(5000))
        with pytest.raises(CapabilityNotSupportedError):
            async with provider.open(OpenBlob(info.sha256, offset, length)):
                pytest.fail("entered a range without the capability")

    async def test_a_reader_may_stop_early(self, provider: StorageBackend) -> None:
        """Leaving after the first chunk harms neither the backend nor the blob."""
        data = _pattern(2 * 1024 * 1024)
        info = await _put(provider, data)
        async with provider.open(OpenBlob(info.sha256)) as chunks:
            async for chunk in chunks:
                assert data.startswith(chunk)
                break
        assert await _read(provider, OpenBlob(info.sha256)) == data

    # --- stat, delete, list ------------------------------------------------------------------

    async def test_stat_tells_size_or_none(self, provider: StorageBackend) -> None:
        """A stored blob has its size; another key has nothing."""
        info = await _put(provider, b"twelve bytes")
        assert await provider.stat(info.sha256) == BlobInfo(_digest(b"twelve bytes"), 12)
        assert await provider.stat(_digest(b"never stored")) is None

    async def test_delete_removes_and_says_whether(self, provider: StorageBackend) -> None:
        """True the first time, False afterwards, and the blob is gone for all methods."""
        info = await _put(provider, b"going")
        other = await _put(provider, b"staying")
        assert await provider.delete(info.sha256) is True
        assert await provider.delete(info.sha256) is False
        assert await provider.stat(info.sha256) is None
        assert await _listed(provider) == [other]

    async def test_a_deleted_blob_can_be_stored_again(self, provider: StorageBackend) -> None:
        """Deleting leaves no mark on the key."""
        info = await _put(provider, b"back again")
        await provider.delete(info.sha256)
        assert await _put(provider, b"back again") == info
        assert await _read(provider, OpenBlob(info.sha256)) == b"back again"

    async def test_delete_leaves_open_readers_undisturbed(self, provider: StorageBackend) -> None:
        """A reader that has begun gets all bytes, though the blob is deleted meanwhile."""
        data = _pattern(4 * 1024 * 1024)
        info = await _put(provider, data)
        read = bytearray()
        async with provider.open(OpenBlob(info.sha256)) as chunks:
            async for chunk in chunks:
                if not read:
                    assert await provider.delete(info.sha256) is True
                read += chunk
        assert bytes(read) == data

    async def test_list_names_every_blob_once(self, provider: StorageBackend) -> None:
        """Reconciliation sees all blobs with their sizes."""
        stored = [await _put(provider, f"blob {number}".encode() * number) for number in range(40)]
        assert await _listed(provider) == sorted(stored, key=lambda info: info.sha256)

    @pytest.mark.parametrize("key", _BAD_KEYS)
    async def test_a_key_that_is_no_digest_is_invalid(self, provider: StorageBackend, key: str) -> None:
        """No method makes a path of anything but 64 lower-case hex digits."""
        with pytest.raises(ProviderInvalidError):
            await provider.stat(key)
        with pytest.raises(ProviderInvalidError):
            await provider.delete(key)
        with pytest.raises(ProviderInvalidError):
            async with provider.open(OpenBlob(key)):
                pytest.fail("opened a key that is no digest")
        with pytest.raises(ProviderInvalidError):
            await provider.put(PutBlob(_chunks(b"data"), sha256=key))

    # --- presigned addresses, health ---------------------------------------------------------

    async def test_presigned_get_is_an_address(self, provider: StorageBackend) -> None:
        """Declared: an HTTP address that doesn't carry the instance's own credentials as user info."""
        _needs(provider, StorageCapability.PRESIGNED_GET)
        info = await _put(provider, b"for a client")
        address = await provider.presign_get(PresignBlob(info.sha256, timedelta(minutes=5)))
        assert address.startswith(("http://", "https://"))
        assert "@" not in address.split("/")[2]

    async def test_presigned_put_is_an_address(self, provider: StorageBackend) -> None:
        """Declared: an HTTP address that doesn't carry the instance's own credentials as user info."""
        _needs(provider, StorageCapability.PRESIGNED_PUT)
        address = await provider.presign_put(PresignBlob(_digest(b"to come"), timedelta(minutes=5)))
        assert address.startswith(("http://", "https://"))
        assert "@" not in address.split("/")[2]

    async def test_undeclared_presigned_get_is_refused(self, provider: StorageBackend) -> None:
        """Undeclared means the typed error."""
        _lacks(provider, StorageCapability.PRESIGNED_GET)
        info = await _put(provider, b"for a client")
        with pytest.raises(CapabilityNotSupportedError):
            await provider.presign_get(PresignBlob(info.sha256, timedelta(minutes=5)))

    async def test_undeclared_presigned_put_is_refused(self, provider: StorageBackend) -> None:
        """Undeclared means the typed error."""
        _lacks(provider, StorageCapability.PRESIGNED_PUT)
        with pytest.raises(CapabilityNotSupportedError):
            await provider.presign_put(PresignBlob(_digest(b"to come"), timedelta(minutes=5)))

    async def test_health_of_a_working_backend_is_ok(self, provider: StorageBackend) -> None:
        """An empty, reachable backend is well."""
        assert (await provider.health()).state is HealthState.OK
