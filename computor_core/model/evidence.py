"""The audit trail."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from computor_core.db.types import JsonType
from computor_core.model.base import PERSONAL, Base, Identified


class AuditEvent(Identified, Base):
    """Who did what to which row; the values stand apart so that they can be erased.

    ``before_digest`` and ``after_digest`` are SHA-256 over salt and canonical JSON.
    """

    __tablename__ = "audit_event"

    occurred_at: Mapped[datetime]
    actor_kind: Mapped[str] = mapped_column(String(16))
    actor_id: Mapped[UUID | None] = mapped_column(info=PERSONAL)
    actor_label: Mapped[str] = mapped_column(String(128), default="")
    request_id: Mapped[str] = mapped_column(String(64), default="")
    action: Mapped[str] = mapped_column(String(128))
    entity: Mapped[str] = mapped_column(String(64))
    row_id: Mapped[str] = mapped_column(String(128))
    course_id: Mapped[UUID | None]
    before_digest: Mapped[str | None] = mapped_column(String(64))
    after_digest: Mapped[str | None] = mapped_column(String(64))

    __table_args__ = (
        Index(None, "entity", "row_id", "id"),
        Index(None, "course_id", "id"),
        {"info": {"owner": "core"}},
    )


class AuditValue(Base):
    """The erasable values of an audit event."""

    __tablename__ = "audit_value"

    audit_event_id: Mapped[UUID] = mapped_column(
        ForeignKey("audit_event.id", ondelete="CASCADE"), primary_key=True
    )
    salt: Mapped[str] = mapped_column(String(64))
    before: Mapped[dict[str, Any] | None] = mapped_column(JsonType)
    after: Mapped[dict[str, Any] | None] = mapped_column(JsonType)

    __table_args__ = ({"info": {"owner": "core"}},)
