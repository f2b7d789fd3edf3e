"""The programs that run inside sandboxes, tried outside of one."""

import importlib.util
import io
import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from computor_core.assessment import harness


class Ended(BaseException):
    """Stands for ``os._exit``."""


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"harness_{name}", harness.DIRECTORY / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working directory with the harness importable and the process's state put back afterwards."""
    work = tmp_path / "box"
    work.mkdir()
    monkeypatch.chdir(work)
    before, modules = list(sys.path), set(sys.modules)
    monkeypatch.setattr(sys, "path", [str(harness.DIRECTORY), *before])
    yield work
    for name in set(sys.modules) - modules:
        del sys.modules[name]


def stdin(monkeypatch: pytest.MonkeyPatch, request: dict[str, Any]) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps(request)))


@pytest.fixture
def exits(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Statuses given to ``os._exit`` in this process; a forked child really ends."""
    statuses: list[int] = []
    real, parent = os._exit, os.getpid()

    def ended(status: int) -> None:
        if os.getpid() != parent:
            real(status)
        statuses.append(status)
        raise Ended

    monkeypatch.setattr(os, "_exit", ended)
    return statuses


STUDENT = """
import os, sys
calls = []
def double(x, *, plus=0):
    calls.append(x)
    print("called with", x)
    return [x * 2 + plus, len(calls)]
def fail(x):
    raise KeyError(x)
def leave(x):
    os._exit(x)
def bow_out(x):
    sys.exit(x)
def kill(x):
    os.kill(os.getpid(), 9)
def endless(x):
    value = []
    value.append(value)
    return value
class Odd(Exception):
    def __str__(self):
        raise ValueError
def odd(x):
    raise Odd
value = 3
"""


def ask(
    folder: Path, monkeypatch: pytest.MonkeyPatch, exits: list[int], function: str, *arguments: object
) -> list[dict[str, Any]]:
    (folder / "student.py").write_text(STUDENT)
    stdin(
        monkeypatch,
        {
            "module": "student",
            "function": function,
            "results": "out/results.jsonl",
            "calls": [{"arguments": [argument], "keywords": {}} for argument in arguments],
        },
    )
    with pytest.raises(Ended):
        load("function_call").main()
    assert exits == [0]
    return [json.loads(line) for line in (folder / "out/results.jsonl").read_text().splitlines()]


def test_each_call_starts_afresh(folder: Path, monkeypatch: pytest.MonkeyPatch, exits: list[int]) -> None:
    answers = ask(folder, monkeypatch, exits, "double", 1, 2)
    assert answers == [{"returned": [2, 1], "call": 0}, {"returned": [4, 1], "call": 1}]


@pytest.mark.parametrize(
    ("function", "argument", "expected"),
    [
        ("leave", 0, {"ended": {"exit_code": 0}}),
        ("leave", 3, {"ended": {"exit_code": 3}}),
        ("kill", 0, {"ended": {"signal": 9}}),
        ("bow_out", 4, {"ended": {"exit_code": 4}}),
        ("value", 0, {"missing": "value"}),
        ("absent", 0, {"missing": "absent"}),
    ],
)
def test_a_call_that_does_not_return_ends_nothing_else(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    exits: list[int],
    function: str,
    argument: int,
    expected: dict[str, Any],
) -> None:
    answers = ask(folder, monkeypatch, exits, function, argument, argument)
    assert answers == [{**expected, "call": 0}, {**expected, "call": 1}]


@pytest.fixture
def outcome(folder: Path) -> Callable[..., dict[str, Any]]:
    """What one call comes to, without a fork."""
    (folder / "student.py").write_text(STUDENT)
    module = load("function_call")

    def call(function: str, *arguments: object, **keywords: object) -> dict[str, Any]:
        request = {"module": "student", "function": function}
        found: dict[str, Any] = module._outcome(request, {"arguments": list(arguments), "keywords": keywords})
        return found

    return call


def test_an_exception_is_told_by_its_classes(outcome: Callable[..., dict[str, Any]]) -> None:
    raised = outcome("fail", "key")
    assert raised["raised"] == ["KeyError", "LookupError", "Exception", "BaseException", "object"]
    assert raised["text"] == "'key'"
    assert raised["where"] == ["line 9 of student.py, in fail"]


def test_outcomes_of_a_call(outcome: Callable[..., dict[str, Any]]) -> None:
    assert outcome("double", 1, plus=5) == {"returned": [7, 1]}
    assert outcome("value", 1) == {"missing": "value"}
    assert outcome("bow_out", 2) == {"ended": {"exit_code": 2}}
    assert outcome("bow_out", "bye") == {"ended": {"exit_code": 1}}
    assert outcome("odd", 1)["text"] == "<its str raised ValueError>"
    assert "deeply" in outcome("endless", 1)["too_big"]


def test_a_module_that_cannot_be_imported_is_an_answer(
    outcome: Callable[..., dict[str, Any]], folder: Path
) -> None:
    (folder / "student.py").write_text("def f(:\n")
    assert outcome("f")["raised"][0] == "SyntaxError"


def test_pytest_is_told_what_to_run_and_its_status_is_the_last_word(
    folder: Path, monkeypatch: pytest.MonkeyPatch, exits: list[int]
) -> None:
    (folder.parent / "libraries").mkdir()
    request = {
        "tests": ["test_a.py::test_one"],
        "root": "../tests",
        "report": ".computor/report.xml",
        "libraries": "../libraries",
    }
    stdin(monkeypatch, request)
    given: list[list[str]] = []
    monkeypatch.setattr(pytest, "main", lambda arguments: given.append(arguments) or 1)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "")
    with pytest.raises(Ended):
        load("run_pytest").main()
    assert exits == [1]
    assert given[0][-1] == str(folder.parent / "tests/test_a.py::test_one")
    assert f"--junit-xml={folder}/.computor/report.xml" in given[0]
    assert sys.stdin.closed
    assert sys.path[0] == str(folder)
    assert sys.path[-1] == str(folder.parent / "libraries")
    assert os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] == "1"
