"""The example library, judged for real: what is right passes, and every submission gets its verdict."""

import logging
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import pytest
import pytest_asyncio
from computor_runner_local.provider import LocalRunner
from computor_runner_local.settings import LocalRunnerSettings

from computor_core.assessment.build import build_job, missing_files
from computor_core.assessment.judge import judge, missing_report
from computor_core.assessment.model import Integrity, PytestGroup
from computor_core.assessment.report import TestReport, Verdict
from computor_core.plugin_api.providers.formats import FileRole, LoadedExample
from computor_core.plugin_api.providers.runner import Isolation
from tests.example_library import Submission, example_names, inputs, lay_out, load, sizes, submissions

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def runner() -> AsyncIterator[LocalRunner]:
    made = LocalRunner(LocalRunnerSettings(minimum_isolation="auto"), logging.getLogger("test"))
    await made.open()
    yield made
    await made.aclose()


async def judged(runner: LocalRunner, example: LoadedExample, submission: Path, tmp_path: Path) -> TestReport:
    spec = example.spec
    missing = missing_files(spec, sizes(submission))
    if missing:
        return missing_report(spec, missing)
    found = await runner.probe()
    if spec.toolchain not in found.toolchains:
        pytest.skip(f"the toolchain {spec.toolchain} isn't installed here")
    job = build_job(spec, "examples", inputs(example, submission, tmp_path / "inputs"), seed=11)
    return judge(spec, job, await runner.run(job))


@pytest.mark.parametrize("name", example_names())
async def test_a_reference_solution_gets_full_points(runner: LocalRunner, name: str, tmp_path: Path) -> None:
    example = load(name)
    reference = lay_out(example, FileRole.REFERENCE, tmp_path / "reference")
    report = await judged(runner, example, reference, tmp_path)
    assert report.verdict is Verdict.PASSED, report
    assert report.points == report.max_points > 0


@pytest.mark.parametrize("name", example_names())
async def test_an_empty_template_does_not(runner: LocalRunner, name: str, tmp_path: Path) -> None:
    example = load(name)
    template = lay_out(example, FileRole.TEMPLATE, tmp_path / "template")
    report = await judged(runner, example, template, tmp_path)
    assert report.verdict is not Verdict.PASSED
    assert report.points <= report.max_points * Decimal("0.2")


@pytest.mark.parametrize("submission", submissions(), ids=str)
async def test_a_submission_gets_its_verdict(
    runner: LocalRunner, submission: Submission, tmp_path: Path
) -> None:
    found = await runner.probe()
    if submission.hostile and found.isolation is Isolation.NONE:
        pytest.skip(f"hostile programs need a sandbox: {dict(found.refusals)}")
    report = await judged(runner, load(submission.example), submission.folder, tmp_path)
    assert report.verdict == submission.verdict, report
    assert not submission.limit or report.limit_exceeded in submission.limit
    assert submission.points is None or report.points == submission.points
    assert "LEAKED" not in report.model_dump_json()
    assert "REACHED 1" not in report.model_dump_json()


async def test_every_submission_is_listed() -> None:
    listed = {(entry.example, entry.label) for entry in submissions()}
    there = {(folder.parent.name, folder.name) for folder in (submissions()[0].folder.parents[1]).glob("*/*")}
    assert listed == there


async def test_the_library_has_all_kinds() -> None:
    examples = [load(name) for name in example_names()]
    kinds = {group.kind for example in examples for group in example.spec.groups}
    assert kinds == {"function-call", "stdio", "exitcode", "pytest"}
    assert [example.identifier for example in examples] == example_names()
    assert all(example.license == "MIT" for example in examples)
    assert not [found for example in examples for found in example.diagnostics]
    for example in examples:
        in_process = any(isinstance(group, PytestGroup) for group in example.spec.groups)
        assert example.spec.integrity is (Integrity.IN_PROCESS if in_process else Integrity.ISOLATED)


@pytest.mark.parametrize("name", example_names())
async def test_students_see_no_solution_and_no_test(name: str) -> None:
    example = load(name)
    hidden = [
        file.source.read_bytes() for file in example.of_role(FileRole.REFERENCE, FileRole.TEST) if file.source
    ]
    given = [file.source.read_bytes() for file in example.for_students() if file.source]
    assert not set(hidden) & set(given)
