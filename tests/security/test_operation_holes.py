"""The original's holes that concern operation: 6, 14, 15, 17, 20 and 21 of its list."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import io
import json
import logging
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from computor_fastapi_host.log import JsonFormatter
from computor_runner_local.provider import LocalRunner
from computor_runner_local.settings import LocalRunnerSettings
from sqlalchemy import func, insert, select

from computor_core.db.types import new_id
from computor_core.errors import ConflictError
from computor_core.interfaces.courses import CourseCreate, CourseUpdate
from computor_core.interfaces.grading import GradeInput
from computor_core.model import (
    AuditEvent,
    Blob,
    Course,
    EventLog,
    ExampleVersion,
    Grade,
    MemberRepository,
    Outbox,
)
from computor_core.plugin_api.entities import Operation
from computor_core.plugin_api.events import Event
from computor_core.plugin_api.providers.storage import OpenBlob, StorageBackend
from computor_core.services.blobs import STAGING_TIME
from computor_core.services.grading import grade_artifact
from computor_core.services.trees import REGULAR, FileEntry, SpooledFile
from computor_core.testing.runner_jobs import run_one, shell
from tests.support.deployment import SYSTEM, Classroom, Deployment, write_example

pytestmark = pytest.mark.asyncio(loop_scope="module")

CANARY = "canary-4a1b9c"


# --- 6: what runs students' programs holds no credential that they could read -------------------


@pytest.fixture
async def runner(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[LocalRunner]:
    """A runner whose host has credentials in its environment and in its arguments' neighbourhood."""
    for name in ("COMPUTOR_DATABASE__URL", "COMPUTOR_STORAGE__SECRET", "PGPASSWORD", "HOME_OF_KEYS"):
        monkeypatch.setenv(name, CANARY)
    opened = LocalRunner(LocalRunnerSettings(), logging.getLogger("test.runner"))
    await opened.open()
    yield opened
    await opened.aclose()


@pytest.mark.asyncio(loop_scope="function")
async def test_6_the_environment_of_what_runs_programs_holds_no_credential(runner: LocalRunner) -> None:
    everything = "env; for p in /proc/[0-9]*; do cat $p/environ $p/cmdline; done 2>/dev/null; exit 0"
    result = await run_one(runner, shell(everything))
    assert b"PATH=" in result.stdout
    assert CANARY.encode() not in result.stdout
    # The launcher is beyond the program's reach where there is isolation; elsewhere it isn't.
    launcher = runner._launcher._process
    assert launcher is not None
    assert CANARY.encode() not in told_by_the_system(launcher.pid, "cmdline")
    handed_down = told_by_the_system(launcher.pid, "environ").split(b"\0")
    assert {entry.partition(b"=")[0] for entry in handed_down if entry} <= {b"PATH", b"LANG", b"LC_CTYPE"}
    assert CANARY in os.environ.values()


def told_by_the_system(pid: int, file: str) -> bytes:
    return Path(f"/proc/{pid}/{file}").read_bytes()


# --- 14: log lines are one line each, and can't steer a terminal --------------------------------


@pytest.mark.asyncio(loop_scope="function")
@pytest.mark.parametrize("text", ["\u009b2J", "\u2028{}", "\u2029", "\n{}", "\x1b[2J", "\u202e", "\x85"])
async def test_14_no_text_of_a_caller_breaks_a_log_line_or_steers_a_terminal(text: str) -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
    values = {"name": "test", "msg": f"said {text}", "levelname": "INFO", "agent": text}
    record = logging.makeLogRecord(values)
    handler.handle(record)
    line = stream.getvalue()
    assert len(line.splitlines()) == 1
    assert line.rstrip("\n").isprintable()
    assert line.isascii()
    assert json.loads(line)["message"] == f"said {text}"


# --- 15: two students never share a repository --------------------------------------------------


async def test_15_two_students_never_share_a_repository(site: Deployment, room: Classroom) -> None:
    other = await room.join()
    values = {"course_id": room.course.id, "git_instance": "default", "http_url": "http://localhost/r.git"}
    shared = f"{room.course.slug}/students/shared"

    async def enter(member_id: Any, external_id: str) -> None:
        async with site.app.uow(SYSTEM) as work:
            statement = insert(MemberRepository).values(
                id=new_id(), course_member_id=member_id, external_id=external_id, **values
            )
            await work.connection.execute(statement)

    await enter(room.student.member.id, shared)
    with pytest.raises(ConflictError):
        await enter(other.member.id, shared)
    access = site.app.services.pushes.access
    assert await access(room.student.principal, "default", shared) is not None
    assert await access(other.principal, "default", shared) is None
    await enter(other.member.id, f"{shared}-not")
    assert await access(room.student.principal, "default", f"{shared}-not") is None


