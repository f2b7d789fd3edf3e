"""Human grades: given on an artifact, published to its student."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import select

from computor_core.db.types import new_id
from computor_core.entities.json_values import decimal_text
from computor_core.errors import FieldProblem, ForbiddenError, InvalidError
from computor_core.interfaces.grading import GradeGiven, GradeInput
from computor_core.model import Artifact, AssignmentSchedule, Grade, SubmissionGroup
from computor_core.plugin_api.events import GradePublished

if TYPE_CHECKING:
    from computor_core.app import Computor
    from computor_core.db.unit_of_work import UnitOfWork
    from computor_core.interfaces import Dto
    from computor_core.plugin_api.principal import Principal


async def grade_artifact(
    app: Computor, principal: Principal, artifact_id: UUID, body: GradeInput, *, request_id: str = ""
) -> GradeGiven:
    """Give or change the caller's grade of an artifact.

    A grade that was published stays so, and students see the change at once; therefore it takes
    the right to publish.

    Raises:
        NotFoundError: No such artifact, or none that the principal may see.
        ForbiddenError: The principal may not grade it, or not publish, or the grade is published
            and the principal may not publish.
        InvalidError: More points than the assignment has.
    """
    async with app.uow(principal, request_id=request_id) as work:
        await app.access.require(work, "grade.write", "artifacts", artifact_id)
        if body.publish:
            await app.access.require(work, "grade.publish", "artifacts", artifact_id)
        # Locked, so that a grader who clicks twice changes one grade instead of giving two.
        artifact = await work.session.get_one(Artifact, artifact_id, with_for_update=not work.is_sqlite)
        await _check_points(work, artifact, body.points)
        found = select(Grade).where(Grade.artifact_id == artifact_id, Grade.graded_by_id == principal.user_id)
        grade = (await work.session.execute(found)).scalar_one_or_none()
        before = _values(grade) if grade else None
        if grade is not None and grade.published_at is not None and not body.publish:
            await _require_publisher(app, work, artifact_id)
        if grade is None:
            grade = Grade(
                id=new_id(),
                course_id=artifact.course_id,
                submission_group_id=artifact.submission_group_id,
                artifact_id=artifact.id,
                graded_by_id=principal.user_id,
                created_by=principal.user_id,
            )
            work.session.add(grade)
        grade.points, grade.status, grade.comment = body.points, body.status, body.comment
        grade.updated_by = principal.user_id
        newly = body.publish and grade.published_at is None
        if newly:
            grade.published_at = work.now
            work.emit(
                GradePublished(
                    course_id=artifact.course_id,
                    grade_id=grade.id,
                    submission_group_id=artifact.submission_group_id,
                )
            )
        work.audit(
            "grade.write",
            "grades",
            grade.id,
            before=before,
            after=_values(grade),
            course_id=artifact.course_id,
        )
        return GradeGiven(grade_id=grade.id, published=grade.published_at is not None)


async def publish_grade(
    app: Computor, principal: Principal, grade_id: UUID, body: Dto | None = None, *, request_id: str = ""
) -> GradeGiven:
    """Show a grade to its student; one that is shown already stays as it is.

    Raises:
        NotFoundError: No such grade, or none that the principal may see.
        ForbiddenError: The principal may not publish.
    """
    async with app.uow(principal, request_id=request_id) as work:
        await app.access.require(work, "grade.publish", "grades", grade_id)
        grade = await work.session.get_one(Grade, grade_id, with_for_update=not work.is_sqlite)
        if grade.published_at is None:
            before = _values(grade)
            grade.published_at, grade.updated_by = work.now, principal.user_id
            work.emit(
                GradePublished(
                    course_id=grade.course_id,
                    grade_id=grade.id,
                    submission_group_id=grade.submission_group_id,
                )
            )
            work.audit(
                "grade.publish",
                "grades",
                grade_id,
                before=before,
                after=_values(grade),
                course_id=grade.course_id,
            )
        return GradeGiven(grade_id=grade_id, published=True)


async def _require_publisher(app: Computor, work: UnitOfWork, artifact_id: UUID) -> None:
    if not await app.access.allowed(work, "grade.publish", "artifacts", artifact_id):
        raise ForbiddenError(
            "the grade is published, and changing what its student sees takes the right to publish",
            hint="ask somebody who publishes grades in this course",
            details={"action": "grade.publish"},
        )


def _values(grade: Grade) -> dict[str, object]:
    return {
        "points": decimal_text(grade.points),
        "status": grade.status,
        "comment": grade.comment,
        "published_at": grade.published_at.isoformat() if grade.published_at else None,
    }


async def _check_points(work: UnitOfWork, artifact: Artifact, points: Decimal) -> None:
    maximum = await work.connection.scalar(
        select(AssignmentSchedule.points)
        .join(SubmissionGroup, SubmissionGroup.course_content_id == AssignmentSchedule.course_content_id)
        .where(SubmissionGroup.id == artifact.submission_group_id)
    )
    if maximum is not None and points > maximum:
        most = decimal_text(maximum)
        raise InvalidError(
            f"the assignment has {most} points",
            fields=[FieldProblem("points", "too_many", f"at most {most}")],
        )
