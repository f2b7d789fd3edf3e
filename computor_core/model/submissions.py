"""Submission groups, artifacts, receipts and the repositories that submissions come from."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    String,
    Text,
    UniqueConstraint,
)
from sqlalchemy.orm import Mapped, mapped_column

from computor_core.db.types import JsonType
from computor_core.model.base import Base, EntityMixin


class SubmissionGroup(EntityMixin, Base):
    """One member or team working on one assignment; ``attempts_used`` counts official tries."""

    __tablename__ = "submission_group"

    course_id: Mapped[UUID]
    course_content_id: Mapped[UUID]
    attempts_used: Mapped[int] = mapped_column(default=0)

    __table_args__ = (
        UniqueConstraint("course_id", "id"),
        UniqueConstraint("course_content_id", "id"),
        ForeignKeyConstraint(
            ["course_id", "course_content_id"],
            ["course_content.course_id", "course_content.id"],
            ondelete="CASCADE",
        ),
        CheckConstraint("attempts_used >= 0", name="attempts_used"),
        {"info": {"owner": "core"}},
    )


class SubmissionGroupMember(EntityMixin, Base):
    """Membership of a submission group; a member is in one group per assignment."""

    __tablename__ = "submission_group_member"

    course_id: Mapped[UUID]
    course_content_id: Mapped[UUID]
    submission_group_id: Mapped[UUID]
    course_member_id: Mapped[UUID]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"))

    __table_args__ = (
        UniqueConstraint("course_content_id", "course_member_id"),
        UniqueConstraint("submission_group_id", "course_member_id"),
        Index(None, "user_id", "submission_group_id"),
        Index(None, "course_id", "id"),
        Index(None, "course_member_id"),
        ForeignKeyConstraint(
            ["course_id", "submission_group_id"],
            ["submission_group.course_id", "submission_group.id"],
            ondelete="CASCADE",
        ),
        ForeignKeyConstraint(
            ["course_content_id", "submission_group_id"],
            ["submission_group.course_content_id", "submission_group.id"],
            ondelete="CASCADE",
        ),
        ForeignKeyConstraint(
            ["course_id", "course_member_id"],
            ["course_member.course_id", "course_member.id"],
            ondelete="CASCADE",
        ),
        {"info": {"owner": "core"}},
    )


class Artifact(EntityMixin, Base):
    """A submitted tree of files.

    ``tree_hash`` is SHA-256 over the sorted (mode, path, size, blob digest) and doesn't depend
    on git. ``files`` is the list behind it: ``{"path", "mode", "size", "sha256"}``.
    """

    __tablename__ = "artifact"

    course_id: Mapped[UUID]
    submission_group_id: Mapped[UUID]
    course_member_id: Mapped[UUID]
    transport: Mapped[str] = mapped_column(String(16))
    official: Mapped[bool]
    tree_hash: Mapped[str] = mapped_column(String(64))
    size: Mapped[int]
    storage_instance: Mapped[str] = mapped_column(String(64))
    files: Mapped[list[Any]] = mapped_column(JsonType)
    git_commit: Mapped[str | None] = mapped_column(String(64))
    received_at: Mapped[datetime]

    __table_args__ = (
        UniqueConstraint("course_id", "id"),
        UniqueConstraint("submission_group_id", "id"),
        Index(None, "course_id", "id"),
        Index(None, "submission_group_id", "received_at"),
        Index(None, "course_id", "received_at", "id"),
        Index(None, "course_member_id"),
        ForeignKeyConstraint(
            ["course_id", "submission_group_id"],
            ["submission_group.course_id", "submission_group.id"],
            ondelete="CASCADE",
        ),
        ForeignKeyConstraint(
            ["course_id", "course_member_id"],
            ["course_member.course_id", "course_member.id"],
            ondelete="CASCADE",
        ),
        {"info": {"owner": "core"}},
    )


class Receipt(EntityMixin, Base):
    """Signed proof of a submission, chained per submission group; never changed.

    ``body`` is the exact text that ``signature`` (Ed25519, RFC 8032, base64) signs.
    """

    __tablename__ = "receipt"

    course_id: Mapped[UUID]
    submission_group_id: Mapped[UUID]
    artifact_id: Mapped[UUID] = mapped_column(unique=True)
    sequence: Mapped[int]
    previous_hash: Mapped[str] = mapped_column(String(64))
    hash: Mapped[str] = mapped_column(String(64))
    body: Mapped[str] = mapped_column(Text)
    signature: Mapped[str] = mapped_column(String(128))
    key_id: Mapped[str] = mapped_column(String(64))
    received_at: Mapped[datetime]

    __table_args__ = (
        UniqueConstraint("submission_group_id", "sequence"),
        Index(None, "course_id", "id"),
        ForeignKeyConstraint(
            ["course_id", "artifact_id"], ["artifact.course_id", "artifact.id"], ondelete="CASCADE"
        ),
        ForeignKeyConstraint(
            ["submission_group_id", "artifact_id"],
            ["artifact.submission_group_id", "artifact.id"],
            ondelete="CASCADE",
        ),
        {"info": {"owner": "core"}},
    )


class CourseRepository(EntityMixin, Base):
    """A course's own repository: ``purpose`` is ``template`` or ``reference``."""

    __tablename__ = "course_repository"

    course_id: Mapped[UUID] = mapped_column(ForeignKey("course.id", ondelete="CASCADE"))
    purpose: Mapped[str] = mapped_column(String(16))
    git_instance: Mapped[str] = mapped_column(String(64))
    external_id: Mapped[str] = mapped_column(String(512))
    http_url: Mapped[str] = mapped_column(String(1024))

    __table_args__ = (
        UniqueConstraint("course_id", "purpose"),
        UniqueConstraint("git_instance", "external_id"),
        {"info": {"owner": "core"}},
    )


