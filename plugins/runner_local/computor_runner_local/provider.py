"""The local runner: the test-runner contract on top of the launcher."""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import secrets
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from importlib import metadata
from pathlib import Path

from computor_core.plugin_api.errors import ProviderInvalidError, ProviderUnavailableError
from computor_core.plugin_api.providers.base import AppContext, Health, HealthState
from computor_core.plugin_api.providers.runner import (
    Enforcement,
    Isolation,
    Limit,
    ProbeResult,
    RunJob,
    RunReport,
    TestRunner,
)
from computor_core.plugin_api.providers.toolchains import TOOLCHAINS, Toolchain
from computor_runner_local import folder, libraries, system, translate
from computor_runner_local.client import Answer, Launcher
from computor_runner_local.identity import sandbox_uid
from computor_runner_local.launcher.cgroups import PREFIX, own_groups
from computor_runner_local.launcher.request import JobRequest
from computor_runner_local.probe import Prober
from computor_runner_local.settings import LocalRunnerSettings

_LEVELS = (Isolation.BUBBLEWRAP, Isolation.NAMESPACES, Isolation.NONE)
_serials = itertools.count()


class LocalRunner(TestRunner):
    """Runs jobs on this machine, in the strongest sandbox that works here.

    Args:
        settings: The instance's settings.
        log: Its logger.
        levels: Levels to try, strongest first.
    """

    def __init__(
        self,
        settings: LocalRunnerSettings,
        log: logging.Logger,
        levels: tuple[Isolation, ...] = _LEVELS,
    ) -> None:
        self._settings = settings
        self._log = log
        self._levels = levels
        self._name = folder.own_name(next(_serials))
        uid = sandbox_uid(settings.run_as_uid)
        self._stages = uid != os.geteuid()
        self._folder = folder.WorkFolder(settings.tmp_dir, self._name, uid)
        self._launcher = Launcher(
            self._name, self._folder.mount_point, uid, cgroups=settings.cgroups, log=log
        )
        self._slots = asyncio.Semaphore(settings.concurrency)
        self._probing = asyncio.Lock()
        self._probed: ProbeResult | None = None
        self._preparing = asyncio.Lock()
        self._path = system.search_path(settings.system_paths)
        extra = {item.name: Toolchain(item.name, item.version, run=()) for item in settings.toolchains}
        self._toolchains = {**TOOLCHAINS, **extra}
        self._view = system.system_view(settings.system_paths, self._folder.etc)

    async def open(self) -> None:
        """Make the work folder and collect what crashed hosts left behind.

        Raises:
            ProviderUnavailableError: The work folder can't be made.
        """
        try:
            for name in await asyncio.to_thread(folder.collect_orphans, self._settings.tmp_dir):
                self._log.warning("removed what a host that has ended left behind: %s", name)
            await asyncio.to_thread(self._folder.create)
        except OSError as error:
            raise ProviderUnavailableError(
                f"the runner's work folder can't be made: {error}", hint="see the setting tmp_dir"
            ) from error
        self._view = await asyncio.to_thread(
            system.system_view, self._settings.system_paths, self._folder.etc
        )

    async def aclose(self) -> None:
        """End the launcher and remove the work folder."""
        await self._launcher.aclose()
        await asyncio.to_thread(self._folder.remove)
        for base in set(own_groups()[1].values()):
            for group in base.glob(f"{PREFIX}*"):
                if group.name == self._name:
                    await asyncio.to_thread(folder.remove_groups, group)

    async def health(self) -> Health:
        """Probe, and say which isolation and toolchains there are."""
        try:
            found = await self.probe()
        except ProviderUnavailableError as error:
            return Health(HealthState.DOWN, error.message)
        calls = f"not filtered: {self._launcher.unfiltered}" if self._launcher.unfiltered else "filtered"
        facts = {"isolation": found.isolation.value, "system_calls": calls, **found.toolchains}
        if not found.isolation.at_least(self._minimum()):
            return Health(HealthState.DOWN, _too_weak(found, self._minimum()), facts)
        return Health(HealthState.OK, "", facts)

    def _minimum(self) -> Isolation:
        wanted = self._settings.minimum_isolation
        return Isolation.NONE if wanted == "auto" else Isolation(wanted)

    async def probe(self) -> ProbeResult:
        """Find out, by trying, what works on this machine; done once."""
        async with self._probing:
            if self._probed is None:
                self._probed = await self._probe()
            return self._probed

    async def _probe(self) -> ProbeResult:
        await self._launcher.start()
        prober = Prober(
            self._run_probe,
            self._view,
            self._job_folder,
            self._path,
            lambda: self._launcher.cgroup_version > 0,
            lambda: self._launcher.unfiltered,
        )
        refusals: dict[Isolation, str] = {}
        for level in self._levels:
            why = await prober.level(level, self._folder.path, os.getpid())
            if why:
                refusals[level] = why
                continue
            enforcement = await prober.enforcement(level)
            toolchains = await self._probe_toolchains(prober, level)
            self._log.info("isolation %s, refused %s", level, refusals)
            return ProbeResult(level, enforcement, toolchains, refusals)
        raise ProviderUnavailableError(f"nothing can be run here: {refusals}")

    async def _probe_toolchains(self, prober: Prober, level: Isolation) -> dict[str, str]:
        found: dict[str, str] = {}
        for name, toolchain in self._toolchains.items():
            version = await prober.version(level, toolchain.version)
            if version is not None:
                extra = [f"{name} {version}" for name, version in libraries.versions(toolchain).items()]
                found[name] = "; ".join([version, *extra])
        return found

    async def _run_probe(self, request: JobRequest) -> Answer:
        try:
            return await self._launcher.run(request, [b""])
        finally:
            self._leave(request)

    async def run(self, job: RunJob) -> RunReport:
        """Run the phases in order; cancelling the call ends every process of the job."""
        found = await self.probe()
        self._check(job, found)
        name = f"job-{secrets.token_hex(8)}"
        async with self._slots, self._inputs(job, name) as paths:
            request = self._request(job, name, found.isolation, paths)
            try:
                answer = await self._launcher.run(request, [phase.stdin for phase in job.phases])
            finally:
                self._leave(request)
        if "error" in answer.header:
            raise ProviderUnavailableError(
                f"the sandbox couldn't be made: {answer.header['error']}", retry_after=5
            )
        return RunReport(
            job_id=job.job_id,
            phases=translate.from_answer(job, answer),
            isolation=found.isolation,
            runner="local",
            runner_version=metadata.version("computor-runner-local"),
            toolchain_version=found.toolchains[job.toolchain],
        )

    def _check(self, job: RunJob, found: ProbeResult) -> None:
        minimum = min(self._minimum(), job.minimum_isolation, key=list(Isolation).index)
        if not found.isolation.at_least(minimum):
            raise ProviderInvalidError(
                _too_weak(found, minimum),
                details={"isolation": found.isolation.value, "demanded": minimum.value},
            )
        for limit, wanted in job.minimum_enforcement.items():
            have = found.enforcement.get(limit, Enforcement.NONE)
            if not have.at_least(wanted):
                raise ProviderInvalidError(
                    f"the limit {Limit(limit).value} is enforced by {have.value}, the job demands"
                    f" {wanted.value}"
                )
        if job.toolchain not in found.toolchains:
            raise ProviderInvalidError(
                f"the toolchain {job.toolchain!r} isn't usable here",
                details={"toolchains": sorted(found.toolchains)},
            )
        translate.check_job(job, self._settings.ceilings, self._settings.system_paths)

    def _request(self, job: RunJob, name: str, level: Isolation, paths: Mapping[str, Path]) -> JobRequest:
        phases = tuple(
            translate.to_request(job, phase, self._path, paths.__getitem__) for phase in job.phases
        )
        copy_bytes = self._settings.input_bytes
        return JobRequest(
            name, level.value, str(self._job_folder(name, level)), self._view, copy_bytes, phases
        )

    def _job_folder(self, name: str, level: Isolation) -> Path:
        """Where the job's files are: hidden in the supervisor's own mount namespace, if it has one."""
        return self._folder.new_job(name) if level is Isolation.NONE else self._folder.mount_point

    def _leave(self, request: JobRequest) -> None:
        folder = Path(request.folder)
        if folder != self._folder.mount_point:
            folder.rmdir()  # the supervisor has emptied it

    @asynccontextmanager
    async def _inputs(self, job: RunJob, name: str) -> AsyncIterator[Mapping[str, Path]]:
        """Host directory by source; staged where the launcher's user couldn't read the original."""
        wanted = {mount.source for phase in job.phases for mount in phase.mounts}
        paths: dict[str, Path] = {}
        staged: list[Path] = []
        try:
            for source in sorted(wanted):
                if source.startswith("toolchain:"):
                    paths[source] = await self._library(self._toolchains[job.toolchain])
                elif not source.startswith("phase:"):
                    paths[source] = _directory(job.inputs[source])
                    if self._stages:
                        goal = f"{name}-input-{len(staged)}"
                        staged.append(self._folder.path / goal)
                        paths[source] = await asyncio.to_thread(self._folder.stage, paths[source], goal)
            yield paths
        except OSError as error:
            raise ProviderUnavailableError(f"the job's inputs can't be staged: {error}") from error
        finally:
            for path in staged:
                if path.exists():
                    await asyncio.shield(asyncio.to_thread(self._folder.remove, path))

    async def _library(self, toolchain: Toolchain) -> Path:
        """The toolchain's libraries, copied the first time that a job wants them."""
        path = self._folder.path / f"libraries-{toolchain.name}"
        async with self._preparing:
            if not path.exists():
                draft = self._folder.path / f"draft-{secrets.token_hex(4)}"
                program = shutil.which(toolchain.version[0], path=self._path)
                await asyncio.to_thread(libraries.copy_libraries, toolchain, draft, program)
                draft.rename(path)
        return path


def _directory(path: Path) -> Path:
    if not path.is_dir():
        raise ProviderInvalidError(f"the input {path.name!r} isn't a directory")
    return path.resolve()


def _too_weak(found: ProbeResult, minimum: Isolation) -> str:
    reasons = "; ".join(f"{level.value}: {why}" for level, why in found.refusals.items())
    return (
        f"isolation {found.isolation.value} is all that this machine allows, {minimum.value} is demanded"
        f" ({reasons})"
    )


@asynccontextmanager
async def open_runner(settings: LocalRunnerSettings, context: AppContext) -> AsyncIterator[LocalRunner]:
    """Factory of the type ``local``."""
    runner = LocalRunner(settings, context.log)
    await runner.open()
    try:
        yield runner
    finally:
        await runner.aclose()
