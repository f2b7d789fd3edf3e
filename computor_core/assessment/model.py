"""What an example version tests, as it is stored with it.

A specification has *groups*, each tested in one way, and a group has *cases*, each worth points.
Everything in here is JSON: Python values that a function gets or shall return are kept in the tagged
encoding of :mod:`computor_core.assessment.harness.computor_values`.
"""

from __future__ import annotations

import re
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

_PLAIN_PATH = re.compile(r"(?!\.{1,2}(/|$))[^/\0\\]+(/(?!\.{1,2}(/|$))[^/\0\\]+)*$")
_PYTHON_NAME = r"^[A-Za-z_][A-Za-z0-9_]*$"
MAX_CASES = 500
MAX_ALL_CASES = 1000
"""Cases of all groups together: with each comes a result that is stored and shown."""

OUTPUT_TOTAL = 64 * 1024 * 1024
"""Bytes that all phases of a job may bring out together; whoever judges it has them in memory."""

COMPILE_SHARE = 4 * 1024 * 1024
"""What of it compiling has; the cases share the rest evenly."""


class Visibility(StrEnum):
    """When students see a case: its inputs, what it expects, its outcome and its output."""

    ALWAYS = "always"
    AFTER_DUE = "after_due"
    NEVER = "never"


class Integrity(StrEnum):
    """Who could have forged a verdict.

    ``isolated``: the student's code ran in a process of its own, the comparison outside it.
    ``in_process``: a unit-test framework loaded the student's code, which could tamper with it.
    """

    ISOLATED = "isolated"
    IN_PROCESS = "in_process"


def plain_path(path: str) -> str:
    """A relative POSIX path without ``.``, ``..``, backslashes and NUL bytes.

    Raises:
        ValueError: It isn't one.
    """
    if not _PLAIN_PATH.match(path) or len(path) > 255:
        raise ValueError("must be a relative path without '.', '..' and backslashes")
    return path


PlainPath = Annotated[str, AfterValidator(plain_path)]
Points = Annotated[Decimal, Field(ge=0, max_digits=12, decimal_places=4)]


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SpecLimits(_Frozen):
    """Limits of each phase, in the units of the runner contract; None for the deployment's default."""

    cpu_seconds: float | None = Field(default=None, gt=0, le=3600)
    wall_seconds: float | None = Field(default=None, gt=0, le=3600)
    memory_bytes: int | None = Field(default=None, ge=1024 * 1024)
    processes: int | None = Field(default=None, ge=1)
    output_bytes: int | None = Field(default=None, ge=1)
    disk_bytes: int | None = Field(default=None, ge=1)


class Case(_Frozen):
    """What every case has: an id within its group, a name, points and who sees it."""

    id: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=64)
    name: str = Field(min_length=1, max_length=255)
    points: Points = Decimal(1)
    visibility: Visibility = Visibility.ALWAYS


class ValueComparison(_Frozen):
    """How a function's result is compared.

    ``exact``: same type and same value, throughout. ``approximate``: numbers (int or float) may
    differ by ``max(relative * max(|a|, |b|), absolute)`` as in :func:`math.isclose`; everything
    else as in ``exact``. NaN equals NaN in both.
    """

    mode: Literal["exact", "approximate"] = "exact"
    relative: float = Field(default=1e-9, ge=0, le=1)
    absolute: float = Field(default=0.0, ge=0)


class CallCase(Case):
    """One call of the group's function.

    Attributes:
        arguments, keywords: Encoded values.
        expected: Encoded result, when it shall return.
        raises: Name of the exception class, when it shall raise; base classes count.
        comparison: How the result is compared.
    """

    arguments: tuple[Any, ...] = ()
    keywords: dict[str, Any] = Field(default_factory=dict)
    expected: Any = None
    raises: str | None = Field(default=None, pattern=_PYTHON_NAME)
    comparison: ValueComparison = ValueComparison()


