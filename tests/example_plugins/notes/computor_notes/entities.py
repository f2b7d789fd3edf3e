"""The entity: its contract bound to its table, its rules and its operations."""

from __future__ import annotations

from computor_core.plugin_api.entities import (
    Command,
    EntityRegistration,
    Erasure,
    Operation,
    Personal,
    Ref,
)
from computor_notes.access import READ, RULES, WRITE
from computor_notes.interfaces import NoteInterface, NoteSettled, SettleInput

__all__ = ["NOTES"]

_GOES = Personal(Erasure.DELETE_ROW)

NOTES = EntityRegistration(
    interface=NoteInterface,
    model="computor_notes.tables:Note",
    summary="Staff's notes on course members.",
    access={
        Operation.GET: READ,
        Operation.LIST: READ,
        Operation.CREATE: WRITE,
        Operation.UPDATE: WRITE,
        Operation.DELETE: WRITE,
    },
    rules=RULES,
    refs=(Ref("course_member_id", "course-members", WRITE, parent=True, copies={"course_id": "course_id"}),),
    stamps=("author_id",),
    personal={
        "course_member_id": _GOES,
        "author_id": Personal(Erasure.CLEAR),
        "text": _GOES,
        "remark": _GOES,
    },
    commands=(
        Command(
            name="settle",
            summary="Settle a note.",
            input=SettleInput,
            output=NoteSettled,
            action=WRITE,
            handler="computor_notes.settling:settle_note",
        ),
    ),
    sort=("created_at", "state"),
)
