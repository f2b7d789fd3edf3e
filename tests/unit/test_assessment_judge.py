"""A report is judged by what is in it, and what is missing from it never counts as passed."""

import json
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from computor_core.assessment import call_cases, junit
from computor_core.assessment.build import JobInputs, build_job
from computor_core.assessment.judge import judge, missing_report, unfinished_report
from computor_core.assessment.junit import UnitTest
from computor_core.assessment.model import Integrity, TestSpec, Visibility
from computor_core.assessment.report import CaseStatus, TestReport, Verdict
from computor_core.plugin_api.providers.runner import Isolation, Limit, PhaseResult, RunReport

INPUTS = JobInputs(Path("/submission"), Path("/tests"))


def spec(*groups: dict[str, Any], toolchain: str = "python") -> TestSpec:
    return TestSpec.model_validate(
        {
            "toolchain": toolchain,
            "submission_files": ["main.py"],
            "test_files": ["test_a.py"],
            "groups": groups,
            "test_tree": "abc",
        }
    )


def calls(*cases: dict[str, Any]) -> dict[str, Any]:
    made = [{"id": f"c{n}", "name": f"case {n}", **case} for n, case in enumerate(cases)]
    return {
        "kind": "function-call",
        "id": "f",
        "name": "f",
        "file": "main.py",
        "function": "f",
        "cases": made,
    }


def runs(*cases: dict[str, Any], kind: str = "stdio") -> dict[str, Any]:
    made = [{"id": f"c{n}", "name": f"case {n}", **case} for n, case in enumerate(cases)]
    return {"kind": kind, "id": "r", "name": "r", "file": "main.py", "cases": made}


def units(*tests: str) -> dict[str, Any]:
    made = [{"id": f"c{n}", "name": test, "test": f"test_a.py::{test}"} for n, test in enumerate(tests)]
    return {"kind": "pytest", "id": "u", "name": "u", "cases": made}


def judged(made: TestSpec, *results: PhaseResult) -> TestReport:
    job = build_job(made, "job", INPUTS, seed=3)
    return judge(made, job, RunReport("job", results, Isolation.NAMESPACES, "local", "1", "Python 3"))


def answered(made: TestSpec, lines: Sequence[object], **values: Any) -> TestReport:
    """Judge one call phase whose harness left these lines."""
    job = build_job(made, "job", INPUTS, seed=3)
    content = b"".join(
        (line if isinstance(line, bytes) else json.dumps(line).encode()) + b"\n" for line in lines
    )
    name, path = job.phases[0].name, job.phases[0].collect[0]
    return judged(made, PhaseResult(name, **{"exit_code": 0, **values}, collected={path: content}))


def with_report(made: TestSpec, xml: str | None, **values: Any) -> TestReport:
    """Judge one pytest phase that left this report."""
    job = build_job(made, "job", INPUTS, seed=3)
    collected = {} if xml is None else {job.phases[0].collect[0]: xml.encode()}
    result = PhaseResult(job.phases[0].name, **{"exit_code": 0, **values}, collected=collected)
    return judged(made, result)


def statuses(report: TestReport) -> list[str]:
    return [case.status.value for case in report.cases]


# --- function calls -----------------------------------------------------------------------


def test_right_answers_pass() -> None:
    report = answered(
        spec(calls({"expected": 1, "points": "1.5"}, {"expected": {"tuple": [1]}})),
        [{"call": 0, "returned": 1}, {"call": 1, "returned": {"tuple": [1]}}],
    )
    assert (report.verdict, report.points, report.max_points) == (
        Verdict.PASSED,
        Decimal("2.5"),
        Decimal("2.5"),
    )
    assert report.integrity is Integrity.ISOLATED
    assert report.cases[1].actual == "(1,)"


@pytest.mark.parametrize(
    "answer",
    [
        {"returned": 2},
        {"returned": True},
        {"returned": {"other": ["Agreeable", "1"]}},
        {"returned": {"no such tag": 1}},
        {"raised": ["ValueError", "Exception"], "text": "no"},
        {"missing": "f"},
        {"too_big": "too big"},
        {"ended": {"exit_code": 0}},
        {"contradiction": True},
        {"passed": True, "points": 100},
        {},
    ],
    ids=str,
)
def test_any_other_answer_does_not(answer: dict[str, Any]) -> None:
    report = answered(spec(calls({"expected": 1})), [{"call": 0, **answer}])
    assert report.verdict in (Verdict.FAILED, Verdict.CRASHED)
    assert report.points == 0


