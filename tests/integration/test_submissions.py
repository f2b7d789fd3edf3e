"""Accepting submissions: whose they are, what they use up, and what a refusal leaves behind."""

from __future__ import annotations

import asyncio
import gzip
import io
import random
import tarfile
import zipfile
from collections import Counter
from collections.abc import Awaitable, Iterable
from typing import Any

import pytest
from sqlalchemy import func, select, update

from computor_core.db.types import new_id
from computor_core.errors import (
    AuthenticationError,
    ComputorError,
    ConflictError,
    EmptyArchiveError,
    ForbiddenError,
    NotFoundError,
    PayloadTooLargeError,
    ProviderUnavailableError,
    TooManyRequestsError,
    UnsafeArchiveError,
)
from computor_core.interfaces.submitting import SubmissionAccepted
from computor_core.model import (
    Artifact,
    AuditEvent,
    CourseContent,
    EventLog,
    Outbox,
    Receipt,
    SubmissionGroup,
    SubmissionGroupMember,
    TestRun,
    User,
)
from computor_core.plugin_api.providers.storage import StorageBackend
from computor_core.services.archives import ArchiveLimits
from computor_core.services.submissions import Handover
from computor_core.services.test_queue import PRACTICE_RUNS
from tests.support.deployment import RIGHT, WRONG, Classroom, Deployment, Person, failing, zipped

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def outcomes(calls: Iterable[Awaitable[Any]]) -> tuple[list[SubmissionAccepted], list[ComputorError]]:
    """What all calls at once came to; anything but an answer or an error of ours fails the test."""
    ended = await asyncio.gather(*calls, return_exceptions=True)
    accepted = [item for item in ended if isinstance(item, SubmissionAccepted)]
    refused = [item for item in ended if isinstance(item, ComputorError)]
    broken = [
        item for item in ended if isinstance(item, BaseException) and not isinstance(item, ComputorError)
    ]
    assert broken == []
    return accepted, refused


async def groups_of(site: Deployment, content: CourseContent) -> list[Any]:
    return await site.rows(
        select(SubmissionGroup.__table__).where(SubmissionGroup.course_content_id == content.id)
    )


async def assert_nothing_was_accepted(site: Deployment, content: CourseContent) -> None:
    assert await groups_of(site, content) == []
    assert await site.artifacts(content) == []
    assert list((site.app.settings.data_dir / "spool").iterdir()) == []


# --- whose it is ----------------------------------------------------------------------------------


async def test_the_first_submission_makes_the_students_own_group(site: Deployment, room: Classroom) -> None:
    assignment = await room.assignment()
    accepted = await site.submit(room.student, assignment)
    again = await site.submit(room.student, assignment)
    assert again.submission_group_id == accepted.submission_group_id
    members = await site.rows(
        select(SubmissionGroupMember.course_member_id, SubmissionGroupMember.user_id).where(
            SubmissionGroupMember.submission_group_id == accepted.submission_group_id
        )
    )
    assert [tuple(row) for row in members] == [(room.student.member.id, room.student.user.id)]


async def test_each_student_and_each_assignment_has_its_own_group(site: Deployment, room: Classroom) -> None:
    first, second = await room.assignment(), await room.assignment()
    other = await room.join()
    accepted = [
        await site.submit(person, assignment)
        for person in (room.student, other)
        for assignment in (first, second)
    ]
    assert len({item.submission_group_id for item in accepted}) == 4


async def test_twenty_first_submissions_at_once_make_one_group(site: Deployment, room: Classroom) -> None:
    assignment = await room.assignment()
    accepted, refused = await outcomes(site.submit(room.student, assignment) for _ in range(20))
    assert refused == []
    assert len(await groups_of(site, assignment)) == 1
    assert len({item.submission_group_id for item in accepted}) == 1
    assert await site.attempts_used(accepted[0].submission_group_id) == 20
    assert len(await site.artifacts(assignment)) == 20


async def test_many_students_with_the_same_files_dont_stand_in_each_others_way(
    site: Deployment, room: Classroom
) -> None:
    """They all add references to the same blobs, in whatever order they name them."""
    assignment = await room.assignment()
    people = [await room.join() for _ in range(8)]
    files = {f"shared{number}.txt": f"shared {number}".encode() for number in range(12)}
    orders = [dict(sorted(files.items(), reverse=bool(turn % 2))) for turn in range(3)]
    calls = (site.submit(person, assignment, order) for order in orders for person in people)
    accepted, refused = await outcomes(calls)
    assert refused == []
    assert len({item.tree_hash for item in accepted}) == 1
    assert len(await groups_of(site, assignment)) == len(people)


