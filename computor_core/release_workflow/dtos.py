"""What the release workflow passes around."""

from __future__ import annotations

from uuid import UUID

from pydantic import BaseModel, ConfigDict


class _Payload(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CourseRef(_Payload):
    """A course."""

    course_id: UUID


class Published(_Payload):
    """The commit that a course's repository is at."""

    commit: str


class Publications(_Payload):
    """Both repositories are up to date."""

    course_id: UUID
    template_commit: str
    reference_commit: str


class Released(_Payload):
    """How many assignments were released."""

    released: int


class More(_Payload):
    """Whether another batch is left."""

    more: bool
