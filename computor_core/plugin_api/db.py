"""For plugins with tables: base class, column types and units of work (imports SQLAlchemy).

A table names its owner (``__table_args__ = ({"info": {"owner": "<plugin>"}},)``), its name begins
with the plugin's prefix, and its foreign keys to core's tables (``"user.id"``, ``"course.id"``,
``"course_member.id"``, …) are ON DELETE CASCADE or SET NULL.
"""

from computor_core.access.caller import Caller
from computor_core.db.types import CreditType, JsonType, PathType, PointsType, UtcDateTime, new_id, path_type
from computor_core.db.unit_of_work import ReadUnit, UnitOfWork
from computor_core.model.base import PERSONAL, Archivable, Base, EntityMixin, Identified, Timestamped

__all__ = [
    "PERSONAL",
    "Archivable",
    "Base",
    "Caller",
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
