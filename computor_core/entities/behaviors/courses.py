"""Courses: what students handed in isn't deleted with a click."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sqlalchemy import exists, select

from computor_core.entities.behaviors.plain import PlainBehavior
from computor_core.errors import ConflictError
from computor_core.model import Artifact

if TYPE_CHECKING:
    from computor_core.db.unit_of_work import UnitOfWork


class Courses(PlainBehavior):
    """Keeps courses with submissions."""

    async def before_delete(self, work: UnitOfWork, row: Mapping[str, Any]) -> None:
        """Refuse to delete evidence.

        Raises:
            ConflictError: The course has submissions.
        """
        if await work.connection.scalar(select(exists().where(Artifact.course_id == row["id"]))):
            raise ConflictError("the course has submissions", hint="archive it instead")
