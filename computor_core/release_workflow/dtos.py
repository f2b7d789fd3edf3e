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
    """The commit that a course's repository is at, and the digest of the assignments it holds."""

    commit: str
    assignments: str


class Publications(_Payload):
    """What was published of a course."""

    course_id: UUID
    template: Published
    reference: Published


class Released(_Payload):
    """How many assignments were released; ``outdated`` when others are to be by now."""

    released: int
    outdated: bool = False


class More(_Payload):
    """Whether another batch is left."""

    more: bool