# --- 17: nothing is committed when a hook fails -------------------------------------------------

_TOLD = (Course, Grade, AuditEvent, EventLog, Outbox)


async def counted(site: Deployment) -> list[int]:
    return [(await site.scalars(select(func.count()).select_from(model)))[0] for model in _TOLD]


@contextmanager
def a_handler_that_refuses(site: Deployment, refused: Callable[[Event], bool]) -> Iterator[None]:
    """An intercepting event handler fails in the unit of the change."""
    hooks = site.app._hooks
    assert hooks is not None
    original = hooks.intercept

    async def intercept(told: Event, work: Any) -> None:
        await original(told, work)
        if refused(told):
            raise ConflictError("a plugin refuses this")

    site.app._hooks = dataclasses.replace(hooks, intercept=intercept)
    try:
        yield
    finally:
        site.app._hooks = hooks


@pytest.mark.parametrize("operation", ["create", "update", "archive", "delete"])
async def test_17_nothing_of_a_change_stays_when_a_handler_refuses(
    site: Deployment, room: Classroom, operation: str
) -> None:
    courses = site.app.entities["courses"]
    spare = await site.world.course(await site.world.family(room.organization))
    body = CourseCreate(course_family_id=spare.course_family_id, slug="refused", title="Refused")
    changes = {
        "create": lambda work: courses.create(work, body),
        "update": lambda work: courses.update(work, spare.id, CourseUpdate(title="Refused")),
        "archive": lambda work: courses.archive(work, spare.id),
        "delete": lambda work: courses.delete(work, spare.id),
    }
    admin = await site.world.principal(await site.world.user(role="_admin"), with_session=False)

    async def change() -> None:
        async with site.app.uow(admin) as work:
            await changes[operation](work)

    before = await counted(site)
    with (
        a_handler_that_refuses(site, lambda told: told.name.startswith("entity.")),
        pytest.raises(ConflictError, match="a plugin refuses this"),
    ):
        await change()
    assert await counted(site) == before
    stored = select(Course.title, Course.archived_at, Course.version).where(Course.id == spare.id)
    (row,) = await site.rows(stored)
    assert (row.title, row.archived_at, row.version) == (spare.title, None, 1)
    await change()
    assert await counted(site) != before


async def test_17_nothing_of_a_business_operation_stays_when_a_handler_refuses(
    site: Deployment, room: Classroom
) -> None:
    assignment = await room.assignment()
    artifact_id = (await site.submit(room.student, assignment)).artifact_id
    body = GradeInput(points=Decimal(1), publish=True)
    before = await counted(site)
    with (
        a_handler_that_refuses(site, lambda told: told.name == "grade.published"),
        pytest.raises(ConflictError, match="a plugin refuses this"),
    ):
        await grade_artifact(site.app, room.lecturer.principal, artifact_id, body)
    assert await counted(site) == before
    assert (await grade_artifact(site.app, room.lecturer.principal, artifact_id, body)).published


@pytest.mark.parametrize("hook", ["before_update", "after_update"])
async def test_17_nothing_of_a_change_stays_when_an_entitys_behavior_fails(
    site: Deployment, room: Classroom, monkeypatch: pytest.MonkeyPatch, hook: str
) -> None:
    contents = site.app.entities["course-contents"]
    assignment = await room.assignment()
    behavior = site.app.entities.bound["course-contents"].behavior

    async def fail(*_arguments: object) -> None:
        raise RuntimeError("a defect in a behavior")

    monkeypatch.setattr(type(behavior), hook, fail)
    before = await counted(site)
    dto = contents.registration.interface.update
    assert dto is not None
    with pytest.raises(RuntimeError, match="a defect"):
        async with site.app.uow(room.lecturer.principal) as work:
            await contents.update(work, assignment.id, dto(title="Refused"))
    assert await counted(site) == before
    async with site.app.read(room.lecturer.principal) as unit:
        assert (await contents.get(unit, assignment.id))["title"] == assignment.title


# --- 20: an example's version never changes -----------------------------------------------------