class TextMode(StrEnum):
    """How an output is compared.

    ``exact``: byte for byte, after CR LF → LF. ``lines``: line by line, blanks at line ends and
    empty lines at the end don't matter. ``tokens``: what whitespace separates, however much of it.
    ``numeric``: as ``tokens``, where both are numbers within the tolerance. ``regex``: the whole
    output matches a pattern.
    """

    EXACT = "exact"
    LINES = "lines"
    TOKENS = "tokens"
    NUMERIC = "numeric"
    REGEX = "regex"


class TextComparison(_Frozen):
    """How an output is compared with what is expected."""

    mode: TextMode = TextMode.LINES
    ignore_case: bool = False
    relative: float = Field(default=1e-9, ge=0, le=1)
    absolute: float = Field(default=0.0, ge=0)


class ProgramCase(Case):
    """One run of the submitted program.

    Attributes:
        args: Command-line arguments.
        stdin: What it reads.
        stdout, stderr: What it shall write (a pattern when the comparison is ``regex``), None when
            that doesn't matter.
        exit_code: Exit status that it shall have, None when any will do.
        comparison: How outputs are compared.
    """

    args: tuple[str, ...] = ()
    stdin: str = ""
    stdout: str | None = None
    stderr: str | None = None
    exit_code: int | None = Field(default=0, ge=0, le=255)
    comparison: TextComparison = TextComparison()


class UnitTestCase(Case):
    """One test of a unit-test framework.

    Attributes:
        test: pytest's node id below the test files (``test_stack.py::TestPush::test_one``); a test
            with parameters counts as passed when all of them pass.
    """

    test: str = Field(pattern=r"^[^\s:/][^\s:]*\.py(::[A-Za-z_][A-Za-z0-9_]*)+$", max_length=255)

    @field_validator("test")
    @classmethod
    def _in_a_plain_file(cls, test: str) -> str:
        plain_path(test.partition("::")[0])
        return test

    @property
    def file(self) -> str:
        """The test file that it is in."""
        return self.test.partition("::")[0]


class _Group(_Frozen):
    id: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$", max_length=40)
    name: str = Field(min_length=1, max_length=255)
    limits: SpecLimits = SpecLimits()


class FunctionCallGroup(_Group):
    """Calls of one function of a Python module, each in a process of its own."""

    kind: Literal["function-call"] = "function-call"
    file: PlainPath
    function: str = Field(pattern=_PYTHON_NAME)
    cases: tuple[CallCase, ...] = Field(min_length=1, max_length=MAX_CASES)


class StdioGroup(_Group):
    """Runs of a program, judged by what it writes."""

    kind: Literal["stdio"] = "stdio"
    file: PlainPath
    cases: tuple[ProgramCase, ...] = Field(min_length=1, max_length=MAX_CASES)

    @model_validator(mode="after")
    def _expects_output(self) -> StdioGroup:
        for case in self.cases:
            if case.stdout is None and case.stderr is None:
                raise ValueError(f"case {case.id!r} of kind stdio expects no output")
        return self


class ExitCodeGroup(_Group):
    """Runs of a program, judged by its exit status."""

    kind: Literal["exitcode"] = "exitcode"
    file: PlainPath
    cases: tuple[ProgramCase, ...] = Field(min_length=1, max_length=MAX_CASES)

    @model_validator(mode="after")
    def _expects_status(self) -> ExitCodeGroup:
        for case in self.cases:
            if case.exit_code is None:
                raise ValueError(f"case {case.id!r} of kind exitcode expects no exit status")
        return self


class PytestGroup(_Group):
    """Tests that pytest runs in one process with the student's code."""

    kind: Literal["pytest"] = "pytest"
    cases: tuple[UnitTestCase, ...] = Field(min_length=1, max_length=MAX_CASES)


TestGroup = Annotated[
    FunctionCallGroup | StdioGroup | ExitCodeGroup | PytestGroup, Field(discriminator="kind")
]