@pytest.mark.parametrize(
    "returned",
    [
        {"fraction": "1e5000"},
        {"fraction": "1e9000000"},
        {"fraction": "1/" + "3" * 4000},
        {"decimal": "7" * 4000},
        10**4200,
        {"set": [[]]},
        {"complex": [10**400, 0]},
    ],
    ids=range(7),
)
def test_an_answer_that_cannot_be_judged_fails_alone(returned: object) -> None:
    made = spec(calls({"expected": 1}, {"expected": 1}, {"raises": "ValueError"}))
    report = answered(
        made,
        [{"call": 0, "returned": returned}, {"call": 1, "returned": 1}, {"call": 2, "returned": returned}],
    )
    assert statuses(report) == ["failed", "passed", "failed"]
    assert (report.verdict, report.points) == (Verdict.PARTIAL, 1)


def test_what_makes_the_judge_itself_stumble_fails_alone_and_is_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def stumble(value: object) -> str:
        if value == 7:
            raise ValueError("Exceeds the limit (4300 digits) for integer string conversion")
        return repr(value)

    monkeypatch.setattr(call_cases, "show", stumble)
    made = spec(calls({"expected": 1}, {"expected": 1}))
    report = answered(made, [{"call": 0, "returned": 7}, {"call": 1, "returned": 1}])
    assert statuses(report) == ["failed", "passed"]
    assert report.cases[0].message == "The answer can't be judged."
    assert "4300 digits" in caplog.text


