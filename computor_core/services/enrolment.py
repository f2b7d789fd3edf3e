"""What follows from an enrolment."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import select

from computor_core.model import CourseMember, CourseRepository
from computor_core.plugin_api.db import UnitOfWork
from computor_core.plugin_api.events import EntityCreated, Event


async def provide_for_new_member(event: Event, work: UnitOfWork) -> None:
    """Start making the repository of a student who joins after the course's first release.

    Runs in the enrolment's transaction, so the repository comes if and only if the enrolment does.
    """
    if not isinstance(event, EntityCreated) or event.entity != "course-members":
        return
    row = (
        await work.connection.execute(
            select(CourseMember.course_id)
            .join(CourseRepository, CourseRepository.course_id == CourseMember.course_id)
            .where(
                CourseMember.id == UUID(event.row_id),
                CourseMember.role_id == "course:_student",
                CourseRepository.purpose == "template",
            )
        )
    ).one_or_none()
    if row is not None:
        work.start_workflow("course.provision", {"course_id": str(row.course_id)})
