"""Judging unit tests by the report that pytest left.

pytest ran in one process with the student's code, so the report is only as good as that code lets it
be (see :mod:`computor_core.assessment.harness.run_pytest`); the result is labelled ``in_process``.
What can be checked from outside is: the report is whole and agrees with itself, with pytest's exit
status, and with the list of tests.
"""

from __future__ import annotations

from collections.abc import Sequence

from computor_core.assessment import junit
from computor_core.assessment.build import report_path
from computor_core.assessment.junit import Outcome, UnitTest
from computor_core.assessment.model import PytestGroup
from computor_core.assessment.outcome import CaseOutcome, how_it_ended
from computor_core.assessment.report import CaseStatus
from computor_core.plugin_api.providers.runner import PhaseResult, RunJob

# pytest's exit statuses: all passed, some failed, interrupted (an import that fails).
_ALL_PASSED, _SOME_FAILED, _INTERRUPTED = 0, 1, 2


def outcomes(
    group: PytestGroup, numbers: Sequence[int], job: RunJob, result: PhaseResult
) -> dict[int, CaseOutcome]:
    """What the tests of a phase came to."""
    if result.limit_exceeded is not None:
        return _all(numbers, CaseStatus.LIMIT_EXCEEDED, how_it_ended(result))
    content = result.collected.get(report_path(job.seed, job.job_id, result.name, ".xml"))
    if content is None:
        return _all(numbers, CaseStatus.CRASHED, f"There is no report of the tests. {how_it_ended(result)}")
    try:
        tests = junit.parse(content)
        _check(tests, result.exit_code)
    except junit.ReportError as error:
        return _all(numbers, CaseStatus.CRASHED, f"The report of the tests is worthless: {error}.")
    return {number: _outcome(group.cases[number].test, tests) for number in numbers}


def _all(numbers: Sequence[int], status: CaseStatus, message: str) -> dict[int, CaseOutcome]:
    return {number: CaseOutcome(status, message) for number in numbers}


def _check(tests: Sequence[UnitTest], exit_code: int | None) -> None:
    """Compare the report with pytest's exit status.

    Raises:
        ReportError: They contradict each other.
    """
    failed = any(test.outcome in (Outcome.FAILED, Outcome.ERROR) for test in tests)
    if exit_code not in (_ALL_PASSED, _SOME_FAILED, _INTERRUPTED):
        raise junit.ReportError(f"pytest ended with exit status {exit_code}")
    if failed == (exit_code == _ALL_PASSED) or (not tests and exit_code == _ALL_PASSED):
        raise junit.ReportError("it contradicts pytest's exit status")


def _outcome(node: str, tests: Sequence[UnitTest]) -> CaseOutcome:
    path, *names = node.split("::")
    classname = ".".join([path.removesuffix(".py").replace("/", "."), *names[:-1]])
    mine = [
        test for test in tests if test.classname == classname and test.name.partition("[")[0] == names[-1]
    ]
    if not mine:
        # Collection failed: pytest reports the module as an error instead of its tests.
        module = [test for test in tests if test.outcome is Outcome.ERROR]
        reason = module[0].message if module else "the test wasn't run"
        return CaseOutcome(CaseStatus.CRASHED if module else CaseStatus.FAILED, f"No result: {reason}")
    worst = max(mine, key=lambda test: list(Outcome).index(test.outcome))
    if worst.outcome is Outcome.PASSED:
        return CaseOutcome(CaseStatus.PASSED)
    if worst.outcome is Outcome.SKIPPED:
        return CaseOutcome(CaseStatus.FAILED, f"Skipped: {worst.message}")
    return CaseOutcome(CaseStatus.FAILED, worst.message)
