"""What goes over the wire: bodies, answers and filters of notes."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import Field, StringConstraints

from computor_core.interfaces import (
    UNCHANGED,
    AtLeast,
    Contains,
    CreateDto,
    Dto,
    EntityFields,
    EntityInterface,
    Equals,
    ListQuery,
    ReadDto,
    UpdateDto,
)

__all__ = [
    "NoteCreate",
    "NoteGet",
    "NoteInterface",
    "NoteList",
    "NoteQuery",
    "NoteSettled",
    "NoteState",
    "NoteSummary",
    "NoteUpdate",
    "SettleInput",
]

NoteText = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=4096)]
"""What a note says."""


class NoteState(StrEnum):
    """Whether a note still asks for something."""

    OPEN = "open"
    SETTLED = "settled"


class NoteCreate(CreateDto):
    """A new note on a course member."""

    course_member_id: UUID = Field(description="Whom it is about.")
    text: NoteText = Field(description="What it says.")


class NoteUpdate(UpdateDto):
    """A change of a note's text."""

    text: NoteText = Field(UNCHANGED, description="What it says.")


class NoteGet(EntityFields):
    """A note of the staff on a course member, whom it isn't shown to."""

    course_id: UUID = Field(description="The course.")
    course_member_id: UUID = Field(description="Whom it is about.")
    author_id: UUID | None = Field(description="Who wrote it; null once that account is gone.")
    text: str = Field(description="What it says.")
    state: NoteState = Field(description="`open` or `settled`.")
    remark: str = Field(description="What was said when it was settled.")
    settled_at: datetime | None = Field(description="When it was settled, UTC.")


class NoteList(ReadDto):
    """A note in a list."""

    id: UUID = Field(description="The note's id.")
    course_id: UUID = Field(description="The course.")
    course_member_id: UUID = Field(description="Whom it is about.")
    author_id: UUID | None = Field(description="Who wrote it; null once that account is gone.")
    text: str = Field(description="What it says.")
    state: NoteState = Field(description="`open` or `settled`.")


class NoteQuery(ListQuery):
    """Filters of the list of notes."""

    course_id: Annotated[UUID | None, Equals()] = Field(None, description="Only this course's.")
    course_member_id: Annotated[UUID | None, Equals()] = Field(None, description="Only on this member.")
    state: Annotated[NoteState | None, Equals()] = Field(None, description="Only in this state.")
    text: Annotated[str | None, Contains()] = Field(None, max_length=255, description="Part of the text.")
    since: Annotated[datetime | None, AtLeast("created_at")] = Field(None, description="Made then or later.")


class NoteInterface(EntityInterface):
    """Notes on course members."""

    endpoint = "x/notes/notes"
    create, get, list = NoteCreate, NoteGet, NoteList
    update, query = NoteUpdate, NoteQuery


class SettleInput(Dto):
    """How a note is settled."""

    remark: Annotated[str, StringConstraints(strip_whitespace=True, max_length=4096)] = Field(
        "", description="What there is to say about it."
    )


class NoteSettled(Dto):
    """The note as settled."""

    note_id: UUID = Field(description="The note.")
    state: NoteState = Field(description="Always `settled`.")
    settled_at: datetime = Field(description="When, UTC.")


class NoteSummary(Dto):
    """How many notes a course has."""

    course_id: UUID = Field(description="The course.")
    open: int = Field(description="Notes that aren't settled.")
    settled: int = Field(description="Settled notes.")
