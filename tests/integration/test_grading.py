"""Grades: a person's judgement, within the assignment's points, and the student's once it is published."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio
from pydantic import ValidationError
from sqlalchemy import select

from computor_core.errors import ForbiddenError, InvalidError, NotFoundError
from computor_core.interfaces.grading import GradeInput
from computor_core.interfaces.results import GradeUpdate
from computor_core.model import AuditEvent, AuditValue, EventLog, Grade
from computor_core.services.grading import grade_artifact, publish_grade
from tests.support.deployment import Classroom, Deployment, Person

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def artifact_id(site: Deployment, room: Classroom) -> UUID:
    """A submission of the student's to an assignment worth ten points."""
    assignment = await room.assignment(points=Decimal(10))
    return (await site.submit(room.student, assignment)).artifact_id


async def give(site: Deployment, person: Person, artifact_id: UUID, points: str, **values: Any) -> Any:
    body = GradeInput(points=Decimal(points), **values)
    return await grade_artifact(site.app, person.principal, artifact_id, body)


async def grades_seen(site: Deployment, person: Person, artifact_id: UUID) -> list[dict[str, Any]]:
    service = site.app.entities["grades"]
    async with site.app.read(person.principal) as unit:
        page = await service.list(unit, filters={"artifact_id": artifact_id})
        return [await service.get(unit, row["id"]) for row in page.data]


async def published_events(site: Deployment, grade_id: UUID) -> int:
    told = await site.scalars(select(EventLog.payload).where(EventLog.name == "grade.published"))
    return sum(item["grade_id"] == str(grade_id) for item in told)


async def test_a_tutors_grade_is_seen_by_staff_and_not_yet_by_the_student(
    site: Deployment, room: Classroom, artifact_id: UUID
) -> None:
    given = await give(site, room.tutor, artifact_id, "7.5", comment="nearly", status="improvement_possible")
    assert given.published is False
    (seen,) = await grades_seen(site, room.lecturer, artifact_id)
    assert (seen["points"], seen["comment"], seen["status"]) == ("7.5", "nearly", "improvement_possible")
    assert seen["graded_by_id"] == str(room.tutor.user.id)
    assert await grades_seen(site, room.student, artifact_id) == []


async def test_publishing_shows_it_to_the_student_and_to_no_other_one(
    site: Deployment, room: Classroom, artifact_id: UUID
) -> None:
    given = await give(site, room.tutor, artifact_id, "8", comment="good")
    site.clock.advance(minutes=5)
    published = await publish_grade(site.app, room.lecturer.principal, given.grade_id)
    assert (published.grade_id, published.published) == (given.grade_id, True)
    (seen,) = await grades_seen(site, room.student, artifact_id)
    assert (seen["points"], seen["comment"]) == ("8", "good")
    assert await grades_seen(site, await room.join(), artifact_id) == []
    assert await published_events(site, given.grade_id) == 1


async def test_publishing_twice_is_publishing_once(
    site: Deployment, room: Classroom, artifact_id: UUID
) -> None:
    given = await give(site, room.tutor, artifact_id, "8")
    for _ in range(2):
        await publish_grade(site.app, room.lecturer.principal, given.grade_id)
        site.clock.advance(minutes=5)
    assert await published_events(site, given.grade_id) == 1
    actions = await site.scalars(select(AuditEvent.action).where(AuditEvent.row_id == str(given.grade_id)))
    assert sorted(actions) == ["grade.publish", "grade.write"]


async def test_a_lecturer_grades_and_publishes_at_once(
    site: Deployment, room: Classroom, artifact_id: UUID
) -> None:
    given = await give(site, room.lecturer, artifact_id, "9", publish=True)
    assert given.published is True
    assert len(await grades_seen(site, room.student, artifact_id)) == 1
    assert await published_events(site, given.grade_id) == 1


async def test_grading_again_changes_ones_own_grade_and_keeps_it_published(
    site: Deployment, room: Classroom, artifact_id: UUID
) -> None:
    first = await give(site, room.lecturer, artifact_id, "4", publish=True)
    second = await give(site, room.lecturer, artifact_id, "5", comment="on second thoughts", publish=True)
    assert second.grade_id == first.grade_id
    assert second.published is True
    (seen,) = await grades_seen(site, room.student, artifact_id)
    assert (seen["points"], seen["comment"], seen["version"]) == ("5", "on second thoughts", 2)
    assert await published_events(site, first.grade_id) == 1


async def test_what_students_see_changes_by_those_alone_who_may_show_it_to_them(
    site: Deployment, room: Classroom, artifact_id: UUID
) -> None:
    given = await give(site, room.tutor, artifact_id, "4", comment="first")
    await publish_grade(site.app, room.lecturer.principal, given.grade_id)
    with pytest.raises(ForbiddenError, match="published") as caught:
        await give(site, room.tutor, artifact_id, "9", comment="second")
    assert caught.value.hint
    service = site.app.entities["grades"]
    for change in (
        lambda work: service.update(work, given.grade_id, GradeUpdate(points=Decimal(9))),
        lambda work: service.delete(work, given.grade_id),
    ):
        with pytest.raises(ForbiddenError):
            async with site.app.uow(room.tutor.principal) as work:
                await change(work)
    (seen,) = await grades_seen(site, room.student, artifact_id)
    assert (seen["points"], seen["comment"]) == ("4", "first")
    async with site.app.uow(room.lecturer.principal) as work:
        await service.update(work, given.grade_id, GradeUpdate(points=Decimal(5)))
    (seen,) = await grades_seen(site, room.student, artifact_id)
    assert seen["points"] == "5"


