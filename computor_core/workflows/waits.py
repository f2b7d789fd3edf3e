"""A run's waits for events: rows that say what is waited for, and what came first.

An event and the end of a wait exclude each other in the row: whichever is written first stands.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import select, update

from computor_core.db.inserts import insert_unless_there
from computor_core.model.work import WorkflowSignal, WorkflowWait
from computor_core.workflows.database_time import database_time

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Row, Table

    from computor_core.db.unit_of_work import UnitOfWork
    from computor_core.plugin_api.workflows import Json

__all__ = ["answer_wait", "close_wait", "open_wait"]

_wait: Table = WorkflowWait.__table__  # type: ignore[assignment]
_signal: Table = WorkflowSignal.__table__  # type: ignore[assignment]


async def open_wait(
    work: UnitOfWork, run_id: UUID, position: str, name: str, key: str
) -> dict[str, Json] | None:
    """Enter a wait, once; its payload when the event has come already, before or since."""
    values = {"run_id": run_id, "position": position, "name": name, "key": key}
    await work.connection.execute(insert_unless_there(_wait, values, is_sqlite=work.is_sqlite))
    waiting = select(_signal).where(
        _signal.c.name == name, _signal.c.key == key, _signal.c.delivered_at.is_(None)
    )
    signal = (await work.connection.execute(waiting)).first()
    if signal is not None and await answer_wait(work, run_id, position, signal):
        await work.connection.execute(
            update(_wait).where(*_at(run_id, position)).values(told_at=database_time())
        )
    return await _payload(work, run_id, position)


async def answer_wait(work: UnitOfWork, run_id: UUID, position: str, signal: Row[Any]) -> bool:
    """Give an open wait its event; False when it was answered or closed before."""
    answered = await work.connection.execute(
        update(_wait)
        .where(*_at(run_id, position), *_unanswered())
        .values(payload=signal.payload, arrived_at=database_time())
    )
    if answered.rowcount != 1:
        return False
    await work.connection.execute(
        update(_signal).where(_signal.c.id == signal.id).values(delivered_at=database_time())
    )
    return True


async def close_wait(work: UnitOfWork, run_id: UUID, position: str) -> dict[str, Json] | None:
    """End a wait: its payload when the event came first, else None for good."""
    await work.connection.execute(
        update(_wait).where(*_at(run_id, position), *_unanswered()).values(closed_at=database_time())
    )
    return await _payload(work, run_id, position)


async def _payload(work: UnitOfWork, run_id: UUID, position: str) -> dict[str, Json] | None:
    row = (await work.connection.execute(select(_wait).where(*_at(run_id, position)))).first()
    return None if row is None or row.arrived_at is None else (row.payload or {})


def _at(run_id: UUID, position: str) -> tuple[ColumnElement[bool], ...]:
    return (_wait.c.run_id == run_id, _wait.c.position == position)


def _unanswered() -> tuple[ColumnElement[bool], ...]:
    return (_wait.c.arrived_at.is_(None), _wait.c.closed_at.is_(None))
