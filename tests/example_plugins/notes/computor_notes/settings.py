"""The section ``[plugins.notes]`` of the settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from computor_core.plugin_api import AppContext

__all__ = ["NotesSettings", "settings_of"]


class NotesSettings(BaseModel):
    """What an operator may set."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    remark_required: bool = Field(False, description="Whether settling a note takes a remark.")


def settings_of(context: AppContext) -> NotesSettings:
    """The plugin's settings, as core validated them.

    Raises:
        TypeError: The context is another plugin's.
    """
    if not isinstance(context.settings, NotesSettings):
        raise TypeError(f"the settings of {context.plugin} aren't those of notes")
    return context.settings
