"""What grading takes and answers."""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID

from pydantic import Field

from computor_core.interfaces.base import Dto, InputDto


class GradeInput(InputDto):
    """A judgement of an artifact."""

    points: Decimal = Field(ge=0, decimal_places=4, description="Points, at most the assignment's.")
    status: str = Field(
        default="corrected",
        pattern="^(not_reviewed|corrected|correction_necessary|improvement_possible)$",
        description="`not_reviewed`, `corrected`, `correction_necessary` or `improvement_possible`.",
    )
    comment: str = Field(default="", max_length=16384, description="For the student.")
    publish: bool = Field(default=False, description="Show it to the student at once.")


class GradeGiven(Dto):
    """The grade that was stored."""

    grade_id: UUID = Field(description="The grade.")
    published: bool = Field(description="Whether the student sees it.")
