"""What enters a sandbox is what the specification lets in, and no expectation ever does."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from computor_core.assessment.build import JobInputs, JobPolicy, build_job, missing_files, phase_cases
from computor_core.assessment.model import OUTPUT_TOTAL, Integrity, TestSpec, plain_path
from computor_core.errors import InvalidError
from computor_core.plugin_api.providers.runner import Isolation, Limits, Mount, RunJob, Trust

INPUTS = JobInputs(Path("/in/submission"), Path("/in/tests"), Path("/in/additional"))


def call(id_: str, **values: Any) -> dict[str, Any]:
    return {"id": id_, "name": id_, "arguments": [2], "expected": "SECRET-RESULT", **values}


CALLS = {
    "kind": "function-call",
    "id": "f",
    "name": "f",
    "file": "pkg/mod.py",
    "function": "f",
    "cases": [call("one"), call("two", visibility="after_due", arguments=["HIDDEN-INPUT"]), call("three")],
}
RUNS: dict[str, Any] = {
    "kind": "stdio",
    "id": "r",
    "name": "r",
    "file": "main.py",
    "cases": [
        {"id": "a", "name": "a", "args": ["x y"], "stdin": "in", "stdout": "SECRET-OUTPUT"},
        {"id": "b", "name": "b", "stdout": "SECRET-OUTPUT", "points": "2.5"},
    ],
}
UNITS: dict[str, Any] = {
    "kind": "pytest",
    "id": "u",
    "name": "u",
    "cases": [{"id": "t", "name": "t", "test": "tests/test_a.py::test_x"}],
}


def spec(*groups: dict[str, Any], **values: Any) -> TestSpec:
    return TestSpec.model_validate(
        {
            "toolchain": "python",
            "submission_files": ["main.py", "pkg/mod.py"],
            "groups": groups,
            "test_files": ["tests/test_a.py"],
            **values,
        }
    )


def build(*groups: dict[str, Any], **values: Any) -> RunJob:
    return build_job(spec(*groups, **values), "job-1", INPUTS, seed=5)


def everything(job: RunJob) -> str:
    return repr(job.phases)


def test_no_expected_value_enters_the_sandbox() -> None:
    assert "SECRET" not in everything(build(CALLS, RUNS, UNITS))


def test_the_submission_enters_through_the_allow_list_as_a_copy() -> None:
    job = build(CALLS, RUNS, UNITS)
    for phase in job.phases:
        (mount,) = [mount for mount in phase.mounts if mount.source == "submission"]
        assert mount == Mount("submission", "/box", writable=True, only=("main.py", "pkg/mod.py"))
        assert phase.trust is Trust.STUDENT


def test_test_files_enter_only_where_pytest_needs_them() -> None:
    job = build(CALLS, RUNS, UNITS)
    with_tests = [phase.name for phase in job.phases if any(m.source == "tests" for m in phase.mounts)]
    assert with_tests == ["unit-u-always"]


MIXED: dict[str, Any] = {
    **UNITS,
    "cases": [
        {"id": "shown", "name": "shown", "test": "tests/test_a.py::test_x"},
        {"id": "hidden", "name": "hidden", "test": "tests/test_b.py::test_y", "visibility": "never"},
        {"id": "due", "name": "due", "test": "tests/test_c.py::test_z", "visibility": "after_due"},
    ],
}
FILES = ["tests/conftest.py", "tests/data.json", "tests/test_a.py", "tests/test_b.py", "tests/test_c.py"]


def mounted_tests(job: RunJob) -> dict[str, set[str]]:
    """Test files by phase; what no phase shall ever do is mount without naming files."""
    found = {p.name: [m.only for m in p.mounts if m.source == "tests"] for p in job.phases}
    assert all(only for mounts in found.values() for only in mounts)
    return {name: {path for only in mounts for path in only} for name, mounts in found.items()}


def test_a_phase_has_the_files_of_its_own_tests_and_those_without_any() -> None:
    """What is mounted can be printed by the student's code, and a visible phase's output is shown."""
    elsewhere = {**UNITS, "id": "v", "cases": [{**MIXED["cases"][1], "id": "more"}]}
    shared = {"tests/conftest.py", "tests/data.json"}
    assert mounted_tests(build(MIXED, elsewhere, test_files=FILES)) == {
        "unit-u-always": {"tests/test_a.py"} | shared,
        "unit-u-after_due": {"tests/test_c.py"} | shared,
        "unit-u-never": {"tests/test_b.py"} | shared,
        "unit-v-never": {"tests/test_b.py"} | shared,
    }
    assert mounted_tests(build(UNITS, test_files=[])) == {"unit-u-always": {"tests/test_a.py"}}


@pytest.mark.parametrize("in_one_group", [True, False])
def test_tests_of_one_file_have_one_visibility(in_one_group: bool) -> None:
    hidden = {"id": "h", "name": "h", "test": "tests/test_a.py::TestX::test_y", "visibility": "after_due"}
    apart = {**UNITS, "id": "v", "cases": [hidden]}
    groups = [{**UNITS, "cases": [*UNITS["cases"], hidden]}] if in_one_group else [UNITS, apart]
    with pytest.raises(ValidationError, match=r"move the tests of each visibility into a file of their own"):
        spec(*groups)


@pytest.mark.parametrize("path", ["tests/./test_a.py", "tests//test_a.py", "a/../tests/test_a.py"])
def test_a_test_names_its_file_in_one_way(path: str) -> None:
    """Else a file of hidden tests could pass for one without tests under its other name."""
    with pytest.raises(ValidationError, match="relative path"):
        spec({**UNITS, "cases": [{"id": "t", "name": "t", "test": f"{path}::test_x"}]})


def test_cases_of_different_visibility_never_share_a_phase() -> None:
    job = build(CALLS)
    assert phase_cases(spec(CALLS).groups[0]) == {"call-f-always": (0, 2), "call-f-after_due": (1,)}
    shown, hidden = job.phases
    assert b"HIDDEN-INPUT" not in shown.stdin
    assert b"HIDDEN-INPUT" in hidden.stdin


def test_what_students_see_runs_before_anything_hidden_whatever_the_order_of_the_groups() -> None:
    """Else a visible phase could read what a hidden one left, in a counter of the machine for example."""
    later = {
        **RUNS,
        "cases": [{**case, "visibility": "never"} for case in RUNS["cases"][:1]] + RUNS["cases"][1:],
    }
    names = [phase.name for phase in build(MIXED, later, CALLS, test_files=FILES).phases]
    assert names == [
        *("unit-u-always", "run-r-1", "call-f-always"),
        *("unit-u-after_due", "call-f-after_due"),
        *("unit-u-never", "run-r-0"),
    ]


def test_compiling_comes_first() -> None:
    hidden = {**RUNS, "file": "main.c", "cases": [{**RUNS["cases"][0], "visibility": "never"}]}
    made = spec(hidden, toolchain="c", submission_files=["main.c"])
    compiling, run = build_job(made, "job-1", INPUTS).phases
    assert (compiling.name, run.name) == ("compile", "run-r-0")
    most = JobPolicy(defaults=Limits(output_bytes=OUTPUT_TOTAL))
    phases = build_job(made, "job-1", INPUTS, policy=most).phases
    assert 2 * sum(phase.limits.output_bytes for phase in phases) <= OUTPUT_TOTAL


@pytest.mark.parametrize("runs", [1, 40, 280])
def test_all_outputs_of_a_job_together_are_bounded(runs: int) -> None:
    cases = [{**RUNS["cases"][0], "id": f"c{n}"} for n in range(runs)]
    made = spec(CALLS, {**RUNS, "cases": cases}, UNITS, {**UNITS, "id": "v"})
    phases = build_job(made, "job-1", INPUTS).phases
    collected = sum(phase.collect_bytes for phase in phases if phase.collect)
    assert collected + sum(2 * phase.limits.output_bytes for phase in phases) <= OUTPUT_TOTAL
    assert min(phase.limits.output_bytes for phase in phases) >= min(Limits().output_bytes, 50_000)


def test_an_example_that_asks_for_more_output_than_its_share_is_refused() -> None:
    def with_cases(count: int, **values: Any) -> dict[str, Any]:
        return {
            **RUNS,
            "cases": [{**RUNS["cases"][0], "id": f"c{n}"} for n in range(count)],
            **values,
        }

    asked = {"limits": {"output_bytes": 1_000_000}}
    assert build(with_cases(10, **asked)).phases[0].limits.output_bytes == 1_000_000
    with pytest.raises(ValidationError, match="output_bytes of the group 'r' can be at most 78251"):
        spec(with_cases(201, **asked))
    long = {
        **with_cases(201),
        "cases": [*with_cases(200)["cases"], {**RUNS["cases"][0], "stdout": "é" * 42_000}],
    }
    with pytest.raises(ValidationError, match="expects an output of more than 78251 bytes"):
        spec(long)
    with pytest.raises(ValidationError, match="output_bytes of compiling can be at most 1048576"):
        spec(RUNS, compile_limits={"output_bytes": 1_048_577})
    with pytest.raises(ValidationError, match="1001 cases are more than 1000"):
        spec(*({**with_cases(143), "id": f"g{n}"} for n in range(7)))


def test_the_harness_gets_calls_alone() -> None:
    request = json.loads(build(CALLS).phases[0].stdin)
    assert request["calls"] == [{"arguments": [2], "keywords": {}}] * 2
    assert (request["module"], request["function"]) == ("pkg.mod", "f")


def test_a_program_case_is_a_phase_of_its_own() -> None:
    first, second = build(RUNS).phases
    assert first.command == ("python3", "-B", "-s", "main.py", "x y")
    assert first.stdin == b"in"
    assert first.continue_on_failure
    assert second.stdin == b""


def test_a_compiled_program_is_made_once_and_copied() -> None:
    job = build_job(
        spec(
            {**RUNS, "file": "main.c"},
            toolchain="c",
            submission_files=["main.c", "list.c", "list.h"],
            additional_files=["data.txt"],
        ),
        "job-1",
        INPUTS,
    )
    compiling, run, _ = job.phases
    assert compiling.name == "compile"
    assert not compiling.continue_on_failure
    assert compiling.command[-4:] == ("program", "main.c", "list.c", "-lm")
    assert run.command == ("./program", "x y")
    assert run.mounts == (
        Mount("phase:compile", "/box", writable=True, only=("program",)),
        Mount("additional", "/box", writable=True, only=("data.txt",)),
    )


def test_commands_name_mounts_by_relative_paths() -> None:
    job = build(CALLS, RUNS, UNITS)
    for phase in job.phases:
        assert not any(part.startswith("/") for part in phase.command)
        assert b'"/' not in phase.stdin


def test_the_report_s_place_depends_on_the_seed() -> None:
    places = {build_job(spec(UNITS), "job-1", INPUTS, seed=seed).phases[0].collect for seed in range(5)}
    assert len(places) == 5


def test_the_same_job_twice_is_the_same() -> None:
    assert build(CALLS, RUNS, UNITS) == build(CALLS, RUNS, UNITS)


def test_limits_are_the_specification_s_over_the_deployment_s() -> None:
    policy = JobPolicy(defaults=Limits(wall_seconds=7, processes=9), minimum_isolation=Isolation.NAMESPACES)
    limited = {**RUNS, "limits": {"wall_seconds": 2}}
    job = build_job(spec(limited), "job-1", INPUTS, policy=policy)
    assert (job.phases[0].limits.wall_seconds, job.phases[0].limits.processes) == (2, 9)
    assert job.minimum_isolation is Isolation.NAMESPACES


@pytest.mark.parametrize(
    ("bad", "inputs"),
    [
        (spec(RUNS, toolchain="cobol"), INPUTS),
        (spec(CALLS, toolchain="bash"), INPUTS),
        (spec(UNITS, toolchain="c"), INPUTS),
        (spec(UNITS), JobInputs(Path("/in/submission"))),
    ],
    ids=["unknown toolchain", "calls in bash", "pytest in c", "tests missing"],
)
def test_what_cannot_be_built_is_refused(bad: TestSpec, inputs: JobInputs) -> None:
    with pytest.raises(InvalidError):
        build_job(bad, "job-1", inputs)


def test_points_are_exact() -> None:
    thirds = [{**RUNS["cases"][0], "id": f"c{n}", "points": "0.1"} for n in range(3)]
    assert spec({**RUNS, "cases": thirds}).max_points == Decimal("0.3")


def test_integrity_is_the_weakest_of_all_groups() -> None:
    assert spec(CALLS, RUNS).integrity is Integrity.ISOLATED
    assert spec(CALLS, UNITS).integrity is Integrity.IN_PROCESS


def test_missing_and_empty_files_are_missing() -> None:
    assert missing_files(spec(RUNS), {"main.py": 0, "other.py": 3}) == ("main.py", "pkg/mod.py")
    assert missing_files(spec(RUNS), {"main.py": 1, "pkg/mod.py": 2}) == ()


@pytest.mark.parametrize(
    "path", ["", "/etc/passwd", "../x", "a/../b", "a//b", "a/", ".", "a\\b", "a\0b", "./a"]
)
def test_only_plain_paths_name_files(path: str) -> None:
    with pytest.raises(ValueError):
        plain_path(path)


@pytest.mark.parametrize("path", ["a", "a/b.py", ".hidden", "..a", "a b", "ü.py"])
def test_plain_paths_pass(path: str) -> None:
    assert plain_path(path) == path


@pytest.mark.parametrize(
    "values",
    [
        {"groups": []},
        {"groups": [RUNS, RUNS]},
        {"groups": [{**RUNS, "file": "elsewhere.py"}]},
        {"groups": [{**RUNS, "cases": [RUNS["cases"][0]] * 2}]},
        {"groups": [{**RUNS, "cases": [{"id": "a", "name": "a"}]}]},
        {"groups": [{**RUNS, "kind": "exitcode", "cases": [{"id": "a", "name": "a", "exit_code": None}]}]},
        {"groups": [{**RUNS, "cases": [{"id": "a", "name": "a", "stdout": "", "points": "-1"}]}]},
        {"groups": [{**RUNS, "cases": [{"id": "a", "name": "a", "stdout": "", "points": "0.00001"}]}]},
        {"groups": [RUNS], "submission_files": ["../main.py"]},
        {"groups": [RUNS], "additional_files": ["main.py"]},
        {"groups": [RUNS], "unknown": 1},
    ],
    ids=range(11),
)
def test_a_specification_that_contradicts_itself_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        spec(**{"groups": [], **values}) if "groups" not in values else TestSpec.model_validate(
            {"toolchain": "python", "submission_files": ["main.py"], **values}
        )


def test_a_specification_survives_json() -> None:
    made = spec(CALLS, RUNS, UNITS)
    assert TestSpec.model_validate_json(made.model_dump_json()) == made
