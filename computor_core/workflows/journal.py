"""The journal of one leased run: every read and write of the in-process engine on its behalf.

Each write first updates the run's row under the epoch of the lease. Whoever took the run over
has raised the epoch, so a write that comes too late changes nothing and raises.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import insert, select, update

from computor_core.db.inserts import insert_unless_there
from computor_core.model.work import WorkflowRun, WorkflowStep, WorkflowWait
from computor_core.plugin_api.workflows import Failure, Json, RunState
from computor_core.workflows.database_time import database_time
from computor_core.workflows.failures import failure_from_json, failure_to_json
from computor_core.workflows.leases import LeaseLostError
from computor_core.workflows.replay import Resolution
from computor_core.workflows.units import SYSTEM, Units
from computor_core.workflows.waits import close_wait, open_wait

if TYPE_CHECKING:
    from sqlalchemy import Table

    from computor_core.db.unit_of_work import UnitOfWork

__all__ = ["TERMINAL_STATES", "Changes", "Journal", "LoadedRun", "Observation", "OpenEntry"]

_run: Table = WorkflowRun.__table__  # type: ignore[assignment]
_step: Table = WorkflowStep.__table__  # type: ignore[assignment]
_wait: Table = WorkflowWait.__table__  # type: ignore[assignment]

TERMINAL_STATES = tuple(state.value for state in RunState if state.terminal)


@dataclass(slots=True)
class OpenEntry:
    """An entry of the journal without a result.

    Attributes:
        position, name, kind: What was asked for, and where.
        attempts: Attempts of a step begun so far.
        wake_at: When it is due: end of a sleep or a wait, next attempt of a step; None while an
            attempt is under way, and for what has no end of its own.
    """

    position: str
    name: str
    kind: str
    attempts: int = 0
    wake_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class LoadedRun:
    """A run as its journal has it, and the database's time ``now``."""

    now: datetime
    workflow: str
    version: int
    input: Json
    started_at: datetime
    deadline_at: datetime | None
    recorded: tuple[Resolution, ...]
    open: Mapping[str, OpenEntry]


@dataclass(frozen=True, slots=True)
class Observation:
    """What has come from outside.

    Attributes:
        now: The database's time.
        news: Counter of what came; the run may be laid aside only while it stays the same.
        cancel_requested: Whether the run is to be cancelled.
        arrived: Payload by position of the waits whose event has come.
        closed: Positions of the waits that were given up.
        children: State, output and failure by id of the children that are settled.
    """

    now: datetime
    news: int
    cancel_requested: bool
    arrived: Mapping[str, dict[str, Json]]
    closed: frozenset[str]
    children: Mapping[UUID, tuple[RunState, Json, Failure | None]]


@dataclass(slots=True)
class Changes:
    """What is to be journaled in one transaction.

    Attributes:
        entries: New open entries with their inputs.
        updates: Entries whose attempts or due time changed.
        results: New results with the attempts that they took.
        waits: ``(position, event name, key)`` of waits that begin.
        children: Rows of child runs that begin.
        cancelled: Positions whose entries end without a result.
        progress: Value to publish.
    """

    entries: list[tuple[OpenEntry, Json]] = field(default_factory=list)
    updates: list[OpenEntry] = field(default_factory=list)
    results: list[tuple[Resolution, OpenEntry]] = field(default_factory=list)
    waits: list[tuple[str, str, str]] = field(default_factory=list)
    children: list[dict[str, Any]] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    progress: dict[str, Json] | None = None

    def __bool__(self) -> bool:
        return any(getattr(self, name) for name in self.__slots__ if name != "progress") or (
            self.progress is not None
        )


