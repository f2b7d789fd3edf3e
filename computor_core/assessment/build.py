"""From a test specification to a job for a runner.

What enters a sandbox is decided here. The submission comes in through the allow-list of its
specification and always as a private copy. Expected values never come in: comparison happens in
:mod:`computor_core.assessment.judge`, from what the phases put out. Cases of different visibility
never share a phase, so a hidden case's inputs can't be told through a visible case's output, and the
phases of those that students see run first: whatever a hidden phase leaves on the machine, a counter of
its processes for example, no visible phase of the same job is there to read it.
Paths in commands are relative to the working directory, as the runner contract asks of commands
that shall run at every level of isolation.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

from computor_core.assessment import harness
from computor_core.assessment.model import (
    COMPILE_SHARE,
    ExitCodeGroup,
    FunctionCallGroup,
    ProgramCase,
    PytestGroup,
    SpecLimits,
    StdioGroup,
    TestGroup,
    TestSpec,
    Visibility,
)
from computor_core.errors import InvalidError
from computor_core.plugin_api.providers.runner import (
    Enforcement,
    Isolation,
    Limit,
    Limits,
    Mount,
    Phase,
    RunJob,
    Trust,
)
from computor_core.plugin_api.providers.toolchains import TOOLCHAINS, Toolchain

COMPILE = "compile"
PROGRAM = "program"
REPORT_FOLDER = ".computor"
_COLLECT_BYTES = 4 * 1024 * 1024
_WORKDIR = "/box"


@dataclass(frozen=True, slots=True)
class JobInputs:
    """Host directories with a job's files.

    Attributes:
        submission: What was handed in.
        tests: The example's test files, for specifications that have some.
        additional: Files that the example gives to every submission.
    """

    submission: Path
    tests: Path | None = None
    additional: Path | None = None


@dataclass(frozen=True, slots=True)
class JobPolicy:
    """What a deployment or an assignment demands of a run.

    Attributes:
        defaults: Limits where the specification sets none.
        minimum_isolation, minimum_enforcement: As in :class:`RunJob`.
        toolchains: Known toolchains by name.
    """

    defaults: Limits = field(default_factory=Limits)
    minimum_isolation: Isolation = Isolation.NONE
    minimum_enforcement: Mapping[Limit, Enforcement] = field(default_factory=dict)
    toolchains: Mapping[str, Toolchain] = field(default_factory=lambda: TOOLCHAINS)


def missing_files(spec: TestSpec, sizes: Mapping[str, int]) -> tuple[str, ...]:
    """The files that a submission lacks: demanded by the specification, but absent or empty.

    Args:
        spec: The specification.
        sizes: Size in bytes by path of what was handed in.
    """
    return tuple(path for path in spec.submission_files if not sizes.get(path))


def phase_cases(group: TestGroup) -> dict[str, tuple[int, ...]]:
    """Numbers of the cases that each phase of a group serves, by the phase's name."""
    if isinstance(group, (StdioGroup, ExitCodeGroup)):
        return {f"run-{group.id}-{number}": (number,) for number in range(len(group.cases))}
    prefix = "call" if isinstance(group, FunctionCallGroup) else "unit"
    found: dict[str, tuple[int, ...]] = {}
    for visibility in Visibility:
        numbers = tuple(n for n, case in enumerate(group.cases) if case.visibility is visibility)
        if numbers:
            found[f"{prefix}-{group.id}-{visibility.value}"] = numbers
    return found


def report_path(seed: int, job_id: str, phase: str, suffix: str) -> str:
    """Where a harness leaves its report; not to be guessed without the seed."""
    digest = hashlib.sha256(f"{seed}:{job_id}:{phase}".encode()).hexdigest()
    return f"{REPORT_FOLDER}/{digest[:32]}{suffix}"


