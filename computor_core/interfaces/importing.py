"""What importing an example answers."""

from __future__ import annotations

from uuid import UUID

from pydantic import Field

from computor_core.interfaces.base import Dto


class ImportNote(Dto):
    """Something that the format had to say about an example."""

    severity: str = Field(description="`info` or `warning`.")
    code: str = Field(description="Stable name.")
    message: str = Field(description="One sentence.")
    file: str = Field(description="Path inside the example.")
    line: int | None = Field(description="Line number, from 1.")


class ExampleImported(Dto):
    """An example version is in the library."""

    example_id: UUID = Field(description="The example.")
    example_version_id: UUID = Field(description="The version.")
    identifier: str = Field(description="The example's identifier.")
    version_tag: str = Field(description="The version's tag.")
    title: str = Field(description="The version's title.")
    integrity: str = Field(description="`isolated` or `in_process`: what its verdicts are worth.")
    created: bool = Field(description="False when the very same version was there already.")
    notes: list[ImportNote] = Field(description="What was left out or looked odd, and why.")
