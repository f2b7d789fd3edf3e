"""Judging one run of a program by what it wrote and how it ended."""

from __future__ import annotations

from computor_core.assessment.compare import PatternError, same_text
from computor_core.assessment.model import ExitCodeGroup, ProgramCase, StdioGroup
from computor_core.assessment.outcome import CaseOutcome, how_it_ended
from computor_core.assessment.report import CaseStatus
from computor_core.assessment.text import decode
from computor_core.plugin_api.providers.runner import PhaseResult


def outcome(group: StdioGroup | ExitCodeGroup, case: ProgramCase, result: PhaseResult) -> CaseOutcome:
    """What a run came to.

    A program that ends by a signal, or with another exit status than it shall, has crashed in a
    ``stdio`` case; in an ``exitcode`` case the status is the answer, and a wrong one has failed.
    """
    status, message = _status(group, case, result)
    shown = isinstance(group, StdioGroup) and case.stdout is not None
    return CaseOutcome(
        status=status,
        message=message,
        expected=case.stdout if shown else f"exit status {case.exit_code}",
        actual=decode(result.stdout) if shown else how_it_ended(result),
        output=result.stdout + result.stderr,
        duration_ms=round(result.wall_seconds * 1000),
        memory_bytes=result.memory_bytes,
    )


def _status(
    group: StdioGroup | ExitCodeGroup, case: ProgramCase, result: PhaseResult
) -> tuple[CaseStatus, str]:
    if result.limit_exceeded is not None:
        return CaseStatus.LIMIT_EXCEEDED, how_it_ended(result)
    if result.signal is not None:
        return CaseStatus.CRASHED, how_it_ended(result)
    if case.exit_code is not None and result.exit_code != case.exit_code:
        wrong = CaseStatus.FAILED if isinstance(group, ExitCodeGroup) else CaseStatus.CRASHED
        return wrong, f"{how_it_ended(result)} Expected was {case.exit_code}."
    for name, actual, expected in (
        ("standard output", result.stdout, case.stdout),
        ("standard error", result.stderr, case.stderr),
    ):
        try:
            if expected is not None and not same_text(decode(actual), expected, case.comparison):
                return CaseStatus.FAILED, f"The {name} isn't what was expected."
        except PatternError as error:
            return CaseStatus.FAILED, f"The {name} can't be compared: {error}."
    return CaseStatus.PASSED, ""