def build_job(
    spec: TestSpec, job_id: str, inputs: JobInputs, *, seed: int = 0, policy: JobPolicy | None = None
) -> RunJob:
    """Build the job that tests a submission.

    Args:
        spec: What is tested.
        job_id: Stable id of the job.
        inputs: Where its files are.
        seed: What random choices are drawn from; must not be known to students beforehand.
        policy: What is demanded of the run.

    Raises:
        InvalidError: The toolchain isn't known, doesn't fit a group, or the specification needs
            test files that aren't given.
    """
    policy = policy or JobPolicy()
    toolchain = policy.toolchains.get(spec.toolchain)
    if toolchain is None:
        raise InvalidError(f"the toolchain {spec.toolchain!r} isn't known")
    builder = _Builder(spec, toolchain, policy.defaults, job_id, seed)
    served = [phase for group in spec.groups for phase in builder.group_phases(group)]
    shown_first = {
        name: list(Visibility).index(group.cases[numbers[0]].visibility)
        for group in spec.groups
        for name, numbers in phase_cases(group).items()
    }
    phases = [*builder.compile_phases(), *sorted(served, key=lambda phase: shown_first[phase.name])]
    directories = {"submission": inputs.submission, "harness": harness.DIRECTORY}
    if inputs.tests is not None:
        directories["tests"] = inputs.tests
    if inputs.additional is not None:
        directories["additional"] = inputs.additional
    for phase in phases:
        for mount in phase.mounts:
            if ":" not in mount.source and mount.source not in directories:
                raise InvalidError(f"the specification needs the {mount.source} files, none are given")
    return RunJob(
        job_id=job_id,
        toolchain=spec.toolchain,
        phases=tuple(phases),
        inputs=directories,
        minimum_isolation=policy.minimum_isolation,
        minimum_enforcement=policy.minimum_enforcement,
        seed=seed,
    )


