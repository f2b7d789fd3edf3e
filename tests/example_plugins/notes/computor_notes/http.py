"""Routes beside the generated ones, under ``/api/v1/x/notes``."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import func, select

from computor_core.plugin_api import AppContext
from computor_core.plugin_api.http import Access, APIRouter, Reading, needs
from computor_notes.access import READ
from computor_notes.interfaces import NoteState, NoteSummary
from computor_notes.tables import Note

__all__ = ["router"]


def router(context: AppContext) -> APIRouter:
    """The plugin's router."""
    routes = APIRouter()

    @routes.get("/courses/{course_id}/summary", openapi_extra=needs(READ))
    async def summary(course_id: UUID, work: Reading, access: Access) -> NoteSummary:
        """How many notes a course has."""
        await access.require(work, READ, "courses", course_id)
        counted = (
            select(Note.state, func.count().label("notes"))
            .where(Note.course_id == course_id)
            .group_by(Note.state)
        )
        found = {row.state: row.notes for row in await work.connection.execute(counted)}
        return NoteSummary(
            course_id=course_id,
            open=found.get(NoteState.OPEN, 0),
            settled=found.get(NoteState.SETTLED, 0),
        )

    return routes
