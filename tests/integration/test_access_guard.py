"""A principal proves itself inside every statement: what ended, ends at the very next one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from computor_core.access import epoch
from computor_core.access.errors import StalePrincipalError
from computor_core.errors import AuthenticationError, NotFoundError
from computor_core.interfaces.courses import CourseUpdate
from computor_core.model import ApiToken, Course, CourseMember, Session, User
from computor_core.plugin_api.principal import Principal, PrincipalKind
from tests.support.world import SYSTEM, World

Ending = Callable[[World, User, Principal], Awaitable[None]]


async def change(world: World, model: type[Any], row_id: Any, **values: Any) -> None:
    async with world.database.writer.begin() as connection:
        await connection.execute(update(model).where(model.id == row_id).values(**values))


async def revoke(world: World, user: User, principal: Principal) -> None:
    await change(world, Session, principal.session_id, revoked_at=world.now)


async def expire(world: World, user: User, principal: Principal) -> None:
    await change(world, Session, principal.session_id, expires_at=world.now)


async def archive(world: World, user: User, principal: Principal) -> None:
    await change(world, User, user.id, archived_at=world.now)


async def ban(world: World, user: User, principal: Principal) -> None:
    await change(world, User, user.id, banned_at=world.now)


async def change_grants(world: World, user: User, principal: Principal) -> None:
    async with world.uow(SYSTEM) as work:
        await epoch.bump(work, [user.id])


async def give_the_session_to_somebody_else(world: World, user: User, principal: Principal) -> None:
    await change(world, Session, principal.session_id, user_id=(await world.user()).id)


ENDINGS = [revoke, expire, archive, ban, change_grants, give_the_session_to_somebody_else]


@pytest.mark.parametrize("ending", ENDINGS, ids=lambda ending: ending.__name__)
async def test_every_way_in_closes_at_the_next_statement(world: World, ending: Ending) -> None:
    course, user = await world.course(), await world.user()
    await world.grant(user, "_owner", course)
    principal = await world.principal(user)
    assert await world.ids(principal, "courses") == {str(course.id)}
    await ending(world, user, principal)
    courses = world.entities["courses"]
    async with world.read(principal) as unit:
        assert not await world.access.still_valid(unit)
        for attempt in (
            lambda: courses.get(unit, course.id),
            lambda: courses.list(unit),
            lambda: courses.list(unit, with_total=True),
            lambda: world.entities["audit-events"].list(unit),
            lambda: world.access.allowed(unit, "course.read", "courses", course.id),
            lambda: world.access.require(unit, "course.read", "courses", course.id),
            lambda: world.access.allowed_at(unit, "course.read", "course", course.id),
            lambda: world.access.require_at(unit, "course.read", "course", course.id),
            lambda: world.access.require_delegable(unit, "course:_student", "course", course.id),
        ):
            with pytest.raises(StalePrincipalError):
                await attempt()
        predicate = world.access.predicate(principal, "course.read", Course, now=unit.now)
        assert (await unit.connection.execute(select(Course.id).where(predicate))).all() == []
    with pytest.raises(StalePrincipalError):
        async with world.uow(principal) as work:
            await courses.update(work, course.id, CourseUpdate(title="x"))


async def test_a_stale_principal_is_resolved_again_after_a_change_of_grants(world: World) -> None:
    first, second, user = await world.course(), await world.course(), await world.user()
    await world.grant(user, "_student", first)
    principal = await world.principal(user)
    await world.grant(user, "_student", second)
    with pytest.raises(StalePrincipalError):
        await world.ids(principal, "courses")
    assert await world.ids(await world.again(principal), "courses") == {str(first.id), str(second.id)}


@pytest.mark.parametrize("values", [{"revoked_at": True}, {"expires_at": True}])
async def test_an_ended_token_ends_at_the_next_statement(world: World, values: dict[str, Any]) -> None:
    course, user = await world.course(), await world.user()
    await world.grant(user, "_student", course)
    principal = await world.principal(user, scopes=["course.read"])
    assert await world.ids(principal, "courses") == {str(course.id)}
    await change(world, ApiToken, principal.api_token_id, **dict.fromkeys(values, world.now))
    with pytest.raises(StalePrincipalError):
        await world.ids(principal, "courses")


async def test_time_alone_ends_a_session(world: World) -> None:
    course, user = await world.course(), await world.user()
    await world.grant(user, "_student", course)
    principal = await world.principal(user)
    async with world.read(principal, now=world.now + timedelta(days=1)) as later:
        with pytest.raises(StalePrincipalError):
            await world.entities["courses"].list(later)


async def test_a_removed_membership_ends_even_without_an_epoch(world: World) -> None:
    """Predicates read memberships themselves; a forgotten epoch never lets anybody in."""
    course, user = await world.course(), await world.user()
    member = await world.grant(user, "_owner", course)
    principal = await world.principal(user)
    async with world.database.writer.begin() as connection:
        await connection.exec_driver_sql("DELETE FROM course_member")
    assert await world.ids(principal, "courses") == set()
    with pytest.raises(NotFoundError):
        await world.get(principal, "courses", course.id)
    assert member.role_id == "course:_owner"


async def test_a_taken_action_ends_even_without_an_epoch(world: World) -> None:
    course, user = await world.course(), await world.user()
    await world.grant(user, "_student", course)
    principal = await world.principal(user)
    async with world.database.writer.begin() as connection:
        await connection.exec_driver_sql("DELETE FROM role_action WHERE action = 'course.read'")
    assert await world.ids(principal, "courses") == set()


@pytest.mark.parametrize("column", ["archived_at", "banned_at"])
async def test_archived_and_banned_users_cant_be_loaded(world: World, column: str) -> None:
    user = await world.user(**{column: world.now})
    async with world.read(SYSTEM) as unit:
        with pytest.raises(AuthenticationError):
            await world.access.load_principal(unit.connection, user_id=user.id)


async def test_a_loaded_principal_has_its_grants_and_epoch(world: World) -> None:
    parent = await world.organization("uni")
    place = await world.organization("cs", parent)
    family = await world.family(place)
    course, user = await world.course(family), await world.user(is_service=True)
    for role, where in (
        ("_tutor", course),
        ("_developer", family),
        ("_manager", place),
        ("_auditor", None),
    ):
        await world.grant(user, role, where)
    with world.statements() as sent:
        async with world.read(SYSTEM) as unit:
            principal = await world.access.load_principal(
                unit.connection, user_id=user.id, scopes=frozenset({"course.read"})
            )
    assert len(sent) == 1
    assert principal.kind is PrincipalKind.SERVICE
    assert principal.epoch == 5
    assert principal.scopes == {"course.read"}
    assert {(grant.scope.value, grant.scope_id, grant.role_id, grant.path) for grant in principal.grants} == {
        ("course", course.id, "course:_tutor", None),
        ("family", family.id, "family:_developer", None),
        ("organization", place.id, "organization:_manager", "uni.cs"),
        ("global", None, "_auditor", None),
    }


async def test_a_user_without_any_role_is_somebody_too(world: World) -> None:
    user = await world.user()
    principal = await world.principal(user)
    assert principal.grants == ()
    assert await world.ids(principal, "users") == {str(user.id)}
    assert await world.ids(principal, "courses") == set()


async def test_the_scopes_above_are_the_family_and_all_organizations(world: World) -> None:
    top = await world.organization("a")
    similar = await world.organization("a-b")
    inner = await world.organization("b", top)
    family = await world.family(inner)
    course = await world.course(family)
    async with world.read(SYSTEM) as unit:
        above = await world.access.scopes_above(unit.connection, "course", course.id)
        assert set(above) == {family.id, inner.id, top.id}
        assert set(await world.access.scopes_above(unit.connection, "family", family.id)) == {
            inner.id,
            top.id,
        }
        assert await world.access.scopes_above(unit.connection, "organization", inner.id) == (top.id,)
        assert await world.access.scopes_above(unit.connection, "organization", similar.id) == ()


async def test_memory_and_database_agree_about_scopes(world: World) -> None:
    top = await world.organization("a")
    course = await world.course(await world.family(await world.organization("b", top)))
    other = await world.course()
    for role in ("_owner", "_manager", "_developer"):
        principal = await world.who(role, top)
        async with world.read(principal) as unit:
            for action in ("grade.write", "content.write", "course.update", "member.manage"):
                for place in (course, other):
                    above = await world.access.scopes_above(unit.connection, "course", place.id)
                    scope = next(grant.scope for grant in principal.grants).__class__("course")
                    assert world.access.can(
                        principal, action, scope, place.id, above
                    ) == await world.access.allowed_at(unit, action, "course", place.id)


async def test_a_members_row_can_change_hands_only_with_both_epochs(world: World) -> None:
    course, giver, taker = await world.course(), await world.user(), await world.user()
    member = await world.grant(giver, "_student", course)
    first, second = await world.principal(giver), await world.principal(taker)
    async with world.session() as session:
        (await session.get_one(CourseMember, member.id)).user_id = taker.id
    for principal in (first, second):
        async with world.read(principal) as unit:
            assert not await world.access.still_valid(unit)
