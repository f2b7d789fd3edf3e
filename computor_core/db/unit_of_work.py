"""Units of work: one per request, command or workflow step.

A write unit holds one transaction. Rows, events, audit, outbox starts and workflow signals go
into it together and become visible together; nothing is told to anybody before the commit.
"""

from __future__ import annotations

import hashlib
import json
import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from computor_core.db.inserts import insert_unless_there
from computor_core.db.transaction_guard import GuardedSession, TransactionGuard, guarded_connection
from computor_core.db.types import new_id
from computor_core.db.violations import translate
from computor_core.errors import ConflictError
from computor_core.model.evidence import AuditEvent, AuditValue
from computor_core.model.work import EventLog, Outbox, WorkflowSignal
from computor_core.plugin_api.providers.base import in_unit_of_work
from computor_core.plugin_api.workflows import MAX_PAYLOAD_BYTES, PayloadLimitError

if TYPE_CHECKING:
    from sqlalchemy import Table

    from computor_core.db.engine import Database
    from computor_core.plugin_api.events import Event
    from computor_core.plugin_api.principal import Principal


_log = logging.getLogger("computor.database")
_signal: Table = WorkflowSignal.__table__  # type: ignore[assignment]


@dataclass(frozen=True, slots=True)
class WorkflowTarget:
    """Where a workflow start goes: the version to pin and the engine instance."""

    version: int
    engine_instance: str


@dataclass(frozen=True, slots=True)
class UnitHooks:
    """What the application lends to its units of work.

    Attributes:
        intercept: Called in the transaction with each event; may veto by raising.
        committed: Called after the commit with the topics that have news
            (``"events"``, ``"outbox"``, ``"signals"``).
        workflow: Version and engine for a workflow's name; raises for an unknown one.
    """

    intercept: Callable[[Event, UnitOfWork], Awaitable[None]]
    committed: Callable[[frozenset[str]], None]
    workflow: Callable[[str], WorkflowTarget]


@dataclass(slots=True)
class ReadUnit:
    """A place to read from.

    Attributes:
        connection: Runs Core statements; in AUTOCOMMIT for a read unit.
        principal: Who acts.
        now: Start of the authenticated request, UTC; the one "now" of everything in the unit.
        request_id: For logs and the audit trail.
        is_sqlite: Which system, for the few statements that differ.
    """

    connection: AsyncConnection
    principal: Principal
    now: datetime
    request_id: str
    is_sqlite: bool


@dataclass(slots=True)
class UnitOfWork(ReadUnit):
    """One transaction; it commits when its block ends without an exception.

    Whoever is given a unit adds to it and never ends it: commit, rollback, close and begin of its
    session and connection raise ``TransactionControlError``. An exception that leaves the block
    undoes everything. A part that may fail alone goes into a savepoint: ``connection.begin_nested()``,
    or ``session.begin_nested()`` for what is written through the session.

    Attributes:
        session: For mapped objects, on the same connection.
    """

    session: AsyncSession
    hooks: UnitHooks
    _events: list[Event] = field(default_factory=list)
    _topics: set[str] = field(default_factory=set)
    _signals: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)

    def emit(self, event: Event) -> None:
        """Tell what happened; handlers in the transaction run before the commit."""
        self._events.append(event)

    def start_workflow(
        self, workflow: str, payload: Mapping[str, Any], *, run_id: UUID | None = None
    ) -> UUID:
        """Start a workflow when, and only when, this unit commits.

        Args:
            workflow: Registered name; the newest version is pinned.
            payload: The input as JSON values, at most 64 KiB.
            run_id: Id of the run, for callers that derive it from their own row.

        Returns:
            The run's id.
        """
        require_small(payload, f"input of workflow {workflow}")
        target = self.hooks.workflow(workflow)
        run_id = run_id or new_id()
        self.session.add(
            Outbox(
                workflow=workflow,
                workflow_version=target.version,
                run_id=run_id,
                engine_instance=target.engine_instance,
                input=dict(payload),
                available_at=self.now,
            )
        )
        self._topics.add("outbox")
        return run_id

    def signal(self, name: str, key: str, payload: Mapping[str, Any]) -> None:
        """Deliver an external event to the workflows that wait for ``(name, key)``, now or later.

        An event happens once: sent again with an equal payload, by this unit or a later one, it
        changes nothing, so whoever hears of it twice (a webhook, a retried step) may pass it on
        twice. With another payload it is a conflict; what happens repeatedly needs a key each time.

        Args:
            name: Kind of event, as ``wait_event`` names it, 1 to 128 characters.
            key: Which one, 1 to 128 characters.
            payload: JSON values, at most 64 KiB.

        Raises:
            PayloadLimitError: The payload is too large.
            ConflictError: The event was sent with another payload; where an earlier unit sent it,
                this is raised at the end of the unit, and nothing of the unit is kept.
        """
        require_small(payload, f"signal {name}")
        stored = json.loads(json.dumps(payload))
        if self._signals.setdefault((name, key), stored) != stored:
            raise _sent_otherwise(name, key)
        self._topics.add("signals")

    def wake(self, topic: str) -> None:
        """Tell whoever listens to a bus topic that there is news, once this unit has committed."""
        self._topics.add(topic)

    def audit(
        self,
        action: str,
        entity: str,
        row_id: object,
        *,
        before: Mapping[str, Any] | None = None,
        after: Mapping[str, Any] | None = None,
        course_id: UUID | None = None,
    ) -> None:
        """Record a change in the audit trail; the actor is the unit's principal, nobody else.

        Args:
            action: The access action that allowed it.
            entity: Endpoint name of the entity.
            row_id: The row.
            before: JSON values before, None for a creation.
            after: JSON values after, None for a deletion.
            course_id: The course, where there is one.
        """
        salt = secrets.token_hex(16)
        record = AuditEvent(
            id=new_id(),
            occurred_at=self.now,
            actor_kind=self.principal.kind.value,
            actor_id=self.principal.user_id,
            actor_label=self.principal.label,
            request_id=self.request_id,
            action=action,
            entity=entity,
            row_id=str(row_id),
            course_id=course_id,
            before_digest=_digest(salt, before),
            after_digest=_digest(salt, after),
        )
        self.session.add(record)
        self.session.add(
            AuditValue(
                audit_event_id=record.id,
                salt=salt,
                before=dict(before) if before is not None else None,
                after=dict(after) if after is not None else None,
            )
        )

    async def _seal(self) -> None:
        """Run the interceptors and write the events; handlers may emit further events."""
        done = 0
        while done < len(self._events):
            event = self._events[done]
            done += 1
            await self.hooks.intercept(event, self)
            self.session.add(
                EventLog(
                    id=new_id(),
                    name=event.name,
                    occurred_at=self.now,
                    course_id=event.course_id,
                    user_id=event.user_id,
                    payload=event.payload(),
                )
            )
        if done:
            self._topics.add("events")
        for (name, key), payload in sorted(self._signals.items(), key=lambda item: item[0]):
            await self._send(name, key, payload)

    async def _send(self, name: str, key: str, payload: dict[str, Any]) -> None:
        """Write a signal unless it was sent before."""
        values = {"id": new_id(), "name": name, "key": key, "payload": payload}
        # The row stays when it was delivered, so a late repetition meets it as well.
        sent = await self.connection.execute(insert_unless_there(_signal, values, is_sqlite=self.is_sqlite))
        if sent.rowcount == 1:
            return
        found = select(_signal.c.payload).where(_signal.c.name == name, _signal.c.key == key)
        if (await self.connection.execute(found)).scalar_one() != payload:
            raise _sent_otherwise(name, key)


