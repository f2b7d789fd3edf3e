"""Importing examples: a version is imported once and never changes, and what is wrong is said by line."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path

import pytest
from sqlalchemy import func, select

from computor_core.errors import (
    ConflictError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    ProviderUnavailableError,
    UnsafeArchiveError,
)
from computor_core.interfaces.importing import ExampleImported
from computor_core.model import AuditEvent, Blob, Example, ExampleVersion
from computor_core.plugin_api.principal import Principal
from computor_core.plugin_api.providers.storage import StorageBackend
from tests.example_library import EXAMPLES, example_names, load
from tests.support.deployment import Classroom, Deployment, failing, write_example, zipped

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def author(room: Classroom, role: str = "_developer") -> Principal:
    """Somebody who may write the organization's examples."""
    user = await room.site.world.user()
    await room.site.world.grant(user, role, room.organization)
    return await room.site.world.principal(user, with_session=False)


async def import_folder(room: Classroom, folder: Path, principal: Principal | None = None) -> ExampleImported:
    services = room.site.app.services
    principal = principal or await author(room)
    async with services.submissions.spool() as spool:
        return await services.examples.import_folder(
            principal, room.organization.id, folder, spool, request_id="test"
        )


def packed(folder: Path) -> bytes:
    return zipped(
        {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in folder.rglob("*")
            if path.is_file()
        }
    )


async def import_archive(
    room: Classroom, archive: bytes, principal: Principal | None = None
) -> ExampleImported:
    services = room.site.app.services
    principal = principal or await author(room)
    async with services.submissions.spool() as spool:
        (spool / "body").write_bytes(archive)
        return await services.examples.import_archive(principal, room.organization.id, spool / "body")


