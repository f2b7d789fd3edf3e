"""Reading JUnit XML reports that may have been written by anybody.

The format is the one that pytest writes (``junit_family=xunit2``), close to the Jenkins xUnit
schema. A document type, and with it every entity, is refused; depth, number of elements and size are
bounded; a report whose totals contradict its cases is refused as a whole.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import NoReturn
from xml.parsers import expat

MAX_BYTES = 4 * 1024 * 1024
MAX_ELEMENTS = 20_000
MAX_DEPTH = 8
MAX_TEXT = 4_000


class Outcome(StrEnum):
    """How a test ended; of several, the worst counts."""

    PASSED = "passed"
    SKIPPED = "skipped"
    FAILED = "failed"
    ERROR = "error"


@dataclass(slots=True)
class UnitTest:
    """One ``testcase`` element.

    Attributes:
        classname: Module and classes, dotted.
        name: Function, with parameters in brackets.
        outcome: How it ended.
        message: What the framework says of it.
    """

    classname: str
    name: str
    outcome: Outcome = Outcome.PASSED
    message: str = ""


class ReportError(Exception):
    """A report can't be trusted to say anything."""


_OUTCOMES = {"failure": Outcome.FAILED, "error": Outcome.ERROR, "skipped": Outcome.SKIPPED}
_WORST_LAST = tuple(Outcome)
_TOTALS = {"failures": Outcome.FAILED, "errors": Outcome.ERROR, "skipped": Outcome.SKIPPED}


@dataclass(slots=True)
class _Suite:
    totals: dict[str, int]
    tests: list[UnitTest] = field(default_factory=list)


class _Reader:
    """Collects what expat sees."""

    def __init__(self) -> None:
        self.suites: list[_Suite] = []
        self._path: list[str] = []
        self._elements = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._path.append(name)
        self._elements += 1
        if self._elements > MAX_ELEMENTS or len(self._path) > MAX_DEPTH:
            raise ReportError("the report is too big or too deeply nested")
        if name == "testsuite":
            self.suites.append(_Suite(_totals(attributes)))
        elif name == "testcase":
            if len(self._path) < 2 or self._path[-2] != "testsuite":
                raise ReportError("a testcase outside a testsuite")
            test = UnitTest(attributes.get("classname", ""), attributes.get("name", ""))
            self.suites[-1].tests.append(test)
        elif name in _OUTCOMES and len(self._path) > 1 and self._path[-2] == "testcase":
            test = self.suites[-1].tests[-1]
            test.outcome = max(test.outcome, _OUTCOMES[name], key=_WORST_LAST.index)
            test.message = (test.message or attributes.get("message", ""))[:MAX_TEXT]

    def end(self, _name: str) -> None:
        self._path.pop()


def _totals(attributes: dict[str, str]) -> dict[str, int]:
    try:
        return {name: int(attributes[name]) for name in ("tests", *_TOTALS)}
    except (KeyError, ValueError) as error:
        raise ReportError("a testsuite without its totals") from error


def _refuse(*_arguments: object) -> NoReturn:
    raise ReportError("the report declares a document type or an entity")


def parse(content: bytes) -> list[UnitTest]:
    """The tests in a report.

    Raises:
        ReportError: It isn't well-formed, is cut, too big, contradicts itself or names a test twice.
    """
    if len(content) > MAX_BYTES:
        raise ReportError("the report is too big")
    reader = _Reader()
    # UTF-8 whatever the report declares: Python looks other encodings up by name, which may fail.
    parser = expat.ParserCreate("utf-8")
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.StartDoctypeDeclHandler = _refuse
    parser.EntityDeclHandler = _refuse
    parser.ExternalEntityRefHandler = _refuse
    try:
        parser.Parse(content, True)
    except expat.ExpatError as error:
        raise ReportError(f"the report isn't well-formed: {error}") from error
    for suite in reader.suites:
        _check_totals(suite)
    tests = [test for suite in reader.suites for test in suite.tests]
    if len({(test.classname, test.name) for test in tests}) < len(tests):
        raise ReportError("the report names a test twice")
    return tests


def _check_totals(suite: _Suite) -> None:
    if suite.totals["tests"] != len(suite.tests):
        raise ReportError("the report's total of tests contradicts its cases")
    for name, outcome in _TOTALS.items():
        if suite.totals[name] != sum(test.outcome is outcome for test in suite.tests):
            raise ReportError(f"the report's total of {name} contradicts its cases")
