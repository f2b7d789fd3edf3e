"""The original's numbered holes that concern access: each attack fails, and the test would notice.

Every attack is tried on the system as it is, where it must fail, and on a mutant from which the
protection was taken, where it must succeed; a test that can't tell them apart proves nothing.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy import true

from computor_core.access import caller, delegation
from computor_core.access.engine import AccessEngine
from computor_core.access.selection import Selection
from computor_core.catalogue import actions, entities, roles, rules
from computor_core.db.engine import Database
from computor_core.entities.assembly import assemble
from computor_core.entities.behaviors import content_tree
from computor_core.entities.service import EntityServices
from computor_core.errors import ComputorError
from computor_core.interfaces.course_contents import CourseContentTypeUpdate, CourseContentUpdate
from computor_core.interfaces.courses import CourseMemberCreate, CourseMemberUpdate
from computor_core.interfaces.results import GradeUpdate
from computor_core.interfaces.roles import UserRoleCreate
from computor_core.model import User
from computor_core.plugin_api.access import Branch, ScopeKind, branch, everyone, scope_of, via
from computor_core.plugin_api.entities import Operation
from tests.support.world import SYSTEM, World, assembled

Attack = Callable[[World], Awaitable[bool]]
System = tuple[AccessEngine, EntityServices]


def widened(endpoint: str, action: str, extra: Branch) -> System:
    """The system with one more way to reach rows."""
    changed = [
        dataclasses.replace(rule, branches=(*rule.branches, extra))
        if (rule.endpoint, rule.action) == (endpoint, action)
        else rule
        for rule in rules.registrations()
    ]
    return assemble(
        entities=entities.registrations(),
        actions=actions.registrations(),
        roles=roles.registrations(),
        rules=changed,
    )


async def succeeds(attempt: Awaitable[Any]) -> bool:
    try:
        await attempt
    except ComputorError:
        return False
    return True


async def in_unit(world: World, principal: Any, method: str, endpoint: str, *arguments: Any) -> Any:
    async with world.uow(principal) as work:
        return await getattr(world.entities[endpoint], method)(work, *arguments)


# --- 1: token scopes add nothing to the owner's rights ----------------------------------------


async def escalate_by_token(world: World) -> bool:
    """A student's token that asks for everything."""
    course, victim, student = await world.course(), await world.user(), await world.user()
    member = await world.grant(victim, "_student", course)
    artifact = await world.artifact(await world.group(await world.content(course), member), member)
    await world.grant(student, "_student", course)
    scopes = [*(action.name for action in actions.registrations()), "_admin", f"course:_owner:{course.id}"]
    token = await world.principal(student, scopes=scopes)
    return await succeeds(world.get(token, "artifacts", artifact.id))


def trusting_scopes(monkeypatch: pytest.MonkeyPatch) -> None:
    original = AccessEngine._select

    def select(self: AccessEngine, principal: Any, action: str, endpoint: str) -> Selection:
        found = original(self, principal, action, endpoint)
        allowed = principal.scopes is not None and action in principal.scopes
        return dataclasses.replace(found, unlimited=True) if allowed else found

    monkeypatch.setattr(AccessEngine, "_select", select)


