"""Releases: what students get, when they get it, and that two at a time or a failure lose nothing."""

from __future__ import annotations

import asyncio
import functools
import hashlib
from pathlib import Path
from typing import Any, Self
from uuid import UUID

import pytest
from sqlalchemy import select, update

from computor_core.assessment.formats.computor import ComputorFormat
from computor_core.db.violations import RowConflictError
from computor_core.errors import (
    ForbiddenError,
    InvalidError,
    NotFoundError,
    ProviderConflictError,
    ProviderInvalidError,
)
from computor_core.interfaces.courses import CourseMemberCreate
from computor_core.interfaces.examples import ContentDeploymentUpdate
from computor_core.interfaces.releasing import ReleaseInput
from computor_core.model import (
    ContentDeployment,
    CourseContent,
    CourseRepository,
    EventLog,
    MemberRepository,
    Outbox,
)
from computor_core.plugin_api.providers.formats import STUDENT_ROLES, FileRole
from computor_core.plugin_api.providers.git import CommitTree, GitHost, ReadTree
from computor_core.plugin_api.workflows import RunState
from computor_core.services.releases import release_course
from tests.example_library import EXAMPLES, example_names
from tests.support.deployment import SYSTEM, Classroom, Deployment, Person, failing, write_example

pytestmark = pytest.mark.asyncio(loop_scope="module")

ANSWER_FOR_STUDENTS = {"README.md", "answer.sh", "data.txt", "mediaFiles/question.svg"}


def host_of(site: Deployment) -> GitHost:
    return site.app.providers.get(GitHost, "default")


async def release(room: Classroom, *contents: CourseContent, person: Person | None = None) -> Any:
    """Release and wait for the workflow's end; describes the run."""
    ids = [content.id for content in contents] or None
    started = await release_course(
        room.site.app,
        (person or room.lecturer).principal,
        room.course.id,
        ReleaseInput(course_content_ids=ids),
    )
    async with asyncio.timeout(60):
        return await room.site.app.workflows.wait(started.run_id)


async def repository(room: Classroom, purpose: str) -> str:
    (external_id,) = await room.site.scalars(
        select(CourseRepository.external_id).where(
            CourseRepository.course_id == room.course.id, CourseRepository.purpose == purpose
        )
    )
    return str(external_id)


async def tree(room: Classroom, external_id: str, commit: str | None = None) -> dict[str, bytes]:
    """Path and content of every file at a commit, by default at ``main``."""
    host = host_of(room.site)
    commit = commit or await host.resolve(external_id, "refs/heads/main")
    assert commit is not None
    async with host.read_tree(ReadTree(external_id, commit)) as entries:
        return {entry.path: entry.content async for entry in entries}


async def template(room: Classroom) -> dict[str, bytes]:
    return await tree(room, await repository(room, "template"))


async def deployment(site: Deployment, content: CourseContent) -> Any:
    (row,) = await site.rows(
        select(ContentDeployment.__table__).where(ContentDeployment.course_content_id == content.id)
    )
    return row


async def repositories_of(room: Classroom) -> dict[UUID, str]:
    """External ids of the members' repositories, by member."""
    rows = await room.site.rows(
        select(MemberRepository.course_member_id, MemberRepository.external_id).where(
            MemberRepository.course_id == room.course.id
        )
    )
    return {row.course_member_id: row.external_id for row in rows}


async def enrol(room: Classroom, role: str = "_student") -> UUID:
    """Enrol a new user through the entity service, as hosts do; returns the membership's id."""
    user = await room.site.world.user()
    body = CourseMemberCreate(course_id=room.course.id, user_id=user.id, role_id=f"course:{role}")
    async with room.site.app.uow(SYSTEM) as work:
        return UUID((await room.site.app.entities["course-members"].create(work, body))["id"])


async def provisions(room: Classroom) -> list[UUID]:
    """The runs that were started for newcomers of the course."""
    return await room.site.scalars(
        select(Outbox.run_id).where(
            Outbox.workflow == "course.provision",
            Outbox.input["course_id"].as_string() == str(room.course.id),
        )
    )


