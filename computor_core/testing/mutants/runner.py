"""Broken test runners; each names the test of :class:`RunnerConformance` that rejects it.

A mutant wraps a runner that works and spoils what goes in or comes out, so that it fails by its mistake
alone. They need a runner with isolation: ``RunnerMutant`` takes it as its argument.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from computor_core.plugin_api.providers.base import Health
from computor_core.plugin_api.providers.runner import (
    Isolation,
    Limit,
    Phase,
    PhaseResult,
    ProbeResult,
    RunJob,
    RunReport,
    TestRunner,
)

__all__ = ["MUTANTS", "RunnerMutant"]


class RunnerMutant(TestRunner):
    """Root of the mutants: does what the wrapped runner does.

    Attributes:
        rejected_by: Names of the tests that must fail, all of them for this one mistake.
    """

    rejected_by: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, inner: TestRunner) -> None:
        self._inner = inner

    async def health(self) -> Health:
        """As the wrapped runner."""
        return await self._inner.health()

    async def probe(self) -> ProbeResult:
        """As the wrapped runner."""
        return await self._inner.probe()

    async def run(self, job: RunJob) -> RunReport:
        """Spoil what goes in and what comes out."""
        spoilt = replace(job, phases=tuple(self.spoil(phase) for phase in job.phases))
        report = await self._inner.run(self.spoil_job(spoilt))
        results = [
            self.spoil_result(phase, result) for phase, result in zip(job.phases, report.phases, strict=False)
        ]
        return replace(report, phases=tuple(results))

    def spoil(self, phase: Phase) -> Phase:
        """Change a phase before it runs."""
        return phase

    def spoil_job(self, job: RunJob) -> RunJob:
        """Change a job before it runs."""
        return job

    def spoil_result(self, phase: Phase, result: PhaseResult) -> PhaseResult:
        """Change a result before it is returned."""
        return result


class IgnoresWallTime(RunnerMutant):
    """Lets a waiting program wait."""

    rejected_by = frozenset(
        {
            "test_wall_time_over_is_stopped",
            "test_files_are_collected_after_a_limit",
            "test_a_program_that_stops_itself_is_stopped",
            "test_a_program_that_ignores_signals_is_stopped",
        }
    )

    def spoil_result(self, phase: Phase, result: PhaseResult) -> PhaseResult:
        if result.limit_exceeded is not Limit.WALL:
            return result
        return replace(result, limit_exceeded=None, exit_code=0)


class LeaksEnvironment(RunnerMutant):
    """Starts programs with the host's environment."""

    rejected_by = frozenset({"test_the_environment_is_what_the_phase_says"})

    def spoil(self, phase: Phase) -> Phase:
        # Only what can't change how other programs run, so that nothing but the leak is found.
        leaked = {name: value for name, value in os.environ.items() if name.startswith("COMPUTOR")}
        return replace(phase, environment={**leaked, **phase.environment})


class FollowsLinks(RunnerMutant):
    """Brings out what a link points to."""

    rejected_by = frozenset({"test_links_are_never_followed_when_collecting"})

    def spoil(self, phase: Phase) -> Phase:
        if not phase.collect:
            return phase
        script = (
            '"$@"; status=$?; for path in $COLLECT; do if test -L "$path" && test -f "$path"; then'
            ' cat "$path" > followed && mv followed "$path"; fi; done; exit $status'
        )
        environment = {**phase.environment, "COLLECT": " ".join(phase.collect)}
        return replace(phase, command=("sh", "-c", script, "sh", *phase.command), environment=environment)


class LetsADaemonSurvive(RunnerMutant):
    """Leaves a program running on the host that the job had started."""

    rejected_by = frozenset({"test_no_process_survives"})

    async def run(self, job: RunJob) -> RunReport:
        report = await super().run(job)
        if any("os.setsid()" in part for phase in job.phases for part in phase.command):
            token = job.phases[0].command[-1].split('time.sleep(60)", "')[1].split('"')[0]
            # It ends by itself soon, so that the mutant leaves nothing behind. Until it speaks, the system
            # may not show its command line yet.
            command = ["/bin/sh", "-c", "echo started; sleep 15; :", token]
            daemon = subprocess.Popen(command, stdout=subprocess.PIPE)  # noqa: ASYNC220 - nobody waits for its end
            assert daemon.stdout is not None and daemon.stdout.readline()  # noqa: S101, PT018
        return report


class ReadsLimitsFromOutput(RunnerMutant):
    """Believes what a program says of itself."""

    rejected_by = frozenset({"test_a_limit_is_never_read_from_the_output"})

    def spoil_result(self, phase: Phase, result: PhaseResult) -> PhaseResult:
        if b"limit_exceeded=memory" not in result.stdout:
            return result
        return replace(result, limit_exceeded=Limit.MEMORY, exit_code=None)