async def test_1_token_scopes_add_nothing(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not await escalate_by_token(World(database))
    trusting_scopes(monkeypatch)
    assert await escalate_by_token(World(database, _fresh()))


def _fresh() -> System:
    """The system anew, so that nothing that was built before the mutation is used."""
    return assemble(
        entities=entities.registrations(),
        actions=actions.registrations(),
        roles=roles.registrations(),
        rules=rules.registrations(),
    )


# --- 2: a student can't change or delete any result -------------------------------------------


def test_2_results_cant_be_changed_over_the_api_at_all() -> None:
    for endpoint in ("test-runs", "test-case-results", "artifacts", "receipts"):
        operations = assembled()[1][endpoint].registration.operations
        assert operations == {Operation.GET, Operation.LIST}


async def improve_own_grade(world: World) -> bool:
    course, student = await world.course(), await world.user()
    member = await world.grant(student, "_student", course)
    artifact = await world.artifact(await world.group(await world.content(course), member), member)
    grade = await world.grade(artifact, await world.user(), published=True)
    principal = await world.principal(student)
    body = GradeUpdate(comment="perfect")
    return await succeeds(in_unit(world, principal, "update", "grades", grade.id, body))


async def test_2_a_student_cant_change_a_grade(database: Database) -> None:
    assert not await improve_own_grade(World(database))
    own_group = via(
        "submission_group_id",
        "submission-group-members",
        "submission.read",
        target="submission_group_id",
        only=("own",),
    )
    mutant = widened("grades", "grade.write", branch("mutant", own_group))
    assert await improve_own_grade(World(database, mutant))


# --- 5: nothing across groups -----------------------------------------------------------------


async def read_a_classmates_work(world: World) -> bool:
    course, victim = await world.course(), await world.user()
    member = await world.grant(victim, "_student", course)
    artifact = await world.artifact(await world.group(await world.content(course), member), member)
    classmate = await world.who("_student", course)
    seen = await succeeds(world.get(classmate, "artifacts", artifact.id))
    listed = await world.ids(classmate, "artifacts") | await world.ids(classmate, "submission-groups")
    async with world.read(classmate) as unit:
        tested = await world.access.allowed(unit, "test.start", "artifacts", artifact.id)
    return seen or bool(listed) or tested


@pytest.mark.parametrize(
    ("endpoint", "action"),
    [("artifacts", "submission.read"), ("artifacts", "test.start"), ("submission-groups", "submission.read")],
)
async def test_5_a_classmates_work_stays_out_of_reach(database: Database, endpoint: str, action: str) -> None:
    assert not await read_a_classmates_work(World(database))
    everybody = branch("mutant", scope_of(ScopeKind.COURSE, "course_id", "course.read"))
    assert await read_a_classmates_work(World(database, widened(endpoint, action, everybody)))


# --- 8: moving a subtree never leaves its course ----------------------------------------------


async def rename_reaches_another_course(world: World) -> bool:
    mine, other = await world.course(), await world.course()
    for course in (mine, other):
        await world.content(course, "week1.task")
    unit = await world.content(mine, "week1", kind="unit")
    lecturer = await world.who("_lecturer", mine)
    await in_unit(world, lecturer, "update", "course-contents", unit.id, CourseContentUpdate(slug="moved"))
    async with world.read(SYSTEM) as unit_of_other:
        page = await world.entities["course-contents"].list(unit_of_other, filters={"course_id": other.id})
    return [row["path"] for row in page.data] != ["week1.task"]


async def test_8_a_move_stays_in_its_course(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not await rename_reaches_another_course(World(database))
    table = content_tree._TABLE
    monkeypatch.setattr(
        content_tree,
        "subtree",
        lambda course_id, path: (table.c.path > f"{path}.") & (table.c.path < f"{path}/"),
    )
    assert await rename_reaches_another_course(World(database))


# --- 9: nobody grants more than they hold -----------------------------------------------------


async def make_an_owner(world: World) -> bool:
    course, accomplice = await world.course(), await world.user()
    maintainer = await world.who("_maintainer", course)
    body = CourseMemberCreate(course_id=course.id, user_id=accomplice.id, role_id="course:_owner")
    return await succeeds(in_unit(world, maintainer, "create", "course-members", body))


async def raise_oneself(world: World) -> bool:
    course = await world.course()
    maintainer = await world.who("_maintainer", course)
    (own,) = await world.ids(maintainer, "course-members", filters={"user_id": maintainer.user_id})
    body = CourseMemberUpdate(role_id="course:_owner")
    return await succeeds(in_unit(world, maintainer, "update", "course-members", own, body))


async def make_an_administrator(world: World) -> bool:
    manager, accomplice = await world.who("_user_manager"), await world.user()
    body = UserRoleCreate(user_id=accomplice.id, role_id="_admin")
    return await succeeds(in_unit(world, manager, "create", "user-roles", body))


@pytest.mark.parametrize("attack", [make_an_owner, raise_oneself, make_an_administrator])
async def test_9_nobody_grants_more_than_they_hold(
    database: Database, monkeypatch: pytest.MonkeyPatch, attack: Attack
) -> None:
    assert not await attack(World(database))

    async def unchecked(*arguments: Any, **options: Any) -> None:
        return None

    monkeypatch.setattr(delegation, "require_delegable", unchecked)
    assert await attack(World(database))


async def take_over_the_administrator(world: World) -> bool:
    """A user manager sets the administrator's password, or locks the administrator out."""
    manager, admin = await world.who("_user_manager"), await world.user(role="_admin")
    await world.user(role="_admin")
    async with world.read(manager) as unit:
        password = await world.access.allowed(unit, "user.credentials", "users", admin.id)
    return password or await succeeds(in_unit(world, manager, "archive", "users", admin.id))


async def test_9_nobody_takes_over_somebody_above_them(database: Database) -> None:
    assert not await take_over_the_administrator(World(database))
    undenied = [dataclasses.replace(rule, deny=()) for rule in rules.registrations()]
    mutant = assemble(
        entities=entities.registrations(),
        actions=actions.registrations(),
        roles=roles.registrations(),
        rules=undenied,
    )
    assert await take_over_the_administrator(World(database, mutant))


# --- 12: no write through "lecturer of any course" --------------------------------------------


async def write_as_a_lecturer_of_another_course(world: World) -> bool:
    mine, other = await world.course(), await world.course()
    foreign = await world.content_type(other)
    lecturer = await world.who("_lecturer", mine)
    body = CourseContentTypeUpdate(title="mine now")
    changed = await succeeds(in_unit(world, lecturer, "update", "course-content-types", foreign.id, body))
    example = await world.example(mine.organization_id)
    async with world.read(lecturer) as unit:
        library = await world.access.allowed(unit, "example.write", "examples", example.id)
    return changed or library


@pytest.mark.parametrize(
    ("endpoint", "action"), [("course-content-types", "content.write"), ("examples", "example.write")]
)
async def test_12_being_a_lecturer_somewhere_gives_nothing_elsewhere(
    database: Database, endpoint: str, action: str
) -> None:
    assert not await write_as_a_lecturer_of_another_course(World(database))
    mutant = widened(endpoint, action, branch("mutant", everyone()))
    assert await write_as_a_lecturer_of_another_course(World(database, mutant))


# --- 13: archived and banned users are out ----------------------------------------------------


async def act_after_the_end(world: World, column: str) -> bool:
    course, user = await world.course(), await world.user()
    await world.grant(user, "_owner", course)
    principal = await world.principal(user)
    async with world.session() as session:
        setattr(await session.get_one(User, user.id), column, world.now)
    return await succeeds(world.get(principal, "courses", course.id))


@pytest.mark.parametrize("column", ["archived_at", "banned_at"])
async def test_13_archived_and_banned_users_are_out(
    database: Database, monkeypatch: pytest.MonkeyPatch, column: str
) -> None:
    assert not await act_after_the_end(World(database), column)
    monkeypatch.setattr(caller, "_GUARDS", dict.fromkeys(caller.Credential, true()))
    assert await act_after_the_end(World(database, _fresh()), column)
