"""How many statements each operation of each entity sends; one more is noticed here.

The trail of a change (audit record, its values, event log) is written by the unit of work in three
inserts when it closes; they are counted apart.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest

from computor_core.errors import ForbiddenError, NotFoundError
from computor_core.interfaces.course_contents import CourseContentCreate, CourseContentUpdate
from computor_core.interfaces.courses import (
    CourseCreate,
    CourseMemberCreate,
    CourseMemberUpdate,
    CourseUpdate,
)
from computor_core.plugin_api.entities import Operation
from computor_core.plugin_api.principal import Principal
from tests.support.scenario import build
from tests.support.world import World, assembled

READABLE = [
    endpoint
    for endpoint, service in assembled()[1].items()
    if Operation.GET in service.registration.operations
]
TRAIL = ("audit_event", "audit_value", "event_log")
PERSONAS = ("student", "tutor", "owner", "organization_owner", "admin", "stranger", "narrow_token")


def own_statements(sent: list[str]) -> list[str]:
    """What was sent beside the trail and the transaction's own BEGIN."""
    trail = tuple(f"INSERT INTO {table} " for table in TRAIL)
    return [text for text in sent if not text.startswith((*trail, "BEGIN"))]


async def test_reading_takes_one_statement_for_everybody(world: World) -> None:
    """Get one: 1. A page: 1, whatever it holds, over as many branches as the caller has. Total: 1 more."""
    scenario = await build(world)
    for endpoint in READABLE:
        service = world.entities[endpoint]
        row_id = scenario.rows[next(name for name in scenario.rows if name.split()[0] == endpoint)].id
        for persona in PERSONAS:
            async with world.read(scenario.personas[persona]) as unit:
                with world.statements() as sent, suppress(NotFoundError):
                    await service.get(unit, row_id)
                assert len(sent) == 1, (endpoint, persona, "get")
                with world.statements() as sent:
                    page = await service.list(unit, limit=1)
                assert len(sent) == 1, (endpoint, persona, "list")
                if page.next_cursor is not None:
                    with world.statements() as sent:
                        await service.list(unit, limit=1, cursor=page.next_cursor)
                    assert len(sent) == 1, (endpoint, persona, "next page")
                with world.statements() as sent:
                    await service.list(unit, limit=1, with_total=True)
                assert len(sent) <= 2, (endpoint, persona, "total")


async def test_a_check_takes_one_statement(world: World) -> None:
    scenario = await build(world)
    for persona in PERSONAS:
        async with world.read(scenario.personas[persona]) as unit:
            with world.statements() as sent, suppress(NotFoundError, ForbiddenError):
                await world.access.require(unit, "grade.write", "artifacts", scenario.rows["artifacts"].id)
            assert len(sent) == 1


async def changed(world: World, principal: Principal, change: Any) -> int:
    with world.statements() as sent:
        async with world.uow(principal) as work:
            await change(work)
    trail = [text for text in sent if text.startswith(tuple(f"INSERT INTO {table} " for table in TRAIL))]
    assert len(trail) == 3
    return len(own_statements(sent))


async def test_changes_take_few_statements(world: World) -> None:
    family = await world.family()
    course = await world.course(family)
    owner = await world.who("_owner", course)
    member = await world.grant(await world.user(), "_student", course)
    user = await world.user()
    family_owner = await world.who("_owner", family)
    courses, members = world.entities["courses"], world.entities["course-members"]
    # The row with every right on it, and the change.
    assert (
        await changed(world, owner, lambda work: courses.update(work, course.id, CourseUpdate(title="x")))
        == 2
    )
    assert await changed(world, owner, lambda work: courses.archive(work, course.id)) == 2
    # The parent, the row, and the row as the caller may see it.
    body = CourseCreate(course_family_id=family.id, slug="new", title="New")
    assert await changed(world, family_owner, lambda work: courses.create(work, body)) == 3
    # Both targets, the role, the row, the epoch, and the row as the caller may see it.
    enrol = CourseMemberCreate(course_id=course.id, user_id=user.id)
    assert await changed(world, owner, lambda work: members.create(work, enrol)) == 6
    # The row, both roles, the change, the epoch.
    role = CourseMemberUpdate(role_id="course:_tutor")
    assert await changed(world, owner, lambda work: members.update(work, member.id, role)) == 4
    # The row, the role, the epoch, the deletion.
    assert await changed(world, owner, lambda work: members.delete(work, member.id)) == 4


async def test_a_move_takes_the_same_number_however_large_the_subtree_is(world: World) -> None:
    course = await world.course()
    lecturer = await world.who("_lecturer", course)
    contents, unit_type = world.entities["course-contents"], await world.content_type(course, "unit")
    counts = []
    for size in (1, 5):
        body = CourseContentCreate(
            course_id=course.id, content_type_id=unit_type.id, slug=f"u{size}", title="u"
        )
        async with world.uow(lecturer) as work:
            unit = await contents.create(work, body)
        for number in range(size):
            await world.content(course, f"u{size}.c{number}")
        move = CourseContentUpdate(slug=f"moved{size}")
        counts.append(
            await changed(world, lecturer, lambda work, u=unit, m=move: contents.update(work, u["id"], m))
        )
    assert counts[0] == counts[1]


async def test_a_refused_change_writes_nothing(world: World) -> None:
    course = await world.course()
    student = await world.who("_student", course)
    with world.statements() as sent, pytest.raises(ForbiddenError):
        async with world.uow(student) as work:
            await world.entities["courses"].update(work, course.id, CourseUpdate(title="x"))
    assert not [text for text in sent if text.startswith(("INSERT", "UPDATE", "DELETE"))]


async def test_statements_are_built_once(world: World) -> None:
    """Another user with the same roles gets the very same statement objects."""
    course = await world.course()
    first, second = await world.who("_student", course), await world.who("_student", course)
    selections = [world.access.select(principal, "course.read", "courses") for principal in (first, second)]
    assert selections[0] is selections[1]
    reader = world.entities["courses"]._reader
    for principal in (first, second):
        async with world.read(principal) as unit:
            await world.entities["courses"].list(unit, limit=7)
    before = len(reader._pages._kept)
    async with world.read(second) as unit:
        await world.entities["courses"].list(unit, limit=7)
    assert len(reader._pages._kept) == before
