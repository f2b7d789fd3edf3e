"""Test runners: programs that run untrusted code under limits.

A job is a list of phases. Each phase is one command in a sandbox of its own; no process
survives it. A phase's ``trust`` says whose code it runs: expected values are mounted in
``judge`` phases only, so student code never shares a sandbox with them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from computor_core.plugin_api.providers.base import Provider

if TYPE_CHECKING:
    from collections.abc import Sequence


class Trust(StrEnum):
    """Whose code a phase runs."""

    STUDENT = "student"
    COURSE = "course"
    JUDGE = "judge"


class Isolation(StrEnum):
    """How a runner separates a job from the machine, strongest first."""

    CONTAINER = "container"
    BUBBLEWRAP = "bubblewrap"
    NAMESPACES = "namespaces"
    LANDLOCK = "landlock"
    NONE = "none"

    def at_least(self, other: Isolation) -> bool:
        """Whether this level is as strong as ``other`` or stronger."""
        return _STRONGEST_FIRST.index(self) <= _STRONGEST_FIRST.index(other)


_STRONGEST_FIRST = tuple(Isolation)


class Enforcement(StrEnum):
    """Who enforces a limit: the kernel, a watchdog that polls, or nobody.

    ``kernel``: it can't be exceeded at all. ``polled``: it can, between two looks.
    """

    KERNEL = "kernel"
    POLLED = "polled"
    NONE = "none"

    def at_least(self, other: Enforcement) -> bool:
        """Whether this is as strong as ``other`` or stronger."""
        return _FIRMEST_FIRST.index(self) <= _FIRMEST_FIRST.index(other)


_FIRMEST_FIRST = tuple(Enforcement)


class Limit(StrEnum):
    """The names of the limits, as results report them in ``limit_exceeded``."""

    CPU = "cpu"
    WALL = "wall"
    MEMORY = "memory"
    PROCESSES = "processes"
    OUTPUT = "output"
    DISK = "disk"
    NETWORK = "network"


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one phase.

    Attributes:
        cpu_seconds: Processor time of all processes together.
        wall_seconds: Time from start to end.
        memory_bytes: Memory of all processes together; files in memory may count as well.
        processes: Number of processes and threads.
        output_bytes: Bytes kept of stdout and of stderr, each; more stops the phase.
        disk_bytes: Bytes written to the working directory and to /tmp together.
        network: Whether any network is reachable.
    """

    cpu_seconds: float = 10.0
    wall_seconds: float = 20.0
    memory_bytes: int = 512 * 1024 * 1024
    processes: int = 64
    output_bytes: int = 1024 * 1024
    disk_bytes: int = 64 * 1024 * 1024
    network: bool = False


@dataclass(frozen=True, slots=True)
class Mount:
    """A directory that a phase sees.

    Targets lie neither in each other nor below the working directory. Writable ones may *be* the
    working directory and then give its initial content, laid over each other in order. A runner
    without a file system view of its own (isolation ``none``) lays the targets out below a private
    folder instead of the root, so a command that shall run everywhere names them relative to the
    working directory (``../tests`` from ``/box`` for ``/tests``).

    Attributes:
        source: Name of an input of the job, ``"phase:<name>"`` for an earlier phase's working
            directory, or ``"toolchain:<name>"`` for the libraries that belong to a toolchain.
        target: Absolute path inside the sandbox.
        writable: A private copy that the phase may change, discarded unless it is the
            working directory. Without it the phase can't change anything there, and nobody
            ever sees a change in the source.
        only: Paths below the source that are taken, everything when empty. Files that aren't
            there are left out, links are never followed on the way.
    """

    source: str
    target: str
    writable: bool = False
    only: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Phase:
    """One command in one sandbox.

    Attributes:
        name: Unique within the job, ``[a-z][a-z0-9_-]*``.
        command: Program, looked up in PATH, and arguments; no shell is involved. A program
            that isn't there or can't be run gives a non-zero exit status.
        trust: Whose code it runs.
        mounts: What it sees beside the read-only system and toolchain.
        workdir: Working directory inside the sandbox, writable, private to the phase.
        stdin: Bytes on standard input.
        environment: The whole environment beside PATH, HOME, LANG and TMPDIR.
        limits: Its limits.
        continue_on_failure: Go on with the next phase after a non-zero exit.
        collect: Relative paths below ``workdir`` that are brought out for parsing, also after a
            limit or a signal ended the phase; regular files alone, no link is ever followed.
        collect_bytes: Limit on all collected files together; one that doesn't fit is left out.
    """

    name: str
    command: tuple[str, ...]
    trust: Trust
    mounts: tuple[Mount, ...] = ()
    workdir: str = "/box"
    stdin: bytes = b""
    environment: Mapping[str, str] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
    continue_on_failure: bool = False
    collect: tuple[str, ...] = ()
    collect_bytes: int = 1024 * 1024


