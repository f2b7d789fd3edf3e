"""Blobs: bytes without a reference go after their time, and never those that somebody builds on."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from computor_core.errors import ConflictError, ProviderNotFoundError, ProviderUnavailableError
from computor_core.model import Blob
from computor_core.plugin_api.providers.storage import StorageBackend
from computor_core.services.blobs import STAGING_TIME
from computor_core.services.trees import REGULAR, FileEntry, SpooledFile
from tests.support.deployment import SYSTEM, Classroom, Deployment, failing

pytestmark = pytest.mark.asyncio(loop_scope="module")


def spooled(folder: Path, content: bytes, path: str = "file.txt") -> SpooledFile:
    digest = hashlib.sha256(content).hexdigest()
    location = folder / digest
    location.write_bytes(content)
    return SpooledFile(FileEntry(path, REGULAR, len(content), digest), location)


async def blob(site: Deployment, item: SpooledFile) -> Any:
    found = await site.rows(select(Blob.__table__).where(Blob.sha256 == item.entry.sha256))
    return found[0] if found else None


def storage_of(site: Deployment) -> StorageBackend:
    return site.app.providers.get(StorageBackend, "default")


async def reference(site: Deployment, *items: SpooledFile) -> None:
    async with site.app.uow(SYSTEM) as work:
        await site.app.services.blobs.reference(work, "default", [item.entry for item in items])


async def test_a_staged_blob_is_swept_after_its_time_with_its_bytes(site: Deployment, tmp_path: Path) -> None:
    item = spooled(tmp_path, b"staged and forgotten")
    await site.app.services.blobs.stage("default", [item])
    site.clock.advance(seconds=STAGING_TIME.total_seconds())
    await site.app.services.blobs.sweep()
    assert (await blob(site, item)).state == "staged"  # not before its time
    site.clock.advance(seconds=1)
    assert await site.app.services.blobs.sweep() >= 1
    assert await blob(site, item) is None
    assert await storage_of(site).stat(item.entry.sha256) is None


async def test_a_referenced_blob_is_never_swept(site: Deployment, tmp_path: Path) -> None:
    item = spooled(tmp_path, b"staged and used")
    await site.app.services.blobs.stage("default", [item])
    await reference(site, item)
    site.clock.advance(days=400)
    await site.app.services.blobs.sweep()
    row = await blob(site, item)
    assert (row.state, row.references, row.staged_until) == ("kept", 1, None)
    assert await site.app.services.blobs.read("default", item.entry.sha256) == b"staged and used"


async def test_staging_again_prolongs_the_time(site: Deployment, tmp_path: Path) -> None:
    item = spooled(tmp_path, b"staged twice")
    for _ in range(2):
        await site.app.services.blobs.stage("default", [item])
        site.clock.advance(seconds=STAGING_TIME.total_seconds() - 1)
    await site.app.services.blobs.sweep()
    assert (await blob(site, item)).state == "staged"


async def test_staging_a_kept_blob_again_leaves_it_kept(site: Deployment, tmp_path: Path) -> None:
    item = spooled(tmp_path, b"kept and staged again")
    await site.app.services.blobs.stage("default", [item])
    await reference(site, item)
    await site.app.services.blobs.stage("default", [item])
    row = await blob(site, item)
    assert (row.state, row.staged_until) == ("kept", None)
    await reference(site, item)
    assert (await blob(site, item)).references == 2


async def test_a_file_that_stands_at_two_paths_is_one_blob_with_one_reference(
    site: Deployment, tmp_path: Path
) -> None:
    items = [spooled(tmp_path, b"the same twice", path) for path in ("a.txt", "b.txt")]
    await site.app.services.blobs.stage("default", items)
    await reference(site, *items)
    assert (await blob(site, items[0])).references == 1


async def test_nothing_is_staged_for_no_files(site: Deployment) -> None:
    with failing(storage_of(site), "put"):
        await site.app.services.blobs.stage("default", [])
    await reference(site)


async def test_what_was_swept_meanwhile_must_be_sent_again(site: Deployment, tmp_path: Path) -> None:
    item = spooled(tmp_path, b"swept before it was used")
    await site.app.services.blobs.stage("default", [item])
    site.clock.advance(seconds=STAGING_TIME.total_seconds() + 1)
    await site.app.services.blobs.sweep()
    with pytest.raises(ConflictError, match="no longer in storage"):
        await reference(site, item)


async def test_while_a_blob_is_being_removed_its_content_is_asked_for_later(
    site: Deployment, room: Classroom
) -> None:
    """The removal was cut off between its two halves; the next sweep finishes it."""
    assignment = await room.assignment()
    content = b"echo doomed\n"
    digest = hashlib.sha256(content).hexdigest()
    with failing(storage_of(site), "put"), pytest.raises(ProviderUnavailableError):
        await site.submit(room.student, assignment, {"answer.sh": content})
    site.clock.advance(seconds=STAGING_TIME.total_seconds() + 1)
    with failing(storage_of(site), "delete"):
        assert await site.app.services.blobs.sweep() == 0
    with pytest.raises(ProviderUnavailableError) as caught:
        await site.submit(room.student, assignment, {"answer.sh": content})
    assert caught.value.retry_after == 5
    assert await site.artifacts(assignment) == []
    assert await site.app.services.blobs.sweep() >= 1
    await site.submit(room.student, assignment, {"answer.sh": content})
    assert (await storage_of(site).stat(digest)) is not None


async def test_a_store_that_is_away_doesnt_keep_the_others_from_being_swept(
    site: Deployment, tmp_path: Path
) -> None:
    here, there = spooled(tmp_path, b"in the store that works"), spooled(tmp_path, b"in one that is away")
    there_too = spooled(tmp_path, b"in the same one that is away")
    blobs = site.app.services.blobs
    await blobs.stage("second", [there, there_too])
    await blobs.stage("default", [here])
    site.clock.advance(seconds=STAGING_TIME.total_seconds() + 1)
    with failing(site.app.providers.get(StorageBackend, "second"), "delete"):
        assert await blobs.sweep() >= 1
    assert await blob(site, here) is None
    assert (await blob(site, there)).state == "doomed"
    assert await blobs.sweep() == 2
    assert await blob(site, there) is None


async def test_a_sweep_takes_no_more_than_it_is_told(site: Deployment, tmp_path: Path) -> None:
    site.clock.advance(seconds=STAGING_TIME.total_seconds() + 1)
    while await site.app.services.blobs.sweep():
        continue  # what other tests left
    items = [spooled(tmp_path, f"one of five: {number}".encode()) for number in range(5)]
    await site.app.services.blobs.stage("default", items)
    site.clock.advance(seconds=STAGING_TIME.total_seconds() + 1)
    removed = [await site.app.services.blobs.sweep(limit=2) for _ in range(4)]
    assert removed == [2, 2, 1, 0]


async def test_fetching_gives_paths_modes_and_bytes(site: Deployment, tmp_path: Path) -> None:
    program = spooled(tmp_path, b"#!/bin/sh\n", "bin/run")
    entry = FileEntry("bin/run", 0o100755, program.entry.size, program.entry.sha256)
    await site.app.services.blobs.stage("default", [program])
    target = tmp_path / "fetched"
    target.mkdir()
    await site.app.services.blobs.fetch("default", [entry], target)
    assert (target / "bin/run").read_bytes() == b"#!/bin/sh\n"
    assert (target / "bin/run").stat().st_mode & 0o777 == 0o755


async def test_a_blob_that_isnt_there(site: Deployment, tmp_path: Path) -> None:
    with pytest.raises(ProviderNotFoundError):
        await site.app.services.blobs.read("default", "0" * 64)
    with pytest.raises(ProviderNotFoundError):
        await site.app.services.blobs.fetch("default", [FileEntry("x", REGULAR, 1, "0" * 64)], tmp_path)
    assert not (tmp_path / "x").exists()