@pytest.mark.parametrize("junk", [b"\r\n", b"[\n", b" \n", b"\x0b\n"], ids=repr)
def test_a_file_of_junk_is_not_read_to_its_end(junk: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[bytes] = []

    def loads(line: bytes) -> object:
        read.append(line)
        return json.loads(line)

    monkeypatch.setattr(call_cases, "json", SimpleNamespace(loads=loads))
    made = spec(calls({"expected": 1}, {"expected": 1}))
    report = answered(made, [{"call": 0, "returned": 1}, junk * 1000])
    assert statuses(report) == ["failed", "failed"]
    assert len(read) <= 4


def test_empty_lines_between_answers_say_nothing() -> None:
    report = answered(spec(calls({"expected": 1})), [b"\n" * 1000, {"call": 0, "returned": 1}])
    assert statuses(report) == ["passed"]


def test_a_line_ends_with_a_newline_alone() -> None:
    """The harness writes JSON, in which nothing else ends a line."""
    report = answered(spec(calls({"expected": 1})), [b'{"call": 0,\r"returned": 1}'])
    assert statuses(report) == ["passed"]


def test_a_phase_that_makes_the_judge_stumble_fails_alone_and_is_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def stumble(content: bytes) -> list[UnitTest]:
        raise RecursionError("nobody thought of this")

    monkeypatch.setattr(junit, "parse", stumble)
    made = spec(units("one"), runs({"stdout": "yes"}))
    job = build_job(made, "job", INPUTS, seed=3)
    name, path = job.phases[0].name, job.phases[0].collect[0]
    report = judged(
        made, PhaseResult(name, 0, collected={path: b"<x/>"}), PhaseResult("run-r-0", 0, stdout=b"yes")
    )
    assert statuses(report) == ["failed", "passed"]
    assert "nobody thought of this" in caplog.text


@pytest.mark.parametrize("place", [-1, 1, 2**61 - 1, 10**400, True])
def test_only_calls_that_were_asked_for_are_answers(place: int) -> None:
    """Other numbers could be chosen to collide, and then reading the answers would never end."""
    line = json.dumps({"call": place, "returned": 1}).encode()
    assert call_cases._answers(line, 1) == {}


def test_an_expected_exception_passes_by_name_or_base_class() -> None:
    made = spec(calls({"raises": "LookupError"}, {"raises": "LookupError"}, {"raises": "LookupError"}))
    report = answered(
        made,
        [
            {"call": 0, "raised": ["KeyError", "LookupError", "Exception"], "text": ""},
            {"call": 1, "raised": ["ValueError", "Exception"], "text": ""},
            {"call": 2, "returned": None},
        ],
    )
    assert statuses(report) == ["passed", "failed", "failed"]
    assert report.verdict is Verdict.PARTIAL


def test_an_answer_given_twice_is_none() -> None:
    report = answered(spec(calls({"expected": 1})), [{"call": 0, "returned": 1}, {"call": 0, "returned": 1}])
    assert report.verdict is Verdict.FAILED


@pytest.mark.parametrize(
    "lines",
    [
        [],
        [b"\xff\xfe"],
        [b"[1]"],
        [b"null"],
        [{"call": "0", "returned": 1}],
        [b'{"call": 0, "returned'],
        [b"[" * 100_000],
    ],
)
def test_no_answer_is_no_pass(lines: list[object]) -> None:
    report = answered(spec(calls({"expected": 1}, {"expected": 1})), lines)
    assert report.verdict is Verdict.CRASHED
    assert statuses(report) == ["crashed", "not_run"]


def test_answers_before_a_limit_count() -> None:
    made = spec(calls({"expected": 1}, {"expected": 1}, {"expected": 1}))
    report = answered(made, [{"call": 0, "returned": 1}], exit_code=None, limit_exceeded=Limit.CPU)
    assert statuses(report) == ["passed", "limit_exceeded", "not_run"]
    assert (report.verdict, report.limit_exceeded, report.points) == (Verdict.LIMIT_EXCEEDED, "cpu", 1)


# --- programs -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("result", "status", "verdict"),
    [
        ({"exit_code": 0, "stdout": b"yes\n"}, "passed", Verdict.PASSED),
        ({"exit_code": 0, "stdout": b"no\n"}, "failed", Verdict.FAILED),
        ({"exit_code": 1, "stdout": b"yes\n"}, "crashed", Verdict.CRASHED),
        ({"exit_code": None, "signal": 11, "stdout": b"yes\n"}, "crashed", Verdict.CRASHED),
        (
            {"exit_code": None, "limit_exceeded": Limit.WALL, "stdout": b"yes\n"},
            "limit_exceeded",
            Verdict.LIMIT_EXCEEDED,
        ),
    ],
)
def test_programs_are_judged_by_output_and_end(result: dict[str, Any], status: str, verdict: Verdict) -> None:
    report = judged(spec(runs({"stdout": "yes"})), PhaseResult("run-r-0", **result))
    assert (statuses(report), report.verdict) == ([status], verdict)


def test_an_exit_status_is_the_answer_of_an_exitcode_case() -> None:
    made = spec(runs({"exit_code": 2}, {"exit_code": 2}, {"exit_code": 0}, kind="exitcode"))
    results = [PhaseResult(f"run-r-{n}", exit_code=code) for n, code in enumerate((2, 0, 0))]
    assert statuses(judged(made, *results)) == ["passed", "failed", "passed"]


def test_standard_error_can_be_demanded() -> None:
    made = spec(runs({"exit_code": 2, "stderr": "usage"}, kind="exitcode"))
    assert judged(made, PhaseResult("run-r-0", 2, stderr=b"usage\n")).verdict is Verdict.PASSED
    assert judged(made, PhaseResult("run-r-0", 2, stderr=b"other\n")).verdict is Verdict.FAILED


def test_a_pattern_that_takes_too_long_fails_the_case() -> None:
    made = spec(runs({"stdout": "(a|aa)+(a|aa)+(a|aa)+$", "comparison": {"mode": "regex"}}))
    report = judged(made, PhaseResult("run-r-0", 0, stdout=b"a" * 60 + b"b"))
    assert report.verdict is Verdict.FAILED
    assert "too long" in report.cases[0].message


