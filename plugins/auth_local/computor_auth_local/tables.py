"""The plugin's tables: passwords and failed sign-ins."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, String, Table
from sqlalchemy.orm import Mapped, mapped_column

from computor_core.plugin_api.db import Base, Timestamped

__all__ = ["LoginAttempt", "Password", "user_table"]

_OWNER = {"info": {"owner": "auth_local"}}


class Password(Timestamped, Base):
    """The one password of a user: an Argon2id hash in PHC string format, with its parameters."""

    __tablename__ = "auth_local_password"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"), primary_key=True)
    password_hash: Mapped[str] = mapped_column(String(255))
    changed_at: Mapped[datetime]

    __table_args__ = (_OWNER,)


class LoginAttempt(Base):
    """Failures of one login name or one network address, kept until they are forgotten.

    ``subject`` is ``"account:"`` or ``"address:"`` and a SHA-256, so that names nobody has are
    locked like names somebody has, and no address stands here in clear.
    """

    __tablename__ = "auth_local_login_attempt"

    subject: Mapped[str] = mapped_column(String(80), primary_key=True)
    failures: Mapped[int]
    last_failure_at: Mapped[datetime] = mapped_column(index=True)
    locked_until: Mapped[datetime | None]

    __table_args__ = (_OWNER,)


def user_table() -> Table:
    """Core's table of users, to read names from; its columns are part of core's public schema."""
    return Base.metadata.tables["user"]
