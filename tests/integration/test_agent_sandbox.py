"""Submissions through the real sandbox: stored, fetched, run and judged, with nothing scripted."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from computor_core.assessment.model import Integrity
from computor_core.plugin_api.providers.runner import Isolation, TestRunner
from tests.example_library import EXAMPLES, Submission, load, submissions
from tests.support.deployment import Classroom, Deployment, opened, settings_for

KINDS = {"wrong", "partial", "crash", "empty"}
EXAMPLES_OF_EACH_KIND = ("python.leap_year", "python.bounded_stack", "bash.count_words")


@pytest.fixture
async def site(tmp_path: Path, migrated_data_dir: Path) -> AsyncIterator[Deployment]:
    shutil.copytree(migrated_data_dir, tmp_path / "data")
    async with opened(settings_for(tmp_path / "data"), running=True, sandbox=True) as started:
        yield started


@pytest.fixture
async def room(site: Deployment, tmp_path: Path) -> Classroom:
    return await site.classroom(tmp_path)


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


async def test_function_calls_unit_tests_and_programs_come_to_the_verdicts_that_the_library_states(
    site: Deployment, room: Classroom
) -> None:
    probe = await site.app.providers.get(TestRunner, "default").probe()
    sandboxed = probe.isolation is not Isolation.NONE
    wanted: dict[str, tuple[str, str]] = {}
    runs: dict[str, asyncio.Task[object]] = {}
    for name in EXAMPLES_OF_EACH_KIND:
        version_id = await site.import_example(room.organization.id, EXAMPLES / name)
        assignment = await room.assignment(version_id=version_id)
        example = load(name)
        reference = {path: (EXAMPLES / name / path).read_bytes() for path in example.spec.submission_files}
        tried = [
            (Submission(example=name, label="reference", verdict="passed"), reference),
            *(
                (item, files_of(item.folder))
                for item in submissions()
                if item.example == name and item.label in KINDS
            ),
        ]
        for submission, files in tried:
            accepted = await site.submit(room.student, assignment, files)
            # Nothing keeps a program from its judge where the machine allows no sandbox.
            apart = sandboxed or submission.verdict == "missing_files"
            integrity = example.spec.integrity if apart else Integrity.IN_PROCESS
            wanted[str(submission)] = (submission.verdict, integrity.value)
            runs[str(submission)] = asyncio.create_task(site.finished(accepted.test_run_id))
    ended = dict(zip(runs, await asyncio.gather(*runs.values()), strict=True))
    found = {name: (row.verdict, row.integrity) for name, row in ended.items()}  # type: ignore[attr-defined]
    assert found == wanted
    assert len(wanted) >= 9