def test_what_the_compiler_says_is_the_message() -> None:
    made = TestSpec.model_validate(
        {
            "toolchain": "c",
            "submission_files": ["main.c"],
            "groups": [{**runs({"stdout": ""}), "file": "main.c"}],
        }
    )
    job = build_job(made, "job", INPUTS)

    def compiled(**values: Any) -> TestReport:
        result = PhaseResult("compile", stderr=b"\x1b[1mmain.c:3: error\x1b[0m", **values)
        return judge(made, job, RunReport("job", [result], Isolation.NAMESPACES, "local", "1"))

    report = compiled(exit_code=1)
    assert (report.verdict, report.messages) == (Verdict.COMPILE_ERROR, ("main.c:3: error",))
    assert statuses(report) == ["not_run"]
    assert compiled(exit_code=None, limit_exceeded=Limit.MEMORY).verdict is Verdict.LIMIT_EXCEEDED


# --- unit tests ---------------------------------------------------------------------------

GOOD = '<testcase classname="test_a" name="one"/>'
BAD = '<testcase classname="test_a" name="one"><failure message="1 != 2"/></testcase>'


def suite(cases: str, tests: int = 1, failures: int = 0, errors: int = 0) -> str:
    return (
        f'<testsuites><testsuite tests="{tests}" failures="{failures}" errors="{errors}" skipped="0">'
        f"{cases}</testsuite></testsuites>"
    )


def test_a_report_that_agrees_with_itself_passes_and_is_labelled() -> None:
    report = with_report(spec(units("one")), suite(GOOD))
    assert (report.verdict, report.integrity) == (Verdict.PASSED, Integrity.IN_PROCESS)


@pytest.mark.parametrize(
    ("xml", "values"),
    [
        (None, {}),
        (None, {"exit_code": 1}),
        (suite(GOOD)[:-3], {}),
        (suite(GOOD, tests=5), {}),
        (suite(GOOD), {"exit_code": 1}),
        (suite(GOOD), {"exit_code": 3}),
        (suite(GOOD), {"exit_code": 5}),
        (suite(GOOD), {"exit_code": None, "signal": 9}),
        (suite(GOOD), {"exit_code": None, "limit_exceeded": Limit.WALL}),
        (suite(BAD, failures=1), {"exit_code": 0}),
        (suite(BAD, failures=1), {"exit_code": 1}),
        (suite("", tests=0), {}),
        (suite(GOOD.replace("one", "other")), {}),
        (suite(GOOD.replace("test_a", "test_b")), {}),
    ],
    ids=range(14),
)
def test_anything_else_does_not_pass(xml: str | None, values: dict[str, Any]) -> None:
    report = with_report(spec(units("one")), xml, **values)
    assert report.verdict is not Verdict.PASSED
    assert report.points == 0


def test_every_parameter_of_a_test_must_pass() -> None:
    cases = GOOD.replace("one", "one[1]") + BAD.replace("one", "one[2]")
    assert with_report(spec(units("one")), suite(cases, 2, failures=1), exit_code=1).points == 0
    cases = GOOD.replace("one", "one[1]") + GOOD.replace("one", "one[2]")
    assert with_report(spec(units("one")), suite(cases, 2)).points == 1


def test_a_module_that_cannot_be_imported_crashes() -> None:
    error = '<testcase classname="" name="test_a"><error message="SyntaxError"/></testcase>'
    report = with_report(spec(units("one")), suite(error, errors=1), exit_code=2)
    assert report.verdict is Verdict.CRASHED
    assert "SyntaxError" in report.cases[0].message


# --- the report as a whole ----------------------------------------------------------------


def test_a_runner_that_reports_other_phases_is_not_believed() -> None:
    report = judged(spec(runs({"stdout": "yes"})), PhaseResult("forged", 0, stdout=b"yes"))
    assert report.verdict is Verdict.INFRASTRUCTURE_ERROR


def test_phases_that_did_not_run_are_not_passed() -> None:
    made = spec(runs({"stdout": "yes"}, {"stdout": "yes"}))
    report = judged(made, PhaseResult("run-r-0", 0, stdout=b"yes"))
    assert statuses(report) == ["passed", "not_run"]
    assert report.verdict is Verdict.PARTIAL


def test_outputs_keep_the_visibility_of_their_cases() -> None:
    made = spec(calls({"expected": 1}, {"expected": 1, "visibility": "never"}))
    results = [
        PhaseResult(phase.name, 0, stdout=phase.name.encode())
        for phase in build_job(made, "job", INPUTS).phases
    ]
    sections = judged(made, *results).sections
    assert [(section.visibility, section.output) for section in sections] == [
        (Visibility.ALWAYS, "call-f-always"),
        (Visibility.NEVER, "call-f-never"),
    ]


