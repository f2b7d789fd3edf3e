"""What the demo prints: whole words at the width of a file, and what each row is to be judged by."""

from __future__ import annotations

import io
import json
from typing import Any

from computor_fastapi_host.demo.api import Api, local_client
from computor_fastapi_host.demo.cli import FILE_WIDTH
from computor_fastapi_host.demo.invitation import invitation
from computor_fastapi_host.demo.people import cast
from computor_fastapi_host.demo.play import latest
from computor_fastapi_host.demo.report import Row, Summary, gradebook_table, progress, table
from rich.console import Console
from rich.table import Table

BASE = "http://127.0.0.1:8000"


def row(kind: str, *expected: str, student: str = "Cleo Cedar", **result: str) -> Row:
    return Row(student, "python/running_statistics", kind, "upload", expected, **result)


def printed(shown: Table, width: int = FILE_WIDTH) -> list[str]:
    out = io.StringIO()
    Console(file=out, width=width).print(shown)
    return [line.rstrip() for line in out.getvalue().splitlines()]


def test_no_word_of_a_row_is_cut_in_a_file() -> None:
    text = printed(
        table(
            [
                row(
                    "hostile-forged-report",
                    "limit_exceeded",
                    "processes",
                    verdict="limit_exceeded",
                    limit="processes",
                    points="10/12",
                    integrity="in_process",
                )
            ]
        )
    )
    words = next(line for line in text if "Cleo" in line).split("  ")
    assert [word.strip() for word in words if word.strip()] == [
        "Cleo Cedar",
        "python/running_statistics",
        "hostile-forged-report",
        "upload",
        "limit: processes",
        "10/12",
        "in_process",
        "yes",
    ]


def test_a_narrow_terminal_folds_a_row_instead_of_cutting_it() -> None:
    text = "\n".join(printed(table([row("hostile-forged-report", "failed", verdict="failed")]), 60))
    assert "…" not in text


def test_a_row_is_as_expected_by_verdict_and_limit() -> None:
    assert row("slow", "limit_exceeded", "cpu", "wall", verdict="limit_exceeded", limit="wall").as_expected
    assert not row("slow", "limit_exceeded", "cpu", verdict="limit_exceeded", limit="wall").as_expected
    assert not row("wrong", "failed", verdict="passed").as_expected
    text = printed(
        table([row("partial", "crashed", verdict="crashed"), row("wrong", "failed", verdict="passed")])
    )
    assert [line.split("  ")[-1].strip() for line in text if "Cleo" in line] == ["yes", "NO: failed"]


def test_the_table_explains_its_columns() -> None:
    text = "\n".join(printed(table([])))
    for name in ("verdict:", "integrity:", "isolated", "in_process", "expected:", "limit_exceeded"):
        assert name in text


def test_progress_shows_the_newest_first() -> None:
    text = printed(progress([row("reference", "passed", verdict="passed"), row("wrong", "failed")], 7))
    assert text[0] == "2 of 7 solutions submitted, 1 tested"
    assert [line.split()[3] for line in text if "Cleo" in line] == ["wrong", "reference"]


def test_a_later_submission_takes_the_place_of_an_earlier_one() -> None:
    first, other, later = (
        row("reference", "passed"),
        row("wrong", "failed", student="Ada"),
        row("wrong", "failed"),
    )
    assert latest([first, other, later]) == [later, other]


def test_the_gradebook_marks_what_a_person_gave() -> None:
    def cell(content: str, points: str | None, grade: str | None = None) -> dict[str, Any]:
        return {"course_content_id": content, "points": points, "grade_points": grade}

    book = {
        "columns": [
            {"course_content_id": "a", "path": "python.matrix", "points": "10.0000"},
            {"course_content_id": "b", "path": "bash.filter", "points": None},
        ],
        "rows": [
            {
                "given_name": "Ada",
                "family_name": "Ahorn",
                "total": "9.5000",
                "cells": [cell("a", "9.5000", "9.5000")],
            },
            {
                "given_name": "Ben",
                "family_name": "Birke",
                "total": "100.0000",
                "cells": [cell("b", "100"), cell("a", None)],
            },
        ],
    }
    rows = {line.split()[0]: line.split()[1:] for line in printed(gradebook_table(book)) if line.strip()}
    assert rows["python.matrix"] == ["10", "9.5*", "-"]
    assert rows["bash.filter"] == ["-", "-", "100"]
    assert rows["total"] == ["9.5", "100"]


def test_the_invitation_says_who_where_and_how() -> None:
    people = cast(Api(BASE, local_client()))
    clones = {person.email: f"{BASE}/git/{person.email}.git" for person in people[2:]}
    lines = list(invitation(BASE, "admin-password", people, clones))
    assert any(line.split() == ["administrator", "admin@example.org", "admin-password"] for line in lines)
    for person in people:
        role = person.role.removeprefix("course:_")
        at = next(number for number, line in enumerate(lines) if line.split()[:2] == [role, person.email])
        assert lines[at].split()[2:] == [person.password]
        if role == "student":
            assert lines[at + 1].strip() == clones[person.email]


def test_the_json_line_has_its_ten_figures() -> None:
    values = json.loads(Summary(submissions=3, isolation="none", left_out=["x"]).line())
    assert list(values) == ["demo"]
    assert list(values["demo"]) == [
        "submissions",
        "results",
        "graded",
        "refused",
        "by_transport",
        "by_verdict",
        "by_integrity",
        "isolation",
        "left_out",
        "seconds",
    ]
