"""The process that judges: what it answers, and how it limits itself."""

from __future__ import annotations

import io
import json
import resource
from pathlib import Path
from typing import Any

import pytest

from computor_core.assessment import call_cases, judging_process, outcome
from computor_core.assessment.build import JobInputs, build_job
from computor_core.assessment.judge import judge, judge_phase, to_judge
from computor_core.assessment.judging_process import ANSWER_LENGTH, GREETING, pack, serve
from computor_core.assessment.model import TestSpec
from computor_core.assessment.outcome import UNJUDGED
from computor_core.assessment.report import JudgedPhase
from computor_core.plugin_api.providers.runner import Isolation, Limit, PhaseResult, RunReport

SPEC = TestSpec.model_validate(
    {
        "toolchain": "python",
        "submission_files": ["main.py"],
        "groups": [
            {
                "kind": "function-call",
                "id": "f",
                "name": "f",
                "file": "main.py",
                "function": "f",
                "cases": [{"id": "one", "name": "one", "expected": 1}],
            },
            {
                "kind": "stdio",
                "id": "r",
                "name": "r",
                "file": "main.py",
                "cases": [{"id": "a", "name": "a", "stdout": "é"}, {"id": "b", "name": "b", "stdout": "yes"}],
            },
        ],
    }
)
JOB = build_job(SPEC, "job", JobInputs(Path("/submission")), seed=3)


@pytest.fixture(autouse=True)
def cpu_limit(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """The limits that would have been set; this process shall live on without them."""
    given: list[tuple[int, int]] = []
    monkeypatch.setattr(judging_process.resource, "setrlimit", lambda _which, limits: given.append(limits))
    return given


def reported(*, returned: object = 1) -> RunReport:
    line = json.dumps({"call": 0, "returned": returned}).encode()
    phases = [
        PhaseResult(
            "call-f-always",
            0,
            stdout=b"\xff\x00said",
            stderr=b"too",
            collected={JOB.phases[0].collect[0]: line},
        ),
        PhaseResult("run-r-0", 0, stdout="é".encode(), wall_seconds=0.25, memory_bytes=7),
        PhaseResult("run-r-1", None, signal=9, limit_exceeded=Limit.MEMORY),
    ]
    return RunReport("job", phases, Isolation.NAMESPACES, "local", "1", "Python 3")


def requests() -> bytes:
    """One for each phase."""
    return b"".join(
        piece
        for group, result in to_judge(SPEC, JOB, reported())
        for piece in pack(group, JOB, result, cpu_seconds=5)
    )


def ask() -> list[dict[str, Any]]:
    """What the process answers to one request after the other."""
    answers = io.BytesIO()
    serve(io.BytesIO(requests()), answers)
    answers.seek(0)
    assert answers.read(len(GREETING)) == GREETING
    found = []
    while length := answers.read(ANSWER_LENGTH):
        found.append(json.loads(answers.read(int.from_bytes(length, "big"))))
    return found


def test_the_answer_is_what_judging_here_would_have_been() -> None:
    wanted = judge(SPEC, JOB, reported())
    assert wanted.limit_exceeded == "memory"
    answers = ask()
    assert [answer["log"] for answer in answers] == [[], [], []]
    judged = [JudgedPhase.model_validate(answer["judged"]) for answer in answers]
    assert tuple(case for phase in judged for case in phase.cases) == wanted.cases
    assert [phase.section for phase in judged] == [*wanted.sections, None, None]


def test_what_went_wrong_with_an_answer_goes_to_the_host_s_log(monkeypatch: pytest.MonkeyPatch) -> None:
    def stumble(value: object) -> str:
        raise ValueError("nobody thought of this")

    monkeypatch.setattr(call_cases, "show", stumble)
    first, *others = ask()
    assert [case["status"] for case in first["judged"]["cases"]] == ["failed"]
    assert [other["judged"]["cases"][0]["status"] for other in others] == ["passed", "limit_exceeded"]
    (said,) = first["log"]
    assert "Traceback" in said
    assert "nobody thought of this" in said


def test_what_takes_too_much_memory_to_show_is_the_submission_s(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its case has failed and the others are judged; no error that would give the attempt back."""

    def clean(text: str | bytes, limit: int = 0) -> str:
        if text == "é".encode():
            raise MemoryError
        return text if isinstance(text, str) else ""

    monkeypatch.setattr(outcome, "clean", clean)
    found = [answer["judged"]["cases"][0] for answer in ask()]
    assert [case["status"] for case in found] == ["passed", "failed", "limit_exceeded"]
    assert found[1]["message"] == UNJUDGED


def test_no_memory_left_at_all_ends_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its host then counts that as the submission's doing."""

    def judge_phase(*_arguments: object) -> JudgedPhase:
        raise MemoryError

    monkeypatch.setattr(judging_process, "judge_phase", judge_phase)
    with pytest.raises(MemoryError):
        ask()


def test_a_failure_outside_of_any_answer_is_told_and_the_process_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls = 0

    def failing_once(*arguments: Any) -> JudgedPhase:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise RuntimeError("a mistake of ours")
        return judge_phase(*arguments)

    monkeypatch.setattr(judging_process, "judge_phase", failing_once)
    first, second, _ = ask()
    assert set(first) == {"error"}
    assert "a mistake of ours" in first["error"]
    assert second["judged"]["cases"][0]["points"] == "1"


def test_half_a_request_ends_it() -> None:
    request = requests()
    for cut in (20, len(request) - 1):
        with pytest.raises(EOFError):
            serve(io.BytesIO(request[:cut]), io.BytesIO())


def test_each_request_gets_processor_time_of_its_own(cpu_limit: list[tuple[int, int]]) -> None:
    used = resource.getrusage(resource.RUSAGE_SELF)
    ask()
    assert len(cpu_limit) == 3
    for soft, hard in cpu_limit:
        assert soft >= used.ru_utime + used.ru_stime + 5
        assert hard == resource.getrlimit(resource.RLIMIT_CPU)[1]
