"""What the plugin tells others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from computor_core.plugin_api.events import Event

__all__ = ["NoteWasSettled"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteWasSettled(Event):
    """A note was settled."""

    name: ClassVar[str] = "notes.note_settled"
    note_id: UUID
