"""Which provider instance serves what, and the blobs that storage holds."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from computor_core.model.base import Base, EntityMixin, Identified, Timestamped


class ProviderBinding(EntityMixin, Base):
    """The instance that new objects of a scope use for a seam; course over family over organization.

    ``scope_key`` is the scope's id as text, or ``""`` at the global scope, so that uniqueness holds.
    """

    __tablename__ = "provider_binding"

    scope: Mapped[str] = mapped_column(String(16))
    scope_key: Mapped[str] = mapped_column(String(36), default="")
    seam: Mapped[str] = mapped_column(String(32))
    instance: Mapped[str] = mapped_column(String(64))

    __table_args__ = (UniqueConstraint("scope", "scope_key", "seam"), {"info": {"owner": "core"}})


class Blob(Identified, Timestamped, Base):
    """Bytes in a storage instance, shared by content.

    ``state``: ``staged`` (until ``staged_until``) before its bytes are written, ``kept`` from the
    first reference on, ``doomed`` while the sweeper removes the bytes of a staged blob that was
    never referenced; nobody may build on a doomed one.
    """

    __tablename__ = "blob"

    storage_instance: Mapped[str] = mapped_column(String(64))
    sha256: Mapped[str] = mapped_column(String(64))
    size: Mapped[int]
    state: Mapped[str] = mapped_column(String(16), default="staged")
    references: Mapped[int] = mapped_column(default=0)
    staged_until: Mapped[datetime | None]

    __table_args__ = (
        UniqueConstraint("storage_instance", "sha256"),
        Index(None, "state", "staged_until"),
        CheckConstraint('"references" >= 0', name="references"),
        {"info": {"owner": "core"}},
    )
