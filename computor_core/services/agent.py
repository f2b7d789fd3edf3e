"""The runner agent inside the process: leases jobs, runs them, hands in reports.

It uses nothing of a job but what its lease stands for, so that an agent on another machine can
do the same over HTTP: the submission's files, the example's files, the test specification.
"""

from __future__ import annotations

import logging
import secrets
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import anyio
from sqlalchemy import select

from computor_core.assessment.build import JobInputs, JobPolicy, build_job, missing_files
from computor_core.assessment.judge import missing_report
from computor_core.assessment.model import TestSpec
from computor_core.errors import ComputorError, UnavailableError
from computor_core.failpoints import failpoint
from computor_core.model import Artifact, ExampleVersion, TestRun
from computor_core.plugin_api.principal import Principal
from computor_core.plugin_api.providers.formats import FileRole
from computor_core.plugin_api.providers.runner import Isolation, TestRunner
from computor_core.services.judging import Judges
from computor_core.services.test_queue import LEASE, JobLeaseLostError, LeasedJob
from computor_core.services.trees import FileEntry

if TYPE_CHECKING:
    from computor_core.app import Computor

log = logging.getLogger(__name__)

POLL = 1.0
"""Seconds between two looks into the queue when nobody says that there is news."""

AWAY = timedelta(seconds=10)
"""How long a job waits after its runner or its storage was away."""

_SYSTEM = Principal.system("core:agent")
_FOLDERS = {FileRole.TEST: "tests", FileRole.ADDITIONAL: "additional"}


@dataclass(frozen=True, slots=True)
class _Material:
    """What a job is made of."""

    spec: TestSpec
    submission_storage: str
    submission: Sequence[FileEntry]
    example_storage: str
    example: Sequence[tuple[FileRole, FileEntry]]


class RunnerAgent:
    """Works off the queue of one runner instance.

    Args:
        app: The application.
        instance: Name of the runner instance.
        name: Name of this agent, the same after a restart of the same host.
        slots: Jobs at a time.
    """

    def __init__(self, app: Computor, instance: str, *, name: str, slots: int) -> None:
        self._app = app
        self._instance = instance
        self.name = name
        self._slots = slots
        self._news = anyio.Event()
        self._judges = Judges()

    def wake(self) -> None:
        """Say that a job may be waiting."""
        self._news.set()

    async def run(self) -> None:
        """Work until cancelled; a job that is under way then goes back when its lease ends."""
        slots = anyio.Semaphore(self._slots)
        try:
            async with anyio.create_task_group() as tasks:
                while True:
                    await slots.acquire()
                    job = await self._next()
                    tasks.start_soon(self._work, job, slots)
        finally:
            await self._judges.aclose()

    async def _next(self) -> LeasedJob:
        while True:
            # Made before looking, so that news that come while looking aren't missed.
            self._news = anyio.Event()
            try:
                job = await self._app.services.queue.lease(self._instance, self.name)
            except Exception:  # the queue being away must not end the agent
                log.exception("the test queue can't be asked")
                job = None
            if job is not None:
                return job
            with anyio.move_on_after(POLL):
                await self._news.wait()

    async def _work(self, job: LeasedJob, slots: anyio.Semaphore) -> None:
        try:
            await self._hand_in(job)
        except JobLeaseLostError:
            log.warning("lease lost; the result is void", extra={"job_id": str(job.job_id)})
        except Exception:  # one job must not end the agent; the lease's end returns it to the queue
            log.exception("job failed", extra={"job_id": str(job.job_id)})
        finally:
            slots.release()

    async def _hand_in(self, job: LeasedJob) -> None:
        try:
            report = await self._with_lease(job)
        except UnavailableError as error:
            log.warning("job given back: %s", error.code, extra={"job_id": str(job.job_id)})
            await self._app.services.queue.give_back(job, delay=AWAY)
            return
        except ComputorError as error:
            report = {"error": error.message}
        failpoint("agent.before_report")
        await self._app.services.queue.report(job, report)

    async def _with_lease(self, job: LeasedJob) -> dict[str, Any]:
        """Run the job while extending its lease; losing the lease ends the job."""
        outcome: dict[str, Any] = {}
        lost: list[JobLeaseLostError] = []
        failed: list[ComputorError] = []
        async with anyio.create_task_group() as tasks:

            async def extend() -> None:
                while True:
                    await anyio.sleep(LEASE.total_seconds() / 3)
                    try:
                        await self._app.services.queue.extend(job)
                    except JobLeaseLostError as error:
                        lost.append(error)
                        tasks.cancel_scope.cancel()

            tasks.start_soon(extend)
            try:
                outcome = await self._execute(job)
            except ComputorError as error:
                failed.append(error)
            tasks.cancel_scope.cancel()
        if lost or failed:
            raise (lost or failed)[0]
        return outcome

    async def _execute(self, job: LeasedJob) -> dict[str, Any]:
        material = await self._material(job.job_id)
        sizes = {entry.path: entry.size for entry in material.submission}
        missing = missing_files(material.spec, sizes)
        if missing:
            return missing_report(material.spec, missing).model_dump(mode="json")
        root = self._app.settings.data_dir / "spool"
        folder = Path(await anyio.to_thread.run_sync(lambda: tempfile.mkdtemp(prefix="job-", dir=root)))
        try:
            inputs = await self._fetch(material, folder)
            minimum = self._app.settings.runner.minimum_isolation
            policy = JobPolicy(minimum_isolation=Isolation.NONE if minimum == "auto" else minimum)
            seed = secrets.randbelow(2**53 - 1) + 1
            run_job = build_job(material.spec, str(job.job_id), inputs, seed=seed, policy=policy)
            failpoint("agent.before_run")
            runner = self._app.providers.get(TestRunner, self._instance)
            report = await runner.run(run_job)
            failpoint("agent.after_run")
            return await self._judges.judge(material.spec, run_job, report)
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(shutil.rmtree, folder)

    async def _material(self, test_run_id: UUID) -> _Material:
        async with self._app.read(_SYSTEM) as unit:
            row = (
                await unit.connection.execute(
                    select(
                        Artifact.storage_instance.label("submission_storage"),
                        Artifact.files.label("submission_files"),
                        ExampleVersion.storage_instance.label("example_storage"),
                        ExampleVersion.files.label("example_files"),
                        ExampleVersion.spec,
                    )
                    .select_from(TestRun)
                    .join(Artifact, Artifact.id == TestRun.artifact_id)
                    .join(ExampleVersion, ExampleVersion.id == TestRun.example_version_id)
                    .where(TestRun.id == test_run_id)
                )
            ).one()
        return _Material(
            spec=TestSpec.model_validate(row.spec),
            submission_storage=row.submission_storage,
            submission=[FileEntry.from_json(item) for item in row.submission_files],
            example_storage=row.example_storage,
            example=[(FileRole(item["role"]), FileEntry.from_json(item)) for item in row.example_files],
        )

    async def _fetch(self, material: _Material, folder: Path) -> JobInputs:
        blobs = self._app.services.blobs
        submission = folder / "submission"
        submission.mkdir()
        await blobs.fetch(material.submission_storage, material.submission, submission)
        found: dict[FileRole, Path] = {}
        for role, name in _FOLDERS.items():
            entries = [entry for owned, entry in material.example if owned is role]
            if entries:
                found[role] = folder / name
                found[role].mkdir()
                await blobs.fetch(material.example_storage, entries, found[role])
        return JobInputs(submission, found.get(FileRole.TEST), found.get(FileRole.ADDITIONAL))
