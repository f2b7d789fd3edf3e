"""Reading the event log in its order."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import func, select

from computor_core.model.work import EventLog
from computor_core.plugin_api.events import Event, event_type

if TYPE_CHECKING:
    from sqlalchemy import Table
    from sqlalchemy.ext.asyncio import AsyncConnection

__all__ = ["StoredEvent", "last_seq", "read_events"]

_table: Table = EventLog.__table__  # type: ignore[assignment]


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event with its place in the order.

    Attributes:
        seq: Its number, from 1, without gaps.
        name: Name of its type.
        occurred_at: "Now" of the unit of work that emitted it.
        course_id: The course it happened in, or None.
        user_id: The user it concerns, or None.
        payload: Its own fields as JSON values.
    """

    seq: int
    name: str
    occurred_at: datetime
    course_id: UUID | None
    user_id: UUID | None
    payload: dict[str, Any]

    def load(self) -> Event | None:
        """The typed event, or None when no installed code declares its type."""
        kind = event_type(self.name)
        if kind is None:
            return None
        return kind.load(self.payload, course_id=self.course_id, user_id=self.user_id)


async def last_seq(connection: AsyncConnection) -> int:
    """The highest number given so far, 0 when there is none."""
    return (await connection.execute(select(func.max(_table.c.seq)))).scalar() or 0


async def read_events(
    connection: AsyncConnection, *, after: int, limit: int, names: Collection[str] | None = None
) -> list[StoredEvent]:
    """Events after ``after``, oldest first.

    Args:
        connection: Where to read.
        after: A number; 0 for the beginning.
        limit: Most events to return, 1 or more.
        names: Only events of these types.
    """
    statement = select(_table).where(_table.c.seq > after).order_by(_table.c.seq).limit(limit)
    if names is not None:
        statement = statement.where(_table.c.name.in_(sorted(names)))
    return [
        StoredEvent(row.seq, row.name, row.occurred_at, row.course_id, row.user_id, row.payload)
        for row in await connection.execute(statement)
    ]
