"""Settling a note: the entity's business operation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from computor_core.plugin_api.errors import ConflictError, FieldProblem, InvalidError
from computor_notes.access import NOTES, WRITE
from computor_notes.events import NoteWasSettled
from computor_notes.interfaces import NoteSettled, NoteState
from computor_notes.settings import settings_of
from computor_notes.tables import Note

if TYPE_CHECKING:
    from uuid import UUID

    from computor_core.plugin_api import Principal
    from computor_core.plugin_api.services import Application
    from computor_notes.interfaces import SettleInput

__all__ = ["settle_note"]


async def settle_note(
    app: Application, principal: Principal, note_id: UUID, body: SettleInput, *, request_id: str = ""
) -> NoteSettled:
    """Settle a note.

    Raises:
        NotFoundError: No such note, or none that the principal can see.
        ForbiddenError: It is somebody else's, and the principal doesn't manage grades.
        InvalidError: The settings demand a remark and there is none.
        ConflictError: It is settled already.
    """
    if settings_of(app.context("notes")).remark_required and not body.remark:
        raise InvalidError(
            "settling a note takes a remark here",
            fields=[FieldProblem("remark", "missing", "say how it was settled")],
        )
    async with app.uow(principal, request_id=request_id) as work:
        await app.access.require(work, WRITE, NOTES, note_id)
        note = await work.session.get_one(Note, note_id, with_for_update=not work.is_sqlite)
        if note.state == NoteState.SETTLED:
            raise ConflictError("the note is settled already")
        note.state, note.remark, note.settled_at = NoteState.SETTLED.value, body.remark, work.now
        note.updated_by = principal.user_id
        work.emit(NoteWasSettled(course_id=note.course_id, note_id=note.id))
        work.audit(
            WRITE,
            NOTES,
            note.id,
            before={"state": NoteState.OPEN.value},
            after={"state": note.state, "remark": note.remark},
            course_id=note.course_id,
        )
        return NoteSettled(note_id=note.id, state=NoteState.SETTLED, settled_at=work.now)
