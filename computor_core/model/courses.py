"""Courses, their members and their content tree."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
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

from computor_core.db.types import PathType, PointsType
from computor_core.model.base import Archivable, Base, EntityMixin


class Course(EntityMixin, Archivable, Base):
    """One term's course."""

    __tablename__ = "course"

    organization_id: Mapped[UUID] = mapped_column()
    course_family_id: Mapped[UUID] = mapped_column()
    slug: Mapped[str] = mapped_column(PathType)
    title: Mapped[str] = mapped_column(String(255))
    description: Mapped[str] = mapped_column(String(4096), default="")
    timezone: Mapped[str] = mapped_column(String(64), default="UTC")
    language: Mapped[str] = mapped_column(String(8), default="en")

    __table_args__ = (
        UniqueConstraint("course_family_id", "slug"),
        ForeignKeyConstraint(
            ["organization_id", "course_family_id"],
            ["course_family.organization_id", "course_family.id"],
            ondelete="RESTRICT",
        ),
        Index(None, "organization_id", "id"),
        {"info": {"owner": "core"}},
    )


class CourseMember(EntityMixin, Base):
    """An enrolment: the role that a user holds in a course."""

    __tablename__ = "course_member"

    course_id: Mapped[UUID] = mapped_column(ForeignKey("course.id", ondelete="CASCADE"))
    user_id: Mapped[UUID] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"))
    role_id: Mapped[str] = mapped_column(ForeignKey("role.id", ondelete="RESTRICT"))
    source: Mapped[str] = mapped_column(String(64), default="manual")

    __table_args__ = (
        UniqueConstraint("course_id", "user_id"),
        UniqueConstraint("course_id", "id"),
        Index(None, "user_id", "course_id", "role_id"),
        {"info": {"owner": "core"}},
    )


class CourseContentKind(Base):
    """What a node of the content tree is: ``unit`` or ``assignment``."""

    __tablename__ = "course_content_kind"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    title: Mapped[str] = mapped_column(String(255))
    has_children: Mapped[bool]
    submittable: Mapped[bool]

    __table_args__ = ({"info": {"owner": "core"}},)


class CourseContentType(EntityMixin, Base):
    """A course's own flavour of a kind ("Homework", "Exam")."""

    __tablename__ = "course_content_type"

    course_id: Mapped[UUID] = mapped_column(ForeignKey("course.id", ondelete="CASCADE"))
    kind_id: Mapped[str] = mapped_column(ForeignKey("course_content_kind.id", ondelete="RESTRICT"))
    slug: Mapped[str] = mapped_column(PathType)
    title: Mapped[str] = mapped_column(String(255))
    color: Mapped[str] = mapped_column(String(32), default="")

    __table_args__ = (
        UniqueConstraint("course_id", "slug"),
        UniqueConstraint("course_id", "id", "kind_id"),
        {"info": {"owner": "core"}},
    )


class CourseContent(EntityMixin, Archivable, Base):
    """A node of a course's content tree.

    ``path`` is materialised (``"week1.hello"``); ``parent_key`` is the parent's path or ``""``
    at the root, so that ``position`` (a fractional key) can be unique among siblings.
    """

    __tablename__ = "course_content"

    course_id: Mapped[UUID] = mapped_column(ForeignKey("course.id", ondelete="CASCADE"))
    content_type_id: Mapped[UUID]
    kind_id: Mapped[str] = mapped_column(String(64))
    path: Mapped[str] = mapped_column(PathType)
    parent_key: Mapped[str] = mapped_column(PathType)
    position: Mapped[str] = mapped_column(PathType)
    title: Mapped[str] = mapped_column(String(255))
    description: Mapped[str] = mapped_column(Text, default="")

    __table_args__ = (
        UniqueConstraint("course_id", "path"),
        UniqueConstraint("course_id", "parent_key", "position"),
        UniqueConstraint("course_id", "id"),
        ForeignKeyConstraint(
            ["course_id", "content_type_id", "kind_id"],
            ["course_content_type.course_id", "course_content_type.id", "course_content_type.kind_id"],
            ondelete="RESTRICT",
        ),
        {"info": {"owner": "core"}},
    )


class AssignmentSchedule(EntityMixin, Base):
    """When an assignment opens, is due and closes, how often it may be tried and what it is worth.

    A null ``releases_at`` means open since ever, a null ``due_at`` or ``closes_at`` never, a
    null ``max_attempts`` without limit. ``minimum_integrity`` is ``isolated`` or ``in_process``.
    """

    __tablename__ = "assignment_schedule"

    course_id: Mapped[UUID]
    course_content_id: Mapped[UUID] = mapped_column(unique=True)
    releases_at: Mapped[datetime | None]
    due_at: Mapped[datetime | None]
    closes_at: Mapped[datetime | None]
    max_attempts: Mapped[int | None]
    points: Mapped[Decimal] = mapped_column(PointsType)
    minimum_integrity: Mapped[str] = mapped_column(String(16), default="in_process")

    __table_args__ = (
        ForeignKeyConstraint(
            ["course_id", "course_content_id"],
            ["course_content.course_id", "course_content.id"],
            ondelete="CASCADE",
        ),
        Index(None, "course_id", "id"),
        CheckConstraint("releases_at IS NULL OR due_at IS NULL OR releases_at <= due_at", name="release_due"),
        CheckConstraint("due_at IS NULL OR closes_at IS NULL OR due_at <= closes_at", name="due_close"),
        CheckConstraint(
            "releases_at IS NULL OR closes_at IS NULL OR releases_at <= closes_at", name="release_close"
        ),
        CheckConstraint("max_attempts IS NULL OR max_attempts > 0", name="max_attempts"),
        CheckConstraint("points >= 0", name="points"),
        {"info": {"owner": "core"}},
    )
