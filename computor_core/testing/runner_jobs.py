"""Jobs for the runner suite, and ways to look at the machine from outside a sandbox."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from computor_core.plugin_api.providers.runner import (
    Limits,
    Mount,
    Phase,
    PhaseResult,
    RunJob,
    TestRunner,
    Trust,
)

MIB = 1024 * 1024
LIMITS = Limits(
    cpu_seconds=10,
    wall_seconds=15,
    memory_bytes=256 * MIB,
    processes=32,
    output_bytes=64 * 1024,
    disk_bytes=16 * MIB,
)
"""Limits that no test of the suite reaches unless it sets one lower."""


def phase(name: str, *command: str, **values: object) -> Phase:
    """A phase with the suite's limits; ``values`` are further fields, limits among them by name."""
    limits = {key: values.pop(key) for key in list(values) if key in Limits.__dataclass_fields__}
    made = Phase(name=name, command=command, trust=Trust.STUDENT, limits=replace(LIMITS, **limits))  # type: ignore[arg-type]
    return replace(made, **values)  # type: ignore[arg-type]


def shell(script: str, **values: object) -> Phase:
    """A phase that runs a POSIX shell script."""
    return phase("main", "sh", "-c", script, **values)


def python(script: str, **values: object) -> Phase:
    """A phase that runs a Python program."""
    return phase("main", "python3", "-B", "-c", script, **values)


def job(*phases: Phase, inputs: Mapping[str, Path] | None = None, **values: object) -> RunJob:
    """A job of the toolchain ``python``."""
    made = RunJob(job_id="conformance", toolchain="python", phases=phases, inputs=dict(inputs or {}))
    return replace(made, **values)  # type: ignore[arg-type]


async def run(provider: TestRunner, *phases: Phase, **values: object) -> list[PhaseResult]:
    """Run phases and give their results."""
    return list((await provider.run(job(*phases, **values))).phases)  # type: ignore[arg-type]


async def run_one(provider: TestRunner, one: Phase, **values: object) -> PhaseResult:
    """Run one phase and give its result."""
    (result,) = await run(provider, one, **values)
    return result


def read_only(source: str) -> Mount:
    """An input under its own name beside the working directory."""
    return Mount(source, f"/{source}")


def processes_with(token: str) -> list[int]:
    """Ids of the machine's processes whose command line holds a token, this one apart."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            command = (entry / "cmdline").read_bytes()
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
        if token.encode() in command:
            found.append(int(entry.name))
    return found