@dataclass(frozen=True, slots=True)
class RunJob:
    """A job as a runner gets it.

    Attributes:
        job_id: Stable id of the job, for names of sandboxes and logs.
        toolchain: Name of the toolchain whose programs the phases call (``"python"``).
        phases: In order.
        inputs: Host directory by input name; the runner mounts them read-only or copies them.
        minimum_isolation: Weakest isolation accepted; a weaker runner refuses the job.
        minimum_enforcement: Weakest enforcement accepted by limit.
        seed: What the job's builder drew its random choices from; kept for replay.
    """

    job_id: str
    toolchain: str
    phases: tuple[Phase, ...]
    inputs: Mapping[str, Path]
    minimum_isolation: Isolation = Isolation.NONE
    minimum_enforcement: Mapping[Limit, Enforcement] = field(default_factory=dict)
    seed: int = 0


@dataclass(frozen=True, slots=True)
class PhaseResult:
    """What came of a phase.

    Attributes:
        name: The phase.
        exit_code: Exit status, or None when a signal or a limit ended it.
        signal: Number of the signal that ended it, or None.
        limit_exceeded: The limit that stopped it, from evidence outside its processes.
        stdout, stderr: At most ``output_bytes`` each.
        collected: Content by path below the working directory.
        uncollected: For each path that wasn't brought out the reason: ``missing``,
            ``not_a_file``, ``too_large`` or ``unreadable``.
        wall_seconds, cpu_seconds: Measured outside the sandbox.
        memory_bytes: Highest resident memory where it can be had.
    """

    name: str
    exit_code: int | None
    signal: int | None = None
    limit_exceeded: Limit | None = None
    stdout: bytes = b""
    stderr: bytes = b""
    collected: Mapping[str, bytes] = field(default_factory=dict)
    uncollected: Mapping[str, str] = field(default_factory=dict)
    wall_seconds: float = 0.0
    cpu_seconds: float = 0.0
    memory_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class RunReport:
    """What came of a job.

    Attributes:
        job_id: The job.
        phases: A result for each phase that ran, in order; shorter than the job's list when
            a phase failed that the rest needed.
        isolation: How it was isolated.
        runner, runner_version: Type and version of the runner.
        toolchain_version: Version of the job's toolchain, as the runner's probe found it.
    """

    job_id: str
    phases: Sequence[PhaseResult]
    isolation: Isolation
    runner: str
    runner_version: str
    toolchain_version: str = ""


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """What a runner can do on this machine, proved by trying.

    Attributes:
        isolation: Strongest level that works.
        enforcement: Who enforces each limit at that level.
        toolchains: Version by usable toolchain.
        refusals: For each level that doesn't work, the exact error of its probe.
    """

    isolation: Isolation
    enforcement: Mapping[Limit, Enforcement]
    toolchains: Mapping[str, str]
    refusals: Mapping[Isolation, str] = field(default_factory=dict)


class TestRunner(Provider):
    """Contract of a test runner."""

    __test__ = False
    seam: ClassVar[str] = "runner"

    async def probe(self) -> ProbeResult:
        """Find out, by trying, what works on this machine."""
        raise NotImplementedError

    async def run(self, job: RunJob) -> RunReport:
        """Run the phases in order; cancelling the call ends every process of the job.

        Raises:
            ProviderInvalidError: The job is malformed, or demands more isolation or a stronger
                enforcement than this machine has; nothing was run.
            ProviderUnavailableError: The sandbox couldn't be made; the job may be tried again.
        """
        raise NotImplementedError
