"""Blobs: staged before their bytes are written, kept from the first reference on.

The row comes first: when the process dies after some bytes were written, the sweeper finds
the row and removes the bytes; without it they would stay for ever. Deleting goes the other
way round: the row is doomed, the bytes go, the row goes, and nobody builds on a doomed row.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import anyio
from sqlalchemy import case, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from computor_core.db.types import new_id
from computor_core.db.unit_of_work import unit_companion
from computor_core.errors import ConflictError, ProviderUnavailableError, UnavailableError
from computor_core.failpoints import failpoint
from computor_core.model import Blob
from computor_core.plugin_api.principal import Principal
from computor_core.plugin_api.providers.storage import OpenBlob, PutBlob, StorageBackend
from computor_core.services.trees import FileEntry, SpooledFile

if TYPE_CHECKING:
    from computor_core.app import Computor
    from computor_core.db.unit_of_work import UnitOfWork

log = logging.getLogger(__name__)

STAGING_TIME = timedelta(hours=1)
"""How long a blob without a reference is kept."""

_CHUNK = 256 * 1024
_SYSTEM = Principal.system("core:blobs")


class BlobService:
    """Moves bytes between spool folders and storage instances, and keeps the books on them."""

    def __init__(self, app: Computor) -> None:
        self._app = app

    def _storage(self, instance: str) -> StorageBackend:
        return self._app.providers.get(StorageBackend, instance)

    async def stage(self, instance: str, files: Sequence[SpooledFile]) -> None:
        """Write the files' bytes; each is safe from the sweeper for an hour.

        Args:
            instance: Storage instance.
            files: Spooled files; equal contents are written once.

        Raises:
            ProviderUnavailableError: The store is away or full, or a blob is being removed.
        """
        unique = {item.entry.sha256: item for item in files}
        if not unique:
            return
        # Staging is bookkeeping of its own: what goes with the request's change (an idempotency
        # key) belongs to the unit that refers to the blobs.
        companion = unit_companion.set(None)
        try:
            await self._stage_rows(instance, unique)
        finally:
            unit_companion.reset(companion)
        failpoint("blobs.after_rows")
        storage = self._storage(instance)
        for digest, item in unique.items():
            await storage.put(PutBlob(read_file(item.location), sha256=digest, max_bytes=item.entry.size))
        failpoint("blobs.after_bytes")

    async def _stage_rows(self, instance: str, unique: Mapping[str, SpooledFile]) -> None:
        async with self._app.uow(_SYSTEM) as work:
            until = work.now + STAGING_TIME
            insert = (sqlite if work.is_sqlite else postgresql).insert(Blob)
            statement = insert.on_conflict_do_update(
                index_elements=[Blob.storage_instance, Blob.sha256],
                set_={"staged_until": case((Blob.state == "staged", until), else_=Blob.staged_until)},
            ).returning(Blob.sha256, Blob.state)
            rows = [
                {
                    "id": new_id(),
                    "storage_instance": instance,
                    "sha256": digest,
                    "size": item.entry.size,
                    "state": "staged",
                    "references": 0,
                    "staged_until": until,
                    "created_at": work.now,
                    "updated_at": work.now,
                }
                for digest, item in sorted(unique.items())
            ]
            states = (await work.connection.execute(statement.values(rows))).all()
            if any(state == "doomed" for _digest, state in states):
                raise ProviderUnavailableError("a file is being removed from storage", retry_after=5)

    async def reference(self, work: UnitOfWork, instance: str, entries: Iterable[FileEntry]) -> None:
        """Add one reference to each distinct blob, in the unit that needs them.

        Raises:
            ConflictError: A blob was swept since it was staged; staging must be done again.
        """
        digests = sorted({entry.sha256 for entry in entries})
        if not digests:
            return
        wanted = select(Blob.id).where(
            Blob.storage_instance == instance, Blob.sha256.in_(digests), Blob.state != "doomed"
        )
        if not work.is_sqlite:
            # In one order, so that two units that share several blobs can't wait for each other.
            wanted = wanted.order_by(Blob.sha256).with_for_update()
        result = await work.connection.execute(
            update(Blob)
            .where(Blob.id.in_(wanted))
            .values(references=Blob.references + 1, state="kept", staged_until=None)
        )
        if result.rowcount != len(digests):
            raise ConflictError("some files are no longer in storage", hint="send them again")

    async def fetch(self, instance: str, entries: Iterable[FileEntry], folder: Path) -> None:
        """Write files into a folder, each at its path and with its mode.

        Raises:
            ProviderNotFoundError: A blob is missing.
        """
        storage = self._storage(instance)
        for entry in entries:
            target = folder / entry.path
            target.parent.mkdir(parents=True, exist_ok=True)
            async with (
                storage.open(OpenBlob(entry.sha256)) as chunks,
                await anyio.open_file(target, "xb") as out,
            ):
                async for chunk in chunks:
                    await out.write(chunk)
            target.chmod(entry.mode & 0o777)

    async def read(self, instance: str, sha256: str) -> bytes:
        """A whole small blob.

        Raises:
            ProviderNotFoundError: No such blob.
        """
        async with self._storage(instance).open(OpenBlob(sha256)) as chunks:
            return b"".join([chunk async for chunk in chunks])

    async def sweep(self, *, limit: int = 500) -> int:
        """Remove staged blobs whose time has passed; finish removals that a crash left.

        Those of a store that is away stay doomed until it is back.

        Returns:
            How many were removed.
        """
        async with self._app.uow(_SYSTEM) as work:
            expired = (
                select(Blob.id)
                .where(Blob.state == "staged", Blob.staged_until < work.now, Blob.references == 0)
                .order_by(Blob.id)
                .limit(limit)
            )
            if not work.is_sqlite:
                # Whoever holds one now is about to use it.
                expired = expired.with_for_update(skip_locked=True)
            # The conditions stand here too: a row staged again meanwhile is re-checked under its lock.
            await work.connection.execute(
                update(Blob)
                .where(
                    Blob.id.in_(expired),
                    Blob.state == "staged",
                    Blob.staged_until < work.now,
                    Blob.references == 0,
                )
                .values(state="doomed")
            )
        failpoint("blobs.doomed")
        async with self._app.read(_SYSTEM) as unit:
            doomed = (
                await unit.connection.execute(
                    select(Blob.id, Blob.storage_instance, Blob.sha256)
                    .where(Blob.state == "doomed")
                    .limit(limit)
                )
            ).all()
        gone: list[UUID] = []
        away: set[str] = set()
        for row in doomed:
            if row.storage_instance in away:
                continue
            try:
                await self._storage(row.storage_instance).delete(row.sha256)
            except UnavailableError as error:
                log.warning(
                    "storage instance %s is away, its blobs go later: %s", row.storage_instance, error.message
                )
                away.add(row.storage_instance)
            else:
                gone.append(row.id)
        if gone:
            async with self._app.uow(_SYSTEM) as work:
                await work.connection.execute(delete(Blob).where(Blob.id.in_(gone), Blob.state == "doomed"))
        return len(gone)


async def read_file(path: Path) -> AsyncIterator[bytes]:
    """The bytes of a file, in chunks of 256 KiB."""
    async with await anyio.open_file(path, "rb") as source:
        while chunk := await source.read(_CHUNK):
            yield chunk