async def set_version(room: Classroom, content: CourseContent, version_id: UUID) -> None:
    row = await deployment(room.site, content)
    async with room.site.app.uow(room.lecturer.principal) as work:
        await room.site.app.entities["content-deployments"].update(
            work, row.id, ContentDeploymentUpdate(example_version_id=version_id)
        )


async def version(room: Classroom, folder: Path, number: str, **example: Any) -> UUID:
    written = write_example(folder / number, version=number, **example)
    return await room.site.import_example(room.organization.id, written)


@pytest.fixture
def room(busy_room: Classroom) -> Classroom:
    return busy_room


@pytest.fixture
def site(busy_site: Deployment) -> Deployment:
    return busy_site


# --- what students get ----------------------------------------------------------------------------


async def test_the_template_holds_what_is_for_students_and_the_reference_everything(
    site: Deployment, room: Classroom
) -> None:
    """Walked file by file for the whole example library, by content as well as by name."""
    wanted: dict[str, bytes] = {}
    hidden: dict[str, bytes] = {}
    for name in example_names():
        folder = f"library/{name.replace('.', '_')}"
        version_id = await site.import_example(room.organization.id, EXAMPLES / name)
        await room.assignment(folder.replace("/", "."), released=False, version_id=version_id)
        for file in ComputorFormat().load(EXAMPLES / name).files:
            content = file.source.read_bytes() if file.source else b""
            if file.role in STUDENT_ROLES:
                wanted[f"{folder}/{file.path}"] = content
            else:
                hidden[f"{folder}.{file.role.value}/{file.path}"] = content
    assert any(".test/" in path for path in hidden)
    assert any(".reference/" in path for path in hidden)
    described = await release(room)
    assert (described.state, described.output["released"]) == (RunState.COMPLETED, len(example_names()))
    published = await template(room)
    index = published.pop("README.md")
    assert published == wanted
    assert not set(published.values()) & (set(hidden.values()) - {b""} - set(wanted.values()))
    reference = await tree(room, await repository(room, "reference"))
    assert reference == wanted | hidden | {"README.md": index}
    for name in example_names():
        assert f"submit/library/{name.replace('.', '_')}`" in index.decode()


