"""Getting back what was handed in: the same files, for those who may see them."""

from __future__ import annotations

import hashlib
import io
import zipfile
from pathlib import Path
from typing import IO

import pytest

from computor_core.errors import (
    EmptyArchiveError,
    NotFoundError,
    ProviderNotFoundError,
    ProviderUnavailableError,
)
from computor_core.plugin_api.providers.storage import StorageBackend
from computor_core.services.artifacts import pack_artifact
from tests.support.deployment import Classroom, Deployment, Person, failing

pytestmark = pytest.mark.asyncio(loop_scope="module")

FILES = {"answer.sh": b"echo 42\n", "deep/er/notes.txt": b"notes", "empty.txt": b"", "ä.txt": b"umlaut"}


async def packed(site: Deployment, person: Person, artifact_id: object) -> IO[bytes]:
    return await pack_artifact(site.app, person.principal, artifact_id)  # type: ignore[arg-type]


def spool_of(site: Deployment) -> list[Path]:
    return list((site.app.settings.data_dir / "spool").iterdir())


async def test_the_files_come_back_as_they_were(site: Deployment, room: Classroom) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path, content in FILES.items():
            info = zipfile.ZipInfo(path)
            info.external_attr = (0o100755 if path == "answer.sh" else 0o100644) << 16
            archive.writestr(info, content)
    accepted = await site.submit(room.student, await room.assignment(), buffer.getvalue())
    for person in (room.student, room.tutor):
        file = await packed(site, person, accepted.artifact_id)
        assert spool_of(site) == []
        content = file.read()
        with zipfile.ZipFile(file) as archive:
            assert {name: archive.read(name) for name in archive.namelist()} == FILES
            modes = {info.filename: info.external_attr >> 16 for info in archive.infolist()}
        assert modes == {name: 0o100755 if name == "answer.sh" else 0o100644 for name in FILES}
        again = await site.submit(room.student, await room.assignment(), content)
        assert again.tree_hash == accepted.tree_hash
    assert spool_of(site) == []


async def test_nothing_cant_be_submitted(site: Deployment, room: Classroom) -> None:
    with pytest.raises(EmptyArchiveError):
        await site.submit(room.student, await room.assignment(), {})
    assert spool_of(site) == []


async def test_another_student_gets_nothing(site: Deployment, room: Classroom) -> None:
    accepted = await site.submit(room.student, await room.assignment())
    with pytest.raises(NotFoundError):
        await packed(site, await room.join(), accepted.artifact_id)
    assert spool_of(site) == []


async def test_what_storage_cant_give_leaves_nothing_behind(site: Deployment, room: Classroom) -> None:
    content = b"echo soon lost\n"
    accepted = await site.submit(room.student, await room.assignment(), {"answer.sh": content})
    storage = site.app.providers.get(StorageBackend, "default")
    with failing(storage, "open"), pytest.raises(ProviderUnavailableError):
        await packed(site, room.student, accepted.artifact_id)
    assert await storage.delete(hashlib.sha256(content).hexdigest())
    with pytest.raises(ProviderNotFoundError):
        await packed(site, room.student, accepted.artifact_id)
    assert spool_of(site) == []
