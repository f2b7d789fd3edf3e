"""For plugins with tables: base class, column types and units of work (imports SQLAlchemy).

A table names its owner (``__table_args__ = ({"info": {"owner": "<plugin>"}},)``), its name begins
with the plugin's prefix, and its foreign keys to core's tables (``"user.id"``, ``"course.id"``,
``"course_member.id"``, …) are ON DELETE CASCADE or SET NULL.

A unit of work's transaction is its own. Whoever is given one (an event handler, a behavior) adds to
it; ``commit()``, ``rollback()``, ``close()`` and ``begin()`` of its session and connection raise
:class:`TransactionControlError`, ``begin_nested()`` opens a savepoint for a part that may fail alone.
A constraint that is broken and not handled inside leaves the unit as ``ConflictError`` (a unique rule,
a reference) or ``InvalidError`` (a check, a missing value). ``work.signal(name, key, payload)`` may be
repeated with an equal payload; with another one it is a ``ConflictError``.
"""

from computor_core.access.caller import Caller
from computor_core.db.transaction_guard import TransactionControlError
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
    "TransactionControlError",
    "UnitOfWork",
    "UtcDateTime",
    "new_id",
    "path_type",
]