async def test_20_a_version_of_an_example_cant_be_changed_by_any_way_in(
    site: Deployment, room: Classroom, tmp_path: Path
) -> None:
    operations = site.app.entities["example-versions"].registration.operations
    assert operations == {Operation.GET, Operation.LIST}
    assert not site.app.entities["example-versions"].registration.commands
    (before,) = await site.rows(select(ExampleVersion.__table__).where(ExampleVersion.id == room.version_id))
    folder = write_example(tmp_path / "changed")
    (folder / "secret.txt").write_text("weaker tests\n")
    with pytest.raises(ConflictError, match="exists with other content"):
        await site.import_example(room.organization.id, folder)
    (after,) = await site.rows(select(ExampleVersion.__table__).where(ExampleVersion.id == room.version_id))
    assert after == before


# --- 21: what somebody uses is never deleted ----------------------------------------------------


def spooled(folder: Path, content: bytes) -> SpooledFile:
    digest = hashlib.sha256(content).hexdigest()
    (folder / digest).write_bytes(content)
    return SpooledFile(FileEntry("file.bin", REGULAR, len(content), digest), folder / digest)


async def refer(site: Deployment, item: SpooledFile) -> None:
    async with site.app.uow(SYSTEM) as work:
        await site.app.services.blobs.reference(work, "default", [item.entry])


async def test_21_a_reader_keeps_what_it_reads_whatever_is_swept_meanwhile(
    site: Deployment, tmp_path: Path
) -> None:
    content = b"read while swept " * 100_000
    kept, forgotten = spooled(tmp_path, content), spooled(tmp_path, b"forgotten")
    blobs, storage = site.app.services.blobs, site.app.providers.get(StorageBackend, "default")
    await blobs.stage("default", [kept, forgotten])
    await refer(site, kept)
    async with storage.open(OpenBlob(kept.entry.sha256)) as chunks:
        first = await anext(chunks)
        site.clock.advance(days=400)
        assert await blobs.sweep() >= 1
        rest = b"".join([chunk async for chunk in chunks])
    assert rest, "the reader had everything before the sweep"
    assert first + rest == content
    assert await storage.stat(forgotten.entry.sha256) is None
    assert await blobs.read("default", kept.entry.sha256) == content


async def test_21_nobody_builds_on_what_is_being_deleted(
    site: Deployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the sweeper's decision and the deletion somebody refers to the blob, or sends it again."""
    item = spooled(tmp_path, b"wanted at the last moment")
    blobs, storage = site.app.services.blobs, site.app.providers.get(StorageBackend, "default")
    await blobs.stage("default", [item])
    site.clock.advance(seconds=STAGING_TIME.total_seconds() + 1)
    original, refusals = storage.delete, []

    async def delete(digest: str) -> None:
        if digest == item.entry.sha256:
            with pytest.raises(ConflictError, match="no longer in storage") as caught:
                await refer(site, item)
            refusals.append(caught.value)
        await original(digest)

    monkeypatch.setattr(storage, "delete", delete)
    await blobs.sweep()
    assert len(refusals) == 1
    assert await site.scalars(select(Blob.id).where(Blob.sha256 == item.entry.sha256)) == []
    await blobs.stage("default", [item])
    await refer(site, item)
    assert await blobs.read("default", item.entry.sha256) == b"wanted at the last moment"


async def test_21_of_a_sweep_and_a_reference_at_once_the_blob_and_its_bytes_agree(
    site: Deployment, tmp_path: Path
) -> None:
    blobs, storage = site.app.services.blobs, site.app.providers.get(StorageBackend, "default")
    items = [spooled(tmp_path, b"raced %d" % number) for number in range(20)]
    await blobs.stage("default", items)
    site.clock.advance(seconds=STAGING_TIME.total_seconds() + 1)
    ended = await asyncio.gather(
        *(refer(site, item) for item in items[:10]),
        blobs.sweep(),
        *(refer(site, item) for item in items[10:]),
        return_exceptions=True,
    )
    assert all(not isinstance(end, BaseException) or isinstance(end, ConflictError) for end in ended)
    outcomes = [*ended[:10], *ended[11:]]
    for item, outcome in zip(items, outcomes, strict=True):
        held = await site.scalars(select(Blob.references).where(Blob.sha256 == item.entry.sha256))
        there = await storage.stat(item.entry.sha256) is not None
        assert there is (outcome is None), (item, outcome)
        assert held == ([1] if outcome is None else [])
