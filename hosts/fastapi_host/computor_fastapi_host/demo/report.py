"""What the demo shows: a live table while it runs, the gradebook, and one JSON line at the end."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from rich import box
from rich.markup import escape
from rich.table import Table

LEGEND = (
    "verdict: what went wrong most, while points count every case that passed; 'limit: x' is limit_exceeded\n"
    "integrity: isolated = judged outside the student's process; in_process = inside it,"
    " by a unit-test framework\n"
    "expected: yes = the verdict that the example library states for this solution"
)


@dataclass(slots=True)
class Row:
    """One submission of the demo.

    Attributes:
        student: Who.
        assignment: Folder of the assignment.
        kind: What the solution is like (``"reference"``, ``"slow"``, …).
        transport: ``"upload"`` or ``"git"``.
        expected: The verdict that it must get, and the limits of which one must be named.
        artifact_id: The submission.
        test_run_id: Its test, once accepted.
        verdict, points, integrity, limit: The result, once there.
    """

    student: str
    assignment: str
    kind: str
    transport: str
    expected: tuple[str, ...]
    artifact_id: str = ""
    test_run_id: str = ""
    verdict: str = ""
    points: str = ""
    integrity: str = ""
    limit: str = ""

    @property
    def as_expected(self) -> bool:
        """Whether the verdict is the one that the example library states."""
        verdict, *limits = self.expected
        return self.verdict == verdict and (not limits or self.limit in limits)


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


_COLORS = {"passed": "green", "partial": "yellow"}


def progress(rows: list[Row], planned: int) -> Table:
    """How far the run is: the newest submission first, so that a small screen loses the oldest."""
    finished = sum(bool(row.verdict) for row in rows)
    return _submissions(f"{len(rows)} of {planned} solutions submitted, {finished} tested", rows[::-1])


def table(rows: list[Row]) -> Table:
    """All submissions and what became of them."""
    return _submissions("Submissions", rows, LEGEND)


def _table(title: str, legend: str = "") -> Table:
    return Table(
        title=title,
        title_justify="left",
        caption=f"{legend}\n" if legend else None,
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
    )


def _submissions(title: str, rows: list[Row], legend: str = "") -> Table:
    shown = _table(title, legend)
    for heading in ("student", "assignment", "solution", "by", "verdict", "points", "integrity", "expected"):
        shown.add_column(heading, justify="right" if heading == "points" else "left", overflow="fold")
    for row in rows:
        cells = (row.student, row.assignment, row.kind, row.transport)
        if not row.verdict:
            shown.add_row(*map(escape, cells), "[dim]testing[/]")
            continue
        color = _COLORS.get(row.verdict, "none")
        shown.add_row(
            *map(escape, cells),
            f"[{color}]{'limit: ' + row.limit if row.limit else row.verdict}[/]",
            row.points,
            row.integrity,
            "yes" if row.as_expected else f"[bold red]NO: {row.expected[0]}[/]",
        )
    return shown


def gradebook_table(book: dict[str, Any]) -> Table:
    """The gradebook as the API answers it: an assignment per line, a student per column."""
    shown = _table(
        "Gradebook", "points of each student's latest submission; * given by the tutor, else by the test"
    )
    shown.add_column("assignment", overflow="fold")
    shown.add_column("worth", justify="right")
    for student in book["rows"]:
        shown.add_column(escape(f"{student['given_name']} {student['family_name']}"), justify="right")
    standings = [{cell["course_content_id"]: cell for cell in row["cells"]} for row in book["rows"]]
    for column in book["columns"]:
        cells = [_points(standing.get(column["course_content_id"])) for standing in standings]
        shown.add_row(escape(column["path"]), _plain(column["points"]), *cells)
    shown.add_section()
    shown.add_row("total", "", *(_plain(row["total"]) for row in book["rows"]))
    return shown


def _points(cell: dict[str, Any] | None) -> str:
    if cell is None:
        return "-"
    return _plain(cell["points"]) + ("*" if cell["grade_points"] is not None else "")


def _plain(points: str | None) -> str:
    """A decimal without the zeros at its end."""
    return "-" if points is None else f"{Decimal(points).normalize():f}"
