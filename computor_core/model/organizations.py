"""Organizations, course families and their members."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from computor_core.db.types import PathType
from computor_core.model.base import Archivable, Base, EntityMixin


class Organization(EntityMixin, Archivable, Base):
    """An administrative unit; ``path`` places it in a tree (``"tug.informatics"``)."""

    __tablename__ = "organization"

    path: Mapped[str] = mapped_column(PathType, unique=True)
    parent_id: Mapped[UUID | None] = mapped_column(ForeignKey("organization.id", ondelete="RESTRICT"))
    title: Mapped[str] = mapped_column(String(255))
    description: Mapped[str] = mapped_column(String(4096), default="")
    timezone: Mapped[str] = mapped_column(String(64), default="UTC")

    __table_args__ = ({"info": {"owner": "core"}},)


class OrganizationMember(EntityMixin, Base):
    """A role that a user holds at an organization and all below it."""

    __tablename__ = "organization_member"

    organization_id: Mapped[UUID] = mapped_column(ForeignKey("organization.id", ondelete="CASCADE"))
    user_id: Mapped[UUID] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"))
    role_id: Mapped[str] = mapped_column(ForeignKey("role.id", ondelete="RESTRICT"))
    source: Mapped[str] = mapped_column(String(64), default="manual")

    __table_args__ = (
        UniqueConstraint("organization_id", "user_id"),
        Index(None, "user_id", "organization_id", "role_id"),
        {"info": {"owner": "core"}},
    )


class CourseFamily(EntityMixin, Archivable, Base):
    """The same course over the terms (``"programming-1"``)."""

    __tablename__ = "course_family"

    organization_id: Mapped[UUID] = mapped_column(
        ForeignKey("organization.id", ondelete="RESTRICT"), index=True
    )
    slug: Mapped[str] = mapped_column(PathType)
    title: Mapped[str] = mapped_column(String(255))
    description: Mapped[str] = mapped_column(String(4096), default="")

    __table_args__ = (
        UniqueConstraint("organization_id", "slug"),
        UniqueConstraint("organization_id", "id"),
        {"info": {"owner": "core"}},
    )


class CourseFamilyMember(EntityMixin, Base):
    """A role that a user holds at a course family and its courses."""

    __tablename__ = "course_family_member"

    course_family_id: Mapped[UUID] = mapped_column(ForeignKey("course_family.id", ondelete="CASCADE"))
    user_id: Mapped[UUID] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"))
    role_id: Mapped[str] = mapped_column(ForeignKey("role.id", ondelete="RESTRICT"))
    source: Mapped[str] = mapped_column(String(64), default="manual")

    __table_args__ = (
        UniqueConstraint("course_family_id", "user_id"),
        Index(None, "user_id", "course_family_id", "role_id"),
        {"info": {"owner": "core"}},
    )
