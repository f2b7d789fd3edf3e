"""Declarative base, naming convention and the columns that every entity has."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, MetaData, Uuid
from sqlalchemy.orm import DeclarativeBase, Mapped, declared_attr, mapped_column
from sqlalchemy.types import TypeEngine

from computor_core.db.types import JsonType, UtcDateTime, new_id

NAMING_CONVENTION = {
    "ix": "ix_%(table_name)s__%(column_0_N_name)s",
    "uq": "uq_%(table_name)s__%(column_0_N_name)s",
    "ck": "ck_%(table_name)s__%(constraint_name)s",
    "fk": "fk_%(table_name)s__%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


PERSONAL = {"personal": True}
"""``info`` of a column that says something about a person; its entity must say how it is exported
and erased. Columns that refer to a user or a course member count without it."""


def utc_now() -> datetime:
    """The time now, UTC; the default of the technical timestamps."""
    return datetime.now(UTC)


class Base(DeclarativeBase):
    """Root of all mapped classes; ``Table.info["owner"]`` names the lineage a table belongs to."""

    metadata = MetaData(naming_convention=NAMING_CONVENTION)
    type_annotation_map: ClassVar[dict[Any, TypeEngine[Any] | type[TypeEngine[Any]]]] = {
        datetime: UtcDateTime,
        UUID: Uuid(),
        int: BigInteger,
        dict[str, Any]: JsonType,
        list[Any]: JsonType,
    }


class Identified:
    """Primary key: a UUIDv7 made by the application."""

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id, sort_order=-100)


class Timestamped:
    """When a row was made and last changed."""

    created_at: Mapped[datetime] = mapped_column(default=utc_now, sort_order=900)
    updated_at: Mapped[datetime] = mapped_column(default=utc_now, onupdate=utc_now, sort_order=901)


class EntityMixin(Identified, Timestamped):
    """The conventions of DOMAIN: id, version, timestamps, authors and free properties.

    ``version`` is SQLAlchemy's ``version_id_col``: a flush whose row moved on meanwhile fails.
    """

    version: Mapped[int] = mapped_column(default=1, sort_order=899)
    properties: Mapped[dict[str, Any]] = mapped_column(JsonType, default=dict, sort_order=910)

    @declared_attr
    def created_by(cls) -> Mapped[UUID | None]:  # noqa: N805
        """The user who made the row."""
        return mapped_column(ForeignKey("user.id", ondelete="SET NULL"), sort_order=902)

    @declared_attr
    def updated_by(cls) -> Mapped[UUID | None]:  # noqa: N805
        """The user who changed the row last."""
        return mapped_column(ForeignKey("user.id", ondelete="SET NULL"), sort_order=903)

    @declared_attr.directive
    def __mapper_args__(cls) -> dict[str, Any]:  # noqa: N805
        """Optimistic locking on ``version``."""
        return {"version_id_col": cls.version}


class Archivable:
    """Soft delete."""

    archived_at: Mapped[datetime | None] = mapped_column(sort_order=904)
