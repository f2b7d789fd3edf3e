"""A whole deployment in a folder: real storage, git and database, and a runner that a test may script."""

from __future__ import annotations

import asyncio
import io
import zipfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, update

from computor_core.app import Computor
from computor_core.db.engine import Database
from computor_core.db.types import new_id
from computor_core.errors import ComputorError, ProviderUnavailableError
from computor_core.interfaces.submitting import SubmissionAccepted
from computor_core.migrations import runner as migrations
from computor_core.model import (
    Artifact,
    ContentDeployment,
    Course,
    CourseContent,
    CourseMember,
    Organization,
    SubmissionGroup,
    TestQueue,
    TestRun,
    User,
)
from computor_core.plugin_api.principal import Principal
from computor_core.plugin_api.providers.runner import (
    Isolation,
    PhaseResult,
    RunJob,
    RunReport,
    TestRunner,
)
from computor_core.services import agent
from computor_core.services.submissions import Handover
from computor_core.settings import Settings
from computor_core.settings.assembly import assemble
from tests.support.world import NOW, World

SYSTEM = Principal.system("test")
PROGRAM = "answer.sh"
RIGHT, WRONG = {PROGRAM: b"echo 42\n"}, {PROGRAM: b"echo 41\n"}

_FAST_HASH = {"type": "local", "time_cost": 1, "memory_kib": 64, "parallelism": 1}
_META = """\
identifier: {identifier}
version: "{version}"
title: The answer
license: MIT
properties:
  studentSubmissionFiles: [{program}]
  studentTemplates: [studentTemplates/answer.sh]
  additionalFiles: [given/data.txt]
  testFiles: [secret.txt]
  executionBackend: {{slug: computor.exec.bash}}
"""
_TEST = """\
type: bash
name: The answer
properties:
  tests:
    - type: stdio
      id: answer
      name: The answer
      entryPoint: {program}
      tests:
        - {{name: Shown, expectedStdout: "42\\n", points: 1}}
        - {{name: Shown when due, expectedStdout: "42\\n", points: 2, visibility: after_due}}
        - {{name: Never shown, expectedStdout: "42\\n", points: 3, visibility: never}}
"""


class SetClock:
    """Stands still until a test sets it forward."""

    def __init__(self) -> None:
        self._now = NOW

    def now(self) -> datetime:
        return self._now

    def catch_up(self) -> None:
        """Go on to the machine's time, for parts that don't ask this clock."""
        self._now = max(self._now, datetime.now(UTC))

    def advance(self, **span: float) -> datetime:
        self._now += timedelta(**span)
        return self._now


class ScriptedRunner:
    """In the place of the sandbox: a program's output is what its one ``echo`` says.

    Attributes:
        jobs: Every job that it was given.
        script: Does something else with a job, when set.
    """

    def __init__(self) -> None:
        self.jobs: list[RunJob] = []
        self.script: Callable[[RunJob], Awaitable[RunReport]] | None = None

    async def run(self, job: RunJob) -> RunReport:
        self.jobs.append(job)
        return await (self.script or self.echo)(job)

    async def echo(self, job: RunJob) -> RunReport:
        """Report what the submitted program prints."""
        said = (job.inputs["submission"] / PROGRAM).read_bytes().removeprefix(b"echo ")
        phases = [PhaseResult(phase.name, exit_code=0, stdout=said) for phase in job.phases]
        return RunReport(job.job_id, phases, Isolation.NONE, "scripted", "1")

    @contextmanager
    def does(self, script: Callable[[RunJob], Awaitable[RunReport]]) -> Iterator[None]:
        """Do this with jobs while the block is open."""
        self.script = script
        try:
            yield
        finally:
            self.script = None


def settings_for(folder: Path, **sections: Any) -> Settings:
    """The embedded plugins in a folder, with two stores, on whatever isolation the machine allows."""
    return Settings.model_validate(
        {
            "data_dir": folder,
            "server": {"public_url": "http://127.0.0.1:8000"},
            "auth": {"instances": {"default": _FAST_HASH}},
            "storage": {"instances": {"default": {"type": "local"}, "second": {"type": "local"}}},
            "runner": {
                "minimum_isolation": "auto",
                "instances": {"default": {"type": "local"}},
            },
            **sections,
        }
    )


