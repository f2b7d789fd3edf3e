"""The example library and its deployment to course content."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, ForeignKeyConstraint, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from computor_core.db.types import JsonType, PathType
from computor_core.model.base import Archivable, Base, EntityMixin


class Example(EntityMixin, Archivable, Base):
    """An exercise of an organization's library, independent of courses."""

    __tablename__ = "example"

    organization_id: Mapped[UUID] = mapped_column(ForeignKey("organization.id", ondelete="RESTRICT"))
    identifier: Mapped[str] = mapped_column(PathType)
    title: Mapped[str] = mapped_column(String(255))
    format: Mapped[str] = mapped_column(String(64))

    __table_args__ = (
        UniqueConstraint("organization_id", "identifier"),
        {"info": {"owner": "core"}},
    )


class ExampleVersion(EntityMixin, Base):
    """An immutable version: a tree of blobs and the test specification read from it.

    ``files`` is a list of ``{"role", "path", "mode", "size", "sha256"}``; ``spec`` the test
    specification as JSON; ``ordinal`` counts up per example.
    """

    __tablename__ = "example_version"

    example_id: Mapped[UUID] = mapped_column(ForeignKey("example.id", ondelete="CASCADE"))
    organization_id: Mapped[UUID] = mapped_column(ForeignKey("organization.id", ondelete="RESTRICT"))
    version_tag: Mapped[str] = mapped_column(String(64))
    ordinal: Mapped[int]
    title: Mapped[str] = mapped_column(String(255))
    language: Mapped[str] = mapped_column(String(64), default="")
    license: Mapped[str] = mapped_column(String(64), default="")
    integrity: Mapped[str] = mapped_column(String(16))
    tree_hash: Mapped[str] = mapped_column(String(64))
    storage_instance: Mapped[str] = mapped_column(String(64))
    files: Mapped[list[Any]] = mapped_column(JsonType)
    spec: Mapped[dict[str, Any]] = mapped_column(JsonType)

    __table_args__ = (
        UniqueConstraint("example_id", "version_tag"),
        UniqueConstraint("example_id", "ordinal"),
        Index(None, "organization_id", "id"),
        {"info": {"owner": "core"}},
    )


class ContentDeployment(EntityMixin, Base):
    """Which example version an assignment uses, and how far its release got.

    ``state``: ``pending`` → ``deploying`` → ``deployed`` or ``failed``. Submissions are tested
    against ``released_version_id``, the version that students have; ``example_version_id`` is what
    the next release brings. ``deployed_at`` is when the assignment first reached students.
    """

    __tablename__ = "content_deployment"

    course_id: Mapped[UUID]
    course_content_id: Mapped[UUID] = mapped_column(unique=True)
    example_version_id: Mapped[UUID] = mapped_column(ForeignKey("example_version.id", ondelete="RESTRICT"))
    released_version_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("example_version.id", ondelete="RESTRICT")
    )
    state: Mapped[str] = mapped_column(String(16), default="pending")
    message: Mapped[str] = mapped_column(String(2000), default="")
    template_commit: Mapped[str | None] = mapped_column(String(64))
    reference_commit: Mapped[str | None] = mapped_column(String(64))
    deployed_at: Mapped[datetime | None]

    __table_args__ = (
        ForeignKeyConstraint(
            ["course_id", "course_content_id"],
            ["course_content.course_id", "course_content.id"],
            ondelete="CASCADE",
        ),
        Index(None, "course_id", "id"),
        Index(None, "example_version_id"),
        {"info": {"owner": "core"}},
    )