class MemberRepository(EntityMixin, Base):
    """A member's repository; no other member ever writes to it."""

    __tablename__ = "member_repository"

    course_id: Mapped[UUID]
    course_member_id: Mapped[UUID] = mapped_column(unique=True)
    git_instance: Mapped[str] = mapped_column(String(64))
    external_id: Mapped[str] = mapped_column(String(512))
    http_url: Mapped[str] = mapped_column(String(1024))

    __table_args__ = (
        UniqueConstraint("git_instance", "external_id"),
        Index(None, "course_id", "id"),
        ForeignKeyConstraint(
            ["course_id", "course_member_id"],
            ["course_member.course_id", "course_member.id"],
            ondelete="CASCADE",
        ),
        {"info": {"owner": "core"}},
    )


class PushIntent(EntityMixin, Base):
    """A submitting push, written before its ref moves and completed after.

    ``state``: ``pending`` → ``moved`` → ``submitted`` or ``refused``; ``discarded`` when the ref
    never moved.
    """

    __tablename__ = "push_intent"

    course_id: Mapped[UUID] = mapped_column(ForeignKey("course.id", ondelete="CASCADE"))
    member_repository_id: Mapped[UUID] = mapped_column(
        ForeignKey("member_repository.id", ondelete="CASCADE"), index=True
    )
    push_id: Mapped[str] = mapped_column(String(64), index=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"))
    course_content_id: Mapped[UUID] = mapped_column(ForeignKey("course_content.id", ondelete="CASCADE"))
    ref: Mapped[str] = mapped_column(String(1024))
    old_commit: Mapped[str] = mapped_column(String(64))
    new_commit: Mapped[str] = mapped_column(String(64))
    received_at: Mapped[datetime]
    state: Mapped[str] = mapped_column(String(16), default="pending")
    message: Mapped[str] = mapped_column(String(2000), default="")
    artifact_id: Mapped[UUID | None] = mapped_column(ForeignKey("artifact.id", ondelete="SET NULL"))

    __table_args__ = (
        Index(None, "state", "received_at"),
        Index(None, "course_id", "id"),
        Index(None, "user_id", "id"),
        {"info": {"owner": "core"}},
    )
