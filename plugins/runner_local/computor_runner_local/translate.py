"""From the contract's jobs to the launcher's requests, and back; what is malformed is refused here."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath

from computor_core.plugin_api.errors import ProviderInvalidError
from computor_core.plugin_api.providers.runner import Limit, Limits, Mount, Phase, PhaseResult, RunJob
from computor_runner_local.client import Answer
from computor_runner_local.launcher.request import LimitsRequest, MountRequest, PhaseRequest
from computor_runner_local.settings import Ceilings

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,63}$")
_RESERVED = ("/", "/dev", "/etc", "/proc", "/sys", "/tmp")  # noqa: S108 - names inside the sandbox


def check_job(job: RunJob, ceilings: Ceilings, system_paths: tuple[str, ...]) -> None:
    """Refuse a job that is malformed or asks for more than the settings allow.

    Raises:
        ProviderInvalidError: Says which phase and why.
    """
    seen: set[str] = set()
    for phase in job.phases:
        if not _NAME.match(phase.name) or phase.name in seen:
            raise _invalid(phase, "its name is malformed or used twice")
        if not phase.command or any("\0" in part for part in phase.command):
            raise _invalid(phase, "its command is empty or holds a NUL byte")
        _check_environment(phase)
        _check_targets(phase, system_paths)
        for path in (*phase.collect, *(path for mount in phase.mounts for path in mount.only)):
            if not is_relative(path):
                raise _invalid(phase, f"{path!r} isn't a plain relative path")
        for mount in phase.mounts:
            _check_source(job, phase, mount, seen)
        _check_limits(phase, ceilings)
        seen.add(phase.name)
    if not job.phases:
        raise ProviderInvalidError("a job without phases")


def _invalid(phase: Phase, why: str) -> ProviderInvalidError:
    return ProviderInvalidError(f"phase {phase.name!r}: {why}")


def is_relative(path: str) -> bool:
    """Whether a path is relative, normalised and stays below where it starts."""
    parts = path.split("/")
    return bool(path) and "\0" not in path and not any(part in ("", ".", "..") for part in parts)


def _check_environment(phase: Phase) -> None:
    for name, value in phase.environment.items():
        if not name or "=" in name or "\0" in name + value:
            raise _invalid(phase, f"the environment variable {name!r} is malformed")


def _check_targets(phase: Phase, system_paths: tuple[str, ...]) -> None:
    targets = [mount.target for mount in phase.mounts]
    for target in {*targets, phase.workdir}:
        if not target.startswith("/") or not is_relative(target[1:]):
            raise _invalid(phase, f"{target!r} isn't a plain absolute path")
        if any(target == path or _inside(target, path) for path in (*_RESERVED[1:], *system_paths)):
            raise _invalid(phase, f"{target!r} is the sandbox's own")
    beside = [target for target in targets if target != phase.workdir]
    distinct = {*beside, phase.workdir}
    if len(set(beside)) < len(beside) or any(_inside(a, b) for a in distinct for b in distinct):
        raise _invalid(phase, "mount targets lie in each other")
    if any(mount.target == phase.workdir and not mount.writable for mount in phase.mounts):
        raise _invalid(phase, "a mount on the working directory must be writable")


def _inside(path: str, folder: str) -> bool:
    return path != folder and PurePosixPath(path).is_relative_to(folder)


def _check_source(job: RunJob, phase: Phase, mount: Mount, seen: set[str]) -> None:
    kind, _, name = mount.source.rpartition(":")
    if kind == "phase" and name not in seen:
        raise _invalid(phase, f"{mount.source!r} isn't an earlier phase")
    if kind == "toolchain" and name != job.toolchain:
        raise _invalid(phase, f"{mount.source!r} isn't the job's toolchain")
    if not kind and name not in job.inputs:
        raise _invalid(phase, f"the job has no input {name!r}")
    if kind not in ("", "phase", "toolchain"):
        raise _invalid(phase, f"{mount.source!r} isn't a source")


def _check_limits(phase: Phase, ceilings: Ceilings) -> None:
    if phase.limits.network:
        raise _invalid(phase, "this runner never gives a network")
    for name, ceiling in ceilings.model_dump().items():
        value = getattr(phase.limits, name)
        if not 0 < value <= ceiling:
            raise _invalid(phase, f"limit {name}={value} isn't above 0 and at most {ceiling}")
    if not 0 <= phase.collect_bytes <= ceilings.output_bytes:
        raise _invalid(phase, f"collect_bytes={phase.collect_bytes} isn't at most {ceilings.output_bytes}")


def to_request(job: RunJob, phase: Phase, path: str, host_path: Callable[[str], Path]) -> PhaseRequest:
    """One phase as the launcher wants it.

    Args:
        job: The job.
        phase: The phase.
        path: PATH inside.
        host_path: Directory on the host for a source that isn't an earlier phase.
    """
    order = {other.name: index for index, other in enumerate(job.phases)}
    mounts = tuple(
        MountRequest(
            source=f"#{order[mount.source[6:]]}"
            if mount.source.startswith("phase:")
            else str(host_path(mount.source)),
            target=mount.target,
            writable=mount.writable,
            only=mount.only,
        )
        for mount in phase.mounts
    )
    environment = {"PATH": path, "HOME": phase.workdir, "LANG": "C.UTF-8", "TMPDIR": "/tmp"}  # noqa: S108
    return PhaseRequest(
        command=phase.command,
        mounts=mounts,
        workdir=phase.workdir,
        environment={**environment, **phase.environment},
        limits=_limits(phase.limits),
        continue_on_failure=phase.continue_on_failure,
        collect=phase.collect,
        collect_bytes=phase.collect_bytes,
    )


def _limits(limits: Limits) -> LimitsRequest:
    return LimitsRequest(
        cpu_seconds=limits.cpu_seconds,
        wall_seconds=limits.wall_seconds,
        memory_bytes=limits.memory_bytes,
        processes=limits.processes,
        output_bytes=limits.output_bytes,
        disk_bytes=limits.disk_bytes,
    )


def from_answer(job: RunJob, answer: Answer) -> tuple[PhaseResult, ...]:
    """The results in a supervisor's answer."""
    blobs = iter(answer.blobs)
    results = []
    for phase, found in zip(job.phases, answer.header["phases"], strict=False):
        stdout, stderr = next(blobs), next(blobs)
        collected: Mapping[str, bytes] = {name: next(blobs) for name in found["collected"]}
        results.append(
            PhaseResult(
                name=phase.name,
                exit_code=found["exit_code"],
                signal=found["signal"],
                limit_exceeded=Limit(found["limit"]) if found["limit"] else None,
                stdout=stdout,
                stderr=stderr,
                collected=collected,
                uncollected=found["uncollected"],
                wall_seconds=found["wall_seconds"],
                cpu_seconds=found["cpu_seconds"],
                memory_bytes=found["memory_bytes"],
            )
        )
    return tuple(results)
