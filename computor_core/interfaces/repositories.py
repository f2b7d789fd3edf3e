"""Git repositories of courses and members, and pushes to them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field

from computor_core.interfaces.base import EntityFields, EntityInterface, Equals, ListQuery, ReadDto


class CourseRepositoryGet(EntityFields):
    """A course's own repository."""

    course_id: UUID = Field(description="The course.")
    purpose: str = Field(description="`template` (for students) or `reference` (for staff).")
    git_instance: str = Field(description="Git host instance that holds it.")
    http_url: str = Field(description="Address to clone from.")


class CourseRepositoryList(ReadDto):
    """A course's repository in a list."""

    id: UUID = Field(description="The repository's id.")
    course_id: UUID = Field(description="The course.")
    purpose: str = Field(description="`template` (for students) or `reference` (for staff).")
    http_url: str = Field(description="Address to clone from.")


class CourseRepositoryQuery(ListQuery):
    """Filters of the list of course repositories."""

    course_id: Annotated[UUID | None, Equals()] = Field(None, description="Only this course's.")
    purpose: Annotated[str | None, Equals()] = Field(
        None, max_length=16, description="Only with this purpose."
    )


class CourseRepositoryInterface(EntityInterface):
    """Template and reference repositories."""

    endpoint = "course-repositories"
    get, list, query = CourseRepositoryGet, CourseRepositoryList, CourseRepositoryQuery


class MemberRepositoryGet(EntityFields):
    """A member's repository; no other member writes to it."""

    course_id: UUID = Field(description="The course.")
    course_member_id: UUID = Field(description="The member.")
    git_instance: str = Field(description="Git host instance that holds it.")
    http_url: str = Field(description="Address to clone from and push to.")


class MemberRepositoryList(ReadDto):
    """A member's repository in a list."""

    id: UUID = Field(description="The repository's id.")
    course_id: UUID = Field(description="The course.")
    course_member_id: UUID = Field(description="The member.")
    http_url: str = Field(description="Address to clone from and push to.")


class MemberRepositoryQuery(ListQuery):
    """Filters of the list of member repositories."""

    course_id: Annotated[UUID | None, Equals()] = Field(None, description="Only this course's.")
    course_member_id: Annotated[UUID | None, Equals()] = Field(None, description="Only this member's.")


class MemberRepositoryInterface(EntityInterface):
    """Repositories of members."""

    endpoint = "member-repositories"
    get, list, query = MemberRepositoryGet, MemberRepositoryList, MemberRepositoryQuery


class PushIntentGet(EntityFields):
    """A submitting push and what became of it."""

    course_id: UUID = Field(description="The course.")
    member_repository_id: UUID = Field(description="The repository.")
    user_id: UUID = Field(description="Who pushed.")
    course_content_id: UUID = Field(description="The assignment.")
    ref: str = Field(description="The pushed ref.")
    old_commit: str = Field(description="Where the ref stood before.")
    new_commit: str = Field(description="The pushed commit.")
    received_at: datetime = Field(description="When the push was received, UTC.")
    state: str = Field(description="`pending`, `submitted`, `discarded` or `refused`.")
    message: str = Field(description="Why it was refused.")
    artifact_id: UUID | None = Field(description="The artifact that it became.")


class PushIntentList(ReadDto):
    """A push in a list."""

    id: UUID = Field(description="The push's id.")
    course_id: UUID = Field(description="The course.")
    user_id: UUID = Field(description="Who pushed.")
    course_content_id: UUID = Field(description="The assignment.")
    new_commit: str = Field(description="The pushed commit.")
    received_at: datetime = Field(description="When the push was received, UTC.")
    state: str = Field(description="`pending`, `submitted`, `discarded` or `refused`.")
    artifact_id: UUID | None = Field(description="The artifact that it became.")


class PushIntentQuery(ListQuery):
    """Filters of the list of pushes."""

    course_id: Annotated[UUID | None, Equals()] = Field(None, description="Only this course's.")
    user_id: Annotated[UUID | None, Equals()] = Field(None, description="Only this user's.")
    course_content_id: Annotated[UUID | None, Equals()] = Field(None, description="Only for this assignment.")
    state: Annotated[str | None, Equals()] = Field(None, max_length=16, description="Only in this state.")


class PushIntentInterface(EntityInterface):
    """Submitting pushes."""

    endpoint = "push-intents"
    get, list, query = PushIntentGet, PushIntentList, PushIntentQuery
