"""Judging function calls by what the harness brought out of the sandbox."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from itertools import islice
from typing import Any

from computor_core.assessment.build import report_path
from computor_core.assessment.compare import same_value, show
from computor_core.assessment.harness.computor_values import EncodingError, decode
from computor_core.assessment.model import CallCase, FunctionCallGroup
from computor_core.assessment.outcome import UNJUDGED, CaseOutcome, how_it_ended
from computor_core.assessment.report import CaseStatus
from computor_core.plugin_api.providers.runner import PhaseResult, RunJob

log = logging.getLogger(__name__)

_CONTRADICTION = "The answers contradict each other."


def outcomes(
    group: FunctionCallGroup, numbers: Sequence[int], job: RunJob, result: PhaseResult
) -> dict[int, CaseOutcome]:
    """What the calls of a phase came to.

    Calls that were answered before the phase was stopped keep their outcome. The first one without
    an answer is the one that stopped it; those after it weren't run.
    """
    content = result.collected.get(report_path(job.seed, job.job_id, result.name, ".jsonl"), b"")
    answers = _answers(content, len(numbers))
    found: dict[int, CaseOutcome] = {}
    for place, number in enumerate(numbers):
        if place in answers:
            try:
                found[number] = _outcome(group.cases[number], answers[place])
            except Exception:  # one answer must not spoil the judging of the others
                log.exception("an answer of phase %s can't be judged", result.name)
                found[number] = CaseOutcome(CaseStatus.FAILED, UNJUDGED)
            continue
        stopped = result.limit_exceeded is not None
        status = CaseStatus.LIMIT_EXCEEDED if stopped else CaseStatus.CRASHED
        found[number] = CaseOutcome(status, f"No answer. {how_it_ended(result)}")
        break
    return found


def _answers(content: bytes, calls: int) -> dict[int, dict[str, Any]]:
    """The answers by place; what isn't one is left out, and two for one call spoil each other.

    Only places that there are become keys: of others somebody could choose any number that collide.
    The harness writes one line a call. In a file of many more all answers are spoilt: reading on to
    its end would take as long as whoever wrote the rest chose.
    """
    lines = list(islice(filter(None, content.split(b"\n")), 2 * calls + 1))
    if len(lines) > 2 * calls:
        return {place: {"contradiction": True} for place in range(calls)}
    found: dict[int, dict[str, Any]] = {}
    for line in lines:
        try:
            answer = json.loads(line)
            place = answer.pop("call")
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            continue
        if isinstance(answer, dict) and type(place) is int and 0 <= place < calls:
            found[place] = {"contradiction": True} if place in found else answer
    return found


def _outcome(case: CallCase, answer: dict[str, Any]) -> CaseOutcome:
    expected = f"raises {case.raises}" if case.raises else show(_decoded(case.expected))
    status, message, actual = _judged(case, answer)
    return CaseOutcome(status, message, expected, actual)


def _judged(case: CallCase, answer: dict[str, Any]) -> tuple[CaseStatus, str, str | None]:
    if "returned" in answer:
        return _returned(case, answer["returned"])
    if "raised" in answer:
        return _raised(case, answer)
    if "missing" in answer:
        return CaseStatus.FAILED, f"There is no function {answer['missing']!r}.", None
    if "too_big" in answer:
        return CaseStatus.FAILED, f"The result can't be compared: {answer['too_big']}.", None
    if "ended" in answer and isinstance(answer["ended"], dict):
        how = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in answer["ended"].items())
        return CaseStatus.CRASHED, f"The call ended the interpreter ({how}).", None
    return CaseStatus.FAILED, _CONTRADICTION, None


def _decoded(encoded: object) -> object:
    return decode(encoded, hashed=False)


def _returned(case: CallCase, encoded: object) -> tuple[CaseStatus, str, str | None]:
    try:
        value = _decoded(encoded)
    except (EncodingError, RecursionError) as error:
        return CaseStatus.FAILED, f"The result can't be compared: {error}.", None
    shown = show(value)
    if case.raises is not None:
        return CaseStatus.FAILED, f"The call returned instead of raising {case.raises}.", shown
    if same_value(value, _decoded(case.expected), case.comparison):
        return CaseStatus.PASSED, "", shown
    return CaseStatus.FAILED, "The result isn't what was expected.", shown


def _raised(case: CallCase, answer: dict[str, Any]) -> tuple[CaseStatus, str, str | None]:
    kinds = answer["raised"] if isinstance(answer["raised"], list) else []
    kind = str(kinds[0]) if kinds else "an exception"
    shown = f"{kind}: {answer.get('text', '')}"
    if case.raises is not None:
        if case.raises in kinds:
            return CaseStatus.PASSED, "", shown
        return CaseStatus.FAILED, f"The call raised {kind} instead of {case.raises}.", shown
    places = answer.get("where")
    where = "; ".join(str(place) for place in places) if isinstance(places, list) and places else ""
    return CaseStatus.CRASHED, f"The call raised {shown}" + (f" ({where})" if where else ""), shown