class TestSpec(_Frozen):
    """What an example version demands of a submission.

    Attributes:
        toolchain: Name of a toolchain.
        submission_files: The files that a student hands in: an allow-list, anything else in a
            submission is never seen by a test.
        additional_files: Files that the example gives to every submission's working directory.
        test_files: Paths of the example's test files. Those that hold tests are mounted with these
            tests alone, so all tests of a file have the same visibility; those that hold none
            (``conftest.py``, what tests import or read) with every group of unit tests.
        groups: What is tested.
        compile_limits: Limits of compiling, where the toolchain compiles.
        test_tree: SHA-256 over specification and test files, for replay.
    """

    __test__ = False

    toolchain: str = Field(pattern=r"^[a-z][a-z0-9_-]*$", max_length=40)
    submission_files: tuple[PlainPath, ...] = Field(min_length=1, max_length=100)
    additional_files: tuple[PlainPath, ...] = ()
    test_files: tuple[PlainPath, ...] = ()
    groups: tuple[TestGroup, ...] = Field(min_length=1, max_length=50)
    compile_limits: SpecLimits = SpecLimits()
    test_tree: str = ""

    @model_validator(mode="after")
    def _consistent(self) -> TestSpec:
        names = [(group.id, case.id) for group in self.groups for case in group.cases]
        groups = [group.id for group in self.groups]
        if len(set(groups)) < len(groups) or len(set(names)) < len(names):
            raise ValueError("ids of groups, and of cases within a group, must be unique")
        if set(self.additional_files) & set(self.submission_files):
            raise ValueError("a file can't be both handed in and given")
        if len(names) > MAX_ALL_CASES:
            raise ValueError(f"{len(names)} cases are more than {MAX_ALL_CASES}")
        for group in self.groups:
            if not isinstance(group, PytestGroup) and group.file not in self.submission_files:
                raise ValueError(f"{group.file!r} isn't among the submission files")
        return self

    @model_validator(mode="after")
    def _hidden_tests_apart(self) -> TestSpec:
        # The student's code can read every file of the phase that loads it, and print it.
        first: dict[str, UnitTestCase] = {}
        for case in self.unit_tests:
            other = first.setdefault(case.file, case)
            if other.visibility is not case.visibility:
                raise ValueError(
                    f"{other.test} has the visibility {other.visibility.value} and {case.test} has"
                    f" {case.visibility.value}: submissions can read the whole file with either, so move the"
                    " tests of each visibility into a file of their own"
                )
        return self

    @model_validator(mode="after")
    def _outputs_fit(self) -> TestSpec:
        # A run of a program serves one case; a phase of calls or unit tests at least one.
        most = self.output_share(1) // 4
        asked = [(f"the group {group.id!r}", group.limits, most) for group in self.groups]
        for name, limits, bound in (("compiling", self.compile_limits, COMPILE_SHARE // 4), *asked):
            if (limits.output_bytes or 0) > bound:
                raise ValueError(
                    f"output_bytes of {name} can be at most {bound}: all phases together have {OUTPUT_TOTAL}"
                )
        for group in self.groups:
            if not isinstance(group, (StdioGroup, ExitCodeGroup)):
                continue
            for case in group.cases:
                expected = (case.stdout or "", case.stderr or "")
                if max(len(text.encode()) for text in expected) > most:
                    raise ValueError(
                        f"case {case.id!r} of {group.id!r} expects an output of more than {most} bytes"
                    )
        return self

    def output_share(self, cases: int) -> int:
        """What a phase may bring out, in bytes: a quarter each for stdout and stderr, half for a report.

        Args:
            cases: How many cases it serves.
        """
        return (OUTPUT_TOTAL - COMPILE_SHARE) * cases // sum(len(group.cases) for group in self.groups)

    @property
    def unit_tests(self) -> tuple[UnitTestCase, ...]:
        """The cases that a unit-test framework runs in one process with the student's code."""
        return tuple(case for group in self.groups if isinstance(group, PytestGroup) for case in group.cases)

    @property
    def max_points(self) -> Decimal:
        """Points of all cases."""
        return sum((case.points for group in self.groups for case in group.cases), Decimal(0))

    @property
    def integrity(self) -> Integrity:
        """The weakest integrity of all groups."""
        in_process = any(isinstance(group, PytestGroup) for group in self.groups)
        return Integrity.IN_PROCESS if in_process else Integrity.ISOLATED