async def test_a_tutor_changes_and_removes_the_own_grade_until_it_is_published(
    site: Deployment, room: Classroom, artifact_id: UUID
) -> None:
    service = site.app.entities["grades"]
    given = await give(site, room.tutor, artifact_id, "4")
    async with site.app.uow(room.tutor.principal) as work:
        await service.update(work, given.grade_id, GradeUpdate(points=Decimal(5)))
    async with site.app.uow(room.tutor.principal) as work:
        await service.delete(work, given.grade_id)
    assert await grades_seen(site, room.lecturer, artifact_id) == []


async def test_two_graders_have_a_grade_each(site: Deployment, room: Classroom, artifact_id: UUID) -> None:
    await give(site, room.tutor, artifact_id, "4")
    await give(site, await room.join("_tutor"), artifact_id, "6")
    assert sorted(item["points"] for item in await grades_seen(site, room.lecturer, artifact_id)) == [
        "4",
        "6",
    ]


async def test_a_grader_who_clicks_often_gives_one_grade(
    site: Deployment, room: Classroom, artifact_id: UUID
) -> None:
    given = await asyncio.gather(*(give(site, room.tutor, artifact_id, str(number)) for number in range(6)))
    assert len({item.grade_id for item in given}) == 1
    assert await site.scalars(select(Grade.id).where(Grade.artifact_id == artifact_id)) == [given[0].grade_id]


@pytest.mark.parametrize("points", ["10.0001", "11"])
async def test_more_points_than_the_assignment_has_are_refused(
    site: Deployment, room: Classroom, artifact_id: UUID, points: str
) -> None:
    with pytest.raises(InvalidError) as caught:
        await give(site, room.tutor, artifact_id, points)
    (problem,) = caught.value.fields
    assert (problem.path, problem.code, problem.message) == ("points", "too_many", "at most 10")
    assert await grades_seen(site, room.lecturer, artifact_id) == []
    await give(site, room.tutor, artifact_id, "10")


@pytest.mark.parametrize(
    "values",
    [
        {"points": "-1"},
        {"points": "1.00001"},
        {"points": "1", "status": "superb"},
        {"points": "1", "mark": "A"},
        {"points": "1", "comment": "a\x00b"},
    ],
)
async def test_a_malformed_grade_is_refused_before_anything_is_asked(values: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        GradeInput.model_validate(values)


async def test_an_assignment_without_a_schedule_takes_any_number_of_points(
    site: Deployment, room: Classroom
) -> None:
    content = await site.world.content(room.course)
    group = await site.world.group(content, room.student.member)
    artifact = await site.world.artifact(group, room.student.member)
    await give(site, room.tutor, artifact.id, "1000")
    assert [item["points"] for item in await grades_seen(site, room.tutor, artifact.id)] == ["1000"]


async def test_who_may_grade_and_who_may_publish(
    site: Deployment, room: Classroom, artifact_id: UUID
) -> None:
    with pytest.raises(ForbiddenError):
        await give(site, room.student, artifact_id, "10")
    with pytest.raises(NotFoundError):
        await give(site, await room.join(), artifact_id, "0")
    with pytest.raises(ForbiddenError):
        await give(site, room.tutor, artifact_id, "5", publish=True)
    assert await grades_seen(site, room.lecturer, artifact_id) == []
    given = await give(site, room.tutor, artifact_id, "5")
    with pytest.raises(ForbiddenError):
        await publish_grade(site.app, room.tutor.principal, given.grade_id)
    with pytest.raises(NotFoundError):
        await publish_grade(site.app, room.student.principal, given.grade_id)
    assert await grades_seen(site, room.student, artifact_id) == []


async def test_the_audit_trail_says_who_changed_a_grade_from_what_to_what(
    site: Deployment, room: Classroom, artifact_id: UUID
) -> None:
    given = await give(site, room.tutor, artifact_id, "3", comment="first")
    await give(site, room.tutor, artifact_id, "4", comment="second")
    rows = await site.rows(
        select(AuditEvent.actor_id, AuditValue.before, AuditValue.after)
        .join(AuditValue, AuditValue.audit_event_id == AuditEvent.id)
        .where(AuditEvent.row_id == str(given.grade_id))
        .order_by(AuditEvent.id)
    )
    assert {row.actor_id for row in rows} == {room.tutor.user.id}
    assert [row.before and row.before["points"] for row in rows] == [None, "3"]
    assert [row.after["comment"] for row in rows] == ["first", "second"]
