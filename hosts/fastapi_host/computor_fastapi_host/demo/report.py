"""What the demo shows: a live table while it runs, and one JSON line at the end."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from rich.table import Table


@dataclass(slots=True)
class Row:
    """One submission of the demo.

    Attributes:
        student: Who.
        assignment: Folder of the assignment.
        kind: What the solution is like (``"reference"``, ``"slow"``, …).
        transport: ``"upload"`` or ``"git"``.
        test_run_id: Its test, once accepted.
        verdict, points, integrity, seconds: The result, once there.
    """

    student: str
    assignment: str
    kind: str
    transport: str
    artifact_id: str = ""
    test_run_id: str = ""
    verdict: str = ""
    points: str = ""
    integrity: str = ""
    limit: str = ""
    expected: tuple[str, ...] = ()


@dataclass(slots=True)
class Summary:
    """The figures of a run."""

    submissions: int = 0
    results: int = 0
    graded: int = 0
    refused: int = 0
    by_transport: Counter[str] = field(default_factory=Counter)
    by_verdict: Counter[str] = field(default_factory=Counter)
    by_integrity: Counter[str] = field(default_factory=Counter)
    isolation: str = ""
    left_out: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def line(self) -> str:
        """The one JSON line."""
        values: dict[str, Any] = {
            "submissions": self.submissions,
            "results": self.results,
            "graded": self.graded,
            "refused": self.refused,
            "by_transport": dict(sorted(self.by_transport.items())),
            "by_verdict": dict(sorted(self.by_verdict.items())),
            "by_integrity": dict(sorted(self.by_integrity.items())),
            "isolation": self.isolation,
            "left_out": self.left_out,
            "seconds": round(self.seconds, 1),
        }
        return json.dumps({"demo": values})


_COLORS = {"passed": "green", "partial": "yellow", "": "dim"}


def table(rows: list[Row]) -> Table:
    """All submissions and how they stand."""
    shown = Table(title="Submissions", expand=False)
    for heading in ("student", "assignment", "solution", "by", "verdict", "points", "integrity"):
        shown.add_column(heading, justify="right" if heading == "points" else "left", no_wrap=True)
    for row in rows:
        color = _COLORS.get(row.verdict, "red")
        verdict = row.verdict or ("testing" if row.test_run_id else "waiting")
        if row.limit:
            verdict = f"{verdict} ({row.limit})"
        shown.add_row(
            row.student,
            row.assignment,
            row.kind,
            row.transport,
            f"[{color}]{verdict}[/]",
            row.points,
            row.integrity,
        )
    return shown
