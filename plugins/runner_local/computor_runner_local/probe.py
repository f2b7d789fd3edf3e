"""Finding out what works on this machine, by running something and looking from outside."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from computor_core.plugin_api.errors import ProviderUnavailableError
from computor_core.plugin_api.providers.runner import Enforcement, Isolation, Limit
from computor_runner_local.client import Answer
from computor_runner_local.launcher.request import JobRequest, LimitsRequest, PhaseRequest, SystemView

MIB = 1024 * 1024
_LIMITS = LimitsRequest(
    cpu_seconds=5, wall_seconds=10, memory_bytes=64 * MIB, processes=8, output_bytes=65536, disk_bytes=MIB
)
# What each limit's probe does: go beyond the limit that is set for it and no other.
_EXCESS: Mapping[Limit, tuple[LimitsRequest, str]] = {
    Limit.MEMORY: (replace(_LIMITS, memory_bytes=24 * MIB), "x=$(head -c 67108864 /dev/zero | tr '\\0' x)"),
    Limit.PROCESSES: (
        replace(_LIMITS, processes=4),
        "for i in 1 2 3 4 5 6 7 8 9; do sleep 9 & done; wait",
    ),
    Limit.DISK: (_LIMITS, "head -c 3145728 /dev/zero > file; sleep 9"),
    Limit.WALL: (replace(_LIMITS, wall_seconds=0.05), "sleep 9"),
    Limit.CPU: (replace(_LIMITS, cpu_seconds=0.05), "while :; do :; done"),
    Limit.OUTPUT: (replace(_LIMITS, output_bytes=1000), "while :; do echo flood; done"),
}
_LOOK_AROUND = """
cat {canary} 2>/dev/null && echo "a host file is readable"
kill -0 {pid} 2>/dev/null && echo "a host process is visible"
(: > /usr/computor-probe) 2>/dev/null && echo "the system is writable"
(: > /computor-probe) 2>/dev/null && echo "the root is writable"
(: > written) || echo "the working directory isn't writable"
while read -r name value; do
    [ "$name" = Seccomp: ] && [ "$value" != 2 ] && echo "system calls aren't filtered"
done 2>/dev/null </proc/self/status
echo done
"""
_NAMESPACES = ("user", "mnt", "pid", "net", "ipc", "uts")
_KERNEL_ALWAYS = frozenset({Limit.OUTPUT, Limit.DISK})

Runner = Callable[[JobRequest], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Prober:
    """Probes with a launcher.

    Attributes:
        run: Runs a request on the launcher.
        system: What sandboxes see.
        folder: Makes a job's folder.
        path: PATH inside.
        cgroups: Whether phases get control groups.
        unfiltered: Why system calls aren't filtered, "" when they are.
    """

    run: Runner
    system: SystemView
    folder: Callable[[str, Isolation], Path]
    path: str
    cgroups: Callable[[], bool]
    unfiltered: Callable[[], str]

    async def level(self, level: Isolation, outside: Path, pid: int) -> str:
        """Why a level doesn't work; "" when it does.

        Args:
            level: The level.
            outside: Directory on the host, for a file that mustn't be readable.
            pid: A process of the host that mustn't be visible.
        """
        if level is Isolation.BUBBLEWRAP and not self.system.bubblewrap:
            return "bubblewrap (bwrap) isn't installed"
        if level is not Isolation.NONE and self.unfiltered():
            return self.unfiltered()
        secret = secrets.token_hex(16)
        canary = outside / f"canary-{level.value}"
        canary.write_text(secret)
        canary.chmod(0o644)
        script = _LOOK_AROUND.format(canary=canary, pid=pid)
        try:
            answer = await self.run(self._request(level, script, _LIMITS, examine=True))
        except ProviderUnavailableError as error:
            return error.message
        finally:
            canary.unlink()
        if "error" in answer.header:
            return str(answer.header["error"])
        output = answer.blobs[0].decode(errors="replace")
        if not output.endswith("done\n"):
            return f"the probe ended early: {answer.header['phases'][0]}"
        if level is Isolation.NONE:
            return ""
        missing = set(_NAMESPACES) - set(answer.header["namespaces"])
        if missing:
            return f"shares namespaces with the host: {', '.join(sorted(missing))}"
        leaks = output.removesuffix("done\n").strip()
        return f"the sandbox isn't tight: {leaks!r}" if leaks or secret in output else ""

    async def enforcement(self, level: Isolation) -> dict[Limit, Enforcement]:
        """Who enforces each limit at a level; a limit that a probe could exceed is ``none``."""
        found = {Limit.NETWORK: Enforcement.NONE if level is Isolation.NONE else Enforcement.KERNEL}
        for limit, (limits, script) in _EXCESS.items():
            answer = await self.run(self._request(level, script, limits))
            phases = answer.header.get("phases", [])
            stopped = bool(phases) and phases[0]["limit"] == limit.value
            found[limit] = self._claim(level, limit) if stopped else Enforcement.NONE
        return found

    def _claim(self, level: Isolation, limit: Limit) -> Enforcement:
        by_kernel = set(_KERNEL_ALWAYS)
        if level is Isolation.NONE:
            by_kernel = {Limit.OUTPUT}
        if self.cgroups():
            by_kernel |= {Limit.MEMORY, Limit.PROCESSES}
        return Enforcement.KERNEL if limit in by_kernel else Enforcement.POLLED

    async def version(self, level: Isolation, command: tuple[str, ...]) -> str | None:
        """First line that a version command prints in the sandbox, None when it fails."""
        limits = replace(_LIMITS, memory_bytes=512 * MIB, processes=64)
        answer = await self.run(self._request(level, "", limits, command=command))
        phases = answer.header.get("phases", [])
        if not phases or phases[0]["exit_code"] != 0:
            return None
        text = (answer.blobs[0] or answer.blobs[1]).decode(errors="replace").strip()
        return text.splitlines()[0] if text else ""

    def _request(
        self,
        level: Isolation,
        script: str,
        limits: LimitsRequest,
        *,
        command: tuple[str, ...] = (),
        examine: bool = False,
    ) -> JobRequest:
        name = f"probe-{secrets.token_hex(4)}"
        phase = PhaseRequest(
            command=command or ("sh", "-c", script),
            mounts=(),
            workdir="/box",
            environment={"PATH": self.path, "HOME": "/box", "LANG": "C.UTF-8"},
            limits=limits,
            continue_on_failure=False,
            collect=(),
            collect_bytes=0,
        )
        return JobRequest(
            name, level.value, str(self.folder(name, level)), self.system, MIB, (phase,), examine=examine
        )
