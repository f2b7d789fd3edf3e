"""The gradebook: what counts for whom, in a number of statements that doesn't grow with the course."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from computor_core.errors import ForbiddenError, NotFoundError
from computor_core.model import Artifact, CourseContent, SubmissionGroup
from computor_core.services.gradebook import read_gradebook, scaled
from tests.support.deployment import Classroom, Deployment, Person

pytestmark = pytest.mark.asyncio(loop_scope="module")

STATEMENTS = 4
"""The right to read, assignments, students, and all cells at once."""


class Book:
    """Writes work into a course and reads the gradebook."""

    def __init__(self, room: Classroom) -> None:
        self.room = room
        self.world = room.site.world

    async def work(
        self,
        group: SubmissionGroup,
        person: Person,
        *,
        hours: float = 0,
        points: str | None = None,
        of: str = "6",
        grade: str | None = None,
        published: bool = False,
        official: bool = True,
        **run: Any,
    ) -> UUID:
        """A submission so many hours after the course's begin, tested and graded when said so."""
        at = self.room.site.clock.now() + timedelta(hours=hours)
        artifact = await self.world.artifact(group, person.member, received_at=at, official=official)
        if points is not None or run:
            values = {"points": points and Decimal(points), "max_points": Decimal(of), "verdict": "partial"}
            version = await self.world.example_version(self.room.course)
            await self.world.test_run(artifact, version, official=official, **(values | run))
        if grade is not None:
            await self.world.grade(artifact, self.room.tutor.user, published=published, points=Decimal(grade))
        return artifact.id

    async def read(self) -> dict[str, Any]:
        """By the student's given name: by assignment: points of test, of grade, that count."""
        book = await read_gradebook(self.room.site.app, self.room.lecturer.principal, self.room.course.id)
        paths = {column.course_content_id: column.path for column in book.columns}
        return {
            row.given_name: {
                paths[cell.course_content_id]: (cell.test_points, cell.grade_points, cell.points)
                for cell in row.cells
            }
            | {"total": row.total}
            for row in book.rows
        }


@pytest.fixture
def book(room: Classroom) -> Book:
    return Book(room)


async def group_of(room: Classroom, content: CourseContent, *people: Person) -> SubmissionGroup:
    return await room.site.world.group(content, *(person.member for person in people))


async def test_the_figures_of_a_course_worked_out_by_hand(
    site: Deployment, room: Classroom, book: Book
) -> None:
    """Two assignments of 10 and 4 points, whose tests have 6; a team, a late grade, a practice run."""
    one = await room.assignment("one", points=Decimal(10))
    two = await room.assignment("two", points=Decimal(4))
    ada, ben, cleo, dan = room.student, await room.join(), await room.join(), await room.join()

    # Ada: 3 of 6 in the test of "one", then 6 of 6; nothing in "two".
    group = await group_of(room, one, ada)
    await book.work(group, ada, points="3")
    await book.work(group, ada, hours=1, points="6")
    # Ben: 4 of 6 tested, 9 given by a person; "two" is only practised.
    group = await group_of(room, one, ben)
    await book.work(group, ben, points="4", grade="9", published=True)
    await book.work(await group_of(room, two, ben), ben, points="6", official=False)
    # Cleo: graded 10, then handed in something worse that nobody graded. With Dan in "two": 1 of 6.
    group = await group_of(room, one, cleo)
    await book.work(group, cleo, points="6", grade="10")
    await book.work(group, cleo, hours=1, points="1")
    await book.work(await group_of(room, two, cleo, dan), dan, points="1")

    ten_sixths, four_sixths = Decimal("1.6667"), Decimal("0.6667")
    assert await book.read() == {
        ada.user.given_name: {"one": (Decimal(10), None, Decimal(10)), "total": Decimal(10)},
        ben.user.given_name: {
            "one": (Decimal("6.6667"), Decimal(9), Decimal(9)),
            "two": (None, None, None),
            "total": Decimal(9),
        },
        cleo.user.given_name: {
            "one": (ten_sixths, None, ten_sixths),
            "two": (four_sixths, None, four_sixths),
            "total": ten_sixths + four_sixths,
        },
        dan.user.given_name: {"two": (four_sixths, None, four_sixths), "total": four_sixths},
    }


async def test_cells_name_what_they_are_about(site: Deployment, room: Classroom, book: Book) -> None:
    content = await room.assignment("one", points=Decimal(10))
    group = await group_of(room, content, room.student)
    artifact_id = await book.work(group, room.student, points="3", grade="4", published=True)
    found = await read_gradebook(site.app, room.lecturer.principal, room.course.id)
    (row,) = found.rows
    (cell,) = row.cells
    assert (row.course_member_id, row.user_id) == (room.student.member.id, room.student.user.id)
    assert (cell.course_content_id, cell.submission_group_id, cell.artifact_id) == (
        content.id,
        group.id,
        artifact_id,
    )
    assert (cell.verdict, cell.grade_published) == ("partial", True)
    (column,) = found.columns
    assert (column.course_content_id, column.title, column.points) == (content.id, "one", Decimal(10))


