"""For plugins with tables: base class, column types and units of work (imports SQLAlchemy)."""

from computor_core.db.types import CreditType, JsonType, PathType, PointsType, UtcDateTime, new_id, path_type
from computor_core.db.unit_of_work import ReadUnit, UnitOfWork
from computor_core.model.base import Archivable, Base, EntityMixin, Identified, Timestamped

__all__ = [
    "Archivable",
    "Base",
    "CreditType",
    "EntityMixin",
    "Identified",
    "JsonType",
    "PathType",
    "PointsType",
    "ReadUnit",
    "Timestamped",
    "UnitOfWork",
    "UtcDateTime",
    "new_id",
    "path_type",
]
