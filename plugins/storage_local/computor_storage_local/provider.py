"""The ``local`` storage backend: blobs as files named by their digest."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO, ClassVar, TypeVar, TypeVarTuple

import anyio
from anyio import to_thread

from computor_core.plugin_api.errors import (
    ConfigurationError,
    PayloadTooLargeError,
    ProviderInvalidError,
    ProviderNotFoundError,
    ProviderUnavailableError,
)
from computor_core.plugin_api.providers.base import AppContext, Health, HealthState
from computor_core.plugin_api.providers.storage import (
    BlobInfo,
    OpenBlob,
    PutBlob,
    StorageBackend,
    StorageCapability,
)
from computor_storage_local.layout import TEMPORARY, blob_path, digest_of, is_shard
from computor_storage_local.settings import StorageLocalSettings
from computor_storage_local.staging import StagedBlob, free_bytes, make_folders, sweep, sync_folder

__all__ = ["LocalStorage", "open_storage"]

_T = TypeVar("_T")
_Arguments = TypeVarTuple("_Arguments")

_BATCH = 1024 * 1024
"""Bytes gathered before one trip to a thread; a trip costs about as much as hashing 64 KiB."""

_READ = 256 * 1024
"""Bytes of one chunk handed to a reader."""


class LocalStorage(StorageBackend):
    """Blobs in ``<folder>/aa/bb/<sha256>``; see the plugin's README for what happens when.

    Args:
        root: The instance's folder; :func:`open_storage` prepares it.
        settings: What the operator set.
    """

    capabilities: ClassVar[frozenset[StrEnum]] = frozenset({StorageCapability.RANGES})

    def __init__(self, root: Path, settings: StorageLocalSettings) -> None:
        self._root = root
        self._reserve = int(settings.reserve_bytes)
        self._limiter = anyio.CapacityLimiter(settings.threads)

    async def put(self, request: PutBlob) -> BlobInfo:
        """Stream the bytes into a temporary file, check them, and rename it into place."""
        if request.sha256 is not None:
            blob_path(self._root, request.sha256)
        staged = StagedBlob(self._root, self._reserve)
        try:
            await self._fill(staged, request)
            if request.sha256 not in {None, staged.sha256}:
                raise ProviderInvalidError(
                    "The content's SHA-256 isn't the expected one; nothing was stored.",
                    details={"expected": request.sha256, "actual": staged.sha256},
                )
            await self._in_thread(staged.commit)
        except BaseException:
            with anyio.CancelScope(shield=True):
                await self._in_thread(staged.discard)
            raise
        return BlobInfo(staged.sha256, staged.size)

    async def _fill(self, staged: StagedBlob, request: PutBlob) -> None:
        batch = bytearray()
        arrived = 0
        async for chunk in request.content:
            arrived += len(chunk)
            if request.max_bytes is not None and arrived > request.max_bytes:
                raise PayloadTooLargeError(
                    f"More than {request.max_bytes} bytes arrived; nothing was stored.",
                    details={"max_bytes": request.max_bytes},
                )
            batch += chunk
            if len(batch) >= _BATCH:
                await self._in_thread(staged.write, batch)
                batch = bytearray()
        if batch:
            await self._in_thread(staged.write, batch)

    @asynccontextmanager
    async def open(self, request: OpenBlob) -> AsyncIterator[AsyncIterator[bytes]]:
        """Open the file on entering; a delete meanwhile doesn't disturb the reader."""
        path = blob_path(self._root, request.sha256)
        if request.offset < 0 or (request.length is not None and request.length < 0):
            raise ProviderInvalidError("Offset and length of a range can't be negative.")
        file = await self._in_thread(_open_file, path)
        if file is None:
            raise ProviderNotFoundError(f"There is no blob {request.sha256}.")
        with file:
            size = os.fstat(file.fileno()).st_size
            if request.offset > size:
                raise ProviderInvalidError(
                    f"The blob has {size} bytes; a range can't start at {request.offset}.",
                    details={"size": size, "offset": request.offset},
                )
            end = size if request.length is None else min(size, request.offset + request.length)
            async with aclosing(self._chunks(file, request.offset, end)) as chunks:
                yield chunks

    async def _chunks(self, file: BinaryIO, start: int, end: int) -> AsyncGenerator[bytes, None]:
        descriptor = file.fileno()
        while start < end:
            data = await self._in_thread(os.pread, descriptor, min(_READ, end - start), start)
            if not data:
                raise ProviderUnavailableError(
                    "The blob's file ends before its size.",
                    hint="The file was cut short outside of Computor; restore it from the backup.",
                )
            yield data
            start += len(data)

    async def stat(self, sha256: str) -> BlobInfo | None:
        """Digest and size, from the file system's entry."""
        path = blob_path(self._root, sha256)
        size = await self._in_thread(_size_of, path)
        return None if size is None else BlobInfo(sha256, size)

    async def delete(self, sha256: str) -> bool:
        """Unlink the file, durably; its bytes go when the last reader closes."""
        path = blob_path(self._root, sha256)
        return await self._in_thread(_unlink, path)

    async def list(self) -> AsyncIterator[BlobInfo]:
        """All blobs, one shard of the layout after the other; holds nothing between shards."""
        for first in await self._in_thread(_shards, self._root):
            for second in await self._in_thread(_shards, self._root / first):
                for info in await self._in_thread(_blobs, self._root, first, second):
                    yield info

    async def health(self) -> Health:
        """Write and remove a file, and look at the free space."""
        try:
            free = await self._in_thread(_probe, self._root)
        except ProviderUnavailableError as error:
            return Health(HealthState.DOWN, error.message)
        facts = {"folder": str(self._root), "free_bytes": str(free)}
        if free < self._reserve:
            return Health(
                HealthState.DEGRADED,
                f"{free} bytes are free, less than the reserve of {self._reserve}: new blobs are refused.",
                facts,
            )
        return Health(HealthState.OK, facts=facts)

    async def _in_thread(self, call: Callable[[*_Arguments], _T], *arguments: *_Arguments) -> _T:
        """Run a blocking call in a worker thread; what the file system refuses is "unavailable"."""
        try:
            return await to_thread.run_sync(call, *arguments, limiter=self._limiter)
        except OSError as error:
            raise ProviderUnavailableError(
                f"The file store refused: {error.strerror or error}.",
                hint="Look at the disk behind the storage instance's folder (space, quota, mount).",
                details={"errno": error.errno},
            ) from error


