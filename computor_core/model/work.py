"""Durable work: outbox, events, workflow runs, leases and idempotency keys."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, Integer, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from computor_core.db.types import JsonType
from computor_core.model.base import Base, Identified, Timestamped


class Outbox(Identified, Timestamped, Base):
    """A workflow start, written in the transaction of its cause and dispatched after it."""

    __tablename__ = "outbox"

    workflow: Mapped[str] = mapped_column(String(128))
    workflow_version: Mapped[int]
    run_id: Mapped[UUID] = mapped_column(unique=True)
    engine_instance: Mapped[str] = mapped_column(String(64))
    input: Mapped[dict[str, Any]] = mapped_column(JsonType)
    dispatched_at: Mapped[datetime | None]
    attempts: Mapped[int] = mapped_column(default=0)
    available_at: Mapped[datetime]
    last_error: Mapped[str] = mapped_column(String(2000), default="")

    __table_args__ = (
        Index(
            "ix_outbox__undispatched",
            "available_at",
            sqlite_where=text("dispatched_at IS NULL"),
            postgresql_where=text("dispatched_at IS NULL"),
        ),
        {"info": {"owner": "core"}},
    )


class EventLog(Identified, Base):
    """A typed event; ``seq`` is stamped after commit by the one sequencer and is the order."""

    __tablename__ = "event_log"

    seq: Mapped[int | None] = mapped_column(unique=True)
    name: Mapped[str] = mapped_column(String(128))
    occurred_at: Mapped[datetime]
    course_id: Mapped[UUID | None]
    user_id: Mapped[UUID | None]
    payload: Mapped[dict[str, Any]] = mapped_column(JsonType)

    __table_args__ = (
        Index(
            "ix_event_log__unstamped",
            "id",
            sqlite_where=text("seq IS NULL"),
            postgresql_where=text("seq IS NULL"),
        ),
        {"info": {"owner": "core"}},
    )


class EventCursor(Base):
    """How far an ordered consumer of the event log has come.

    ``attempts`` and ``retry_at`` belong to the event after ``seq``, when handling it failed.
    """

    __tablename__ = "event_cursor"

    consumer: Mapped[str] = mapped_column(String(128), primary_key=True)
    seq: Mapped[int] = mapped_column(default=0)
    attempts: Mapped[int] = mapped_column(default=0)
    retry_at: Mapped[datetime | None]

    __table_args__ = ({"info": {"owner": "core"}},)


class EventSkip(Base):
    """An event that a consumer failed on until its retries were used up."""

    __tablename__ = "event_skip"

    consumer: Mapped[str] = mapped_column(String(128), primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True)
    plugin: Mapped[str] = mapped_column(String(64))
    error: Mapped[str] = mapped_column(String(2000))
    skipped_at: Mapped[datetime]

    __table_args__ = ({"info": {"owner": "core"}},)


class WorkflowRun(Timestamped, Base):
    """A run of a workflow, on whichever engine; pinned to ``workflow@workflow_version``.

    ``state``: ``pending``, ``running``, ``waiting``, ``parked`` (its definition isn't
    installed), ``completed``, ``failed``, ``cancelled`` or ``timed_out``. ``settled_at`` is set
    once the finalizer has run; until then ``settle_at`` says when to try (again).

    The other columns belong to the in-process engine: ``lease_epoch`` guards every journal
    write; ``news`` counts what came from outside, so that a run isn't laid aside over it;
    ``wake_at`` is when it is due. They are database times.
    """

    __tablename__ = "workflow_run"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    workflow: Mapped[str] = mapped_column(String(128))
    workflow_version: Mapped[int]
    engine_instance: Mapped[str] = mapped_column(String(64))
    parent_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("workflow_run.id", ondelete="CASCADE"), index=True
    )
    state: Mapped[str] = mapped_column(String(16), default="pending")
    input: Mapped[Any] = mapped_column(JsonType, nullable=True)
    output: Mapped[Any] = mapped_column(JsonType, nullable=True)
    error: Mapped[dict[str, Any] | None] = mapped_column(JsonType)
    progress: Mapped[dict[str, Any]] = mapped_column(JsonType, default=dict)
    cancel_requested_at: Mapped[datetime | None]
    deadline_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    settle_at: Mapped[datetime | None]
    settle_attempts: Mapped[int] = mapped_column(default=0)
    settled_at: Mapped[datetime | None]
    checked_at: Mapped[datetime | None]
    wake_at: Mapped[datetime | None]
    news: Mapped[int] = mapped_column(default=0)
    lease_owner: Mapped[str | None] = mapped_column(String(128))
    lease_until: Mapped[datetime | None]
    lease_epoch: Mapped[int] = mapped_column(default=0)

    __table_args__ = (
        Index(None, "engine_instance", "state", "wake_at"),
        Index(
            "ix_workflow_run__unsettled",
            "settle_at",
            sqlite_where=text("settle_at IS NOT NULL"),
            postgresql_where=text("settle_at IS NOT NULL"),
        ),
        {"info": {"owner": "core"}},
    )


class WorkflowStep(Timestamped, Base):
    """One entry of a run's journal, at ``position``; replay compares position and name.

    ``kind``: ``step``, ``sleep``, ``wait``, ``child`` or ``cancel``. ``state``: ``open`` (under
    way, or waiting until ``wake_at``), ``done``, ``failed`` or ``cancelled``. ``ordinal`` numbers
    the results of a run in the order in which its definition got them.
    """

    __tablename__ = "workflow_step"

    run_id: Mapped[UUID] = mapped_column(ForeignKey("workflow_run.id", ondelete="CASCADE"), primary_key=True)
    position: Mapped[str] = mapped_column(String(128), primary_key=True)
    name: Mapped[str] = mapped_column(String(128))
    kind: Mapped[str] = mapped_column(String(16))
    state: Mapped[str] = mapped_column(String(16))
    ordinal: Mapped[int | None]
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    wake_at: Mapped[datetime | None]
    resolved_at: Mapped[datetime | None]
    input: Mapped[Any] = mapped_column(JsonType, nullable=True)
    output: Mapped[Any] = mapped_column(JsonType, nullable=True)
    error: Mapped[dict[str, Any] | None] = mapped_column(JsonType)

    __table_args__ = (UniqueConstraint("run_id", "ordinal"), {"info": {"owner": "core"}})


class WorkflowWait(Base):
    """A run's wait for the event ``(name, key)``, on whichever engine.

    Open until ``arrived_at`` (the event came; ``told_at`` once the engine knows) or ``closed_at``
    (the run gave up): whichever is written first stands.
    """

    __tablename__ = "workflow_wait"

    run_id: Mapped[UUID] = mapped_column(ForeignKey("workflow_run.id", ondelete="CASCADE"), primary_key=True)
    position: Mapped[str] = mapped_column(String(128), primary_key=True)
    name: Mapped[str] = mapped_column(String(128))
    key: Mapped[str] = mapped_column(String(128))
    payload: Mapped[dict[str, Any] | None] = mapped_column(JsonType)
    arrived_at: Mapped[datetime | None]
    told_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]

    __table_args__ = (
        Index(
            "ix_workflow_wait__open",
            "name",
            "key",
            sqlite_where=text("told_at IS NULL AND closed_at IS NULL"),
            postgresql_where=text("told_at IS NULL AND closed_at IS NULL"),
        ),
        {"info": {"owner": "core"}},
    )


class WorkflowSignal(Identified, Timestamped, Base):
    """An external event that a workflow waits for (``wait_event``); kept until it is delivered."""

    __tablename__ = "workflow_signal"

    name: Mapped[str] = mapped_column(String(128))
    key: Mapped[str] = mapped_column(String(128))
    payload: Mapped[dict[str, Any]] = mapped_column(JsonType)
    delivered_at: Mapped[datetime | None]

    __table_args__ = (
        UniqueConstraint("name", "key"),
        Index(
            "ix_workflow_signal__undelivered",
            "id",
            sqlite_where=text("delivered_at IS NULL"),
            postgresql_where=text("delivered_at IS NULL"),
        ),
        {"info": {"owner": "core"}},
    )


class Lease(Base):
    """A named lock with an end, for what only one host may do at a time."""

    __tablename__ = "lease"

    name: Mapped[str] = mapped_column(String(128), primary_key=True)
    owner: Mapped[str] = mapped_column(String(128))
    expires_at: Mapped[datetime]
    epoch: Mapped[int] = mapped_column(default=0)

    __table_args__ = ({"info": {"owner": "core"}},)


class IdempotencyKey(Identified, Timestamped, Base):
    """A request that was carried out, with its answer, for repetition of the same request."""

    __tablename__ = "idempotency_key"

    principal: Mapped[str] = mapped_column(String(64))
    route: Mapped[str] = mapped_column(String(255))
    key: Mapped[str] = mapped_column(String(255))
    body_hash: Mapped[str] = mapped_column(String(64))
    status: Mapped[int]
    headers: Mapped[dict[str, Any]] = mapped_column(JsonType)
    body: Mapped[str] = mapped_column(Text)

    __table_args__ = (
        UniqueConstraint("principal", "route", "key"),
        Index(None, "created_at"),
        {"info": {"owner": "core"}},
    )
