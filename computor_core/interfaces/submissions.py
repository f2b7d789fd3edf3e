"""Submission groups, artifacts and receipts."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import AwareDatetime, Field

from computor_core.interfaces.base import (
    AtLeast,
    AtMost,
    EntityFields,
    EntityInterface,
    Equals,
    ListQuery,
    ReadDto,
)


class SubmissionGroupGet(EntityFields):
    """One member or team working on one assignment."""

    course_id: UUID = Field(description="The course.")
    course_content_id: UUID = Field(description="The assignment.")
    attempts_used: int = Field(description="Official attempts so far.")


class SubmissionGroupList(ReadDto):
    """A submission group in a list."""

    id: UUID = Field(description="The group's id.")
    course_id: UUID = Field(description="The course.")
    course_content_id: UUID = Field(description="The assignment.")
    attempts_used: int = Field(description="Official attempts so far.")


class SubmissionGroupQuery(ListQuery):
    """Filters of the list of submission groups."""

    course_id: Annotated[UUID | None, Equals()] = Field(None, description="Only this course's.")
    course_content_id: Annotated[UUID | None, Equals()] = Field(None, description="Only for this assignment.")


class SubmissionGroupInterface(EntityInterface):
    """Members and teams working on assignments."""

    endpoint = "submission-groups"
    get, list, query = SubmissionGroupGet, SubmissionGroupList, SubmissionGroupQuery


class SubmissionGroupMemberGet(EntityFields):
    """Membership of a submission group."""

    course_id: UUID = Field(description="The course.")
    course_content_id: UUID = Field(description="The assignment.")
    submission_group_id: UUID = Field(description="The group.")
    course_member_id: UUID = Field(description="The member.")
    user_id: UUID = Field(description="The member's user.")


class SubmissionGroupMemberList(ReadDto):
    """Membership of a submission group, in a list."""

    id: UUID = Field(description="The membership's id.")
    course_id: UUID = Field(description="The course.")
    course_content_id: UUID = Field(description="The assignment.")
    submission_group_id: UUID = Field(description="The group.")
    course_member_id: UUID = Field(description="The member.")
    user_id: UUID = Field(description="The member's user.")


class SubmissionGroupMemberQuery(ListQuery):
    """Filters of the list of group memberships."""

    course_id: Annotated[UUID | None, Equals()] = Field(None, description="Only this course's.")
    course_content_id: Annotated[UUID | None, Equals()] = Field(None, description="Only for this assignment.")
    submission_group_id: Annotated[UUID | None, Equals()] = Field(None, description="Only of this group.")
    course_member_id: Annotated[UUID | None, Equals()] = Field(None, description="Only of this member.")
    user_id: Annotated[UUID | None, Equals()] = Field(None, description="Only of this user.")


class SubmissionGroupMemberInterface(EntityInterface):
    """Who is in which submission group."""

    endpoint = "submission-group-members"
    get, list, query = SubmissionGroupMemberGet, SubmissionGroupMemberList, SubmissionGroupMemberQuery


class ArtifactGet(EntityFields):
    """A submitted tree of files."""

    course_id: UUID = Field(description="The course.")
    submission_group_id: UUID = Field(description="The group that submitted it.")
    course_member_id: UUID = Field(description="The member who submitted it.")
    transport: str = Field(description="How it came: `upload` or `git`.")
    official: bool = Field(description="Whether it counts, or is a practice run.")
    tree_hash: str = Field(
        description="SHA-256 over the sorted modes, paths, sizes and digests of its files."
    )
    size: int = Field(description="Bytes of its files together.")
    files: list[dict[str, Any]] = Field(description="Its files: path, mode, size and SHA-256.")
    git_commit: str | None = Field(description="The pushed commit, where it came by git.")
    received_at: datetime = Field(description="Start of the authenticated request that brought it, UTC.")


class ArtifactList(ReadDto):
    """An artifact in a list."""

    id: UUID = Field(description="The artifact's id.")
    course_id: UUID = Field(description="The course.")
    submission_group_id: UUID = Field(description="The group that submitted it.")
    course_member_id: UUID = Field(description="The member who submitted it.")
    transport: str = Field(description="How it came: `upload` or `git`.")
    official: bool = Field(description="Whether it counts, or is a practice run.")
    tree_hash: str = Field(
        description="SHA-256 over the sorted modes, paths, sizes and digests of its files."
    )
    size: int = Field(description="Bytes of its files together.")
    received_at: datetime = Field(description="Start of the authenticated request that brought it, UTC.")


class ArtifactQuery(ListQuery):
    """Filters of the list of artifacts."""

    course_id: Annotated[UUID | None, Equals()] = Field(None, description="Only this course's.")
    submission_group_id: Annotated[UUID | None, Equals()] = Field(None, description="Only of this group.")
    course_member_id: Annotated[UUID | None, Equals()] = Field(None, description="Only by this member.")
    official: Annotated[bool | None, Equals()] = Field(
        None, description="Only official ones, or only practice."
    )
    received_from: Annotated[AwareDatetime | None, AtLeast("received_at")] = Field(
        None, description="Received at this time or later."
    )
    received_until: Annotated[AwareDatetime | None, AtMost("received_at")] = Field(
        None, description="Received at this time or earlier."
    )


class ArtifactInterface(EntityInterface):
    """Submitted trees of files."""

    endpoint = "artifacts"
    get, list, query = ArtifactGet, ArtifactList, ArtifactQuery


class ReceiptGet(EntityFields):
    """Signed proof of a submission, chained per submission group."""

    course_id: UUID = Field(description="The course.")
    submission_group_id: UUID = Field(description="The group that submitted.")
    artifact_id: UUID = Field(description="What was submitted.")
    sequence: int = Field(description="Place in the group's chain.")
    previous_hash: str = Field(description="SHA-256 of the receipt before.")
    hash: str = Field(description="SHA-256 of this receipt.")
    body: str = Field(description="The exact text that is signed.")
    signature: str = Field(description="Ed25519 signature (RFC 8032) of the body, base64.")
    key_id: str = Field(description="Which signing key.")
    received_at: datetime = Field(description="When the submission was received, UTC.")


class ReceiptList(ReadDto):
    """A receipt in a list."""

    id: UUID = Field(description="The receipt's id.")
    course_id: UUID = Field(description="The course.")
    submission_group_id: UUID = Field(description="The group that submitted.")
    artifact_id: UUID = Field(description="What was submitted.")
    sequence: int = Field(description="Place in the group's chain.")
    hash: str = Field(description="SHA-256 of this receipt.")
    received_at: datetime = Field(description="When the submission was received, UTC.")


class ReceiptQuery(ListQuery):
    """Filters of the list of receipts."""

    course_id: Annotated[UUID | None, Equals()] = Field(None, description="Only this course's.")
    submission_group_id: Annotated[UUID | None, Equals()] = Field(None, description="Only of this group.")
    artifact_id: Annotated[UUID | None, Equals()] = Field(None, description="The one of this artifact.")


class ReceiptInterface(EntityInterface):
    """Receipts of submissions."""

    endpoint = "receipts"
    get, list, query = ReceiptGet, ReceiptList, ReceiptQuery
