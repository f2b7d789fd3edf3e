"""Handing submitted files out again."""

from __future__ import annotations

import tempfile
import zipfile
from typing import IO, TYPE_CHECKING
from uuid import UUID

import anyio
from sqlalchemy import select

from computor_core.model import Artifact
from computor_core.plugin_api.providers.storage import OpenBlob, StorageBackend
from computor_core.services.trees import FileEntry

if TYPE_CHECKING:
    from computor_core.app import Computor
    from computor_core.plugin_api.principal import Principal


async def pack_artifact(
    app: Computor, principal: Principal, artifact_id: UUID, *, request_id: str = ""
) -> IO[bytes]:
    """Pack a submission into a ZIP archive.

    Object keys come from the row that core wrote, never from a client.

    Returns:
        The archive, open at its beginning. It has no name in the spool folder, so whoever
        forgets to close it, or is killed, leaves nothing there.

    Raises:
        NotFoundError: No such artifact, or none that the principal may see.
        ForbiddenError: The principal may not read it.
        ProviderNotFoundError: Bytes are missing.
    """
    async with app.read(principal, request_id=request_id) as unit:
        await app.access.require(unit, "submission.read", "artifacts", artifact_id)
        row = (
            await unit.connection.execute(
                select(Artifact.storage_instance, Artifact.files).where(Artifact.id == artifact_id)
            )
        ).one()
    storage = app.providers.get(StorageBackend, row.storage_instance)
    packed = tempfile.TemporaryFile(dir=app.settings.data_dir / "spool")  # noqa: SIM115 - the caller closes it
    try:
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for entry in map(FileEntry.from_json, row.files):
                info = zipfile.ZipInfo(entry.path)
                info.external_attr = entry.mode << 16
                info.compress_type = zipfile.ZIP_DEFLATED
                async with storage.open(OpenBlob(entry.sha256)) as chunks:
                    with archive.open(info, "w", force_zip64=True) as out:
                        async for chunk in chunks:
                            await anyio.to_thread.run_sync(out.write, chunk)
    except BaseException:
        packed.close()
        raise
    packed.seek(0)
    return packed
