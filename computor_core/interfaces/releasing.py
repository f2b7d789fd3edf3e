"""What releasing takes and answers."""

from __future__ import annotations

from uuid import UUID

from pydantic import Field

from computor_core.interfaces.base import Dto, InputDto


class ReleaseInput(InputDto):
    """What to release."""

    course_content_ids: list[UUID] | None = Field(
        default=None, max_length=1000, description="These assignments; null for all that have an example."
    )


class ReleaseStarted(Dto):
    """A release is under way."""

    run_id: UUID = Field(description="The workflow run to watch.")
    course_content_ids: list[UUID] = Field(description="What is being released.")
