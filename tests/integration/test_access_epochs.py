"""Whoever changes grants changes epochs: nobody can forget it."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import delete, insert, select, update

from computor_core.access import epoch
from computor_core.model import Course, CourseMember, Organization, OrganizationMember, User, UserRole
from tests.support.world import SYSTEM, World


async def epochs(world: World, *users: User) -> list[int]:
    async with world.database.reader.connect() as connection:
        found = dict((await connection.execute(select(User.id, User.grants_epoch))).all())
    return [found[user.id] for user in users]


async def test_adding_changing_and_removing_a_membership_each_count(world: World) -> None:
    course, user, other = await world.course(), await world.user(), await world.user()
    async with world.session() as session:
        member = CourseMember(course_id=course.id, user_id=user.id, role_id="course:_student")
        session.add(member)
        await session.flush()
        assert await epochs_in(session, user) == 2
        member.role_id = "course:_tutor"
        await session.flush()
        assert await epochs_in(session, user) == 3
        await session.delete(member)
        await session.flush()
        assert await epochs_in(session, user) == 4
    assert await epochs(world, user, other) == [4, 1]


async def epochs_in(session: Any, user: User) -> int:
    return int(await session.scalar(select(User.__table__.c.grants_epoch).where(User.id == user.id)))


@pytest.mark.parametrize("place", ["course", "family", "organization", "global"])
async def test_every_kind_of_grant_counts(world: World, place: str) -> None:
    organization = await world.organization()
    family = await world.family(organization)
    places = {
        "course": await world.course(family),
        "family": family,
        "organization": organization,
        "global": None,
    }
    user = await world.user()
    await world.grant(user, "_auditor" if place == "global" else "_owner", places[place])
    assert await epochs(world, user) == [2]


async def test_a_rolled_back_grant_doesnt_count(world: World) -> None:
    course, user = await world.course(), await world.user()
    async with world.session() as session:
        session.add(CourseMember(course_id=course.id, user_id=user.id, role_id="course:_student"))
        await session.flush()
        assert await epochs_in(session, user) == 2
        await session.rollback()
    assert await epochs(world, user) == [1]


async def test_an_epoch_is_no_change_of_the_user(world: World) -> None:
    user = await world.user()
    before = await world.get(SYSTEM, "users", user.id)
    await world.grant(user, "_auditor")
    assert await world.get(SYSTEM, "users", user.id) == before


async def test_deleting_a_scope_counts_for_its_members(world: World) -> None:
    organization = await world.organization()
    course, user, bystander = await world.course(), await world.user(), await world.user()
    await world.grant(user, "_owner", organization)
    await world.grant(user, "_student", course)
    async with world.session() as session:
        await session.delete(await session.get_one(Organization, organization.id))
        await session.delete(await session.get_one(Course, course.id))
    assert await epochs(world, user, bystander) == [5, 1]


BULK = [
    insert(CourseMember),
    update(CourseMember).values(role_id="course:_owner"),
    delete(CourseMember),
    delete(OrganizationMember),
    delete(UserRole),
    delete(Course),
]


@pytest.mark.parametrize("statement", BULK, ids=str)
async def test_bulk_changes_of_grants_are_refused_unless_their_author_took_care(
    world: World, statement: Any
) -> None:
    async with world.session() as session:
        with pytest.raises(RuntimeError, match="bump the epochs"):
            await session.execute(statement)
        if not statement.is_insert:
            await session.execute(statement.execution_options(**{epoch.BUMPED: True}))


async def test_other_bulk_changes_are_free(world: World) -> None:
    await world.course()
    async with world.session() as session:
        await session.execute(update(Course).values(title="New"))
        await session.execute(select(CourseMember))


async def test_a_changed_role_counts_for_everybody_who_holds_it(world: World) -> None:
    course, student, tutor = await world.course(), await world.user(), await world.user()
    await world.grant(student, "_student", course)
    await world.grant(tutor, "_tutor", course)
    async with world.uow(SYSTEM) as work:
        await epoch.bump_holders(work.connection, "course:_tutor")
    assert await epochs(world, student, tutor) == [2, 3]