class Journal:
    """The journal of a run under a lease.

    Args:
        units: Where to read and write.
        run_id: The run.
        epoch: Epoch of the lease.

    Every method raises :class:`LeaseLostError` once another host has taken the run.
    """

    def __init__(self, units: Units, run_id: UUID, epoch: int) -> None:
        self.run_id = run_id
        self._units = units
        self._epoch = epoch
        self._stored: set[str] = set()

    async def load(self) -> LoadedRun:
        """Read the run and all entries."""
        async with self._units.read(SYSTEM) as reading:
            statement = select(_run, database_time().label("now")).where(
                _run.c.id == self.run_id, _run.c.lease_epoch == self._epoch
            )
            run = (await reading.connection.execute(statement)).first()
            if run is None:
                raise LeaseLostError(f"run {self.run_id} was taken over")
            rows = await reading.connection.execute(select(_step).where(_step.c.run_id == self.run_id))
            steps = rows.all()
        self._stored = {row.position for row in steps}
        recorded = tuple(
            Resolution(
                row.position, row.name, row.ordinal, row.resolved_at, row.output, failure_from_json(row.error)
            )
            for row in steps
            if row.ordinal is not None
        )
        entries = {
            row.position: OpenEntry(row.position, row.name, row.kind, row.attempts, row.wake_at)
            for row in steps
            if row.state == "open"
        }
        return LoadedRun(
            run.now,
            run.workflow,
            run.workflow_version,
            run.input,
            run.created_at,
            run.deadline_at,
            recorded,
            entries,
        )

    async def observe(self, waits: Collection[str], children: Collection[UUID]) -> Observation:
        """Read what has come from outside, for the given positions and child runs."""
        arrived: dict[str, dict[str, Json]] = {}
        closed: set[str] = set()
        ended: dict[UUID, tuple[RunState, Json, Failure | None]] = {}
        async with self._units.read(SYSTEM) as reading:
            execute = reading.connection.execute
            # The counter comes first: what it counts was committed with it, so it is seen below.
            run = (
                await execute(
                    select(
                        database_time(), _run.c.news, _run.c.cancel_requested_at, _run.c.lease_epoch
                    ).where(_run.c.id == self.run_id)
                )
            ).one()
            if run.lease_epoch != self._epoch:
                raise LeaseLostError(f"run {self.run_id} was taken over")
            if waits:
                condition = (_wait.c.run_id == self.run_id, _wait.c.position.in_(waits))
                for row in await execute(select(_wait).where(*condition)):
                    if row.arrived_at is not None:
                        arrived[row.position] = row.payload or {}
                    elif row.closed_at is not None:
                        closed.add(row.position)
            if children:
                settled = (_run.c.id.in_(children), _run.c.settled_at.is_not(None))
                for row in await execute(select(_run).where(*settled)):
                    ended[row.id] = (RunState(row.state), row.output, failure_from_json(row.error))
        return Observation(
            run[0], run.news, run.cancel_requested_at is not None, arrived, frozenset(closed), ended
        )

    async def write(self, changes: Changes) -> bool:
        """Journal changes, all or none; True when the event of a wait that begins is there already."""
        async with self._units.uow(SYSTEM) as work:
            return await self._write(work, changes, {})

    async def close_wait(self, position: str) -> dict[str, Json] | None:
        """Give a wait up: None, or its payload when the event came first."""
        async with self._units.uow(SYSTEM) as work:
            await self._fence(work, {})
            return await close_wait(work, self.run_id, position)

    async def suspend(self, wake_at: datetime | None, news: int) -> bool:
        """Lay the run aside until ``wake_at``; False, changing nothing, when there is news."""
        async with self._units.uow(SYSTEM) as work:
            statement = (
                update(_run)
                .where(_run.c.id == self.run_id, _run.c.lease_epoch == self._epoch, _run.c.news == news)
                .values(state=RunState.WAITING.value, wake_at=wake_at, lease_owner=None, lease_until=None)
            )
            return (await work.connection.execute(statement)).rowcount == 1

    async def let_go(self, changes: Changes) -> None:
        """Hand the run, with what is under way, to whoever takes it next."""
        async with self._units.uow(SYSTEM) as work:
            free = {"wake_at": database_time(), "lease_owner": None, "lease_until": None}
            await self._write(work, changes, {"state": RunState.WAITING.value, **free})

    async def end(self, changes: Changes, state: RunState, output: Json, failure: Failure | None) -> None:
        """Record the run's end; its open waits, entries and children end with it."""
        async with self._units.uow(SYSTEM) as work:
            values = {"wake_at": None, "lease_owner": None, "lease_until": None}
            await self._write(work, changes, {**values, **end_values(state, output, failure)})
            open_entries = (_step.c.run_id == self.run_id, _step.c.state == "open")
            await work.connection.execute(update(_step).where(*open_entries).values(state="cancelled"))
            await end_with_run(work, self.run_id)

    async def _write(self, work: UnitOfWork, changes: Changes, values: Mapping[str, Any]) -> bool:
        own = dict(values)
        if changes.progress is not None:
            own["progress"] = changes.progress
        await self._fence(work, own)
        execute = work.connection.execute
        inserts = [
            {
                **_columns(self.run_id, entry),
                "state": "open",
                "wake_at": entry.wake_at,
                "attempts": entry.attempts,
                "input": payload,
            }
            for entry, payload in changes.entries
        ]
        if inserts:
            await execute(insert(_step), inserts)
        for entry in changes.updates:
            await execute(self._at(entry.position).values(attempts=entry.attempts, wake_at=entry.wake_at))
        for resolution, entry in changes.results:
            result = {
                "state": "done" if resolution.failure is None else "failed",
                "ordinal": resolution.ordinal,
                "resolved_at": resolution.at,
                "output": resolution.output,
                "error": failure_to_json(resolution.failure),
                "attempts": entry.attempts,
                "wake_at": None,
            }
            if resolution.position in self._stored:
                await execute(self._at(resolution.position).values(**result))
            else:
                await execute(insert(_step).values(**_columns(self.run_id, entry), **result))
        answered = False
        for position, name, key in changes.waits:
            answered |= await open_wait(work, self.run_id, position, name, key) is not None
        for child in changes.children:
            await execute(insert_unless_there(_run, child, is_sqlite=work.is_sqlite))
        for position in changes.cancelled:
            await execute(self._at(position).values(state="cancelled", wake_at=None))
            await close_wait(work, self.run_id, position)
        self._stored |= {entry.position for entry, _ in changes.entries}
        self._stored |= {resolution.position for resolution, _ in changes.results}
        return answered

    async def _fence(self, work: UnitOfWork, values: Mapping[str, Any]) -> None:
        statement = (
            update(_run)
            .where(_run.c.id == self.run_id, _run.c.lease_epoch == self._epoch)
            .values(lease_epoch=self._epoch, **values)
        )
        if (await work.connection.execute(statement)).rowcount != 1:
            raise LeaseLostError(f"run {self.run_id} was taken over")

    def _at(self, position: str) -> Any:  # noqa: ANN401 - an UPDATE to be completed
        return update(_step).where(_step.c.run_id == self.run_id, _step.c.position == position)


def _columns(run_id: UUID, entry: OpenEntry) -> dict[str, Any]:
    return {"run_id": run_id, "position": entry.position, "name": entry.name, "kind": entry.kind}


def end_values(state: RunState, output: Json, failure: Failure | None) -> dict[str, Any]:
    """The columns of a run's row that say how it ended, and that it is to be settled."""
    return {
        "state": state.value,
        "output": output,
        "error": failure_to_json(failure),
        "ended_at": database_time(),
        "settle_at": database_time(),
    }


async def end_with_run(work: UnitOfWork, run_id: UUID) -> None:
    """Close what was open for a run that ends: its waits, and its children, which are cancelled."""
    await work.connection.execute(
        update(_wait)
        .where(_wait.c.run_id == run_id, _wait.c.arrived_at.is_(None), _wait.c.closed_at.is_(None))
        .values(closed_at=database_time())
    )
    await work.connection.execute(
        update(_run)
        .where(
            _run.c.parent_id == run_id,
            _run.c.state.not_in(TERMINAL_STATES),
            _run.c.cancel_requested_at.is_(None),
        )
        .values(cancel_requested_at=database_time(), news=_run.c.news + 1, wake_at=database_time())
    )
