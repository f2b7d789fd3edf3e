"""From what a runner reports to a test report, pure and outside every sandbox.

Nothing that a submission puts out is believed beyond what it is: an answer to be compared. A report
that is missing, cut or contradicts itself never counts as passed.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from decimal import Decimal

from computor_core.assessment import call_cases, program_cases, unit_cases
from computor_core.assessment.build import COMPILE, phase_cases
from computor_core.assessment.model import FunctionCallGroup, Integrity, PytestGroup, TestGroup, TestSpec
from computor_core.assessment.outcome import UNJUDGED, CaseOutcome, result_of
from computor_core.assessment.report import (
    CaseStatus,
    JudgedPhase,
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
    judged = {result.name: judge_phase(group, job, result) for group, result in to_judge(spec, job, report)}
    return report_of(spec, job, report, judged)


def to_judge(spec: TestSpec, job: RunJob, report: RunReport) -> list[tuple[TestGroup, PhaseResult]]:
    """The phases whose results say something, each with its group, narrowed to the cases it serves."""
    found = {result.name: result for result in report.phases}
    if _foreign(job, report) or _not_compiled(report) is not None:
        return []
    return [
        (group.model_copy(update={"cases": tuple(group.cases[number] for number in numbers)}), found[name])
        for group in spec.groups
        for name, numbers in phase_cases(group).items()
        if name in found
    ]


def judge_phase(group: TestGroup, job: RunJob, result: PhaseResult) -> JudgedPhase:
    """Judge one phase, whatever it brought out.

    Args:
        group: Its group, with the cases that the phase serves and no other.
        job: The job; its id and seed are all that is needed of it.
        result: What came of the phase.
    """
    try:
        outcomes = _outcomes(group, job, result)
        cases = [result_of(group.id, case, outcomes.get(number)) for number, case in enumerate(group.cases)]
        return JudgedPhase(cases=tuple(cases), section=_section(group, result))
    except Exception:  # what a phase brought out must not spoil the judging of the others
        log.exception("the phase %s can't be judged", result.name)
        return unjudged(group)


def unjudged(group: TestGroup) -> JudgedPhase:
    """For a phase whose answers can't be judged within the limits: every case of it has failed.

    It is the submission's result and no failure of ours: an answer that nobody can judge isn't the
    right one, and a submission that could have its test declared void could do so at will.
    """
    outcome = CaseOutcome(CaseStatus.FAILED, UNJUDGED)
    return JudgedPhase(cases=tuple(result_of(group.id, case, outcome) for case in group.cases))


def report_of(
    spec: TestSpec, job: RunJob, report: RunReport, judged: Mapping[str, JudgedPhase]
) -> TestReport:
    """Put the judged phases together.

    Args:
        spec: What was tested.
        job: The job that was built from it.
        report: What came of the job.
        judged: By phase; a case of none wasn't run.
    """
    limit = _limit(report)
    replay = _replay(spec, job, report)
    if _foreign(job, report):
        why = "The runner reported phases that the job doesn't have."
        return _without_cases(spec, Verdict.INFRASTRUCTURE_ERROR, (why,), replay)
    compiled = _not_compiled(report)
    if compiled is not None:
        said = clean(compiled.stderr or compiled.stdout)
        verdict = Verdict.LIMIT_EXCEEDED if limit else Verdict.COMPILE_ERROR
        return _without_cases(spec, verdict, (said,) if said else (), replay, limit)
    found = {(case.group, case.id): case for phase in judged.values() for case in phase.cases}
    cases = [
        found.get((group.id, case.id)) or result_of(group.id, case, None)
        for group in spec.groups
        for case in group.cases
    ]
    return TestReport(
        verdict=Verdict.LIMIT_EXCEEDED if limit else verdict_of(cases),
        points=sum((case.points for case in cases), Decimal(0)),
        max_points=spec.max_points,
        integrity=_integrity(spec, report),
        limit_exceeded=limit,
        cases=tuple(cases),
        sections=tuple(phase.section for phase in judged.values() if phase.section is not None),
        replay=replay,
    )


def _foreign(job: RunJob, report: RunReport) -> bool:
    """Whether there are results of phases that the job doesn't have."""
    return bool({result.name for result in report.phases} - {phase.name for phase in job.phases})


def _not_compiled(report: RunReport) -> PhaseResult | None:
    """The result of compiling where that failed."""
    failed = (result for result in report.phases if result.name == COMPILE and result.exit_code != 0)
    return next(failed, None)


def _outcomes(group: TestGroup, job: RunJob, result: PhaseResult) -> dict[int, CaseOutcome]:
    numbers = range(len(group.cases))
    if isinstance(group, FunctionCallGroup):
        return call_cases.outcomes(group, numbers, job, result)
    if isinstance(group, PytestGroup):
        return unit_cases.outcomes(group, numbers, job, result)
    return {0: program_cases.outcome(group, group.cases[0], result)}


def _section(group: TestGroup, result: PhaseResult) -> Section | None:
    if not isinstance(group, (FunctionCallGroup, PytestGroup)):
        return None
    output = clean(result.stdout + result.stderr)
    if not output.strip():
        return None
    return Section(name=result.name, visibility=group.cases[0].visibility, output=output)


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
