"""Submissions that attack the judge or tell what hidden tests are, through the real sandbox."""

from __future__ import annotations

import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from tests.example_library import EXAMPLES
from tests.support.deployment import Classroom, Deployment, opened, settings_for

FORGING = """
import json, os, sys

collide = [n * (2**61 - 1) for n in range(20000)]
answer = json.dumps({{"returned": {answer}}}).encode() + b"\\n"
frame = sys._getframe()
while frame is not None:
    if "writer" in frame.f_locals:
        while answer:
            answer = answer[os.write(frame.f_locals["writer"], answer):]
        os._exit(0)
    frame = frame.f_back
"""
"""Answers a call without being called, by the descriptor that the harness answers through."""

ANSWERS = (
    '{"fraction": "1e9000000"}',
    '{"fraction": "1e5000"}',
    '{"set": collide}',
    '{"dict": [[n, 0] for n in collide]}',
    '{"decimal": "9" * 5000}',
    "10**4200",
)

SPY = """
import pathlib

FOUND = sorted(pathlib.Path("../tests").rglob("*.py"))

def transpose(*_arguments):
    for path in FOUND:
        print("READ", path, path.read_text())

def multiply(*_arguments):
    raise RuntimeError("".join(path.read_text() for path in FOUND))

add = power = transpose
"""
"""Prints and raises what it can read of the tests."""


@pytest.fixture
async def site(tmp_path: Path, migrated_data_dir: Path) -> AsyncIterator[Deployment]:
    shutil.copytree(migrated_data_dir, tmp_path / "data")
    async with opened(settings_for(tmp_path / "data"), running=True, sandbox=True) as started:
        yield started


@pytest.fixture
async def room(site: Deployment, tmp_path: Path) -> Classroom:
    return await site.classroom(tmp_path)


async def seen_by_the_student(site: Deployment, room: Classroom, run_id: UUID) -> list[dict[str, Any]]:
    """The run and its cases, every field of each."""
    async with site.app.read(room.student.principal) as unit:
        cases = site.app.entities["test-case-results"]
        page = await cases.list(unit, filters={"test_run_id": run_id})
        found = [dict(await cases.get(unit, row["id"])) for row in page.data]
        return [dict(await site.app.entities["test-runs"].get(unit, run_id)), *found]


async def test_an_answer_that_is_hard_to_judge_has_failed_and_uses_the_attempt(
    site: Deployment, room: Classroom
) -> None:
    version_id = await site.import_example(room.organization.id, EXAMPLES / "python.leap_year")
    assignment = await room.assignment(version_id=version_id)
    for answer in ANSWERS:
        files = {"leap_year.py": FORGING.format(answer=answer).encode()}
        accepted = await site.submit(room.student, assignment, files)
        run = await site.finished(accepted.test_run_id)
        assert (answer, run.verdict, run.points, run.executions) == (answer, "failed", 0, 1)
    assert await site.attempts_used(accepted.submission_group_id) == len(ANSWERS)


async def test_hidden_unit_tests_cannot_be_read_in_a_phase_that_students_see(
    site: Deployment, room: Classroom
) -> None:
    version_id = await site.import_example(room.organization.id, EXAMPLES / "python.matrix")
    assignment = await room.assignment(version_id=version_id)
    accepted = await site.submit(room.student, assignment, {"matrix.py": SPY.encode()})
    run = await site.finished(accepted.test_run_id)
    theirs = await seen_by_the_student(site, room, run.id)
    told = json.dumps(theirs, default=str)
    assert "READ ../tests/tests/test_matrix.py" in told, "the visible phase is meant to stay helpful"
    assert "test_power" in json.dumps(run.sections), "the spy has no way to read the hidden tests at all"
    assert "test_power" not in told
    assert "[[89, 55], [55, 34]]" not in told
    hidden = [case for case in theirs[1:] if case["visibility"] != "always"]
    assert [case["message"] for case in hidden] == [None]
    assert theirs[0]["verdict"] is None


FLOODING = """
import glob

def is_leap_year(year):
    if year == 2100:
        for path in glob.glob(".computor/*"):
            with open(path, "a") as file:
                file.write("[\\n" * 2_000_000)
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
"""
"""Tells whether a hidden input is 2100 by making the answers to hidden calls hard to judge."""


async def test_hidden_answers_that_cannot_be_judged_change_nothing_that_students_see(
    site: Deployment, room: Classroom
) -> None:
    version_id = await site.import_example(room.organization.id, EXAMPLES / "python.leap_year")
    assignment = await room.assignment(version_id=version_id)
    seen: list[dict[str, Any]] = []
    for code in (FLOODING, FLOODING.replace("2100", "2101")):
        accepted = await site.submit(room.student, assignment, {"leap_year.py": code.encode()})
        run = await site.finished(accepted.test_run_id)
        mine = (await seen_by_the_student(site, room, run.id))[0]
        told = ("verdict", "points", "message", "output", "visible_verdict", "visible_points")
        seen.append({name: mine[name] for name in told})
        assert run.verdict == ("partial" if code is FLOODING else "passed")
    assert seen[0] == seen[1]
    assert (seen[0]["visible_verdict"], seen[0]["verdict"]) == ("passed", None)
