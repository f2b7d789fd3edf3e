"""An entity as a plugin would bring it: notes on a course, with a table, actions, rules, a command."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field
from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from computor_core.db.types import UtcDateTime, new_id
from computor_core.interfaces import (
    CreateDto,
    Dto,
    EntityFields,
    EntityInterface,
    Equals,
    ListQuery,
    ReadDto,
    Requires,
    UpdateDto,
)
from computor_core.model import Course, CourseFamily, User
from computor_core.plugin_api.access import AccessRuleRegistration, ScopeKind, branch, own, scope_of
from computor_core.plugin_api.entities import (
    Command,
    EntityRegistration,
    Erasure,
    Operation,
    Personal,
    Ref,
)
from computor_core.plugin_api.registrations import ActionAxis, ActionRegistration

READ, WRITE, MODERATE = "x:note.read", "x:note.write", "x:note.moderate"
ACTIONS = [
    ActionRegistration(READ, "See notes.", ActionAxis.CONTENT),
    ActionRegistration(WRITE, "Write notes.", ActionAxis.CONTENT),
    ActionRegistration(MODERATE, "Moderate notes.", ActionAxis.CONTENT),
]


class NoteBase(DeclarativeBase):
    """The plugin's own tables."""


class Note(NoteBase):
    __tablename__ = "x_note"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    course_id: Mapped[UUID | None] = mapped_column(ForeignKey(Course.__table__.c.id, ondelete="CASCADE"))
    course_family_id: Mapped[UUID | None] = mapped_column(ForeignKey(CourseFamily.__table__.c.id))
    author_id: Mapped[UUID | None] = mapped_column(ForeignKey(User.__table__.c.id, ondelete="SET NULL"))
    text: Mapped[str]
    version: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)

    __table_args__ = (Index(None, "course_id", "id"),)


class NoteCreate(CreateDto):
    """A new note."""

    course_id: UUID | None = Field(None, description="The course.")
    course_family_id: UUID | None = Field(None, description="Or the family.")
    text: str = Field(description="The text.")


class NoteUpdate(UpdateDto):
    """A changed note."""

    text: str = Field("", description="The text.")


class NoteGet(EntityFields):
    """A note."""

    course_id: UUID | None = Field(description="The course.")
    course_family_id: UUID | None = Field(description="Or the family.")
    author_id: UUID | None = Field(description="Who wrote it.")
    text: str = Field(description="The text.")


class NoteList(ReadDto):
    """A note in a list."""

    id: UUID = Field(description="Its id.")
    text: str = Field(description="The text.")


class NoteQuery(ListQuery):
    """Filters."""

    course_id: Annotated[UUID | None, Equals()] = Field(None, description="The course.")


class NoteInterface(EntityInterface):
    endpoint = "x-notes"
    create, get, list, update, query = NoteCreate, NoteGet, NoteList, NoteUpdate, NoteQuery


class ShoutInput(Dto):
    """How loud."""

    times: int = Field(description="How many exclamation marks.")


class Shouted(Dto):
    """What was shouted."""

    text: str = Field(description="The text.")
    by: UUID = Field(description="Who shouted.")
    request_id: str = Field(description="In which request.")
    remark: Annotated[str | None, Requires(MODERATE)] = Field(None, description="For staff.")


async def shout(app: Any, principal: Any, row_id: Any, body: Any, *, request_id: str) -> Shouted:
    """The command's handler."""
    row = await app.entities["x-notes"].get(app.unit, row_id)
    return Shouted(
        text=row["text"] + "!" * body.times, by=principal.user_id, request_id=request_id, remark="loud"
    )


async def count(app: Any, principal: Any, row_id: Any, body: Any, *, request_id: str) -> dict[str, Any]:
    """The collection command's handler."""
    assert row_id is None
    return {"notes": len(await app.ids(principal, "x-notes"))}


def registration(module: str = __name__) -> EntityRegistration:
    """The entity: notes of a course or a family.

    Members of a course read its notes, authors and content staff change them; a family's owners
    write and read its own.
    """
    course = branch("course", scope_of(ScopeKind.COURSE, "course_id", "course.read"))
    family = branch("family", scope_of(ScopeKind.FAMILY, "course_family_id", "family.update"))
    staff = branch("staff", scope_of(ScopeKind.COURSE, "course_id", "content.write"))
    author = branch("author", own("author_id"), scope_of(ScopeKind.COURSE, "course_id", "course.read"))
    return EntityRegistration(
        interface=NoteInterface,
        model=f"{module}:Note",
        summary="Notes.",
        access={
            Operation.GET: READ,
            Operation.LIST: READ,
            Operation.CREATE: WRITE,
            Operation.UPDATE: WRITE,
            Operation.DELETE: WRITE,
        },
        rules=(
            AccessRuleRegistration("x-notes", READ, (course, family)),
            AccessRuleRegistration("x-notes", WRITE, (author, staff)),
            AccessRuleRegistration("x-notes", MODERATE, (staff,)),
            AccessRuleRegistration(
                "courses", WRITE, (branch("member", scope_of(ScopeKind.COURSE, "id", "course.read")),)
            ),
        ),
        refs=(
            Ref("course_id", "courses", WRITE, parent=True),
            Ref("course_family_id", "course-families", "family.update", parent=True),
        ),
        personal={"author_id": Personal(Erasure.CLEAR)},
        commands=(
            Command("shout", "Shout it.", ShoutInput, Shouted, WRITE, f"{module}:shout"),
            Command("count", "Count them.", None, None, READ, f"{module}:count", collection=True),
        ),
        sort=("created_at",),
        stamps=("author_id",),
    )
