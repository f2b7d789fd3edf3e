"""The content tree: places, positions, and moves that never leave the course."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import pytest

from computor_core.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError
from computor_core.interfaces.course_contents import CourseContentCreate, CourseContentUpdate
from computor_core.model import Course, CourseContent
from computor_core.plugin_api.principal import Principal
from tests.support.world import World


@pytest.fixture
async def course(world: World) -> Course:
    return await world.course()


@pytest.fixture
async def lecturer(world: World, course: Course) -> Principal:
    return await world.who("_lecturer", course)


async def add(
    world: World,
    lecturer: Principal,
    course: Course,
    slug: str,
    parent: Any = None,
    kind: str = "unit",
    **fields: Any,
) -> dict[str, Any]:
    content_type = await world.content_type(course, kind)
    body = CourseContentCreate(
        course_id=course.id,
        content_type_id=content_type.id,
        parent_id=parent,
        slug=slug,
        title=slug,
        **fields,
    )
    async with world.uow(lecturer) as work:
        return await world.entities["course-contents"].create(work, body)


async def change(world: World, lecturer: Principal, row: Any, **fields: Any) -> dict[str, Any]:
    async with world.uow(lecturer) as work:
        return await world.entities["course-contents"].update(work, row, CourseContentUpdate(**fields))


async def paths(world: World, lecturer: Principal, course: Course) -> list[str]:
    async with world.read(lecturer) as unit:
        page = await world.entities["course-contents"].list(
            unit, filters={"course_id": course.id}, sort=["path"], limit=200
        )
    return [row["path"] for row in page.data]


async def test_paths_come_from_the_parent_and_the_slug(
    world: World, lecturer: Principal, course: Course
) -> None:
    week = await add(world, lecturer, course, "week1")
    task = await add(world, lecturer, course, "hello", week["id"], "assignment")
    assert (week["path"], week["parent_key"], week["kind_id"]) == ("week1", "", "unit")
    assert (task["path"], task["parent_key"], task["kind_id"]) == ("week1.hello", "week1", "assignment")


async def test_new_nodes_come_last_unless_told_otherwise(
    world: World, lecturer: Principal, course: Course
) -> None:
    made = [await add(world, lecturer, course, slug) for slug in ("c", "a", "b")]
    positions = [row["position"] for row in made]
    assert positions == sorted(positions)
    first = await add(world, lecturer, course, "first", position="0V")
    assert first["position"] < positions[0]
    with pytest.raises(ConflictError) as caught:
        await add(world, lecturer, course, "again", position="0V")
    assert "position" in {field.path for field in caught.value.fields}


async def test_only_units_have_something_in_them(world: World, lecturer: Principal, course: Course) -> None:
    task = await add(world, lecturer, course, "task", kind="assignment")
    with pytest.raises(InvalidError) as caught:
        await add(world, lecturer, course, "inside", task["id"])
    assert caught.value.fields[0].code == "no_unit"


async def test_a_unit_of_another_course_is_no_parent(world: World, course: Course) -> None:
    other, user = await world.course(), await world.user()
    for place in (course, other):
        await world.grant(user, "_lecturer", place)
    both = await world.principal(user)
    foreign = await add(world, both, other, "week1")
    with pytest.raises(NotFoundError):
        await add(world, both, course, "task", foreign["id"])
    task = await add(world, both, course, "task")
    with pytest.raises(NotFoundError):
        await change(world, both, task["id"], parent_id=foreign["id"])


async def test_a_subtree_moves_as_a_whole_and_nothing_else_does(
    world: World, lecturer: Principal, course: Course
) -> None:
    """Neither look-alikes in the same course nor the same paths in another one."""
    other = await world.course()
    outsider = await world.who("_lecturer", other)
    for principal, place in ((lecturer, course), (outsider, other)):
        a = await add(world, principal, place, "a")
        inner = await add(world, principal, place, "x", a["id"])
        await add(world, principal, place, "y", inner["id"], "assignment")
        for lookalike in ("a-b", "a_b", "ab", "axb"):
            await add(world, principal, place, lookalike)
        if place is course:
            moved = a
    target = await add(world, lecturer, course, "b")
    row = await change(world, lecturer, moved["id"], parent_id=target["id"])
    assert row["path"] == "b.a"
    assert await paths(world, lecturer, course) == ["a-b", "a_b", "ab", "axb", "b", "b.a", "b.a.x", "b.a.x.y"]
    assert await paths(world, outsider, other) == ["a", "a-b", "a.x", "a.x.y", "a_b", "ab", "axb"]


async def test_renaming_takes_the_subtree_along(world: World, lecturer: Principal, course: Course) -> None:
    a = await add(world, lecturer, course, "a")
    await add(world, lecturer, course, "x", a["id"], "assignment")
    row = await change(world, lecturer, a["id"], slug="ab")
    assert (row["path"], row["version"]) == ("ab", 2)
    async with world.read(lecturer) as unit:
        page = await world.entities["course-contents"].list(unit, sort=["path"])
    assert [(item["path"], item["parent_key"]) for item in page.data] == [("ab", ""), ("ab.x", "ab")]


async def test_a_node_moves_to_the_root(world: World, lecturer: Principal, course: Course) -> None:
    a = await add(world, lecturer, course, "a")
    task = await add(world, lecturer, course, "x", a["id"], "assignment")
    row = await change(world, lecturer, task["id"], parent_id=None)
    assert (row["path"], row["parent_key"]) == ("x", "")
    assert row["position"] > a["position"]


async def test_a_node_cant_move_into_itself(world: World, lecturer: Principal, course: Course) -> None:
    a = await add(world, lecturer, course, "a")
    inner = await add(world, lecturer, course, "x", a["id"])
    for parent in (a, inner):
        with pytest.raises(InvalidError) as caught:
            await change(world, lecturer, a["id"], parent_id=parent["id"])
        assert caught.value.fields[0].code == "inside_itself"


async def test_a_taken_place_is_a_conflict_and_changes_nothing(
    world: World, lecturer: Principal, course: Course
) -> None:
    a, b = await add(world, lecturer, course, "a"), await add(world, lecturer, course, "b")
    await add(world, lecturer, course, "x", a["id"], "assignment")
    with pytest.raises(ConflictError) as caught:
        await change(world, lecturer, a["id"], slug="b")
    assert caught.value.fields[0].path == "slug"
    assert await paths(world, lecturer, course) == ["a", "a.x", "b"]
    assert b["path"] == "b"


async def test_paths_stay_within_their_column(world: World, lecturer: Principal, course: Course) -> None:
    parent = None
    for _ in range(7):
        parent = (await add(world, lecturer, course, "s" * 64, parent))["id"]
    with pytest.raises(InvalidError) as caught:
        await add(world, lecturer, course, "s" * 64, parent)
    assert caught.value.fields[0].code == "too_long"
    top = await add(world, lecturer, course, "top")
    deep = await add(world, lecturer, course, "deep" * 16, top["id"])
    await add(world, lecturer, course, "leaf", deep["id"])
    with pytest.raises(InvalidError):
        await change(world, lecturer, top["id"], parent_id=parent)


async def test_a_unit_with_something_in_it_and_an_assignment_with_work_are_kept(
    world: World, lecturer: Principal, course: Course
) -> None:
    unit = await add(world, lecturer, course, "week1")
    task = await add(world, lecturer, course, "task", unit["id"], "assignment")
    contents = world.entities["course-contents"]
    with pytest.raises(ConflictError, match="isn't empty"):
        async with world.uow(lecturer) as work:
            await contents.delete(work, unit["id"])
    member = await world.grant(await world.user(), "_student", course)
    async with world.session() as session:
        node = await session.get_one(CourseContent, UUID(task["id"]))
    await world.group(node, member)
    with pytest.raises(ConflictError, match="have worked on"):
        async with world.uow(lecturer) as work:
            await contents.delete(work, task["id"])


async def test_deleting_a_unit_looks_at_its_own_course_alone(
    world: World, lecturer: Principal, course: Course
) -> None:
    """The same path is full in another course and empty here."""
    other = await world.course()
    outsider = await world.who("_lecturer", other)
    full = await add(world, outsider, other, "week1")
    await add(world, outsider, other, "task", full["id"], "assignment")
    empty = await add(world, lecturer, course, "week1")
    async with world.uow(lecturer) as work:
        await world.entities["course-contents"].delete(work, empty["id"])
    assert await paths(world, lecturer, course) == []
    assert await paths(world, outsider, other) == ["week1", "week1.task"]


async def test_students_neither_make_nor_move_content(
    world: World, lecturer: Principal, course: Course
) -> None:
    task = await world.content(course, released=True)
    for role in ("_student", "_tutor"):
        principal = await world.who(role, course)
        with pytest.raises(ForbiddenError):
            await change(world, principal, task.id, slug="mine")
        with pytest.raises(ForbiddenError):
            await add(world, principal, course, "mine")


async def test_a_child_made_during_a_move_ends_up_under_the_moved_unit(
    world: World, lecturer: Principal, course: Course
) -> None:
    unit = await add(world, lecturer, course, "old")
    content_type = await world.content_type(course)

    async def child(number: int) -> None:
        body = CourseContentCreate(
            course_id=course.id,
            content_type_id=content_type.id,
            parent_id=unit["id"],
            slug=f"task{number}",
            title="t",
        )
        async with world.uow(lecturer) as work:
            await world.entities["course-contents"].create(work, body)

    await asyncio.gather(child(1), change(world, lecturer, unit["id"], slug="new"), child(2))
    assert await paths(world, lecturer, course) == ["new", "new.task1", "new.task2"]