async def test_an_acceptance_is_a_row_of_everything_that_follows_from_it(
    site: Deployment, room: Classroom
) -> None:
    assignment = await room.assignment()
    accepted = await site.submit(room.student, assignment, {"a/b.txt": b"12345", "answer.sh": b"echo 42\n"})
    (artifact,) = await site.artifacts(assignment)
    assert (artifact.id, artifact.course_member_id) == (accepted.artifact_id, room.student.member.id)
    assert (artifact.transport, artifact.official, artifact.size) == ("upload", True, 13)
    assert [(item["path"], item["size"]) for item in artifact.files] == [("a/b.txt", 5), ("answer.sh", 8)]
    assert accepted.received_at == artifact.received_at == site.clock.now()
    run = await site.run_of(accepted.test_run_id)
    assert (run.artifact_id, run.example_version_id) == (artifact.id, room.version_id)
    assert (run.state, run.verdict, run.official) == ("queued", None, True)
    starts = await site.rows(select(Outbox.workflow, Outbox.input).where(Outbox.run_id == run.id))
    assert [tuple(row) for row in starts] == [("submission.test", {"test_run_id": str(run.id)})]
    told = await site.rows(
        select(EventLog.name, EventLog.user_id, EventLog.payload).where(EventLog.course_id == room.course.id)
    )
    ((_name, user_id, payload),) = [tuple(row) for row in told if row.name == "submission.received"]
    assert user_id == room.student.user.id
    assert payload["artifact_id"] == str(artifact.id)
    noted = await site.rows(
        select(AuditEvent.action, AuditEvent.actor_id, AuditEvent.request_id).where(
            AuditEvent.row_id == str(artifact.id)
        )
    )
    assert [tuple(row) for row in noted] == [("submission.create", room.student.user.id, "test")]


# --- attempts -------------------------------------------------------------------------------------


async def test_a_hundred_submissions_at_once_use_ten_attempts_and_not_one_more(
    site: Deployment, room: Classroom
) -> None:
    assignment = await room.assignment(max_attempts=10)
    accepted, refused = await outcomes(site.submit(room.student, assignment) for _ in range(100))
    assert len(accepted) == 10
    assert Counter(item.attempts_left for item in accepted) == Counter(range(10))
    assert {item.code for item in refused} <= {"schedule_closed", "quota_exceeded"}
    assert await site.attempts_used(accepted[0].submission_group_id) == 10
    assert len(await site.artifacts(assignment)) == 10
    for table in (TestRun, Receipt):
        count = select(func.count()).where(table.submission_group_id == accepted[0].submission_group_id)
        assert await site.scalars(count) == [10]


async def test_spent_attempts_are_said_with_the_reason(site: Deployment, room: Classroom) -> None:
    assignment = await room.assignment(max_attempts=1)
    accepted = await site.submit(room.student, assignment)
    assert accepted.attempts_left == 0
    with pytest.raises(ConflictError) as caught:
        await site.submit(room.student, assignment)
    assert caught.value.code == "schedule_closed"
    assert [item["code"] for item in caught.value.details["reasons"]] == ["attempts_exhausted", "open"]  # type: ignore[attr-defined]


async def test_a_practice_run_uses_no_attempt_and_is_open_when_they_are_spent(
    site: Deployment, room: Classroom
) -> None:
    assignment = await room.assignment(max_attempts=1)
    before = await site.submit(room.student, assignment, official=False)
    assert (before.official, before.attempts_left) == (False, 1)
    official = await site.submit(room.student, assignment)
    after = await site.submit(room.student, assignment, official=False)
    assert after.submission_group_id == official.submission_group_id
    assert await site.attempts_used(official.submission_group_id) == 1


async def test_nobody_fills_the_queue_with_practice_runs(site: Deployment, room: Classroom) -> None:
    """Also not with many requests at once; official submissions and other groups are untouched."""
    assignment = await room.assignment()
    first = await site.submit(room.student, assignment)
    answers = await asyncio.gather(
        *(site.submit(room.student, assignment, official=False) for _ in range(10)), return_exceptions=True
    )
    refused = [answer for answer in answers if isinstance(answer, TooManyRequestsError)]
    assert len(refused) == 7
    assert len([answer for answer in answers if not isinstance(answer, Exception)]) == PRACTICE_RUNS
    assert (await site.submit(room.student, assignment)).submission_group_id == first.submission_group_id
    await site.submit(await room.join(), assignment, official=False)
    ours = update(TestRun).where(TestRun.submission_group_id == first.submission_group_id)
    await site.change(ours.values(state="finished", verdict="passed", finished_at=site.clock.now()))
    await site.submit(room.student, assignment, official=False)


