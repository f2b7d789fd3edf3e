"""What only assignments have: a schedule and an example version."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from computor_core.entities.behaviors.plain import PlainBehavior
from computor_core.entities.json_values import refuse
from computor_core.errors import ConflictError
from computor_core.model import CourseContent, CourseContentKind

if TYPE_CHECKING:
    from uuid import UUID

    from computor_core.db.unit_of_work import UnitOfWork


async def _require_submittable(work: UnitOfWork, content_id: UUID) -> None:
    submittable = await work.connection.scalar(
        select(CourseContentKind.submittable)
        .join(CourseContent, CourseContent.kind_id == CourseContentKind.id)
        .where(CourseContent.id == content_id)
    )
    if not submittable:
        raise refuse("course_content_id", "no_assignment", "students don't submit to this kind of content")


class Schedules(PlainBehavior):
    """Only what students submit to has a schedule."""

    async def before_create(self, work: UnitOfWork, values: dict[str, Any]) -> None:
        """Refuse a schedule for anything else.

        Raises:
            InvalidError: The content isn't an assignment.
        """
        await _require_submittable(work, values["course_content_id"])


class Deployments(PlainBehavior):
    """Only what students submit to has an example version; another version waits for its release."""

    async def before_create(self, work: UnitOfWork, values: dict[str, Any]) -> None:
        """Refuse a deployment for anything else.

        Raises:
            InvalidError: The content isn't an assignment.
        """
        await _require_submittable(work, values["course_content_id"])
        values.update(state="pending", message="")

    async def before_update(self, work: UnitOfWork, row: Mapping[str, Any], values: dict[str, Any]) -> None:
        """Let another version wait for its release.

        Raises:
            ConflictError: A release is under way.
        """
        if "example_version_id" in values:
            if row["state"] == "deploying":
                raise ConflictError("a release of this assignment is under way", hint="wait until it is over")
            values.update(state="pending", message="")

    async def before_delete(self, work: UnitOfWork, row: Mapping[str, Any]) -> None:
        """Keep what students have already.

        Raises:
            ConflictError: The assignment was released, or is just being released.
        """
        if row["deployed_at"] is not None or row["state"] == "deploying":
            raise ConflictError("students have the assignment already", hint="archive the content instead")