async def versions(room: Classroom) -> list[tuple[str, str, int]]:
    """Identifier, version and ordinal of everything in the library but the room's own example."""
    rows = await room.site.rows(
        select(Example.identifier, ExampleVersion.version_tag, ExampleVersion.ordinal)
        .join(ExampleVersion, ExampleVersion.example_id == Example.id)
        .where(Example.organization_id == room.organization.id, ExampleVersion.id != room.version_id)
        .order_by(Example.identifier, ExampleVersion.ordinal)
    )
    return [tuple(row) for row in rows]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A new example."""
    return write_example(tmp_path / "new", identifier="tests.new")


async def test_an_example_is_stored_with_every_files_role_and_its_tests(
    site: Deployment, room: Classroom, folder: Path
) -> None:
    (folder / "answer.sh").chmod(0o755)
    done = await import_folder(room, folder)
    assert (done.created, done.identifier, done.version_tag, done.integrity) == (
        True,
        "tests.new",
        "1.0.0",
        "isolated",
    )
    (version,) = await site.rows(
        select(ExampleVersion.__table__).where(ExampleVersion.id == done.example_version_id)
    )
    found = {(item["role"], item["path"]): item for item in version.files}
    assert set(found) == {
        ("definition", "meta.yaml"),
        ("definition", "test.yaml"),
        ("statement", "README.md"),
        ("media", "mediaFiles/question.svg"),
        ("template", "answer.sh"),
        ("additional", "data.txt"),
        ("reference", "answer.sh"),
        ("test", "secret.txt"),
    }
    assert found["test", "secret.txt"]["sha256"] == hashlib.sha256(b"secret of the tests\n").hexdigest()
    assert found["reference", "answer.sh"]["mode"] == 0o100755
    assert found["template", "answer.sh"]["mode"] == 0o100644
    assert [case["name"] for group in version.spec["groups"] for case in group["cases"]] == [
        "Shown",
        "Shown when due",
        "Never shown",
    ]
    assert (version.license, version.ordinal, version.storage_instance) == ("MIT", 1, "default")
    digests = {item["sha256"] for item in version.files}
    kept = select(func.count()).where(Blob.sha256.in_(digests), Blob.state == "kept")
    assert await site.scalars(kept) == [len(digests)]
    noted = select(AuditEvent.action).where(AuditEvent.row_id == str(done.example_version_id))
    assert await site.scalars(noted) == ["example.write"]


async def test_the_whole_library_comes_in_as_archives(site: Deployment, room: Classroom) -> None:
    principal = await author(room)
    for name in example_names():
        done = await import_archive(room, packed(EXAMPLES / name), principal)
        assert (done.created, done.integrity) == (True, load(name).spec.integrity.value)
    assert len(await versions(room)) == len(example_names())
    assert list((site.app.settings.data_dir / "spool").iterdir()) == []


async def test_a_file_to_hand_in_without_a_template_is_born_empty(
    site: Deployment, room: Classroom, folder: Path
) -> None:
    meta = (folder / "meta.yaml").read_text().replace("[answer.sh]", "[answer.sh, notes.txt]", 1)
    (folder / "meta.yaml").write_text(meta)
    done = await import_folder(room, folder)
    assert [(note.severity, note.code) for note in done.notes] == [("warning", "no_reference")]
    (files,) = await site.scalars(
        select(ExampleVersion.files).where(ExampleVersion.id == done.example_version_id)
    )
    assert [item["size"] for item in files if item["path"] == "notes.txt"] == [0]


async def test_the_same_version_again_is_harmless(site: Deployment, room: Classroom, folder: Path) -> None:
    first = await import_folder(room, folder)
    again = await import_archive(room, packed(folder))
    assert (again.created, again.example_version_id) == (False, first.example_version_id)
    assert await versions(room) == [("tests.new", "1.0.0", 1)]


@pytest.mark.parametrize(
    ("file", "text"),
    [("answer.sh", "echo 43\n"), ("secret.txt", "another secret\n"), ("content/index.md", "# Other\n")],
)
async def test_a_version_never_changes(
    site: Deployment, room: Classroom, folder: Path, file: str, text: str
) -> None:
    await import_folder(room, folder)
    (folder / file).write_text(text)
    with pytest.raises(ConflictError, match=r"version 1\.0\.0 of tests\.new exists with other content"):
        await import_folder(room, folder)
    assert await versions(room) == [("tests.new", "1.0.0", 1)]


async def test_a_file_that_only_changes_its_role_is_another_content(
    site: Deployment, room: Classroom, folder: Path
) -> None:
    await import_folder(room, folder)
    meta = (folder / "meta.yaml").read_text()
    swapped = (
        meta.replace("given/data.txt", "@").replace("secret.txt", "given/data.txt").replace("@", "secret.txt")
    )
    (folder / "meta.yaml").write_text(swapped)
    with pytest.raises(ConflictError):
        await import_folder(room, folder)


async def test_versions_are_counted_in_the_order_in_which_they_come(room: Classroom, tmp_path: Path) -> None:
    for number in ("1.0.0", "3", "2.5"):
        written = write_example(tmp_path / number, identifier="tests.counted", version=number)
        await import_folder(room, written)
    assert await versions(room) == [
        ("tests.counted", "1.0.0", 1),
        ("tests.counted", "3.0.0", 2),
        ("tests.counted", "2.5.0", 3),
    ]


async def test_imports_of_a_new_example_at_once_make_it_once(
    site: Deployment, room: Classroom, folder: Path
) -> None:
    principal = await author(room)
    done = await asyncio.gather(*(import_folder(room, folder, principal) for _ in range(6)))
    assert sorted(item.created for item in done) == [False] * 5 + [True]
    assert len({item.example_version_id for item in done}) == 1
    assert await versions(room) == [("tests.new", "1.0.0", 1)]


async def test_versions_of_an_example_imported_at_once_have_an_ordinal_each(
    room: Classroom, folder: Path, tmp_path: Path
) -> None:
    principal = await author(room)
    await import_folder(room, folder, principal)
    newer = [
        write_example(tmp_path / tag, identifier="tests.new", version=tag) for tag in ("2", "3", "4", "5")
    ]
    await asyncio.gather(*(import_folder(room, written, principal) for written in newer))
    found = await versions(room)
    assert {tag for _name, tag, _ordinal in found} == {"1.0.0", "2.0.0", "3.0.0", "4.0.0", "5.0.0"}
    assert [ordinal for _name, _tag, ordinal in found] == [1, 2, 3, 4, 5]


# --- what is refused ------------------------------------------------------------------------------


async def test_a_directory_of_no_known_format(room: Classroom, tmp_path: Path) -> None:
    (tmp_path / "some").mkdir()
    (tmp_path / "some" / "problem.yaml").write_text("name: a problem\n")
    with pytest.raises(InvalidError, match="no installed format") as caught:
        await import_folder(room, tmp_path / "some")
    assert "computor" in (caught.value.hint or "")
    with pytest.raises(InvalidError, match="no installed format"):
        await import_archive(room, zipped({"notes.txt": b""}))
    assert await versions(room) == []


@pytest.mark.parametrize(
    ("file", "old", "new", "place"),
    [
        pytest.param("test.yaml", "type: stdio", "type: telepathy", "test.yaml:5", id="unknown type of test"),
        pytest.param("test.yaml", "points: 2", "points: many", "test.yaml:11", id="wrong value"),
        pytest.param("test.yaml", "entryPoint: answer.sh", "entryPoint: [", "test.yaml:", id="no YAML"),
        pytest.param("meta.yaml", 'version: "1.0.0"', "version: newest", "meta.yaml:2", id="bad version"),
        pytest.param("meta.yaml", "secret.txt", "nowhere.txt", "meta.yaml", id="missing file"),
    ],
)
async def test_what_is_broken_is_named_by_file_and_line(
    room: Classroom, folder: Path, file: str, old: str, new: str, place: str
) -> None:
    text = (folder / file).read_text()
    assert old in text
    (folder / file).write_text(text.replace(old, new))
    with pytest.raises(InvalidError) as caught:
        await import_archive(room, packed(folder))
    assert any(problem.path.startswith(place) for problem in caught.value.fields), caught.value.fields
    assert await versions(room) == []


async def test_an_unsafe_archive_is_refused(site: Deployment, room: Classroom, folder: Path) -> None:
    with pytest.raises(UnsafeArchiveError):
        await import_archive(room, zipped({"../meta.yaml": b""}))
    assert list((site.app.settings.data_dir / "spool").iterdir()) == []


async def test_only_who_may_write_examples_there_imports(
    site: Deployment, room: Classroom, folder: Path, tmp_path: Path
) -> None:
    other = await site.classroom(tmp_path / "other")
    with pytest.raises(NotFoundError):
        await import_folder(room, folder, await author(other))
    for person in (room.student, room.lecturer):
        for call in (
            import_folder(room, folder, person.principal),
            import_archive(room, packed(folder), person.principal),
        ):
            with pytest.raises(ForbiddenError):
                await call
    assert await versions(room) == []
    user = await site.world.user(role="_example_manager")
    manager = await site.world.principal(user, with_session=False)
    assert (await import_folder(room, folder, manager)).created


async def test_storage_that_is_away_leaves_no_example(
    site: Deployment, room: Classroom, folder: Path
) -> None:
    (folder / "secret.txt").write_text("stored nowhere yet\n")
    storage = site.app.providers.get(StorageBackend, "default")
    with failing(storage, "put"), pytest.raises(ProviderUnavailableError):
        await import_folder(room, folder)
    assert await versions(room) == []
    assert (await import_folder(room, folder)).created