async def test_of_several_tests_of_a_submission_the_latest_counts_and_one_under_way_has_no_points(
    site: Deployment, room: Classroom, book: Book
) -> None:
    content = await room.assignment("one", points=Decimal(6))
    artifact_id = await book.work(await group_of(room, content, room.student), room.student, points="1")
    artifact = await _fetched(site, artifact_id)
    version = await site.world.example_version(room.course)
    await site.world.test_run(artifact, version, points=Decimal(5), max_points=Decimal(6))
    name = room.student.user.given_name
    assert (await book.read())[name]["one"] == (Decimal(5), None, Decimal(5))
    await site.world.test_run(artifact, version, state="running", verdict=None)
    assert (await book.read())[name] == {"one": (None, None, None), "total": Decimal(0)}


async def _fetched(site: Deployment, artifact_id: UUID) -> Artifact:
    async with site.world.session() as session:
        return await session.get_one(Artifact, artifact_id)


async def test_of_several_grades_the_one_changed_last_counts(
    site: Deployment, room: Classroom, book: Book
) -> None:
    content = await room.assignment("one", points=Decimal(10))
    artifact_id = await book.work(await group_of(room, content, room.student), room.student, points="6")
    artifact = await _fetched(site, artifact_id)
    now = site.clock.now()
    await site.world.grade(artifact, room.tutor.user, points=Decimal(2), updated_at=now)
    await site.world.grade(
        artifact, room.lecturer.user, points=Decimal(3), updated_at=now - timedelta(hours=1), published=True
    )
    assert (await book.read())[room.student.user.given_name]["one"] == (Decimal(10), Decimal(2), Decimal(2))


async def test_staff_isnt_graded_archived_assignments_dont_count_and_order_is_the_courses(
    site: Deployment, room: Classroom, book: Book
) -> None:
    kept = [await room.assignment(path, points=Decimal(6)) for path in ("first", "second")]
    gone = await site.world.content(room.course, "gone", archived_at=site.clock.now())
    for content in (*kept, gone):
        for person in (room.student, room.tutor):
            await book.work(await group_of(room, content, person), person, points="6")
    found = await read_gradebook(site.app, room.lecturer.principal, room.course.id)
    assert [column.path for column in found.columns] == ["first", "second"]
    assert [row.user_id for row in found.rows] == [room.student.user.id]
    assert found.rows[0].total == Decimal(12)


async def test_an_assignment_without_a_schedule_counts_the_tests_own_points(
    site: Deployment, room: Classroom, book: Book
) -> None:
    content = await site.world.content(room.course, "bare")
    await book.work(await group_of(room, content, room.student), room.student, points="4.5")
    assert (await book.read())[room.student.user.given_name]["total"] == Decimal("4.5")


async def test_an_empty_course_has_an_empty_book(site: Deployment, room: Classroom) -> None:
    found = await read_gradebook(site.app, room.lecturer.principal, room.course.id)
    assert found.columns == []
    assert [(row.cells, row.total) for row in found.rows] == [([], Decimal(0))]


async def test_the_number_of_statements_doesnt_grow_with_the_course(
    site: Deployment, room: Classroom, book: Book
) -> None:
    async def statements() -> int:
        with site.world.statements() as sent:
            await book.read()
        return len([text for text in sent if "SELECT" in text.upper()])

    assert await statements() == STATEMENTS
    people = [room.student, *[await room.join() for _ in range(5)]]
    for number in range(3):
        content = await room.assignment(f"a{number}")
        for person in people:
            await book.work(await group_of(room, content, person), person, points="1", grade="2")
    assert await statements() == STATEMENTS


async def test_who_reads_it(site: Deployment, room: Classroom, tmp_path: Path) -> None:
    for person in (room.tutor, room.lecturer):
        assert (await read_gradebook(site.app, person.principal, room.course.id)).course_id == room.course.id
    with pytest.raises(ForbiddenError):
        await read_gradebook(site.app, room.student.principal, room.course.id)
    other = await site.classroom(tmp_path / "other")
    with pytest.raises(NotFoundError):
        await read_gradebook(site.app, other.lecturer.principal, room.course.id)


@pytest.mark.parametrize(
    ("points", "maximum", "worth", "result"),
    [
        ("3", "6", "10", "5"),
        ("1", "3", "10", "3.3333"),
        ("2", "3", "1", "0.6667"),
        ("0", "6", "10", "0"),
        ("6", "6", "100", "100"),
        ("0", "0", "10", "0"),
        ("3", None, "10", "3"),
        ("3", "6", None, "3"),
        (None, "6", "10", None),
    ],
)
async def test_points_in_the_assignments_scale(
    points: str | None, maximum: str | None, worth: str | None, result: str | None
) -> None:
    values = [None if value is None else Decimal(value) for value in (points, maximum, worth)]
    found = scaled(*values)
    assert found == (None if result is None else Decimal(result))
    assert found is None or str(found) == result