class IgnoresTheDemandedIsolation(RunnerMutant):
    """Runs a job with less isolation than it demands."""

    rejected_by = frozenset({"test_an_isolation_that_is_not_there_is_refused"})

    def spoil_job(self, job: RunJob) -> RunJob:
        return replace(job, minimum_isolation=Isolation.NONE)


class IgnoresTheDemandedEnforcement(RunnerMutant):
    """Runs a job with weaker limits than it demands."""

    rejected_by = frozenset({"test_an_enforcement_that_is_not_there_is_refused"})

    def spoil_job(self, job: RunJob) -> RunJob:
        return replace(job, minimum_enforcement={})


class KeepsTooMuchOutput(RunnerMutant):
    """Hands on more output than is allowed."""

    rejected_by = frozenset(
        {"test_output_over_its_limit_is_cut_and_stops", "test_a_flood_of_output_is_stopped"}
    )

    def spoil_result(self, phase: Phase, result: PhaseResult) -> PhaseResult:
        if result.limit_exceeded is not Limit.OUTPUT:
            return result
        more = bytes(100)
        return replace(
            result,
            stdout=result.stdout + more if result.stdout else b"",
            stderr=result.stderr + more if result.stderr else b"",
        )


class ChangesItsInputs(RunnerMutant):
    """Runs phases in the input directory itself instead of in a copy."""

    rejected_by = frozenset({"test_a_writable_mount_is_a_private_copy"})

    async def run(self, job: RunJob) -> RunReport:
        report = await super().run(job)
        if any(mount.writable and not mount.only for phase in job.phases for mount in phase.mounts):
            for folder in job.inputs.values():
                (Path(folder) / "one.txt").write_text("changed\n")
        return report


class IgnoresTheAllowList(RunnerMutant):
    """Mounts everything, whatever the mount lists."""

    rejected_by = frozenset({"test_only_the_listed_files_are_taken"})

    def spoil(self, phase: Phase) -> Phase:
        mounts = tuple(replace(mount, only=()) if len(mount.only) > 1 else mount for mount in phase.mounts)
        return replace(phase, mounts=mounts)


class GoesOnWhenCancelled(RunnerMutant):
    """Lets a cancelled job run to its end."""

    rejected_by = frozenset({"test_cancelling_ends_every_process"})

    def __init__(self, inner: TestRunner) -> None:
        super().__init__(inner)
        self._left: set[asyncio.Task[RunReport]] = set()

    async def run(self, job: RunJob) -> RunReport:
        going_on = asyncio.create_task(super().run(job))
        self._left.add(going_on)
        try:
            return await asyncio.shield(going_on)
        except asyncio.CancelledError:
            asyncio.get_running_loop().call_later(2, going_on.cancel)
            raise


class SwallowsSignals(RunnerMutant):
    """Reports a signal as the exit status that a shell would give."""

    rejected_by = frozenset({"test_a_signal_is_reported"})

    def spoil_result(self, phase: Phase, result: PhaseResult) -> PhaseResult:
        if result.signal is None or result.limit_exceeded is not None:
            return result
        return replace(result, exit_code=128 + result.signal, signal=None)


class HidesWhereItRan(RunnerMutant):
    """Names a stronger isolation than it had."""

    rejected_by = frozenset({"test_the_report_says_who_ran_it_and_how"})

    async def run(self, job: RunJob) -> RunReport:
        return replace(await super().run(job), isolation=Isolation.CONTAINER)


class LeaksTheHostsFiles(RunnerMutant):
    """Lets a program read files of the host: here, by reading them in its name."""

    rejected_by = frozenset({"test_files_of_the_host_are_out_of_reach"})

    def spoil_result(self, phase: Phase, result: PhaseResult) -> PhaseResult:
        script = phase.command[-1]
        if not script.startswith("cat /") or "canary" not in script:
            return result
        return replace(result, stdout=Path(script.split(";")[0].removeprefix("cat ")).read_bytes())


MUTANTS: tuple[type[RunnerMutant], ...] = (
    IgnoresWallTime,
    LeaksEnvironment,
    FollowsLinks,
    LetsADaemonSurvive,
    ReadsLimitsFromOutput,
    IgnoresTheDemandedIsolation,
    IgnoresTheDemandedEnforcement,
    KeepsTooMuchOutput,
    ChangesItsInputs,
    IgnoresTheAllowList,
    GoesOnWhenCancelled,
    SwallowsSignals,
    HidesWhereItRan,
    LeaksTheHostsFiles,
)
"""Every mutant."""