async def migrate(settings: Settings) -> None:
    """Bring the deployment's database to the installed code."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    database = Database(settings.database_url)
    try:
        await migrations.upgrade(database, assemble(settings).plugins.registries)
    finally:
        await database.aclose()


@asynccontextmanager
async def opened(settings: Settings, *, running: bool, sandbox: bool = False) -> AsyncIterator[Deployment]:
    """A started deployment; with its background work, and with the real sandbox, when asked to."""
    clock = SetClock()
    async with Computor(settings, clock=clock) as app:
        site = Deployment(app, clock)
        if not sandbox:
            provider: Any = app.providers.get(TestRunner, "default")
            provider.run = site.runner.run
        if not running:
            yield site
            return
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(agent, "POLL", 0.05)  # the clock stands still, nobody tells that a wait is over
            async with app.running():
                yield site


@contextmanager
def failing(provider: object, *methods: str, error: ComputorError | None = None) -> Iterator[None]:
    """A provider whose calls fail while the block is open; as being away unless told otherwise."""

    def fail(*_arguments: object) -> None:
        raise error or ProviderUnavailableError("the server is away", retry_after=1)

    with pytest.MonkeyPatch.context() as patch:
        for name in methods:
            patch.setattr(provider, name, fail)
        yield


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Wait for something to become true."""
    async with asyncio.timeout(60):
        while not await holds():  # noqa: ASYNC110 - rows tell nobody that they have changed
            await asyncio.sleep(0.02)


