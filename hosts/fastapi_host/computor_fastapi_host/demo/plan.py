"""Which solutions the demo submits: every reference, and the library's list of others."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from computor_fastapi_host.demo.course import Assignment, folder_files

LIST = "submissions.yaml"
"""File of an example library that states what else is submitted, and the verdicts."""

REFERENCE = "reference"
HOSTILE = "hostile"


@dataclass(frozen=True, slots=True)
class Solution:
    """A solution and what must come of it.

    Attributes:
        assignment: What it is for.
        kind: ``"reference"``, ``"wrong"``, ``"slow"``, ``"hostile-fork-bomb"``, …
        files: Path → (content, mode).
        verdict: The verdict that it must get.
        limits: Limits of which one must be named, where the verdict is ``limit_exceeded``.
    """

    assignment: Assignment
    kind: str
    files: dict[str, tuple[bytes, int]]
    verdict: str
    limits: tuple[str, ...] = ()

    @property
    def hostile(self) -> bool:
        """Whether it needs a sandbox."""
        return self.kind.startswith(HOSTILE)


def solutions(library: Path, assignments: list[Assignment]) -> list[Solution]:
    """All solutions for the given assignments, references first."""
    by_example = {assignment.identifier: assignment for assignment in assignments}
    listed: list[dict[str, Any]] = yaml.safe_load((library / LIST).read_text())
    planned = [
        Solution(assignment, REFERENCE, _reference(library / identifier), "passed")
        for identifier, assignment in by_example.items()
    ]
    for item in listed:
        assignment = by_example.get(item["example"])
        if assignment is not None:
            folder = library / "_submissions" / item["example"] / item["label"]
            planned.append(
                Solution(
                    assignment,
                    item["label"],
                    folder_files(folder) if folder.is_dir() else {},
                    item["verdict"],
                    tuple(item.get("limit", ())),
                )
            )
    return planned


def _reference(example: Path) -> dict[str, tuple[bytes, int]]:
    meta = yaml.safe_load((example / "meta.yaml").read_text())
    names: list[str] = meta["properties"]["studentSubmissionFiles"]
    return {name: ((example / name).read_bytes(), 0o100644) for name in names}
