"""What came of testing a submission, as it is stored and shown."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from computor_core.assessment.model import Integrity, Visibility


class Verdict(StrEnum):
    """The outcome in a word: what went wrong most. Points say how much was right.

    From bad to good: ``infrastructure_error`` and ``cancelled`` (no statement about the submission),
    ``missing_files``, ``compile_error``, ``limit_exceeded``, ``crashed``, ``failed`` (no case
    passed), ``partial`` (some did), ``passed`` (all did).
    """

    PASSED = "passed"
    PARTIAL = "partial"
    FAILED = "failed"
    COMPILE_ERROR = "compile_error"
    CRASHED = "crashed"
    LIMIT_EXCEEDED = "limit_exceeded"
    MISSING_FILES = "missing_files"
    INFRASTRUCTURE_ERROR = "infrastructure_error"
    CANCELLED = "cancelled"


class CaseStatus(StrEnum):
    """The outcome of one case; ``not_run`` when something before it ended the test."""

    PASSED = "passed"
    FAILED = "failed"
    CRASHED = "crashed"
    LIMIT_EXCEEDED = "limit_exceeded"
    NOT_RUN = "not_run"


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CaseResult(_Frozen):
    """One case: its outcome, and what to show of it. Texts are cut and free of control characters.

    Attributes:
        group, id, name: Which case.
        status: Its outcome.
        points, max_points: Exact; points are all or nothing.
        visibility: Who sees any of this: output, expectation and duration leak inputs.
        message: One sentence on why it isn't passed.
        expected, actual: For display, not for comparison.
        output: What the program wrote, where the case had a run of its own.
        duration_ms, memory_bytes: Where the case had a run of its own.
    """

    group: str
    id: str
    name: str
    status: CaseStatus
    points: Decimal
    max_points: Decimal
    visibility: Visibility
    message: str = ""
    expected: str | None = None
    actual: str | None = None
    output: str = ""
    duration_ms: int | None = None
    memory_bytes: int | None = None


class Section(_Frozen):
    """What a phase that served several cases wrote; seen by whoever sees those cases.

    A phase never serves cases of different visibility.
    """

    name: str
    visibility: Visibility
    output: str


class JudgedPhase(_Frozen):
    """What came of judging one phase.

    Attributes:
        cases: The cases that it served, in order.
        section: What it wrote, where it served several.
    """

    cases: tuple[CaseResult, ...]
    section: Section | None = None


class Replay(_Frozen):
    """What running the same test again needs.

    Attributes:
        test_tree: Digest of specification and test files.
        toolchain, toolchain_version: What compiled and ran it.
        runner, runner_version, isolation: Who ran it, and how.
        limits: Limits by phase.
        seed: What random choices were drawn from.
    """

    test_tree: str
    toolchain: str
    toolchain_version: str = ""
    runner: str = ""
    runner_version: str = ""
    isolation: str = ""
    limits: dict[str, dict[str, float | int | bool]] = Field(default_factory=dict)
    seed: int = 0


class TestReport(_Frozen):
    """The result of a test.

    Attributes:
        verdict: The outcome in a word.
        points, max_points: Exact sums over the cases.
        integrity: Who could have forged it.
        limit_exceeded: Name of the first limit that stopped a phase, "" for none.
        cases: All cases of the specification, in order.
        messages: For the student, about the submission as a whole (what is missing, what the
            compiler said).
        sections: Outputs of phases that served several cases.
        replay: What running it again needs.
    """

    __test__ = False

    verdict: Verdict
    points: Decimal
    max_points: Decimal
    integrity: Integrity
    limit_exceeded: str = ""
    cases: tuple[CaseResult, ...] = ()
    messages: tuple[str, ...] = ()
    sections: tuple[Section, ...] = ()
    replay: Replay

    @property
    def visible_cases(self) -> tuple[CaseResult, ...]:
        """The cases that students always see."""
        return tuple(case for case in self.cases if case.visibility is Visibility.ALWAYS)

    @property
    def visible_verdict(self) -> Verdict | None:
        """The verdict that says nothing of a hidden case; None where all are hidden.

        It is the verdict itself where no case is hidden or none was run.
        """
        visible = self.visible_cases
        if visible == self.cases or all(case.status is CaseStatus.NOT_RUN for case in self.cases):
            return self.verdict
        return verdict_of(visible) if visible else None


def verdict_of(cases: Sequence[CaseResult]) -> Verdict:
    """The outcome in a word of cases that were run."""
    statuses = {case.status for case in cases}
    if CaseStatus.LIMIT_EXCEEDED in statuses:
        return Verdict.LIMIT_EXCEEDED
    if CaseStatus.CRASHED in statuses:
        return Verdict.CRASHED
    if statuses == {CaseStatus.PASSED}:
        return Verdict.PASSED
    return Verdict.PARTIAL if CaseStatus.PASSED in statuses else Verdict.FAILED
