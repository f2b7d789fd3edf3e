"""Test runs, their cases, the queue they wait in, and grades."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
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

from computor_core.db.types import JsonType, PointsType
from computor_core.model.base import PERSONAL, Base, EntityMixin, Timestamped


class TestRun(EntityMixin, Base):
    """One test of one artifact: the result that students see.

    ``state``: ``queued`` → ``running`` → ``finished``, exactly once, whatever dies.
    ``verdict`` is null until then; with ``points`` it is over all cases, and what begins with
    ``visible_`` over those that students always see (null where there are none). ``output`` is what
    the student may see, ``sections`` all of what phases wrote; ``replay`` keeps what running it
    again needs.
    """

    __test__ = False
    __tablename__ = "test_run"

    course_id: Mapped[UUID]
    submission_group_id: Mapped[UUID]
    artifact_id: Mapped[UUID]
    example_version_id: Mapped[UUID] = mapped_column(ForeignKey("example_version.id", ondelete="RESTRICT"))
    runner_instance: Mapped[str] = mapped_column(String(64))
    official: Mapped[bool]
    state: Mapped[str] = mapped_column(String(16), default="queued")
    verdict: Mapped[str | None] = mapped_column(String(32))
    limit_exceeded: Mapped[str | None] = mapped_column(String(16))
    integrity: Mapped[str | None] = mapped_column(String(16))
    points: Mapped[Decimal | None] = mapped_column(PointsType)
    max_points: Mapped[Decimal | None] = mapped_column(PointsType)
    visible_verdict: Mapped[str | None] = mapped_column(String(32))
    visible_points: Mapped[Decimal | None] = mapped_column(PointsType)
    visible_max_points: Mapped[Decimal | None] = mapped_column(PointsType)
    message: Mapped[str] = mapped_column(String(4096), default="")
    output: Mapped[str] = mapped_column(Text, default="")
    sections: Mapped[list[Any]] = mapped_column(JsonType, default=list)
    executions: Mapped[int] = mapped_column(default=0)
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    replay: Mapped[dict[str, Any]] = mapped_column(JsonType, default=dict)

    __table_args__ = (
        UniqueConstraint("course_id", "id"),
        Index(None, "submission_group_id", "id"),
        Index(None, "artifact_id", "id"),
        Index(None, "state", "created_at"),
        ForeignKeyConstraint(
            ["course_id", "submission_group_id"],
            ["submission_group.course_id", "submission_group.id"],
            ondelete="CASCADE",
        ),
        ForeignKeyConstraint(
            ["course_id", "artifact_id"], ["artifact.course_id", "artifact.id"], ondelete="CASCADE"
        ),
        CheckConstraint("(state = 'finished') = (verdict IS NOT NULL)", name="verdict"),
        {"info": {"owner": "core"}},
    )


class TestCaseResult(EntityMixin, Base):
    """One case of a test run. ``visibility``: ``always``, ``after_due`` or ``never``."""

    __test__ = False
    __tablename__ = "test_case_result"

    course_id: Mapped[UUID]
    submission_group_id: Mapped[UUID]
    test_run_id: Mapped[UUID]
    ordinal: Mapped[int]
    name: Mapped[str] = mapped_column(String(255))
    status: Mapped[str] = mapped_column(String(16))
    points: Mapped[Decimal] = mapped_column(PointsType)
    max_points: Mapped[Decimal] = mapped_column(PointsType)
    visibility: Mapped[str] = mapped_column(String(16), default="always")
    message: Mapped[str] = mapped_column(Text, default="")
    expected: Mapped[str | None] = mapped_column(Text)
    actual: Mapped[str | None] = mapped_column(Text)
    output: Mapped[str] = mapped_column(Text, default="")
    duration_ms: Mapped[int | None]
    memory_bytes: Mapped[int | None]

    __table_args__ = (
        UniqueConstraint("test_run_id", "ordinal"),
        Index(None, "course_id", "id"),
        Index(None, "submission_group_id", "id"),
        ForeignKeyConstraint(
            ["course_id", "test_run_id"], ["test_run.course_id", "test_run.id"], ondelete="CASCADE"
        ),
        ForeignKeyConstraint(
            ["course_id", "submission_group_id"],
            ["submission_group.course_id", "submission_group.id"],
            ondelete="CASCADE",
        ),
        {"info": {"owner": "core"}},
    )


class TestQueue(Timestamped, Base):
    """A job that waits for a runner agent or is leased to one.

    ``state``: ``queued`` → ``leased`` → ``done``. The lease token is known to the agent alone;
    ``lease_epoch`` goes up with every lease, so a late report of a lost lease is refused.
    ``report`` is the agent's report until it is recorded.
    """

    __test__ = False
    __tablename__ = "test_queue"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    course_id: Mapped[UUID] = mapped_column(ForeignKey("course.id", ondelete="CASCADE"))
    test_run_id: Mapped[UUID] = mapped_column(ForeignKey("test_run.id", ondelete="CASCADE"), unique=True)
    runner_instance: Mapped[str] = mapped_column(String(64))
    priority: Mapped[int] = mapped_column(default=0)
    state: Mapped[str] = mapped_column(String(16), default="queued")
    available_at: Mapped[datetime]
    lease_hash: Mapped[str | None] = mapped_column(String(64))
    lease_epoch: Mapped[int] = mapped_column(default=0)
    leased_until: Mapped[datetime | None]
    agent: Mapped[str] = mapped_column(String(128), default="")
    report: Mapped[dict[str, Any] | None] = mapped_column(JsonType)

    __table_args__ = (
        Index(None, "runner_instance", "state", "priority", "available_at"),
        {"info": {"owner": "core"}},
    )


class Grade(EntityMixin, Base):
    """A person's judgement of an artifact, apart from the automatic result.

    ``status``: ``not_reviewed``, ``corrected``, ``correction_necessary`` or
    ``improvement_possible``. A student sees it once ``published_at`` is set.
    """

    __tablename__ = "grade"

    course_id: Mapped[UUID]
    submission_group_id: Mapped[UUID]
    artifact_id: Mapped[UUID]
    graded_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("user.id", ondelete="SET NULL"))
    points: Mapped[Decimal] = mapped_column(PointsType)
    status: Mapped[str] = mapped_column(String(32), default="corrected")
    comment: Mapped[str] = mapped_column(Text, default="", info=PERSONAL)
    published_at: Mapped[datetime | None]

    __table_args__ = (
        UniqueConstraint("artifact_id", "graded_by_id"),
        Index(None, "course_id", "id"),
        Index(None, "submission_group_id", "id"),
        ForeignKeyConstraint(
            ["course_id", "artifact_id"], ["artifact.course_id", "artifact.id"], ondelete="CASCADE"
        ),
        ForeignKeyConstraint(
            ["submission_group_id", "artifact_id"],
            ["artifact.submission_group_id", "artifact.id"],
            ondelete="CASCADE",
        ),
        CheckConstraint("points >= 0", name="points"),
        {"info": {"owner": "core"}},
    )
