"""Users, sessions and tokens."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from computor_core.db.types import JsonType
from computor_core.model.base import PERSONAL, Archivable, Base, EntityMixin


class User(EntityMixin, Archivable, Base):
    """A person or a service account.

    ``email_key`` is the normalised address (NFKC, case-folded) and is unique among users that
    aren't archived; an archived user's address may be taken by a new one. ``grants_epoch`` goes
    up with every change of what the user may do.
    """

    __tablename__ = "user"

    given_name: Mapped[str] = mapped_column(String(255), default="", info=PERSONAL)
    family_name: Mapped[str] = mapped_column(String(255), default="", info=PERSONAL)
    email: Mapped[str | None] = mapped_column(String(320), info=PERSONAL)
    email_key: Mapped[str | None] = mapped_column(String(320), info=PERSONAL)
    email_verified_at: Mapped[datetime | None]
    is_service: Mapped[bool] = mapped_column(default=False)
    banned_at: Mapped[datetime | None]
    ban_reason: Mapped[str | None] = mapped_column(String(2000), info=PERSONAL)
    grants_epoch: Mapped[int] = mapped_column(default=1)

    __table_args__ = (
        Index(
            "uq_user__email_key",
            "email_key",
            unique=True,
            sqlite_where=text("archived_at IS NULL"),
            postgresql_where=text("archived_at IS NULL"),
        ),
        {"info": {"owner": "core"}},
    )


class Account(EntityMixin, Base):
    """An identity of a sign-in instance that belongs to a user; one a user and instance."""

    __tablename__ = "account"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"), index=True)
    auth_instance: Mapped[str] = mapped_column(String(64))
    subject: Mapped[str] = mapped_column(String(255), info=PERSONAL)

    __table_args__ = (
        UniqueConstraint("auth_instance", "subject"),
        UniqueConstraint("auth_instance", "user_id"),
        {"info": {"owner": "core"}},
    )


class Session(EntityMixin, Base):
    """A signed-in device; the token is known to the client alone, its SHA-256 is kept."""

    __tablename__ = "session"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"), index=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    csrf_hash: Mapped[str] = mapped_column(String(64))
    auth_instance: Mapped[str] = mapped_column(String(64))
    address: Mapped[str] = mapped_column(String(64), default="", info=PERSONAL)
    user_agent: Mapped[str] = mapped_column(String(512), default="", info=PERSONAL)
    expires_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    revocation_reason: Mapped[str | None] = mapped_column(String(255))

    __table_args__ = ({"info": {"owner": "core"}},)


class ApiToken(EntityMixin, Base):
    """A personal or service token; ``scopes`` limits it to those actions (null: no limit)."""

    __tablename__ = "api_token"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(String(255))
    prefix: Mapped[str] = mapped_column(String(16))
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    scopes: Mapped[list[Any] | None] = mapped_column(JsonType)
    expires_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]

    __table_args__ = ({"info": {"owner": "core"}},)