async def test_without_a_limit_attempts_are_counted_all_the_same(site: Deployment, room: Classroom) -> None:
    assignment = await room.assignment()
    accepted = [await site.submit(room.student, assignment) for _ in range(3)]
    assert {item.attempts_left for item in accepted} == {None}
    assert await site.attempts_used(accepted[0].submission_group_id) == 3


# --- who may --------------------------------------------------------------------------------------


async def test_a_tutor_and_a_lecturer_submit_as_members(site: Deployment, room: Classroom) -> None:
    assignment = await room.assignment()
    for person in (room.tutor, room.lecturer):
        await site.submit(person, assignment)
    assert [row.course_member_id for row in await site.artifacts(assignment)] == [
        room.tutor.member.id,
        room.lecturer.member.id,
    ]


async def test_another_courses_student_finds_no_assignment(site: Deployment, room: Classroom) -> None:
    assignment = await room.assignment()
    elsewhere = await site.world.course(await site.world.family(room.organization))
    stranger = Classroom(site, room.organization, elsewhere)
    with pytest.raises(NotFoundError):
        await site.submit(await stranger.join(), assignment)
    await assert_nothing_was_accepted(site, assignment)


async def test_who_sees_the_assignment_by_a_role_above_is_no_member_and_told_so_early(
    site: Deployment, room: Classroom
) -> None:
    assignment = await room.assignment()
    user = await site.world.user()
    await site.world.grant(user, "_owner", room.organization)
    principal = await site.world.principal(user, with_session=False)
    async with site.app.read(principal, now=site.clock.now()) as unit:
        with pytest.raises(ForbiddenError, match="member"):
            await site.app.services.submissions.check_open(unit, assignment.id, official=True)
    with pytest.raises(ForbiddenError, match="member"):
        await site.submit(Person(user, room.student.member, principal), assignment)
    await assert_nothing_was_accepted(site, assignment)


async def test_an_archived_user_is_out(site: Deployment, room: Classroom) -> None:
    assignment = await room.assignment()
    await site.change(
        update(User).where(User.id == room.student.user.id).values(archived_at=site.clock.now())
    )
    with pytest.raises(AuthenticationError):
        await site.submit(room.student, assignment)
    await assert_nothing_was_accepted(site, assignment)


async def test_nobody_submits_to_a_unit(site: Deployment, room: Classroom) -> None:
    unit = await site.world.content(room.course, "week", kind="unit")
    await room.assignment("week.hello")
    with pytest.raises(ConflictError, match="nothing can be submitted here"):
        await site.submit(room.student, unit)
    await assert_nothing_was_accepted(site, unit)


async def test_what_isnt_released_doesnt_exist_for_students(site: Deployment, room: Classroom) -> None:
    assignment = await room.assignment(released=False)
    with pytest.raises(NotFoundError):
        await site.submit(room.student, assignment)
    with pytest.raises(ForbiddenError):
        await site.submit(room.lecturer, assignment)
    await assert_nothing_was_accepted(site, assignment)


async def test_an_unknown_assignment(site: Deployment, room: Classroom) -> None:
    nowhere = CourseContent(id=new_id())
    with pytest.raises(NotFoundError):
        await site.submit(room.student, nowhere)
    handover = Handover("git", official=True, received_at=site.clock.now())
    with pytest.raises(NotFoundError):
        await site.app.services.submissions.submit_files(room.student.principal, nowhere.id, [], handover)


# --- what is away or unsafe -----------------------------------------------------------------------


async def test_storage_that_is_away_is_said_and_nothing_is_half_written(
    site: Deployment, room: Classroom
) -> None:
    assignment = await room.assignment(max_attempts=1)
    files = {"answer.sh": b"echo while away"}
    storage = site.app.providers.get(StorageBackend, "default")
    with failing(storage, "put"), pytest.raises(ProviderUnavailableError):
        await site.submit(room.student, assignment, files)
    await assert_nothing_was_accepted(site, assignment)
    accepted = await site.submit(room.student, assignment, files)
    assert accepted.attempts_left == 0


