"""Leader leases: what only one host may do at a time.

A lease ends by the database's clock. Whoever takes it raises its epoch; a leader that was
overtaken finds another epoch when it writes, because it locks and compares the lease's row in
the transaction of every write that depends on being the leader.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import or_, select, update
from sqlalchemy.exc import SQLAlchemyError

from computor_core.db.inserts import insert_unless_there
from computor_core.errors import ConflictError
from computor_core.model.work import Lease
from computor_core.workflows.database_time import database_time
from computor_core.workflows.units import SYSTEM, Units

if TYPE_CHECKING:
    from sqlalchemy import Table

    from computor_core.db.unit_of_work import UnitOfWork

__all__ = ["LeaderLease", "LeaseLostError", "release_all"]

_log = logging.getLogger("computor.workflows")
_lease: Table = Lease.__table__  # type: ignore[assignment]


class LeaseLostError(ConflictError):
    """Another host holds the lease now; nothing of the transaction is kept."""

    code = "lease_lost"
    internal_code = 40950


class LeaderLease:
    """One host's claim to a lease.

    Args:
        units: Where to write.
        name: Name of the lease, the same on every host.
        owner: Unique to this process.
        duration: How long the lease lasts without being renewed.
    """

    def __init__(self, units: Units, name: str, owner: str, duration: timedelta) -> None:
        self._units = units
        self.name = name
        self.owner = owner
        self._duration = duration
        self._epoch: int | None = None
        self._ensuring = asyncio.Lock()

    async def ensure(self, least: timedelta | None = None) -> bool:
        """Be the leader for at least ``least`` from now (half the duration by default), if possible.

        Returns:
            Whether this process is the leader.
        """
        async with self._ensuring:
            return await self._ensure(self._duration / 2 if least is None else least)

    async def _ensure(self, least: timedelta) -> bool:
        columns = (_lease.c.owner, _lease.c.epoch)
        free = _lease.c.expires_at <= database_time()
        enough = _lease.c.expires_at > database_time(least)
        async with self._units.read(SYSTEM) as reading:
            statement = select(*columns, free.label("free"), enough.label("enough"))
            row = (await reading.connection.execute(statement.where(_lease.c.name == self.name))).first()
        if row is not None:
            mine = row.owner == self.owner and row.epoch == self._epoch
            if mine and row.enough:
                return True
            if not mine and not row.free:
                self._epoch = None
                return False
        await self._take()
        return self._epoch is not None

    async def hold(self, work: UnitOfWork) -> None:
        """Make a transaction depend on being the leader.

        Raises:
            LeaseLostError: Another host has taken the lease, or it has run out.
        """
        statement = (
            select(_lease.c.epoch)
            .where(
                _lease.c.name == self.name,
                _lease.c.owner == self.owner,
                _lease.c.epoch == self._epoch,
                _lease.c.expires_at > database_time(),
            )
            .with_for_update()
        )
        if self._epoch is None or (await work.connection.execute(statement)).first() is None:
            self._epoch = None
            raise LeaseLostError(f"the lease {self.name} was lost")

    async def release(self) -> None:
        """Let another host take over at once; when that fails, the lease runs out."""
        if self._epoch is None:
            return
        self._epoch = None
        try:
            async with self._units.uow(SYSTEM) as work:
                await work.connection.execute(
                    update(_lease)
                    .where(_lease.c.name == self.name, _lease.c.owner == self.owner)
                    .values(expires_at=database_time())
                )
        except SQLAlchemyError:
            _log.warning("the lease %s can't be released; it runs out", self.name, exc_info=True)

    async def _take(self) -> None:
        values = {"owner": self.owner, "expires_at": database_time(self._duration)}
        async with self._units.uow(SYSTEM) as work:
            await work.connection.execute(
                insert_unless_there(
                    _lease,
                    {"name": self.name, "owner": "", "expires_at": database_time(), "epoch": 0},
                    is_sqlite=work.is_sqlite,
                )
            )
            statement = (
                update(_lease)
                .where(
                    _lease.c.name == self.name,
                    or_(_lease.c.expires_at <= database_time(), _lease.c.owner == self.owner),
                )
                .values(**values, epoch=_lease.c.epoch + 1)
                .returning(_lease.c.epoch)
            )
            self._epoch = (await work.connection.execute(statement)).scalar_one_or_none()


async def release_all(units: Units) -> None:
    """End every lease; for the one host of an SQLite file, whose former process is gone."""
    async with units.uow(SYSTEM) as work:
        await work.connection.execute(update(_lease).values(expires_at=database_time()))