def _open_file(path: Path) -> BinaryIO | None:
    try:
        return path.open("rb", buffering=0)
    except FileNotFoundError:
        return None


def _size_of(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return None


def _unlink(path: Path) -> bool:
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    sync_folder(path.parent)
    return True


def _shards(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir() if is_shard(entry.name))


def _blobs(root: Path, first: str, second: str) -> list[BlobInfo]:
    found = []
    for path in (root / first / second).iterdir():
        digest = digest_of(path.name, first + second)
        size = None if digest is None else _size_of(path)
        if digest is not None and size is not None:
            found.append(BlobInfo(digest, size))
    return found


def _probe(root: Path) -> int:
    staged = StagedBlob(root, reserve=0)
    try:
        staged.write(b"health")
    finally:
        staged.discard()
    return free_bytes(root)


def _prepare(root: Path) -> int:
    """Make the folders, prove that they can be written, sweep; returns the leftovers removed."""
    try:
        root.chmod(0o700)
        make_folders(root, root / TEMPORARY)
        _probe(root)
        return sweep(root)
    except OSError as error:
        raise ConfigurationError(
            f"The storage folder {root} can't be used: {error.strerror or error}.",
            hint="Give the server's user write access to data_dir, or set another data_dir.",
            details={"folder": str(root), "errno": error.errno},
        ) from error


@asynccontextmanager
async def open_storage(settings: StorageLocalSettings, context: AppContext) -> AsyncIterator[LocalStorage]:
    """Factory of the ``local`` storage type.

    Raises:
        ConfigurationError: The instance's folder can't be written.
    """
    leftovers = await to_thread.run_sync(_prepare, context.data_dir)
    if leftovers:
        context.log.info("removed %d unfinished blobs of processes that died", leftovers)
    yield LocalStorage(context.data_dir, settings)
