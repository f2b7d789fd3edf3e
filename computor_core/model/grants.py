"""Roles and who holds them globally; scoped memberships live with their aggregate."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from computor_core.model.base import Base, EntityMixin, Timestamped


class Role(Timestamped, Base):
    """A named set of actions at a scope.

    Built-in roles have speaking ids: ``_admin`` globally, ``course:_tutor`` at a scope.
    """

    __tablename__ = "role"

    id: Mapped[str] = mapped_column(String(128), primary_key=True)
    scope: Mapped[str] = mapped_column(String(16))
    name: Mapped[str] = mapped_column(String(96))
    title: Mapped[str] = mapped_column(String(255))
    rank: Mapped[int] = mapped_column(default=0)
    builtin: Mapped[bool] = mapped_column(default=False)
    plugin: Mapped[str | None] = mapped_column(String(64))

    __table_args__ = (UniqueConstraint("scope", "name"), {"info": {"owner": "core"}})


class RoleAction(Base):
    """An action that a role contains."""

    __tablename__ = "role_action"

    role_id: Mapped[str] = mapped_column(ForeignKey("role.id", ondelete="CASCADE"), primary_key=True)
    action: Mapped[str] = mapped_column(String(128), primary_key=True, index=True)

    __table_args__ = ({"info": {"owner": "core"}},)


class UserRole(EntityMixin, Base):
    """A global role held by a user; ``source`` says who gave it (``manual`` or an instance)."""

    __tablename__ = "user_role"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"))
    role_id: Mapped[str] = mapped_column(ForeignKey("role.id", ondelete="RESTRICT"))
    source: Mapped[str] = mapped_column(String(64), default="manual")

    __table_args__ = (UniqueConstraint("user_id", "role_id"), {"info": {"owner": "core"}})
