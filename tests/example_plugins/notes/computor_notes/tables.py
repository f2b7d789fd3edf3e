"""The plugin's table."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from computor_core.plugin_api.db import PERSONAL, Base, EntityMixin

__all__ = ["Note"]


class Note(EntityMixin, Base):
    """A note on a course member; it goes with the member and outlives its author."""

    __tablename__ = "notes_note"

    course_id: Mapped[UUID]
    course_member_id: Mapped[UUID]
    author_id: Mapped[UUID | None] = mapped_column(ForeignKey("user.id", ondelete="SET NULL"), index=True)
    text: Mapped[str] = mapped_column(Text, info=PERSONAL)
    state: Mapped[str] = mapped_column(String(16), default="open")
    remark: Mapped[str] = mapped_column(Text, default="", info=PERSONAL)
    settled_at: Mapped[datetime | None]

    __table_args__ = (
        # Both columns together, so that a note can't be in another course than its member.
        ForeignKeyConstraint(
            ["course_id", "course_member_id"],
            ["course_member.course_id", "course_member.id"],
            ondelete="CASCADE",
        ),
        CheckConstraint("(state = 'settled') = (settled_at IS NOT NULL)", name="settled_at"),
        Index(None, "course_id", "course_member_id"),
        {"info": {"owner": "notes"}},
    )