def test_hostile_output_is_stored_clean() -> None:
    report = judged(
        spec(runs({"stdout": "x"})), PhaseResult("run-r-0", 0, stdout=b"\x1b[2J\xff\x00" * 10_000)
    )
    text = report.model_dump_json()
    assert "\\u001b" not in text
    assert "\\u0000" not in text
    assert len(text) < 40_000


def test_the_report_keeps_what_replay_needs() -> None:
    replay = judged(spec(runs({"stdout": "x"})), PhaseResult("run-r-0", 0)).replay
    assert (replay.test_tree, replay.toolchain, replay.toolchain_version) == ("abc", "python", "Python 3")
    assert (replay.runner, replay.runner_version, replay.isolation, replay.seed) == (
        "local",
        "1",
        "namespaces",
        3,
    )
    assert replay.limits["run-r-0"]["processes"] == 64


HIDDEN = {"expected": 1, "visibility": "never"}


@pytest.mark.parametrize(
    ("cases", "results", "verdict", "visible"),
    [
        ([{"expected": 1}, HIDDEN], [{"returned": 1}, {"returned": 2}], "partial", "passed"),
        ([{"expected": 1}, HIDDEN], [{"returned": 2}, {"returned": 1}], "partial", "failed"),
        ([{"expected": 1}, HIDDEN], [{"returned": 1}, {"ended": {"exit_code": 1}}], "crashed", "passed"),
        ([{"expected": 1}, HIDDEN], [{"ended": {"exit_code": 1}}, {"returned": 1}], "crashed", "crashed"),
        ([HIDDEN], [{"returned": 1}], "passed", None),
        ([{"expected": 1}], [{"returned": 1}], "passed", "passed"),
    ],
)
def test_the_visible_verdict_says_nothing_of_hidden_cases(
    cases: list[dict[str, Any]], results: list[dict[str, Any]], verdict: str, visible: str | None
) -> None:
    made = spec(calls(*cases))
    phases = build_job(made, "job", INPUTS, seed=3).phases
    report = judged(
        made,
        *(
            PhaseResult(
                phase.name, 0, collected={phase.collect[0]: json.dumps({"call": 0, **answer}).encode()}
            )
            for phase, answer in zip(phases, results, strict=True)
        ),
    )
    assert (report.verdict, report.visible_verdict) == (verdict, visible)


def test_the_visible_verdict_of_what_was_not_run_is_the_verdict() -> None:
    made = spec(calls({"expected": 1}, HIDDEN))
    assert missing_report(made, ["main.py"]).visible_verdict is Verdict.MISSING_FILES
    assert unfinished_report(made, Verdict.CANCELLED, "").visible_verdict is Verdict.CANCELLED


def test_a_hidden_case_that_exceeds_a_limit_leaves_no_trace_in_the_visible_verdict() -> None:
    made = spec(runs({"stdout": "yes"}, {"stdout": "yes", "visibility": "after_due"}))
    report = judged(
        made,
        PhaseResult("run-r-0", 0, stdout=b"yes"),
        PhaseResult("run-r-1", None, limit_exceeded=Limit.WALL),
    )
    assert (report.verdict, report.visible_verdict) == (Verdict.LIMIT_EXCEEDED, Verdict.PASSED)


def test_a_submission_without_files_is_judged_without_running() -> None:
    report = missing_report(spec(runs({"stdout": "x"})), ["main.py"])
    assert (report.verdict, report.points, report.messages) == (
        Verdict.MISSING_FILES,
        0,
        ("Missing or empty: main.py",),
    )
    assert {case.status for case in report.cases} == {CaseStatus.NOT_RUN}


def test_a_test_that_said_nothing_is_no_judgement() -> None:
    report = unfinished_report(spec(runs({"stdout": "x"})), Verdict.CANCELLED, "Stopped by its owner.")
    assert (report.verdict, report.points, report.max_points) == (Verdict.CANCELLED, 0, 1)
