"""Nobody gives, changes or takes away what they lack; the last owner can't leave."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from computor_core.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError
from computor_core.interfaces.course_families import CourseFamilyMemberCreate
from computor_core.interfaces.courses import CourseMemberCreate, CourseMemberUpdate
from computor_core.interfaces.organizations import OrganizationMemberCreate
from computor_core.interfaces.roles import UserRoleCreate
from computor_core.model import Course, CourseFamily, Organization
from computor_core.plugin_api.principal import Principal
from tests.support.world import SYSTEM, World

CREATE: dict[str, tuple[str, type[Any], str]] = {
    "course": ("course-members", CourseMemberCreate, "course_id"),
    "family": ("course-family-members", CourseFamilyMemberCreate, "course_family_id"),
    "organization": ("organization-members", OrganizationMemberCreate, "organization_id"),
}


async def give(world: World, giver: Principal, place: Course | CourseFamily | Organization, role: str) -> str:
    scope = {"course": "course", "course_family": "family", "organization": "organization"}[
        place.__tablename__
    ]
    endpoint, dto, column = CREATE[scope]
    taker = await world.user()
    async with world.uow(giver) as work:
        row = await world.entities[endpoint].create(
            work, dto(**{column: place.id, "user_id": taker.id, "role_id": f"{scope}:{role}"})
        )
    return str(row["id"])


async def test_a_maintainer_enrols_up_to_maintainers_but_makes_no_owner(world: World) -> None:
    course = await world.course()
    maintainer = await world.who("_maintainer", course)
    for role in ("_student", "_tutor", "_lecturer", "_maintainer"):
        await give(world, maintainer, course, role)
    with pytest.raises(ForbiddenError) as caught:
        await give(world, maintainer, course, "_owner")
    assert caught.value.details["lacking"] == ["course.archive", "course.delete", "course.update"]


async def test_a_manager_appoints_up_to_managers_at_and_below_the_own_level(world: World) -> None:
    organization = await world.organization()
    family = await world.family(organization)
    course = await world.course(family)
    manager = await world.who("_manager", organization)
    for place, role in (
        (organization, "_developer"),
        (organization, "_manager"),
        (family, "_manager"),
        (course, "_maintainer"),
    ):
        await give(world, manager, place, role)
    for place in (organization, family, course):
        with pytest.raises(ForbiddenError):
            await give(world, manager, place, "_owner")


async def test_rights_elsewhere_count_for_nothing(world: World) -> None:
    here, there = await world.course(), await world.course()
    user = await world.user()
    await world.grant(user, "_owner", there)
    await world.grant(user, "_maintainer", here)
    with pytest.raises(ForbiddenError):
        await give(world, await world.principal(user), here, "_owner")


async def test_a_lecturer_enrols_nobody_and_strangers_see_no_course(world: World) -> None:
    course = await world.course()
    with pytest.raises(ForbiddenError):
        await give(world, await world.who("_lecturer", course), course, "_student")
    with pytest.raises(NotFoundError):
        await give(world, await world.who("_owner", await world.course()), course, "_student")


async def test_a_role_of_another_level_is_no_role_here(world: World) -> None:
    course, taker = await world.course(), await world.user()
    owner = await world.who("_owner", course)
    for role in ("_admin", "family:_owner", "course:_nothing"):
        with pytest.raises(InvalidError) as caught:
            async with world.uow(owner) as work:
                await world.entities["course-members"].create(
                    work, CourseMemberCreate(course_id=course.id, user_id=taker.id, role_id=role)
                )
        assert caught.value.fields[0].code == "unknown_role"


async def test_nobody_raises_or_removes_somebody_above_them(world: World) -> None:
    course, owner = await world.course(), await world.user()
    top = await world.grant(owner, "_owner", course)
    await world.grant(await world.user(), "_owner", course)
    maintainer = await world.who("_maintainer", course)
    members = world.entities["course-members"]
    with pytest.raises(ForbiddenError):
        async with world.uow(maintainer) as work:
            await members.update(work, top.id, CourseMemberUpdate(role_id="course:_student"))
    with pytest.raises(ForbiddenError):
        async with world.uow(maintainer) as work:
            await members.delete(work, top.id)
    own = next(iter(await world.ids(maintainer, "course-members", filters={"user_id": maintainer.user_id})))
    with pytest.raises(ForbiddenError):
        async with world.uow(maintainer) as work:
            await members.update(work, own, CourseMemberUpdate(role_id="course:_owner"))


async def test_a_token_gives_only_what_it_may_use_itself(world: World) -> None:
    course, user = await world.course(), await world.user()
    await world.grant(user, "_owner", course)
    narrow = await world.principal(user, scopes=["course.read", "member.read", "member.manage", "user.refer"])
    with pytest.raises(ForbiddenError) as caught:
        await give(world, narrow, course, "_student")
    assert caught.value.details["lacking"] == ["content.read", "submission.create", "test.start"]


async def test_a_user_manager_makes_user_managers_but_no_administrator(world: World) -> None:
    manager, taker = await world.who("_user_manager"), await world.user()
    roles = world.entities["user-roles"]
    async with world.uow(manager) as work:
        await roles.create(work, UserRoleCreate(user_id=taker.id, role_id="_user_manager"))
    for role in ("_admin", "_auditor", "_organization_manager"):
        with pytest.raises(ForbiddenError):
            async with world.uow(manager) as work:
                await roles.create(work, UserRoleCreate(user_id=taker.id, role_id=role))


# --- the last one -----------------------------------------------------------------------------


async def test_the_last_owner_cant_leave_or_step_down(world: World) -> None:
    course, user = await world.course(), await world.user()
    member = await world.grant(user, "_owner", course)
    owner = await world.principal(user)
    members = world.entities["course-members"]
    for principal in (owner, SYSTEM):
        with pytest.raises(ConflictError, match="last holder of course:_owner"):
            async with world.uow(principal) as work:
                await members.delete(work, member.id)
        with pytest.raises(ConflictError):
            async with world.uow(principal) as work:
                await members.update(work, member.id, CourseMemberUpdate(role_id="course:_tutor"))
    await world.grant(await world.user(), "_owner", course)
    async with world.uow(owner) as work:
        await members.delete(work, member.id)
    assert await world.ids(await world.again(owner), "courses") == set()


@pytest.mark.parametrize("column", ["archived_at", "banned_at"])
async def test_an_owner_who_cant_sign_in_is_no_other_owner(world: World, column: str) -> None:
    course, user = await world.course(), await world.user()
    member = await world.grant(user, "_owner", course)
    await world.grant(await world.user(**{column: world.now}), "_owner", course)
    with pytest.raises(ConflictError):
        async with world.uow(SYSTEM) as work:
            await world.entities["course-members"].delete(work, member.id)


async def test_the_last_administrator_stays(world: World) -> None:
    user = await world.user()
    role = await world.grant(user, "_admin")
    with pytest.raises(ConflictError):
        async with world.uow(SYSTEM) as work:
            await world.entities["user-roles"].delete(work, role.id)
    with pytest.raises(ConflictError):
        async with world.uow(await world.principal(user)) as work:
            await world.entities["users"].archive(work, user.id)


async def test_of_two_owners_who_leave_at_once_one_stays(world: World) -> None:
    course = await world.course()
    members = [await world.grant(await world.user(), "_owner", course) for _ in range(2)]

    async def leave(member_id: Any) -> str:
        try:
            async with world.uow(SYSTEM) as work:
                await world.entities["course-members"].delete(work, member_id)
        except ConflictError:
            return "stayed"
        return "left"

    assert sorted(await asyncio.gather(*(leave(member.id) for member in members))) == ["left", "stayed"]


async def test_a_role_can_be_changed_at_once_for_both_epochs(world: World) -> None:
    course, user = await world.course(), await world.user()
    await world.grant(await world.user(), "_owner", course)
    member = await world.grant(user, "_student", course)
    principal = await world.principal(user)
    async with world.uow(SYSTEM) as work:
        await world.entities["course-members"].update(
            work, member.id, CourseMemberUpdate(role_id="course:_tutor")
        )
    async with world.read(principal) as unit:
        assert not await world.access.still_valid(unit)
