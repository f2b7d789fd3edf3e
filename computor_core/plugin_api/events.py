"""Typed events: what happened, told after the fact or inside the transaction.

An event is a small frozen dataclass of ids and short texts; it is stored as JSON in the event
log in the transaction of its cause, stamped with ``seq`` after commit, and handed to handlers.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, ClassVar, Self
from uuid import UUID

_EVENTS: dict[str, type[Event]] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Root of the events.

    Attributes:
        course_id: The course it happened in, where there is one; live topics go by it.
        user_id: The user it concerns, where there is one.
    """

    name: ClassVar[str] = ""
    course_id: UUID | None = None
    user_id: UUID | None = None

    def __init_subclass__(cls, **kwargs: object) -> None:
        """Register the class under its ``name``."""
        # A slots dataclass is created twice, and its zero-argument super() would name the first.
        super(Event, cls).__init_subclass__(**kwargs)
        known = _EVENTS.get(cls.name)
        if known is not None and known.__qualname__ != cls.__qualname__:
            raise TypeError(f"event name {cls.name!r} is taken by {known.__qualname__}")
        if cls.name:
            _EVENTS[cls.name] = cls

    def payload(self) -> dict[str, Any]:
        """The event's own fields as JSON values."""
        out: dict[str, Any] = {}
        for item in fields(self):
            if item.name in {"course_id", "user_id"}:
                continue
            value = getattr(self, item.name)
            out[item.name] = (
                str(value)
                if isinstance(value, UUID)
                else (value.isoformat() if isinstance(value, datetime) else value)
            )
        return out

    @classmethod
    def load(cls, payload: dict[str, Any], *, course_id: UUID | None, user_id: UUID | None) -> Self:
        """Build the event back from a stored payload; fields unknown to this version are left out."""
        values: dict[str, Any] = {}
        for item in fields(cls):
            if item.name not in payload:
                continue
            value = payload[item.name]
            kind = str(item.type)
            if value is not None and "UUID" in kind:
                value = UUID(value)
            elif value is not None and "datetime" in kind:
                value = datetime.fromisoformat(value)
            values[item.name] = value
        return cls(course_id=course_id, user_id=user_id, **values)


def event_type(name: str) -> type[Event] | None:
    """The class of an event name, or None when no installed code declares it."""
    return _EVENTS.get(name)


def event_names() -> tuple[str, ...]:
    """The names of all events that installed code has declared so far."""
    return tuple(_EVENTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class EntityCreated(Event):
    """A row of an entity was created."""

    name: ClassVar[str] = "entity.created"
    entity: str
    row_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EntityUpdated(Event):
    """A row of an entity was changed; ``fields`` names what."""

    name: ClassVar[str] = "entity.updated"
    entity: str
    row_id: str
    fields: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class EntityArchived(Event):
    """A row of an entity was archived or brought back."""

    name: ClassVar[str] = "entity.archived"
    entity: str
    row_id: str
    archived: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class EntityDeleted(Event):
    """A row of an entity was deleted."""

    name: ClassVar[str] = "entity.deleted"
    entity: str
    row_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn(Event):
    """A session began."""

    name: ClassVar[str] = "session.started"
    session_id: UUID
    auth_instance: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionEnded(Event):
    """A session was revoked; whatever it keeps open ends."""

    name: ClassVar[str] = "session.ended"
    session_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentReleased(Event):
    """An assignment was released to its students."""

    name: ClassVar[str] = "content.released"
    course_content_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmissionReceived(Event):
    """A submission was accepted and has its receipt."""

    name: ClassVar[str] = "submission.received"
    submission_group_id: UUID
    artifact_id: UUID
    transport: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TestProgressed(Event):
    """A test run changed its state."""

    name: ClassVar[str] = "test.progressed"
    test_run_id: UUID
    submission_group_id: UUID
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TestFinished(Event):
    """A test run reached its one terminal result.

    ``verdict`` is over the cases that students always see, "" where there are none: the event is
    told to students.
    """

    name: ClassVar[str] = "test.finished"
    test_run_id: UUID
    submission_group_id: UUID
    verdict: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GradePublished(Event):
    """A grade became visible to its student."""

    name: ClassVar[str] = "grade.published"
    grade_id: UUID
    submission_group_id: UUID