def zipped(files: Mapping[str, bytes]) -> bytes:
    """A ZIP archive."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path, content in files.items():
            archive.writestr(path, content)
    return buffer.getvalue()


def write_example(
    folder: Path, *, identifier: str = "tests.answer", version: str = "1.0.0", program: str = PROGRAM
) -> Path:
    """An example of every role of file: the program has to say 42."""
    files = {
        "meta.yaml": _META.format(identifier=identifier, version=version, program=program),
        "test.yaml": _TEST.format(program=program),
        "content/index.md": f"# The answer, {version}\n",
        "content/mediaFiles/question.svg": "<svg/>",
        "studentTemplates/answer.sh": "echo 0\n",
        "given/data.txt": "given\n",
        "secret.txt": "secret of the tests\n",
        program: "echo 42\n",
    }
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


@dataclass(frozen=True)
class Person:
    """Somebody with an enrolment."""

    user: User
    member: CourseMember
    principal: Principal


@dataclass
class Deployment:
    """An application with row factories."""

    app: Computor
    clock: SetClock
    runner: ScriptedRunner = field(default_factory=ScriptedRunner)

    def __post_init__(self) -> None:
        self.world = World(self.app.database)

    async def import_example(
        self, organization_id: UUID, folder: Path, principal: Principal = SYSTEM
    ) -> UUID:
        """Import an example's directory; returns the version's id."""
        services = self.app.services
        async with services.submissions.spool() as spool:
            done = await services.examples.import_folder(principal, organization_id, folder, spool)
        return done.example_version_id

    async def classroom(self, folder: Path) -> Classroom:
        """A course with a lecturer, a tutor, a student and the example ``tests.answer`` 1.0.0."""
        organization = await self.world.organization()
        course = await self.world.course(await self.world.family(organization))
        room = Classroom(self, organization, course)
        room.lecturer, room.tutor, room.student = [
            await room.join(role) for role in ("_lecturer", "_tutor", "_student")
        ]
        room.version_id = await self.import_example(organization.id, write_example(folder / "example"))
        return room

    async def rows(self, statement: Any) -> list[Any]:
        """What a statement finds."""
        async with self.app.read(SYSTEM) as unit:
            return list((await unit.connection.execute(statement)).all())

    async def scalars(self, statement: Any) -> list[Any]:
        """The first column of what a statement finds."""
        return [row[0] for row in await self.rows(statement)]

    async def change(self, statement: Any) -> None:
        """Change rows behind the services' backs."""
        async with self.app.uow(SYSTEM) as work:
            await work.connection.execute(statement)

    async def submit(
        self,
        person: Person,
        content: CourseContent,
        files: Mapping[str, bytes] | bytes = RIGHT,
        *,
        official: bool = True,
        at: datetime | None = None,
    ) -> SubmissionAccepted:
        """Submit files, or the bytes of an archive."""
        submissions = self.app.services.submissions
        handover = Handover("upload", official, at or self.clock.now(), request_id="test")
        async with submissions.spool() as spool:
            archive = spool / "body"
            archive.write_bytes(files if isinstance(files, bytes) else zipped(files))
            return await submissions.submit_archive(person.principal, content.id, archive, handover)

    async def leased(self, test_run_id: UUID) -> Any:
        """The lease of a run's job, entered into the queue as the workflow does."""
        queue = self.app.services.queue
        async with self.app.uow(SYSTEM) as work:
            await queue.enqueue(work, await work.session.get_one(TestRun, test_run_id), priority=0)
            # A line of its own, so that no other test's job stands before it.
            line = str(new_id())
            await work.connection.execute(
                update(TestQueue).where(TestQueue.id == test_run_id).values(runner_instance=line)
            )
        job = await queue.lease(line, "test")
        assert job is not None
        assert job.job_id == test_run_id
        return job

    async def finished(self, test_run_id: UUID) -> Any:
        """A test run's row, once its workflow has come to its end."""
        async with asyncio.timeout(60):
            await self.app.workflows.wait(test_run_id)
        return await self.run_of(test_run_id)

    async def run_of(self, test_run_id: UUID) -> Any:
        """A test run's row."""
        (row,) = await self.rows(select(TestRun.__table__).where(TestRun.id == test_run_id))
        return row

    async def queued(self, test_run_id: UUID) -> Any:
        """A test run's entry in the queue, or None."""
        found = await self.rows(select(TestQueue.__table__).where(TestQueue.id == test_run_id))
        return found[0] if found else None

    async def attempts_used(self, group_id: UUID) -> int:
        """How many attempts a submission group has used."""
        (used,) = await self.scalars(
            select(SubmissionGroup.attempts_used).where(SubmissionGroup.id == group_id)
        )
        return int(used)

    async def artifacts(self, content: CourseContent) -> list[Any]:
        """All artifacts of an assignment, by age."""
        statement = select(Artifact.__table__).join(
            SubmissionGroup.__table__, SubmissionGroup.id == Artifact.submission_group_id
        )
        return await self.rows(
            statement.where(SubmissionGroup.course_content_id == content.id).order_by(Artifact.id)
        )


@dataclass
class Classroom:
    """A course with people and an example."""

    site: Deployment
    organization: Organization
    course: Course
    lecturer: Person = field(init=False)
    tutor: Person = field(init=False)
    student: Person = field(init=False)
    version_id: UUID = field(init=False)

    async def join(self, role: str = "_student") -> Person:
        """Somebody new in the course."""
        user = await self.site.world.user()
        member = await self.site.world.grant(user, role, self.course)
        return Person(user, member, await self.site.world.principal(user, with_session=False))

    async def again(self, person: Person) -> Person:
        """The same person with the rights that they have now."""
        principal = await self.site.world.principal(person.user, with_session=False)
        return Person(person.user, person.member, principal)

    async def assignment(
        self,
        path: str = "",
        *,
        released: bool = True,
        version_id: UUID | None = None,
        **schedule: Any,
    ) -> CourseContent:
        """An assignment with a schedule and the example; unless told otherwise, students have it."""
        content = await self.site.world.content(self.course, path)
        await self.site.world.schedule(content, **schedule)
        version_id = version_id or self.version_id
        deployment = ContentDeployment(
            course_id=self.course.id, course_content_id=content.id, example_version_id=version_id
        )
        if released:
            deployment.state, deployment.deployed_at = "deployed", self.site.clock.now()
            deployment.released_version_id = version_id
        await self.site.world.add(deployment)
        return content