@pytest.mark.parametrize("files", [{}, {"src/": b""}], ids=["nothing", "a folder"])
async def test_an_archive_without_a_file_is_refused(
    site: Deployment, room: Classroom, files: dict[str, bytes]
) -> None:
    assignment = await room.assignment()
    with pytest.raises(EmptyArchiveError):
        await site.submit(room.student, assignment, files)
    await assert_nothing_was_accepted(site, assignment)


def tar_with(name: str, kind: bytes = tarfile.REGTYPE, target: str = "", *, size: int = 0) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        member = tarfile.TarInfo(name)
        member.type, member.linkname, member.size = kind, target, size
        archive.addfile(member, io.BytesIO(random.Random(5).randbytes(size)))
    return buffer.getvalue()


def zip_with(name: str, mode: int, content: bytes = b"") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        info = zipfile.ZipInfo(name)
        info.external_attr, info.compress_type = mode << 16, zipfile.ZIP_DEFLATED
        archive.writestr(info, content)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "archive",
    [
        pytest.param(b"no archive at all", id="no archive"),
        pytest.param(gzip.compress(b"no tar" * 1000), id="compressed, but no tar"),
        pytest.param(tar_with("half.txt", size=100_000)[:200], id="cut off"),
        pytest.param(b"BZh9" + bytes(2000), id="damaged bzip2"),
        pytest.param(zip_with("zeros", 0o100644, bytes(4 * 1024 * 1024)), id="bomb"),
        pytest.param(zip_with("link", 0o120777, b"/etc/passwd"), id="symbolic link in a zip"),
        pytest.param(zip_with("fifo", 0o010644), id="fifo in a zip"),
        pytest.param(zip_with("../up/", 0o040755), id="zip folder with .."),
        pytest.param(tar_with("../up", tarfile.DIRTYPE), id="tar folder with .."),
        pytest.param(zipped({"../up.txt": b""}), id="zip with .."),
        pytest.param(zipped({"/etc/passwd": b""}), id="absolute path"),
        pytest.param(zipped({".git/config": b""}), id="git folder"),
        pytest.param(tar_with("../up.txt"), id="tar with .."),
        pytest.param(tar_with("link", tarfile.SYMTYPE, "/etc/passwd"), id="symbolic link"),
        pytest.param(tar_with("link", tarfile.LNKTYPE, "/etc/passwd"), id="hard link"),
        pytest.param(tar_with("null", tarfile.CHRTYPE), id="device"),
        pytest.param(zipped({"answer.sh": b"echo 42\n", "ANSWER.sh": b""}), id="the same name twice"),
    ],
)
async def test_an_unsafe_archive_is_refused_and_leaves_nothing(
    site: Deployment, room: Classroom, archive: bytes
) -> None:
    assignment = await room.assignment()
    with pytest.raises(UnsafeArchiveError):
        await site.submit(room.student, assignment, archive)
    await assert_nothing_was_accepted(site, assignment)


async def test_more_than_the_limits_allow_is_refused(site: Deployment, room: Classroom) -> None:
    assignment = await room.assignment()
    submissions = site.app.services.submissions
    handover = Handover("upload", official=True, received_at=site.clock.now())
    async with submissions.spool() as spool:
        (spool / "body").write_bytes(zipped(RIGHT | {"more.txt": b"more"}))
        with pytest.raises(PayloadTooLargeError):
            await submissions.submit_archive(
                room.student.principal,
                assignment.id,
                spool / "body",
                handover,
                limits=ArchiveLimits(files=1),
            )
    await assert_nothing_was_accepted(site, assignment)


async def test_the_same_files_are_the_same_tree_whoever_packs_them(site: Deployment, room: Classroom) -> None:
    assignment = await room.assignment()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for folder in (".", "./empty"):
            entry = tarfile.TarInfo(folder)
            entry.type = tarfile.DIRTYPE
            archive.addfile(entry)
        member = tarfile.TarInfo("./answer.sh")
        member.size, member.mtime = len(RIGHT["answer.sh"]), 1_700_000_000
        archive.addfile(member, io.BytesIO(RIGHT["answer.sh"]))
    as_zip = await site.submit(room.student, assignment, {"empty/": b"", **RIGHT})
    as_tar = await site.submit(room.student, assignment, buffer.getvalue())
    other = await site.submit(room.student, assignment, WRONG)
    assert as_zip.tree_hash == as_tar.tree_hash != other.tree_hash
    assert await site.scalars(select(func.count()).where(Artifact.tree_hash == as_zip.tree_hash)) != [0]
