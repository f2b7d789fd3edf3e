"""Who may clone and push what: asked of core at every request of every git client."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import delete, update

from computor_core.model import CourseMember, CourseRepository, User
from computor_core.plugin_api.principal import Principal
from computor_core.plugin_api.providers.git import RepositoryAccess
from tests.support.deployment import Classroom, Deployment
from tests.support.pushing import clone_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

READ, WRITE = RepositoryAccess.READ, RepositoryAccess.WRITE


async def access(site: Deployment, principal: Principal, external_id: str) -> RepositoryAccess | None:
    return await site.app.services.pushes.access(principal, "default", external_id)


async def course_repository(room: Classroom, purpose: str) -> str:
    row = CourseRepository(
        course_id=room.course.id,
        purpose=purpose,
        git_instance="default",
        external_id=f"{room.course.slug}/{purpose}",
        http_url="",
    )
    return (await room.site.world.add(row)).external_id


async def test_a_members_repository_is_written_by_its_owner_and_read_by_staff(
    site: Deployment, room: Classroom, tmp_path: Path
) -> None:
    theirs = (await clone_of(room, room.student, tmp_path / "clone")).repository.external_id
    other = await room.join()
    found = {
        name: await access(site, person.principal, theirs)
        for name, person in {
            "owner": room.student,
            "tutor": room.tutor,
            "lecturer": room.lecturer,
            "other": other,
        }.items()
    }
    assert found == {"owner": WRITE, "tutor": READ, "lecturer": READ, "other": None}


async def test_who_left_the_course_or_was_archived_has_no_access(
    site: Deployment, room: Classroom, tmp_path: Path
) -> None:
    leaver, archived = await room.join(), await room.join()
    theirs = [
        (await clone_of(room, person, tmp_path / person.user.given_name)).repository.external_id
        for person in (leaver, archived)
    ]
    await site.change(delete(CourseMember).where(CourseMember.id == leaver.member.id))
    await site.change(update(User).where(User.id == archived.user.id).values(archived_at=site.clock.now()))
    assert await access(site, leaver.principal, theirs[0]) is None
    assert await access(site, archived.principal, theirs[1]) is None


async def test_a_token_without_the_right_scope_gives_no_access(
    site: Deployment, room: Classroom, tmp_path: Path
) -> None:
    theirs = (await clone_of(room, room.student, tmp_path / "clone")).repository.external_id
    narrow = await site.world.principal(room.student.user, scopes=["content.read"])
    wide = await site.world.principal(room.student.user, scopes=["submission.create"])
    assert await access(site, narrow, theirs) is None
    assert await access(site, wide, theirs) is WRITE


async def test_templates_are_for_all_members_references_for_authors_and_nobody_pushes_to_either(
    site: Deployment, room: Classroom
) -> None:
    template, reference = [await course_repository(room, name) for name in ("template", "reference")]
    elsewhere = Classroom(
        site, room.organization, await site.world.course(await site.world.family(room.organization))
    )
    people = [room.student, room.tutor, room.lecturer, await elsewhere.join()]
    assert [await access(site, person.principal, template) for person in people] == [READ, READ, READ, None]
    assert [await access(site, person.principal, reference) for person in people] == [None, None, READ, None]


async def test_what_core_doesnt_know_is_nobodys(site: Deployment, room: Classroom) -> None:
    assert await access(site, room.lecturer.principal, "somewhere/else") is None
    assert await access(site, Principal.anonymous(), "somewhere/else") is None


async def test_many_clients_at_once_dont_run_out_of_connections(
    site: Deployment, room: Classroom, tmp_path: Path
) -> None:
    """Whoever held one connection while waiting for a second would wait for itself."""
    theirs = (await clone_of(room, room.student, tmp_path / "clone")).repository.external_id
    async with asyncio.timeout(20):
        found = await asyncio.gather(*(access(site, room.student.principal, theirs) for _ in range(60)))
    assert set(found) == {WRITE}