@dataclass(frozen=True, slots=True)
class _Builder:
    spec: TestSpec
    toolchain: Toolchain
    defaults: Limits
    job_id: str
    seed: int

    def _submission(self) -> tuple[Mount, ...]:
        """The student's files and the given ones, copied into the working directory."""
        handed_in = Mount("submission", _WORKDIR, writable=True, only=self.spec.submission_files)
        if not self.spec.additional_files:
            return (handed_in,)
        return (
            handed_in,
            Mount("additional", _WORKDIR, writable=True, only=self.spec.additional_files),
        )

    def compile_phases(self) -> Iterable[Phase]:
        """One phase where the toolchain compiles, none elsewhere."""
        if not self.toolchain.compile:
            return
        sources = [
            path for path in self.spec.submission_files if path.endswith(self.toolchain.source_suffixes)
        ]
        yield Phase(
            name=COMPILE,
            command=_filled(self.toolchain.compile, {"{program}": [PROGRAM], "{sources}": sources}),
            trust=Trust.STUDENT,
            mounts=self._submission(),
            workdir=_WORKDIR,
            environment=dict(self.toolchain.environment),
            limits=self._limits(self.spec.compile_limits, COMPILE_SHARE),
        )

    def group_phases(self, group: TestGroup) -> Iterable[Phase]:
        """The phases that serve a group's cases."""
        if isinstance(group, (StdioGroup, ExitCodeGroup)):
            return self._program_phases(group)
        if self.spec.toolchain != "python":
            raise InvalidError(f"tests of kind {group.kind} need the toolchain python")
        if isinstance(group, PytestGroup):
            return self._pytest_phases(group)
        return self._call_phases(group)

    def _program_phases(self, group: StdioGroup | ExitCodeGroup) -> Iterable[Phase]:
        run = _filled(self.toolchain.run, {"{main}": [group.file], "{program}": [PROGRAM]})
        mounts = self._submission()
        if self.toolchain.compile:
            compiled = Mount(f"phase:{COMPILE}", _WORKDIR, writable=True, only=(PROGRAM,))
            mounts = (compiled, *mounts[1:])
        for name, (number,) in phase_cases(group).items():
            case: ProgramCase = group.cases[number]
            yield self._phase(group, name, (*run, *case.args), mounts, case.stdin.encode(), cases=1)

    def _call_phases(self, group: FunctionCallGroup) -> Iterable[Phase]:
        for name, numbers in phase_cases(group).items():
            results = report_path(self.seed, self.job_id, name, ".jsonl")
            calls = [
                {"arguments": list(group.cases[number].arguments), "keywords": group.cases[number].keywords}
                for number in numbers
            ]
            request = {
                "module": ".".join(PurePosixPath(group.file).with_suffix("").parts),
                "function": group.function,
                "results": results,
                "calls": calls,
            }
            yield self._harness_phase(group, name, "function_call.py", request, results, (), len(numbers))

    def _pytest_phases(self, group: PytestGroup) -> Iterable[Phase]:
        # The one place where a student's program shares a sandbox with the tests: pytest runs both in
        # one process. The result is labelled in_process for that. The program can read and print what is
        # mounted, so a phase gets the files of its own tests, and of the rest those without any test.
        without_tests = set(self.spec.test_files) - {case.file for case in self.spec.unit_tests}
        for name, numbers in phase_cases(group).items():
            files = without_tests | {group.cases[number].file for number in numbers}
            extra = (
                Mount("tests", "/tests", only=tuple(sorted(files))),
                Mount("toolchain:python", "/libraries"),
            )
            report = report_path(self.seed, self.job_id, name, ".xml")
            request = {
                "tests": [group.cases[number].test for number in numbers],
                "root": "../tests",
                "report": report,
                "libraries": "../libraries",
            }
            yield self._harness_phase(group, name, "run_pytest.py", request, report, extra, len(numbers))

    def _harness_phase(
        self,
        group: TestGroup,
        name: str,
        program: str,
        request: Mapping[str, Any],
        report: str,
        extra: tuple[Mount, ...],
        cases: int,
    ) -> Phase:
        command = ("python3", "-B", "-s", f"../harness/{program}")
        mounts = (*self._submission(), Mount("harness", "/harness"), *extra)
        phase = self._phase(group, name, command, mounts, json.dumps(request).encode(), cases=cases)
        collect_bytes = min(_COLLECT_BYTES, self.spec.output_share(cases) // 2)
        return replace(phase, collect=(report,), collect_bytes=collect_bytes)

    def _phase(
        self,
        group: TestGroup,
        name: str,
        command: Sequence[str],
        mounts: tuple[Mount, ...],
        stdin: bytes,
        *,
        cases: int,
    ) -> Phase:
        # Python's string hashing is drawn from the seed, so a run can be repeated exactly.
        hash_seed = str(self.seed % 4_294_967_295 + 1) if self.seed else "0"
        return Phase(
            name=name,
            command=tuple(command),
            trust=Trust.STUDENT,
            mounts=mounts,
            workdir=_WORKDIR,
            stdin=stdin,
            environment={"PYTHONHASHSEED": hash_seed[:9], **self.toolchain.environment},
            limits=self._limits(group.limits, self.spec.output_share(cases)),
            continue_on_failure=True,
        )

    def _limits(self, limits: SpecLimits, share: int) -> Limits:
        """The deployment's limits, the specification's over them, and outputs within their share."""
        merged = replace(self.defaults, **limits.model_dump(exclude_none=True))
        return replace(merged, output_bytes=min(merged.output_bytes, share // 4))


def _filled(command: Sequence[str], values: Mapping[str, list[str]]) -> tuple[str, ...]:
    """A command with its placeholders filled; one that stands alone may become several arguments."""
    filled: list[str] = []
    for part in command:
        if part in values:
            filled += values[part]
            continue
        for name, value in values.items():
            part = part.replace(name, value[0]) if value else part
        filled.append(part)
    return tuple(filled)
