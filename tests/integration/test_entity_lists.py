"""Lists: filters, sorting, pages that stay in step while rows come and go, and field selection."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from computor_core.errors import InvalidError
from computor_core.interfaces.courses import CourseQuery
from computor_core.interfaces.submissions import ArtifactQuery
from computor_core.plugin_api.principal import Principal
from tests.support.world import NOW, SYSTEM, World


async def page(world: World, principal: Principal, endpoint: str, **options: Any) -> Any:
    async with world.read(principal) as unit:
        return await world.entities[endpoint].list(unit, **options)


async def titles(world: World, principal: Principal, **filters: Any) -> set[str]:
    found = await page(world, principal, "courses", filters=filters)
    return {row["title"] for row in found.data}


@pytest.fixture(params=["owner", "admin"])
async def staff(request: pytest.FixtureRequest, world: World) -> Principal:
    """Somebody who sees all courses of an organization, and somebody who sees all there are."""
    world.place = await world.organization("uni")  # type: ignore[attr-defined]
    world.family_ = await world.family(world.place)  # type: ignore[attr-defined]
    return await (world.who("_owner", world.place) if request.param == "owner" else world.who("_admin"))  # type: ignore[attr-defined]


async def test_filters_by_equality_choice_text_and_archive(world: World, staff: Principal) -> None:
    family = world.family_  # type: ignore[attr-defined]
    a = await world.course(family, title="Intro 100%", slug="intro")
    b = await world.course(family, title="Advanced_1", slug="advanced")
    await world.course(family, title="Old intro", slug="old", archived_at=NOW)
    assert await titles(world, staff, slug="intro") == {"Intro 100%"}
    assert await titles(world, staff, id=[a.id, b.id, uuid4()]) == {"Intro 100%", "Advanced_1"}
    assert await titles(world, staff, id=[]) == set()
    assert await titles(world, staff, title="INTRO") == {"Intro 100%", "Old intro"}
    assert await titles(world, staff, title="%") == {"Intro 100%"}
    assert await titles(world, staff, title="d_") == {"Advanced_1"}
    assert await titles(world, staff, title="\\") == set()
    assert await titles(world, staff, archived=True) == {"Old intro"}
    assert await titles(world, staff, archived=False) == {"Intro 100%", "Advanced_1"}
    assert await titles(world, staff, archived=None, title="intro") == {"Intro 100%", "Old intro"}
    assert await titles(world, staff, course_family_id=uuid4()) == set()


async def test_archived_rows_are_left_out_unless_asked_for(world: World, staff: Principal) -> None:
    family = world.family_  # type: ignore[attr-defined]
    kept, gone = await world.course(family), await world.course(family, archived_at=NOW)
    async with world.read(staff) as unit:
        courses = world.entities["courses"]
        assert [row["id"] for row in (await courses.query(unit, CourseQuery())).data] == [str(kept.id)]
        both = await courses.query(unit, CourseQuery(archived=None, sort="-id", total=True, fields="slug"))
    assert both.data == [{"id": str(gone.id), "slug": gone.slug}, {"id": str(kept.id), "slug": kept.slug}]
    assert both.total == 2


async def test_filters_by_range_and_prefix(world: World) -> None:
    course = await world.course()
    lecturer = await world.who("_lecturer", course)
    member = await world.grant(await world.user(), "_student", course)
    group = await world.group(await world.content(course), member)
    times = [NOW - timedelta(hours=hours) for hours in range(4)]
    artifacts = [await world.artifact(group, member, received_at=time) for time in times]
    async with world.read(lecturer) as unit:
        found = await world.entities["artifacts"].query(
            unit, ArtifactQuery(received_from=times[2], received_until=times[1])
        )
    assert [row["id"] for row in found.data] == [str(artifacts[1].id), str(artifacts[2].id)]
    for path in ("week1", "week1.a", "week1-b", "week10", "week1_x"):
        await world.content(course, path, kind="unit")
    found = await page(world, lecturer, "course-contents", filters={"path_prefix": "week1."})
    assert [row["path"] for row in found.data] == ["week1.a"]
    found = await page(world, lecturer, "course-contents", filters={"path_prefix": "week1_"})
    assert [row["path"] for row in found.data] == ["week1_x"]


@pytest.mark.parametrize(
    "sort", [[], ["-id"], ["title"], ["-title"], ["slug", "-title"], ["title", "-created_at"]]
)
async def test_pages_give_every_row_once_in_order(world: World, staff: Principal, sort: list[str]) -> None:
    family = world.family_  # type: ignore[attr-defined]
    for title in ("b", "a", "b", "a", "c", "b"):
        await world.course(family, title=title)
    expected = (await page(world, staff, "courses", sort=sort, limit=200)).data
    for item in reversed(sort):
        if (name := item.removeprefix("-")) in expected[0]:
            values = [row[name] for row in expected]
            assert name != sort[0].removeprefix("-") or values == sorted(values, reverse=item.startswith("-"))
    for limit in (1, 2, 3, 6, 200):
        rows, cursor, pages = [], None, 0
        while pages == 0 or cursor is not None:
            found = await page(
                world, staff, "courses", sort=sort, limit=limit, cursor=cursor, with_total=True
            )
            assert found.total == 6
            assert len(found.data) <= limit
            rows, cursor, pages = rows + found.data, found.next_cursor, pages + 1
        assert rows == expected
        assert len({row["id"] for row in rows}) == 6
        assert pages == -(-6 // limit)


async def test_rows_that_come_and_go_neither_repeat_nor_hide_others(world: World, staff: Principal) -> None:
    family = world.family_  # type: ignore[attr-defined]
    present = [await world.course(family, title=title) for title in ("b", "d", "f", "h")]
    first = await page(world, staff, "courses", sort=["title"], limit=2)
    assert [row["title"] for row in first.data] == ["b", "d"]
    for title in ("a", "c", "g"):
        await world.course(family, title=title)
    async with world.session() as session:
        await session.delete(await session.get_one(type(present[1]), present[1].id))
    rest = await page(world, staff, "courses", sort=["title"], limit=10, cursor=first.next_cursor)
    assert [row["title"] for row in rest.data] == ["f", "g", "h"]


async def test_a_row_reached_by_several_branches_comes_once(world: World) -> None:
    """A student who is a tutor of the same course, in a team with another tutor."""
    course, user = await world.course(), await world.user()
    member = await world.grant(user, "_tutor", course)
    other = await world.grant(await world.user(), "_tutor", course)
    group = await world.group(await world.content(course), member, other)
    for _ in range(5):
        await world.artifact(group, member)
    principal = await world.principal(user)
    found = await page(world, principal, "artifacts", limit=3, with_total=True)
    assert found.total == 5
    rest = await page(world, principal, "artifacts", limit=3, cursor=found.next_cursor)
    assert len({row["id"] for row in found.data + rest.data}) == len(found.data + rest.data) == 5
    assert len(await world.ids(principal, "submission-group-members")) == 2


async def test_a_filter_is_applied_in_every_branch(world: World) -> None:
    mine, other, user = await world.course(), await world.course(), await world.user()
    groups = {}
    for course, role in ((mine, "_student"), (other, "_lecturer")):
        member = await world.grant(user, role, course)
        groups[course.id] = await world.group(await world.content(course), member)
        await world.artifact(groups[course.id], member)
    principal = await world.principal(user)
    for course in (mine, other):
        for filters in ({"course_id": course.id}, {"submission_group_id": groups[course.id].id}):
            found = await page(world, principal, "artifacts", filters=filters, with_total=True)
            assert [row["course_id"] for row in found.data] == [str(course.id)]
            assert found.total == 1
    found = await page(
        world,
        principal,
        "artifacts",
        filters={"course_id": mine.id, "submission_group_id": groups[other.id].id},
    )
    assert found.data == []


# --- what doesn't fit -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "field", "code"),
    [
        ({"limit": 0}, "limit", "out_of_range"),
        ({"limit": 201}, "limit", "out_of_range"),
        ({"filters": {"colour": "red"}}, "colour", "unknown_filter"),
        ({"sort": ["properties"]}, "sort", "unknown_sort"),
        ({"sort": ["description"]}, "sort", "unknown_sort"),
        ({"sort": ["title", "-title"]}, "sort", "repeated"),
        ({"fields": ["title", "colour"]}, "fields", "unknown_field"),
        ({"fields": ["properties"]}, "fields", "unknown_field"),
        ({"cursor": "nonsense"}, "cursor", "malformed"),
    ],
)
async def test_what_doesnt_fit_is_told_by_field(
    world: World, options: dict[str, Any], field: str, code: str
) -> None:
    with pytest.raises(InvalidError) as caught:
        await page(world, await world.who("_admin"), "courses", **options)
    assert (caught.value.fields[0].path, caught.value.fields[0].code) == (field, code)


async def test_a_cursor_serves_its_own_query_alone(world: World) -> None:
    admin = await world.who("_admin")
    for _ in range(3):
        await world.course()
    cursor = (await page(world, admin, "courses", sort=["title"], limit=1)).next_cursor
    for options in ({}, {"sort": ["-title"]}, {"sort": ["title"], "filters": {"slug": "x"}}):
        with pytest.raises(InvalidError):
            await page(world, admin, "courses", cursor=cursor, **options)
    with pytest.raises(InvalidError):
        await page(world, admin, "organizations", sort=["title"], cursor=cursor)
    assert len((await page(world, admin, "courses", sort=["title"], cursor=cursor)).data) == 2


async def test_a_cursor_shows_nothing_that_its_bearer_cant_see(world: World) -> None:
    for _ in range(3):
        await world.course()
    cursor = (await page(world, await world.who("_admin"), "courses", limit=1)).next_cursor
    assert (await page(world, await world.who("_user_manager"), "courses", cursor=cursor)).data == []


# --- fields -----------------------------------------------------------------------------------


async def test_only_the_fields_asked_for_come(world: World) -> None:
    course = await world.course()
    row = await world.get(SYSTEM, "courses", course.id, fields=["title"])
    assert row == {"id": str(course.id), "version": 1, "title": course.title}
    found = await page(world, SYSTEM, "courses", fields=["slug"])
    assert found.data == [{"id": str(course.id), "slug": course.slug}]


async def test_a_hidden_field_is_null_and_cant_be_filtered_or_sorted_out(world: World) -> None:
    """Filtering by a hidden value would tell it as well as showing it."""
    course, student = await world.course(), await world.user()
    member = await world.grant(student, "_student", course)
    content = await world.content(course, released=True)
    artifact = await world.artifact(await world.group(content, member), member)
    run = await world.test_run(artifact, await world.example_version(course))
    shown = await world.case(run, status="failed")
    hidden = await world.case(run, "never", status="failed")
    principal, tutor = await world.principal(student), await world.who("_tutor", course)
    rows = {row["id"]: row for row in (await page(world, principal, "test-case-results")).data}
    assert rows[str(shown.id)]["status"] == "failed"
    assert rows[str(hidden.id)]["status"] is None
    assert rows[str(hidden.id)]["name"] == "case never"
    for status in ("failed", "passed"):
        found = await world.ids(principal, "test-case-results", filters={"status": status})
        assert str(hidden.id) not in found
    assert await world.ids(tutor, "test-case-results", filters={"status": "failed"}) == {
        str(shown.id),
        str(hidden.id),
    }


async def test_an_address_can_be_searched_only_by_those_who_see_it(world: World) -> None:
    course = await world.course()
    known = await world.user("known")
    await world.grant(known, "_student", course)
    for role, expected in (("_lecturer", {str(known.id)}), ("_tutor", set())):
        principal = await world.who(role, course)
        assert await world.ids(principal, "users", filters={"email": "known@"}) == expected


async def test_values_are_json(world: World) -> None:
    course = await world.course()
    content = await world.content(course, released=True, due_at=NOW)
    (schedule,) = (await page(world, SYSTEM, "assignment-schedules")).data
    assert schedule["points"] == "10"
    assert schedule["due_at"] == "2026-03-02T12:00:00Z"
    assert schedule["releases_at"] is None
    assert UUID(schedule["course_content_id"]) == content.id


async def test_an_empty_list_is_an_answer(world: World) -> None:
    found = await page(world, await world.who("_student", await world.course()), "artifacts", with_total=True)
    assert (found.data, found.next_cursor, found.total) == ([], None, 0)
    assert found.envelope() == {"data": [], "meta": {"limit": 50, "next_cursor": None, "total": 0}}


async def test_what_nobody_lets_one_read_is_an_empty_list(world: World) -> None:
    stranger = await world.principal(await world.user())
    found = await page(world, stranger, "audit-events", with_total=True)
    assert (found.data, found.total) == ([], 0)
    assert (await page(world, Principal.anonymous(), "courses")).data == []
