"""What the host asks of a supervisor, as it travels in a frame's header."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class MountRequest:
    """A directory for a phase.

    Attributes:
        source: Host directory, or the number of an earlier phase as ``"#<index>"``.
        target: Absolute path inside.
        writable: A private copy that may be changed.
        only: Relative paths to take, all when empty; forces a copy.
    """

    source: str
    target: str
    writable: bool
    only: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LimitsRequest:
    """The limits of a phase; units as in ``computor_core.plugin_api.providers.runner.Limits``."""

    cpu_seconds: float
    wall_seconds: float
    memory_bytes: int
    processes: int
    output_bytes: int
    disk_bytes: int


@dataclass(frozen=True, slots=True)
class PhaseRequest:
    """One command; ``stdin`` travels as the byte string with the phase's index."""

    command: tuple[str, ...]
    mounts: tuple[MountRequest, ...]
    workdir: str
    environment: dict[str, str]
    limits: LimitsRequest
    continue_on_failure: bool
    collect: tuple[str, ...]
    collect_bytes: int


@dataclass(frozen=True, slots=True)
class SystemView:
    """The read-only part of a sandbox's file system.

    Attributes:
        binds: Host path by path inside.
        links: Link target by path inside.
        bubblewrap: Path of the ``bwrap`` program and the options that this version needs.
    """

    binds: dict[str, str]
    links: dict[str, str]
    bubblewrap: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class JobRequest:
    """A job: its phases and the level of isolation that they get.

    Attributes:
        name: Names control groups; ``[a-zA-Z0-9_-]+``.
        level: ``bubblewrap``, ``namespaces`` or ``none``.
        folder: Empty directory of the job's own that the launcher's user may enter.
        system: What is visible beside the mounts.
        copy_bytes: Bytes that may be copied for one phase.
        phases: In order.
        examine: Report which namespaces of the first phase differ from the host's.
    """

    name: str
    level: str
    folder: str
    system: SystemView
    copy_bytes: int
    phases: tuple[PhaseRequest, ...]
    examine: bool = False

    def to_wire(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)

    @classmethod
    def from_wire(cls, header: dict[str, Any]) -> JobRequest:
        """The request in a frame's header."""
        return cls(
            name=header["name"],
            level=header["level"],
            folder=header["folder"],
            system=SystemView(
                binds=header["system"]["binds"],
                links=header["system"]["links"],
                bubblewrap=tuple(header["system"]["bubblewrap"]),
            ),
            copy_bytes=header["copy_bytes"],
            phases=tuple(_phase(phase) for phase in header["phases"]),
            examine=header["examine"],
        )


def _phase(values: dict[str, Any]) -> PhaseRequest:
    mounts = tuple(
        MountRequest(mount["source"], mount["target"], mount["writable"], tuple(mount["only"]))
        for mount in values["mounts"]
    )
    return PhaseRequest(
        command=tuple(values["command"]),
        mounts=mounts,
        workdir=values["workdir"],
        environment=values["environment"],
        limits=LimitsRequest(**values["limits"]),
        continue_on_failure=values["continue_on_failure"],
        collect=tuple(values["collect"]),
        collect_bytes=values["collect_bytes"],
    )


@dataclass(frozen=True, slots=True)
class PhaseOutcome:
    """What came of a phase; outputs and collected files travel as byte strings."""

    exit_code: int | None
    signal: int | None
    limit: str | None
    wall_seconds: float
    cpu_seconds: float
    memory_bytes: int | None
    stdout: bytes
    stderr: bytes
    collected: dict[str, bytes]
    uncollected: dict[str, str]
