"""The sequencer: gives committed events their order.

Events get no number when they are written, since transactions commit in another order than
they begin. One leader stamps ``seq`` on what is committed, without gaps; the number, never the
id, is the order of events for handlers, live updates and the audit trail.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, func, select, update

from computor_core.db.inserts import insert_unless_there
from computor_core.failpoints import failpoint
from computor_core.model.work import EventCursor, EventLog
from computor_core.workflows.leases import LeaderLease, LeaseLostError
from computor_core.workflows.units import SYSTEM, Units

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Table

__all__ = ["Sequencer"]

_log_table: Table = EventLog.__table__  # type: ignore[assignment]
_cursor: Table = EventCursor.__table__  # type: ignore[assignment]

# The last number given stands in a row of its own: events may be pruned, numbers aren't reused.
_CONSUMER = "core.sequencer"
_BATCH = 500


class Sequencer:
    """Stamps events while it is the leader.

    Args:
        units: Where the events are.
        lease: The leader's lease.
        stamped: Called after numbers were given.
    """

    def __init__(self, units: Units, lease: LeaderLease, stamped: Callable[[], None]) -> None:
        self._units = units
        self._lease = lease
        self._stamped = stamped

    async def stamp(self) -> timedelta | None:
        """Number what is committed: the pass of the background loop."""
        unstamped = select(_log_table.c.id).where(_log_table.c.seq.is_(None))
        async with self._units.read(SYSTEM) as reading:
            if (await reading.connection.execute(unstamped.limit(1))).first() is None:
                return None
        if not await self._lease.ensure():
            return None
        try:
            count = await self._stamp_batch()
        except LeaseLostError:
            return None
        failpoint("sequencer.stamped")
        if count:
            self._stamped()
        return timedelta(0) if count == _BATCH else None

    async def _stamp_batch(self) -> int:
        async with self._units.uow(SYSTEM) as work:
            await self._lease.hold(work)
            execute = work.connection.execute
            # A version 7 id sorts one unit's events in the order in which they were emitted.
            waiting = (
                select(_log_table.c.id)
                .where(_log_table.c.seq.is_(None))
                .order_by(_log_table.c.id)
                .limit(_BATCH)
            )
            ids = (await execute(waiting)).scalars().all()
            if not ids:
                return 0
            highest = (await execute(select(func.max(_log_table.c.seq)))).scalar() or 0
            first = {"consumer": _CONSUMER, "seq": highest}
            await execute(insert_unless_there(_cursor, first, is_sqlite=work.is_sqlite))
            at = _cursor.c.consumer == _CONSUMER
            last = (await execute(select(_cursor.c.seq).where(at))).scalar_one()
            failpoint("sequencer.before_stamp")
            await execute(
                update(_log_table)
                .where(_log_table.c.id == bindparam("event_id"))
                .values(seq=bindparam("event_seq")),
                [{"event_id": id_, "event_seq": last + n} for n, id_ in enumerate(ids, start=1)],
            )
            await execute(update(_cursor).where(at).values(seq=last + len(ids)))
        return len(ids)
