"""Grades: never more points than the assignment is worth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from computor_core.entities.behaviors.plain import PlainBehavior
from computor_core.entities.json_values import decimal_text, refuse
from computor_core.model import AssignmentSchedule, SubmissionGroup

if TYPE_CHECKING:
    from computor_core.db.unit_of_work import UnitOfWork


class Grades(PlainBehavior):
    """Keeps points within the assignment's."""

    async def before_update(self, work: UnitOfWork, row: Mapping[str, Any], values: dict[str, Any]) -> None:
        """Refuse too many points; an assignment without a schedule is worth any number.

        Raises:
            InvalidError: More points than the assignment is worth.
        """
        if "points" not in values:
            return
        most = await work.connection.scalar(
            select(AssignmentSchedule.points)
            .join(SubmissionGroup, SubmissionGroup.course_content_id == AssignmentSchedule.course_content_id)
            .where(SubmissionGroup.id == row["submission_group_id"])
        )
        if most is not None and values["points"] > most:
            raise refuse("points", "too_many", f"the assignment is worth {decimal_text(most)}")
