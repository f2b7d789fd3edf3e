"""What a case came to, before it is put beside what it is worth."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from computor_core.assessment.model import Case
from computor_core.assessment.report import CaseResult, CaseStatus
from computor_core.assessment.text import clean
from computor_core.plugin_api.providers.runner import PhaseResult

SHOWN = 2_000
NOT_RUN = "Not run: the test ended before this case."
UNJUDGED = "The answer can't be judged."
"""Said of an answer that made its judging fail: that is the answer's fault, so the case has failed."""


@dataclass(frozen=True, slots=True)
class CaseOutcome:
    """How a case went; texts may still hold anything."""

    status: CaseStatus
    message: str = ""
    expected: str | None = None
    actual: str | None = None
    output: str | bytes = ""
    duration_ms: int | None = None
    memory_bytes: int | None = None


def result_of(group: str, case: Case, outcome: CaseOutcome | None) -> CaseResult:
    """A case's result; None stands for a case that wasn't run."""
    outcome = outcome or CaseOutcome(CaseStatus.NOT_RUN, NOT_RUN)
    return CaseResult(
        group=group,
        id=case.id,
        name=case.name,
        status=outcome.status,
        points=case.points if outcome.status is CaseStatus.PASSED else Decimal(0),
        max_points=case.points,
        visibility=case.visibility,
        message=clean(outcome.message, SHOWN),
        expected=None if outcome.expected is None else clean(outcome.expected, SHOWN),
        actual=None if outcome.actual is None else clean(outcome.actual, SHOWN),
        output=clean(outcome.output),
        duration_ms=outcome.duration_ms,
        memory_bytes=outcome.memory_bytes,
    )


def how_it_ended(result: PhaseResult) -> str:
    """In a sentence, how a phase's program ended."""
    if result.limit_exceeded is not None:
        return f"Stopped: the limit on {result.limit_exceeded.value} was exceeded."
    if result.signal is not None:
        return f"The program was ended by signal {result.signal}."
    return f"The program ended with exit status {result.exit_code}."
