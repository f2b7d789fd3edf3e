"""From what a runner reports to a test report, pure and outside every sandbox.

Nothing that a submission puts out is believed beyond what it is: an answer to be compared. A report
that is missing, cut or contradicts itself never counts as passed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from decimal import Decimal

from computor_core.assessment import call_cases, program_cases, unit_cases
from computor_core.assessment.build import COMPILE, phase_cases
from computor_core.assessment.model import FunctionCallGroup, Integrity, PytestGroup, TestSpec
from computor_core.assessment.outcome import CaseOutcome, result_of
from computor_core.assessment.report import CaseResult, CaseStatus, Replay, Section, TestReport, Verdict
from computor_core.assessment.text import clean
from computor_core.plugin_api.providers.runner import Isolation, RunJob, RunReport


def judge(spec: TestSpec, job: RunJob, report: RunReport) -> TestReport:
    """Judge what a runner reports.

    Args:
        spec: What was tested.
        job: The job that was built from it.
        report: What came of the job.
    """
    found = {result.name: result for result in report.phases}
    stopped = next((result.limit_exceeded for result in report.phases if result.limit_exceeded), None)
    limit = stopped.value if stopped else ""
    replay = _replay(spec, job, report)
    if set(found) - {phase.name for phase in job.phases}:
        why = "The runner reported phases that the job doesn't have."
        return _without_cases(spec, Verdict.INFRASTRUCTURE_ERROR, (why,), replay)
    compiled = found.get(COMPILE)
    if compiled is not None and compiled.exit_code != 0:
        said = clean(compiled.stderr or compiled.stdout)
        verdict = Verdict.LIMIT_EXCEEDED if limit else Verdict.COMPILE_ERROR
        return _without_cases(spec, verdict, (said,) if said else (), replay, limit)
    cases: list[CaseResult] = []
    sections: list[Section] = []
    for group in spec.groups:
        outcomes: dict[int, CaseOutcome] = {}
        for name, numbers in phase_cases(group).items():
            result = found.get(name)
            if result is None:
                continue
            if isinstance(group, FunctionCallGroup):
                outcomes |= call_cases.outcomes(group, numbers, job, result)
            elif isinstance(group, PytestGroup):
                outcomes |= unit_cases.outcomes(group, numbers, job, result)
            else:
                outcomes[numbers[0]] = program_cases.outcome(group, group.cases[numbers[0]], result)
                continue
            output = clean(result.stdout + result.stderr)
            if output.strip():
                sections.append(
                    Section(name=name, visibility=group.cases[numbers[0]].visibility, output=output)
                )
        cases += [result_of(group.id, case, outcomes.get(number)) for number, case in enumerate(group.cases)]
    return TestReport(
        verdict=_verdict(cases, limit),
        points=sum((case.points for case in cases), Decimal(0)),
        max_points=spec.max_points,
        integrity=_integrity(spec, report),
        limit_exceeded=limit,
        cases=tuple(cases),
        sections=tuple(sections),
        replay=replay,
    )


def _integrity(spec: TestSpec, report: RunReport) -> Integrity:
    """The specification's; without isolation nothing keeps a program from its judge."""
    return Integrity.IN_PROCESS if report.isolation is Isolation.NONE else spec.integrity


def _verdict(cases: Sequence[CaseResult], limit: str) -> Verdict:
    statuses = {case.status for case in cases}
    if limit or CaseStatus.LIMIT_EXCEEDED in statuses:
        return Verdict.LIMIT_EXCEEDED
    if CaseStatus.CRASHED in statuses:
        return Verdict.CRASHED
    if statuses == {CaseStatus.PASSED}:
        return Verdict.PASSED
    return Verdict.PARTIAL if CaseStatus.PASSED in statuses else Verdict.FAILED


def missing_report(spec: TestSpec, missing: Sequence[str]) -> TestReport:
    """The report for a submission that lacks files, made without running anything."""
    names = ", ".join(clean(name, 255) for name in missing)
    replay = Replay(test_tree=spec.test_tree, toolchain=spec.toolchain)
    return _without_cases(spec, Verdict.MISSING_FILES, (f"Missing or empty: {names}",), replay)


def unfinished_report(spec: TestSpec, verdict: Verdict, message: str) -> TestReport:
    """The report for a test that said nothing about the submission.

    Args:
        spec: What was to be tested.
        verdict: ``INFRASTRUCTURE_ERROR`` or ``CANCELLED``.
        message: For the student.
    """
    replay = Replay(test_tree=spec.test_tree, toolchain=spec.toolchain)
    return _without_cases(spec, verdict, (message,), replay)


def _without_cases(
    spec: TestSpec, verdict: Verdict, messages: tuple[str, ...], replay: Replay, limit: str = ""
) -> TestReport:
    cases = tuple(result_of(group.id, case, None) for group in spec.groups for case in group.cases)
    return TestReport(
        verdict=verdict,
        points=Decimal(0),
        max_points=spec.max_points,
        integrity=spec.integrity,
        limit_exceeded=limit,
        cases=cases,
        messages=messages,
        replay=replay,
    )


def _replay(spec: TestSpec, job: RunJob, report: RunReport) -> Replay:
    limits: dict[str, dict[str, float | int | bool]] = {
        phase.name: asdict(phase.limits) for phase in job.phases
    }
    return Replay(
        test_tree=spec.test_tree,
        toolchain=spec.toolchain,
        toolchain_version=report.toolchain_version,
        runner=report.runner,
        runner_version=report.runner_version,
        isolation=report.isolation.value,
        limits=limits,
        seed=job.seed,
    )
