"""Why, and who else: the explanation always agrees with the decision."""

from __future__ import annotations

from uuid import uuid4

import pytest

from computor_core.plugin_api.principal import Principal, ScopeKind
from tests.support.scenario import build
from tests.support.world import SYSTEM, World


async def test_it_names_the_branch_that_let_the_caller_through(world: World) -> None:
    course, user = await world.course(), await world.user()
    member = await world.grant(user, "_student", course)
    artifact = await world.artifact(await world.group(await world.content(course), member), member)
    for principal, branch in (
        (await world.principal(user), "own"),
        (await world.who("_tutor", course), "staff"),
        (await world.who("_admin"), "staff"),
    ):
        async with world.read(principal) as unit:
            found = await world.access.explain(unit, "submission.read", "artifacts", artifact.id)
        assert (found.allowed, found.branch) == (True, branch)
        assert found.reason == f"branch {branch} holds"


async def test_it_names_the_grants_that_are_missing(world: World) -> None:
    course = await world.course()
    async with world.read(await world.who("_tutor", course)) as unit:
        found = await world.access.explain(unit, "course.update", "courses", course.id)
    assert not found.allowed
    assert found.branch is None
    (branch,) = found.branches
    missing = {grant.scope: grant.roles for grant in branch.missing}
    assert missing == {
        ScopeKind.COURSE: ("course:_owner",),
        ScopeKind.FAMILY: ("family:_owner",),
        ScopeKind.ORGANIZATION: ("organization:_owner",),
        ScopeKind.GLOBAL: ("_admin", "_organization_manager"),
    }


async def test_it_tells_the_other_reasons(world: World) -> None:
    course, user = await world.course(), await world.user()
    await world.grant(user, "_owner", course)
    admin = await world.user(role="_admin")
    manager = await world.who("_user_manager")
    limited = await world.principal(user, scopes=["content.read"])
    for principal, action, endpoint, row_id, reason in (
        (limited, "course.read", "courses", course.id, "the token isn't allowed to use the action"),
        (manager, "user.update", "users", admin.id, "a deny condition holds"),
        (manager, "course.read", "courses", course.id, "no branch holds"),
        (manager, "course.read", "courses", uuid4(), "there is no such row"),
        (manager, "course.read", "courses", "no-id", "there is no such row"),
        (manager, "role.read", "roles", "\x00", "there is no such row"),
        (manager, "course.fly", "courses", course.id, "the action is unknown"),
        (
            manager,
            "audit.read",
            "courses",
            course.id,
            "no rule says that the action reaches any row of this entity",
        ),
        (Principal.anonymous(), "course.read", "courses", course.id, "nobody is signed in"),
        (SYSTEM, "course.delete", "courses", course.id, "system principals pass every rule"),
    ):
        async with world.read(principal) as unit:
            found = await world.access.explain(unit, action, endpoint, row_id)
        assert found.reason == reason
        assert found.allowed == (principal is SYSTEM)


async def test_it_tells_a_caller_that_isnt_live(world: World) -> None:
    course, user = await world.course(), await world.user()
    await world.grant(user, "_student", course)
    principal = await world.principal(user)
    await world.grant(user, "_auditor")
    async with world.read(principal) as unit:
        found = await world.access.explain(unit, "course.read", "courses", course.id)
    assert not found.allowed
    assert found.reason.startswith("the caller isn't live")


async def test_one_statement_explains(world: World) -> None:
    course = await world.course()
    principal = await world.who("_student", course)
    async with world.read(principal) as unit:
        with world.statements() as sent:
            await world.access.explain(unit, "course.read", "courses", course.id)
    assert len(sent) == 1


async def test_who_can_is_the_reverse_of_the_check(world: World) -> None:
    """For every persona and a rule of each shape: listed as able if, and only if, allowed."""
    scenario = await build(world)
    questions = [
        ("course.update", "courses", "courses"),
        ("submission.read", "artifacts", "artifacts"),
        ("grade.write", "grades", "grades"),
        ("content.read", "course-contents", "course-contents"),
        ("user.update", "users", "users"),
        ("user.read", "users", "users"),
        ("example.read", "example-versions", "example-versions (deployed)"),
        ("result.read_details", "test-case-results", "test-case-results (hidden)"),
        ("organization.read", "organizations", "organizations"),
    ]
    people = {
        name: principal
        for name, principal in scenario.personas.items()
        if name not in {"anonymous", "narrow_token", "archived"}
    }
    for action, endpoint, row in questions:
        row_id = scenario.rows[row].id
        async with world.read(SYSTEM) as unit:
            able = {
                holder.user_id: holder.branches
                for holder in await world.access.who_can(unit, action, endpoint, row_id)
            }
        for name, principal in people.items():
            async with world.read(principal) as unit:
                allowed = await world.access.allowed(unit, action, endpoint, row_id)
            assert (principal.user_id in able) == allowed, (name, action)
        assert scenario.personas["archived"].user_id not in able
        assert all(able.values())


@pytest.mark.parametrize(("action", "endpoint"), [("course.fly", "courses"), ("audit.read", "courses")])
async def test_nobody_can_do_what_is_unknown(world: World, action: str, endpoint: str) -> None:
    course = await world.course()
    await world.who("_admin")
    async with world.read(SYSTEM) as unit:
        assert await world.access.who_can(unit, action, endpoint, course.id) == []
