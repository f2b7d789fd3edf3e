"""From what a runner reports to a test report, pure and outside every sandbox.

Nothing that a submission puts out is believed beyond what it is: an answer to be compared. A report
that is missing, cut or contradicts itself never counts as passed.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict
from decimal import Decimal

from computor_core.assessment import call_cases, program_cases, unit_cases
from computor_core.assessment.build import COMPILE, phase_cases
from computor_core.assessment.model import FunctionCallGroup, Integrity, PytestGroup, TestGroup, TestSpec
from computor_core.assessment.outcome import UNJUDGED, CaseOutcome, result_of
from computor_core.assessment.report import (
    CaseResult,
    CaseStatus,
    Replay,
    Section,
    TestReport,
    Verdict,
    verdict_of,
)
from computor_core.assessment.text import clean
from computor_core.plugin_api.providers.runner import Isolation, PhaseResult, RunJob, RunReport

log = logging.getLogger(__name__)


def judge(spec: TestSpec, job: RunJob, report: RunReport) -> TestReport:
    """Judge what a runner reports.

    Args:
        spec: What was tested.
        job: The job that was built from it.
        report: What came of the job.
    """
    found = {result.name: result for result in report.phases}
    limit = _limit(report)
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
            outcomes |= _outcomes(group, numbers, job, result)
            if not isinstance(group, (FunctionCallGroup, PytestGroup)):
                continue
            output = clean(result.stdout + result.stderr)
            if output.strip():
                sections.append(
                    Section(name=name, visibility=group.cases[numbers[0]].visibility, output=output)
                )
        cases += [result_of(group.id, case, outcomes.get(number)) for number, case in enumerate(group.cases)]
    return TestReport(
        verdict=Verdict.LIMIT_EXCEEDED if limit else verdict_of(cases),
        points=sum((case.points for case in cases), Decimal(0)),
        max_points=spec.max_points,
        integrity=_integrity(spec, report),
        limit_exceeded=limit,
        cases=tuple(cases),
        sections=tuple(sections),
        replay=replay,
    )


def _outcomes(
    group: TestGroup, numbers: Sequence[int], job: RunJob, result: PhaseResult
) -> dict[int, CaseOutcome]:
    """What the cases of a phase came to, whatever it brought out."""
    try:
        if isinstance(group, FunctionCallGroup):
            return call_cases.outcomes(group, numbers, job, result)
        if isinstance(group, PytestGroup):
            return unit_cases.outcomes(group, numbers, job, result)
        return {numbers[0]: program_cases.outcome(group, group.cases[numbers[0]], result)}
    except Exception:  # what a phase brought out must not spoil the judging of the others
        log.exception("the phase %s can't be judged", result.name)
        return dict.fromkeys(numbers, CaseOutcome(CaseStatus.FAILED, UNJUDGED))


def _limit(report: RunReport) -> str:
    """Name of the first limit that stopped a phase, "" for none."""
    stopped = next((result.limit_exceeded for result in report.phases if result.limit_exceeded), None)
    return stopped.value if stopped else ""


def _integrity(spec: TestSpec, report: RunReport) -> Integrity:
    """The specification's; without isolation nothing keeps a program from its judge."""
    return Integrity.IN_PROCESS if report.isolation is Isolation.NONE else spec.integrity


def missing_report(spec: TestSpec, missing: Sequence[str]) -> TestReport:
    """The report for a submission that lacks files, made without running anything."""
    names = ", ".join(clean(name, 255) for name in missing)
    replay = Replay(test_tree=spec.test_tree, toolchain=spec.toolchain)
    return _without_cases(spec, Verdict.MISSING_FILES, (f"Missing or empty: {names}",), replay)


def unjudged_report(spec: TestSpec, job: RunJob, report: RunReport) -> TestReport:
    """The report for answers that can't be judged within the limits: every case has failed.

    It is the submission's result and no failure of ours: an answer that nobody can judge isn't the
    right one, and a submission that could have its test declared void could do so at will.
    """
    outcome = CaseOutcome(CaseStatus.FAILED, UNJUDGED)
    cases = [result_of(group.id, case, outcome) for group in spec.groups for case in group.cases]
    limit = _limit(report)
    return TestReport(
        verdict=Verdict.LIMIT_EXCEEDED if limit else verdict_of(cases),
        points=Decimal(0),
        max_points=spec.max_points,
        integrity=_integrity(spec, report),
        limit_exceeded=limit,
        cases=tuple(cases),
        messages=(UNJUDGED,),
        replay=_replay(spec, job, report),
    )


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
