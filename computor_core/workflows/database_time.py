"""The database's own clock in statements.

Leases and due times are set and compared by one clock, the database's, so that hosts whose
clocks differ, or are set back, agree on them.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import BigInteger, literal
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from computor_core.db.types import UtcDateTime

if TYPE_CHECKING:
    from sqlalchemy.sql.compiler import SQLCompiler

__all__ = ["database_time"]


class _DatabaseTime(FunctionElement[datetime]):
    """The time now plus a number of milliseconds, in the storage format of ``UtcDateTime``."""

    name = "database_time"
    type = UtcDateTime()
    inherit_cache = True


def database_time(offset: timedelta = timedelta(0)) -> FunctionElement[datetime]:
    """The database's time now plus ``offset``, to the millisecond.

    On PostgreSQL it moves on within a transaction (``clock_timestamp``).
    """
    return _DatabaseTime(literal(round(offset.total_seconds() * 1000), BigInteger))


@compiles(_DatabaseTime, "postgresql")
def _postgresql(element: _DatabaseTime, compiler: SQLCompiler, **kwargs: object) -> str:
    offset = compiler.process(element.clauses, **kwargs)
    return f"(clock_timestamp() + {offset} * interval '1 millisecond')"


@compiles(_DatabaseTime, "sqlite")
def _sqlite(element: _DatabaseTime, compiler: SQLCompiler, **kwargs: object) -> str:
    # Microseconds, as SQLAlchemy writes them, so that texts compare like the times they stand for.
    offset = compiler.process(element.clauses, **kwargs)
    return f"strftime('%Y-%m-%d %H:%M:%f000', 'now', ({offset} / 1000.0) || ' seconds')"