def _sent_otherwise(name: str, key: str) -> ConflictError:
    return ConflictError(
        f"the event {name} was sent with another payload before",
        hint="an event happens once; give each a key of its own",
        details={"name": name, "key": key},
    )


class UnitCompanion(Protocol):
    """Writes of its own that go into the transactions which the current task opens.

    Idempotency keys use it: they must become visible together with the change that they stand for.
    """

    async def begin(self, work: UnitOfWork) -> None:
        """Called at the start of a unit; may refuse it by raising."""
        ...

    async def finish(self, work: UnitOfWork) -> None:
        """Called before the commit, after the events."""
        ...


unit_companion: ContextVar[UnitCompanion | None] = ContextVar("computor_unit_companion", default=None)
"""The companion of the write units that the current task opens, or None."""


def require_small(payload: Mapping[str, Any], what: str) -> None:
    """Refuse a payload of more than 64 KiB of JSON.

    Raises:
        PayloadLimitError: Too large.
        TypeError: Not JSON.
    """
    size = len(json.dumps(payload, separators=(",", ":")).encode())
    if size > MAX_PAYLOAD_BYTES:
        raise PayloadLimitError(
            f"{what} has {size} bytes, more than {MAX_PAYLOAD_BYTES}",
            hint="pass ids and blob references",
            details={"bytes": size, "limit": MAX_PAYLOAD_BYTES},
        )


def _digest(salt: str, values: Mapping[str, Any] | None) -> str | None:
    if values is None:
        return None
    text = json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(f"{salt}\n{text}".encode()).hexdigest()


@asynccontextmanager
async def open_read(
    database: Database, principal: Principal, *, now: datetime, request_id: str
) -> AsyncIterator[ReadUnit]:
    """A read unit: a connection without a transaction."""
    async with database.reader.connect() as connection:
        yield ReadUnit(connection, principal, now, request_id, database.is_sqlite)


@asynccontextmanager
async def open_write(
    database: Database, principal: Principal, hooks: UnitHooks, *, now: datetime, request_id: str
) -> AsyncIterator[UnitOfWork]:
    """A write unit; commits at the end of the block, rolls back on any exception.

    Raises:
        RuntimeError: The current task has a unit open already; two would wait for each other.
        RowConflictError: A unique rule or a reference was broken, and nobody inside said it better.
        InvalidError: A check was broken or a mandatory value is missing, likewise.
    """
    if in_unit_of_work.get():
        raise RuntimeError("a unit of work is open already in this task; pass it on instead")
    token = in_unit_of_work.set(True)
    try:
        guard = TransactionGuard()
        async with AsyncSession(
            database.writer,
            sync_session_class=GuardedSession,
            guard=guard,
            expire_on_commit=False,
            autoflush=False,
            close_resets_only=False,  # who keeps the unit beyond its end can't begin another with it
        ) as session:
            connection = await guarded_connection(session, guard)
            work = UnitOfWork(connection, principal, now, request_id, database.is_sqlite, session, hooks)
            companion = unit_companion.get()
            with guard:
                if companion is not None:
                    await companion.begin(work)
                yield work
                await work._seal()
                if companion is not None:
                    await companion.finish(work)
            await session.commit()
    except IntegrityError as error:
        # The first line names the rule; those that follow may hold values.
        said = str(error.orig).partition("\n")[0]
        _log.warning("the database refused what %s changed: %s", principal.name, said)
        raise translate(error) from error
    finally:
        in_unit_of_work.reset(token)
    if work._topics:
        hooks.committed(frozenset(work._topics))