async def test_no_commit_of_the_template_ever_held_a_hidden_file(
    site: Deployment, room: Classroom, tmp_path: Path
) -> None:
    assignment = await room.assignment("week.hello", released=False)
    await release(room)
    await set_version(room, assignment, await version(room, tmp_path, "1.1.0"))
    await release(room)
    bare = (
        site.app.settings.data_dir / "git/default/repositories" / f"{await repository(room, 'template')}.git"
    )
    listing = await asyncio.create_subprocess_exec(
        *("git", "-C", str(bare), "cat-file", "--batch-all-objects", "--batch-check"),
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await listing.communicate()
    blobs = {line.split()[0].decode() for line in output.splitlines() if b" blob " in line}
    secret = b"secret of the tests\n"
    assert (
        hashlib.sha1(b"blob %d\0%s" % (len(secret), secret), usedforsecurity=False).hexdigest() not in blobs
    )
    assert len(blobs) > len(ANSWER_FOR_STUDENTS)


async def test_a_students_file_may_be_named_like_a_role(
    site: Deployment, room: Classroom, tmp_path: Path
) -> None:
    """``test/secret.txt`` to hand in, and ``secret.txt`` of role test: both are in the reference."""
    folder = write_example(tmp_path / "named")
    meta = (folder / "meta.yaml").read_text().replace("[answer.sh]", "[answer.sh, test/secret.txt]", 1)
    (folder / "meta.yaml").write_text(meta.replace("1.0.0", "9.0.0"))
    version_id = await site.import_example(room.organization.id, folder)
    await room.assignment("week.named", released=False, version_id=version_id)
    assert (await release(room)).state is RunState.COMPLETED
    reference = await tree(room, await repository(room, "reference"))
    assert reference["week/named/test/secret.txt"] == b""
    assert reference["week/named.test/secret.txt"] == b"secret of the tests\n"


async def test_each_student_gets_a_repository_that_starts_from_the_template_and_staff_gets_none(
    site: Deployment, room: Classroom
) -> None:
    await room.assignment("week.hello", released=False)
    other = await room.join()
    await release(room)
    found = await repositories_of(room)
    assert set(found) == {room.student.member.id, other.member.id}
    assert len(set(found.values())) == 2
    for external_id in found.values():
        assert await tree(room, external_id) == await template(room)


async def test_repositories_are_made_in_batches(site: Deployment, room: Classroom) -> None:
    await room.assignment(released=False)
    await release(room)
    for _ in range(4):
        await room.join()
    releases = site.app.services.releases
    assert [await releases.provision_members(room.course.id, batch=2) for _ in range(3)] == [
        True,
        True,
        False,
    ]
    assert len(await repositories_of(room)) == 5


async def test_releasing_tells_it(site: Deployment, room: Classroom) -> None:
    assignment = await room.assignment(released=False)
    await release(room)
    told = await site.rows(
        select(EventLog.payload).where(
            EventLog.course_id == room.course.id, EventLog.name == "content.released"
        )
    )
    assert [row.payload["course_content_id"] for row in told] == [str(assignment.id)]


# --- when they get it -----------------------------------------------------------------------------


async def test_an_assignment_is_the_students_once_its_release_is_done(
    site: Deployment, room: Classroom
) -> None:
    assignment = await room.assignment("week.hello", released=False)
    contents = site.app.entities["course-contents"]
    async with site.app.read(room.student.principal) as unit:
        with pytest.raises(NotFoundError):
            await contents.get(unit, assignment.id)
    await release(room)
    async with site.app.read(room.student.principal) as unit:
        assert (await contents.get(unit, assignment.id))["path"] == "week.hello"
    row = await deployment(site, assignment)
    assert (row.state, row.released_version_id) == ("deployed", room.version_id)
    assert row.deployed_at == site.clock.now()
    accepted = await site.submit(room.student, assignment)
    assert (await site.finished(accepted.test_run_id)).verdict == "passed"


async def test_only_what_was_asked_for_is_released(site: Deployment, room: Classroom) -> None:
    now, later = (
        await room.assignment("week.now", released=False),
        await room.assignment("week.later", released=False),
    )
    described = await release(room, now)
    assert described.output == {"released": 1, "outdated": False}
    assert [(await deployment(site, item)).state for item in (now, later)] == ["deployed", "pending"]
    assert {path.rpartition("/")[0] for path in await template(room)} == {
        "",
        "week/now",
        "week/now/mediaFiles",
    }


async def test_releasing_again_changes_nothing(site: Deployment, room: Classroom) -> None:
    assignment = await room.assignment(released=False)
    await release(room)
    before = await deployment(site, assignment)
    first = await repositories_of(room)
    site.clock.advance(hours=1)
    await release(room)
    after = await deployment(site, assignment)
    for name in ("template_commit", "reference_commit", "deployed_at", "released_version_id", "state"):
        assert getattr(after, name) == getattr(before, name)
    assert await repositories_of(room) == first


async def test_until_the_next_release_submissions_are_tested_against_the_version_that_students_have(
    site: Deployment, room: Classroom, tmp_path: Path
) -> None:
    assignment = await room.assignment("week.hello", released=False)
    await release(room)
    newer = await version(room, tmp_path, "1.1.0")
    await set_version(room, assignment, newer)
    assert (await deployment(site, assignment)).state == "pending"
    between = await site.submit(room.student, assignment)
    assert (await site.finished(between.test_run_id)).example_version_id == room.version_id
    assert (await template(room))["week/hello/README.md"] == b"# The answer, 1.0.0\n"
    await release(room)
    after = await site.submit(room.student, assignment)
    assert (await site.finished(after.test_run_id)).example_version_id == newer
    assert (await template(room))["week/hello/README.md"] == b"# The answer, 1.1.0\n"


async def test_releasing_one_assignment_leaves_another_ones_new_version_waiting(
    site: Deployment, room: Classroom, tmp_path: Path
) -> None:
    one, two = (
        await room.assignment("week.one", released=False),
        await room.assignment("week.two", released=False),
    )
    await release(room)
    newer = await version(room, tmp_path, "1.1.0")
    await set_version(room, one, newer)
    await set_version(room, two, newer)
    await release(room, one)
    assert (await deployment(site, two)).released_version_id == room.version_id
    published = await template(room)
    assert published["week/one/README.md"] == b"# The answer, 1.1.0\n"
    assert published["week/two/README.md"] == b"# The answer, 1.0.0\n"


async def test_an_archived_assignment_isnt_released_and_leaves_the_template(
    site: Deployment, room: Classroom
) -> None:
    stays, goes = (
        await room.assignment("week.stays", released=False),
        await room.assignment("week.goes", released=False),
    )
    await release(room)
    await site.change(
        update(CourseContent).where(CourseContent.id == goes.id).values(archived_at=site.clock.now())
    )
    assert (await release(room)).output["released"] == 1
    assert not any(path.startswith("week/goes") for path in await template(room))
    assert (await deployment(site, stays)).state == "deployed"
    with pytest.raises(InvalidError, match="archived"):
        await release(room, goes)


# --- those who come later -------------------------------------------------------------------------


async def test_who_joins_after_the_release_gets_a_repository(site: Deployment, room: Classroom) -> None:
    await room.assignment("week.hello", released=False)
    await release(room)
    student, tutor = await enrol(room), await enrol(room, "_tutor")
    (run_id,) = await provisions(room)
    async with asyncio.timeout(60):
        assert (await site.app.workflows.wait(run_id)).state is RunState.COMPLETED
    found = await repositories_of(room)
    assert student in found
    assert tutor not in found
    assert await tree(room, found[student]) == await template(room)


async def test_a_course_with_many_newcomers_is_provided_for_batch_by_batch(
    site: Deployment, room: Classroom, monkeypatch: pytest.MonkeyPatch
) -> None:
    releases = site.app.services.releases
    two_at_a_time = functools.partial(type(releases).provision_members, releases, batch=2)
    monkeypatch.setattr(releases, "provision_members", two_at_a_time)
    await room.assignment("week.hello", released=False)
    for _ in range(4):
        await room.join()
    described = await release(room)
    assert described.progress == {"stage": "repositories"}
    assert len(await repositories_of(room)) == 5
    for _ in range(3):
        await room.join()
    await enrol(room)
    (run_id,) = await provisions(room)
    async with asyncio.timeout(60):
        assert (await site.app.workflows.wait(run_id)).state is RunState.COMPLETED
    assert len(await repositories_of(room)) == 9


async def test_before_the_first_release_nobody_gets_a_repository(site: Deployment, room: Classroom) -> None:
    member = await enrol(room)
    assert await site.app.services.releases.provision_members(room.course.id) is False
    assert await repositories_of(room) == {}
    await room.assignment(released=False)
    await release(room)
    assert member in await repositories_of(room)


async def test_who_joins_while_the_first_release_is_under_way_gets_no_empty_repository(
    site: Deployment, room: Classroom
) -> None:
    await room.assignment(released=False)
    with Held(site, "template") as held:
        running = asyncio.create_task(release(room))
        await held.reached()
        await enrol(room)
        assert await site.app.services.releases.provision_members(room.course.id) is False
        assert await repositories_of(room) == {}
        held.go_on()
        await running
    found = await repositories_of(room)
    assert len(found) == 2
    for external_id in found.values():
        assert await tree(room, external_id) == await template(room)


# --- what is refused ------------------------------------------------------------------------------


async def test_who_may_release(site: Deployment, room: Classroom) -> None:
    await room.assignment(released=False)
    for person in (room.tutor, room.student):
        with pytest.raises(ForbiddenError):
            await release(room, person=person)
    stranger = await site.world.principal(await site.world.user(), with_session=False)
    with pytest.raises(NotFoundError):
        await release_course(site.app, stranger, room.course.id, ReleaseInput())


async def test_what_has_no_example_or_is_another_courses_cant_be_released(
    site: Deployment, room: Classroom
) -> None:
    bare = await site.world.content(room.course)
    other = Classroom(
        site, room.organization, await site.world.course(await site.world.family(room.organization))
    )
    other.version_id = room.version_id
    elsewhere = await other.assignment(released=False)
    fine = await room.assignment(released=False)
    with pytest.raises(InvalidError, match="no example version") as caught:
        await release(room, fine, bare, elsewhere)
    assert caught.value.details == {"course_content_ids": sorted([str(bare.id), str(elsewhere.id)])}
    assert (await deployment(site, fine)).state == "pending"


async def test_an_example_whose_verdicts_are_worth_less_than_demanded_is_refused(
    site: Deployment, room: Classroom
) -> None:
    in_process = await site.import_example(room.organization.id, EXAMPLES / "python.bounded_stack")
    weak = await room.assignment(released=False, version_id=in_process, minimum_integrity="isolated")
    fine = await room.assignment(released=False, minimum_integrity="isolated")
    with pytest.raises(InvalidError, match="isolated verdicts") as caught:
        await release(room)
    assert caught.value.details == {"course_content_ids": [str(weak.id)]}
    assert {(await deployment(site, item)).state for item in (weak, fine)} == {"pending"}
    assert (await release(room, fine)).output["released"] == 1


# --- failures, and two at once --------------------------------------------------------------------


async def test_a_release_that_fails_says_why_and_a_later_one_mends_it(
    site: Deployment, room: Classroom, tmp_path: Path
) -> None:
    assignment = await room.assignment("week.hello", released=False)
    refusal = ProviderInvalidError("the git host refuses the tree")
    with failing(host_of(site), "commit_tree", error=refusal):
        assert (await release(room)).state is RunState.FAILED
    row = await deployment(site, assignment)
    assert (row.state, row.released_version_id, row.deployed_at) == ("failed", None, None)
    assert "the git host refuses the tree" in row.message
    assert (await release(room)).state is RunState.COMPLETED
    row = await deployment(site, assignment)
    assert (row.state, row.message, row.released_version_id) == ("deployed", "", room.version_id)


async def test_a_new_version_that_fails_leaves_students_what_they_have(
    site: Deployment, room: Classroom, tmp_path: Path
) -> None:
    assignment = await room.assignment("week.hello", released=False)
    await release(room)
    await set_version(room, assignment, await version(room, tmp_path, "1.1.0"))
    with failing(host_of(site), "commit_tree", error=ProviderInvalidError("no")):
        await release(room)
    row = await deployment(site, assignment)
    assert (row.state, row.released_version_id) == ("failed", room.version_id)
    accepted = await site.submit(room.student, assignment)
    assert (await site.finished(accepted.test_run_id)).example_version_id == room.version_id


class Held:
    """Holds the next commit to a course repository until it is let go."""

    def __init__(self, site: Deployment, purpose: str) -> None:
        self._host: Any = host_of(site)
        self._purpose = purpose
        self._reached, self._open = asyncio.Event(), asyncio.Event()

    def __enter__(self) -> Self:
        real = self._host.commit_tree

        async def commit_tree(request: CommitTree) -> str:
            if request.external_id.endswith(f"/{self._purpose}"):
                self._reached.set()
                await self._open.wait()
            commit: str = await real(request)
            return commit

        self._patch = pytest.MonkeyPatch()
        self._patch.setattr(self._host, "commit_tree", commit_tree)
        return self

    def __exit__(self, *_error: object) -> None:
        self._patch.undo()

    async def reached(self) -> None:
        await asyncio.wait_for(self._reached.wait(), 60)

    def go_on(self) -> None:
        self._open.set()


async def assert_published_as_said(room: Classroom, *contents: CourseContent) -> None:
    """Each assignment is deployed, and the commits that its row names hold its released version."""
    for content in contents:
        row = await deployment(room.site, content)
        assert row.state == "deployed"
        for purpose, commit in (("template", row.template_commit), ("reference", row.reference_commit)):
            held = await tree(room, await repository(room, purpose), commit)
            assert f"{content.path.replace('.', '/')}/answer.sh" in held


async def test_a_release_that_begins_while_another_is_half_done_isnt_said_done_with_it(
    site: Deployment, room: Classroom
) -> None:
    first, second = (
        await room.assignment("week.first", released=False),
        await room.assignment("week.second", released=False),
    )
    with Held(site, "reference") as held:
        one = asyncio.create_task(release(room, first))
        await held.reached()
        two = await release_course(
            site.app, room.lecturer.principal, room.course.id, ReleaseInput(course_content_ids=[second.id])
        )
        held.go_on()
        await one
        async with asyncio.timeout(60):
            described = await site.app.workflows.wait(two.run_id)
    assert described.state is RunState.COMPLETED
    await assert_published_as_said(room, first, second)


async def test_two_releases_at_once_lose_nothing(site: Deployment, room: Classroom) -> None:
    contents = [await room.assignment(f"week.a{number}", released=False) for number in range(4)]
    described = await asyncio.gather(*(release(room, content) for content in contents))
    assert {item.state for item in described} == {RunState.COMPLETED}
    await assert_published_as_said(room, *contents)
    folders = {path.split("/")[1] for path in await template(room) if "/" in path}
    assert folders == {"a0", "a1", "a2", "a3"}
    assert len(await repositories_of(room)) == 1


async def test_an_assignment_archived_in_the_middle_of_its_release_is_said_to_have_failed(
    site: Deployment, room: Classroom
) -> None:
    stays, goes = (
        await room.assignment("week.stays", released=False),
        await room.assignment("week.goes", released=False),
    )
    with Held(site, "reference") as held:
        running = asyncio.create_task(release(room))
        await held.reached()
        await site.change(
            update(CourseContent).where(CourseContent.id == goes.id).values(archived_at=site.clock.now())
        )
        held.go_on()
        described = await running
    assert described.output["released"] == 1
    row = await deployment(site, goes)
    assert (row.state, row.message) == ("failed", "the assignment was archived meanwhile")
    assert not any(path.startswith("week/goes") for path in await template(room))
    await assert_published_as_said(room, stays)


async def test_a_newcomer_whose_repository_cant_be_made_doesnt_fail_a_release_that_is_under_way(
    site: Deployment, room: Classroom, tmp_path: Path
) -> None:
    assignment = await room.assignment("week.hello", released=False)
    await release(room)
    await set_version(room, assignment, await version(room, tmp_path, "1.1.0"))
    with Held(site, "reference") as held:
        running = asyncio.create_task(release(room))
        await held.reached()
        with failing(host_of(site), "ensure_repository", error=ProviderInvalidError("no more repositories")):
            member = await enrol(room)
            (run_id,) = await provisions(room)
            async with asyncio.timeout(60):
                assert (await site.app.workflows.wait(run_id)).state is RunState.FAILED
        assert (await deployment(site, assignment)).state == "deploying"
        held.go_on()
        assert (await running).state is RunState.COMPLETED
    assert (await deployment(site, assignment)).state == "deployed"
    assert member in await repositories_of(room)


async def test_a_repository_is_entered_once_however_many_want_it(site: Deployment, room: Classroom) -> None:
    await room.assignment(released=False)
    publish = site.app.services.releases.publish
    ended = await asyncio.gather(
        *(publish(room.course.id, "template") for _ in range(4)), return_exceptions=True
    )
    failed = [item for item in ended if isinstance(item, BaseException)]
    assert len(failed) < len(ended)
    assert all(isinstance(item, ProviderConflictError | RowConflictError) for item in failed)
    done = await publish(room.course.id, "template")
    assert done.commit == await host_of(site).resolve(await repository(room, "template"), "refs/heads/main")


async def test_every_role_has_its_place_in_the_reference(site: Deployment, room: Classroom) -> None:
    await room.assignment("week.hello", released=False)
    await release(room)
    reference = await tree(room, await repository(room, "reference"))
    for role in set(FileRole) - STUDENT_ROLES:
        assert any(path.startswith(f"week/hello.{role.value}/") for path in reference)
    assert {
        path.removeprefix("week/hello/") for path in await template(room) if "/" in path
    } == ANSWER_FOR_STUDENTS
