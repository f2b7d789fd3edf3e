"""The gradebook of a course: every student's latest official result and grade, in four queries."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import Row, Select, func, select

from computor_core.interfaces.gradebook import Gradebook, GradebookCell, GradebookColumn, GradebookRow
from computor_core.model import (
    Artifact,
    AssignmentSchedule,
    CourseContent,
    CourseMember,
    Grade,
    SubmissionGroupMember,
    TestRun,
    User,
)

if TYPE_CHECKING:
    from computor_core.app import Computor
    from computor_core.plugin_api.principal import Principal


async def read_gradebook(
    app: Computor, principal: Principal, course_id: UUID, *, request_id: str = ""
) -> Gradebook:
    """Read a course's gradebook.

    Raises:
        NotFoundError: No such course, or none that the principal may see.
        ForbiddenError: The principal may not read the gradebook.
    """
    async with app.read(principal, request_id=request_id) as unit:
        await app.access.require(unit, "gradebook.read", "courses", course_id)
        run = unit.connection.execute
        columns = (
            await run(
                select(CourseContent.id, CourseContent.path, CourseContent.title, AssignmentSchedule.points)
                .outerjoin(AssignmentSchedule, AssignmentSchedule.course_content_id == CourseContent.id)
                .where(
                    CourseContent.course_id == course_id,
                    CourseContent.kind_id == "assignment",
                    CourseContent.archived_at.is_(None),
                )
                .order_by(CourseContent.parent_key, CourseContent.position)
            )
        ).all()
        members = (
            await run(
                select(CourseMember.id, CourseMember.user_id, User.given_name, User.family_name)
                .join(User, User.id == CourseMember.user_id)
                .where(CourseMember.course_id == course_id, CourseMember.role_id == "course:_student")
                .order_by(User.family_name, User.given_name, CourseMember.id)
            )
        ).all()
        cells = (await run(_cells(course_id))).all()
    worth = {column.id: column.points for column in columns}
    by_member: dict[UUID, list[GradebookCell]] = {}
    for cell in cells:
        if cell.course_content_id in worth:
            view = _cell(cell, worth[cell.course_content_id])
            by_member.setdefault(cell.course_member_id, []).append(view)
    return Gradebook(
        course_id=course_id,
        columns=[
            GradebookColumn(course_content_id=c.id, path=c.path, title=c.title, points=c.points)
            for c in columns
        ],
        rows=[
            GradebookRow(
                course_member_id=m.id,
                user_id=m.user_id,
                given_name=m.given_name,
                family_name=m.family_name,
                cells=by_member.get(m.id, []),
                total=sum((c.points or Decimal(0) for c in by_member.get(m.id, [])), Decimal(0)),
            )
            for m in members
        ],
    )


def _cells(course_id: UUID) -> Select[Any]:
    """Each membership of a submission group, with the group's latest official artifact and its marks."""
    latest = (
        select(
            Artifact.id,
            Artifact.submission_group_id,
            func.row_number()
            .over(
                partition_by=Artifact.submission_group_id,
                order_by=(Artifact.received_at.desc(), Artifact.id.desc()),
            )
            .label("age"),
        )
        .where(Artifact.course_id == course_id, Artifact.official.is_(True))
        .subquery()
    )
    tested = (
        select(
            TestRun.artifact_id,
            TestRun.verdict,
            TestRun.points,
            TestRun.max_points,
            func.row_number().over(partition_by=TestRun.artifact_id, order_by=TestRun.id.desc()).label("age"),
        )
        .where(TestRun.course_id == course_id)
        .subquery()
    )
    graded = (
        select(
            Grade.artifact_id,
            Grade.points,
            Grade.published_at,
            func.row_number()
            .over(partition_by=Grade.artifact_id, order_by=(Grade.updated_at.desc(), Grade.id.desc()))
            .label("age"),
        )
        .where(Grade.course_id == course_id)
        .subquery()
    )
    member = SubmissionGroupMember
    return (
        select(
            member.course_member_id,
            member.course_content_id,
            member.submission_group_id,
            latest.c.id.label("artifact_id"),
            tested.c.verdict,
            tested.c.points.label("test_points"),
            tested.c.max_points,
            graded.c.points.label("grade_points"),
            graded.c.published_at,
        )
        .outerjoin(latest, (latest.c.submission_group_id == member.submission_group_id) & (latest.c.age == 1))
        .outerjoin(tested, (tested.c.artifact_id == latest.c.id) & (tested.c.age == 1))
        .outerjoin(graded, (graded.c.artifact_id == latest.c.id) & (graded.c.age == 1))
        .where(member.course_id == course_id)
        .order_by(member.course_content_id)
    )


def scaled(points: Decimal | None, maximum: Decimal | None, worth: Decimal | None) -> Decimal | None:
    """Points of a test in the assignment's own scale, to four decimal places."""
    if points is None or worth is None or not maximum:
        return points
    return (points * worth / maximum).quantize(Decimal("0.0001")).normalize() + 0


def _cell(row: Row[Any], worth: Decimal | None) -> GradebookCell:
    test_points = scaled(row.test_points, row.max_points, worth)
    return GradebookCell(
        course_content_id=row.course_content_id,
        submission_group_id=row.submission_group_id,
        artifact_id=row.artifact_id,
        verdict=row.verdict,
        test_points=test_points,
        grade_points=row.grade_points,
        grade_published=row.published_at is not None,
        points=row.grade_points if row.grade_points is not None else test_points,
    )
