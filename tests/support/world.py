"""A small university: a database, the access engine, the entity services and row factories."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from itertools import count
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import event, insert
from sqlalchemy.ext.asyncio import AsyncSession

from computor_core.access.engine import AccessEngine
from computor_core.access.role_sync import sync_roles
from computor_core.catalogue import actions, entities, roles, rules
from computor_core.db.engine import Database
from computor_core.db.types import new_id
from computor_core.db.unit_of_work import (
    ReadUnit,
    UnitHooks,
    UnitOfWork,
    WorkflowTarget,
    open_read,
    open_write,
)
from computor_core.entities.assembly import assemble
from computor_core.entities.service import EntityServices
from computor_core.model import (
    ApiToken,
    Artifact,
    AssignmentSchedule,
    Base,
    ContentDeployment,
    Course,
    CourseContent,
    CourseContentKind,
    CourseContentType,
    CourseFamily,
    CourseFamilyMember,
    CourseMember,
    Example,
    ExampleVersion,
    Grade,
    MemberRepository,
    Organization,
    OrganizationMember,
    PushIntent,
    Receipt,
    Session,
    SubmissionGroup,
    SubmissionGroupMember,
    TestCaseResult,
    TestRun,
    User,
    UserRole,
)
from computor_core.plugin_api.events import Event
from computor_core.plugin_api.principal import Principal

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
"""The time of all units unless a test says otherwise."""

KINDS = [
    {"id": "unit", "title": "Unit", "has_children": True, "submittable": False},
    {"id": "assignment", "title": "Assignment", "has_children": False, "submittable": True},
]
SYSTEM = Principal.system("test")

Row = TypeVar("Row", bound=Base)
_NUMBERS = count(1)


@cache
def assembled() -> tuple[AccessEngine, EntityServices]:
    """Core's access engine and entity services; they keep no state of a database."""
    return assemble(
        entities=entities.registrations(),
        actions=actions.registrations(),
        roles=roles.registrations(),
        rules=rules.registrations(),
    )


async def create_schema(database: Database) -> None:
    """Core's tables, roles and content kinds."""
    access, _ = assembled()
    async with database.writer.begin() as connection:
        core = [table for table in Base.metadata.sorted_tables if table.info.get("owner") == "core"]
        await connection.run_sync(Base.metadata.create_all, tables=core)
        await sync_roles(connection, access.vocabulary)
        await connection.execute(insert(CourseContentKind), KINDS)


class World:
    """Rows by short calls; each takes what it must and makes up the rest."""

    def __init__(self, database: Database, system: tuple[AccessEngine, EntityServices] | None = None) -> None:
        self.database = database
        self.access, self.entities = system or assembled()
        self.now = NOW
        self.events: list[Event] = []
        self._numbers = _NUMBERS

    # --- units ----------------------------------------------------------------------------

    def uow(
        self, principal: Principal, *, now: datetime | None = None
    ) -> AbstractAsyncContextManager[UnitOfWork]:
        async def intercept(told: Event, work: UnitOfWork) -> None:
            self.events.append(told)

        hooks = UnitHooks(intercept, lambda topics: None, lambda name: WorkflowTarget(1, "default"))
        return open_write(self.database, principal, hooks, now=now or self.now, request_id="test")

    def read(
        self, principal: Principal, *, now: datetime | None = None
    ) -> AbstractAsyncContextManager[ReadUnit]:
        return open_read(self.database, principal, now=now or self.now, request_id="test")

    @asynccontextmanager
    async def session(self) -> AsyncIterator[AsyncSession]:
        """A plain session for what no unit does; commits at the end."""
        async with AsyncSession(self.database.writer, expire_on_commit=False) as session:
            yield session
            await session.commit()

    async def add(self, row: Row) -> Row:
        async with self.session() as session:
            session.add(row)
        return row

    async def principal(
        self, user: User, *, scopes: Sequence[str] | None = None, with_session: bool = True
    ) -> Principal:
        """A principal of a new session, or of a new API token when scopes are given."""
        session_id = token_id = None
        if scopes is not None:
            token_id = (
                await self.add(
                    ApiToken(
                        user_id=user.id,
                        name="token",
                        prefix="ct_",
                        token_hash=new_id().hex * 2,
                        scopes=list(scopes),
                    )
                )
            ).id
        elif with_session:
            session_id = (
                await self.add(
                    Session(
                        user_id=user.id,
                        token_hash=new_id().hex * 2,
                        csrf_hash="0" * 64,
                        auth_instance="default",
                        expires_at=self.now + timedelta(days=1),
                        last_seen_at=self.now,
                    )
                )
            ).id
        async with self.database.reader.connect() as connection:
            return await self.access.load_principal(
                connection,
                user_id=user.id,
                session_id=session_id,
                api_token_id=token_id,
                scopes=None if scopes is None else frozenset(scopes),
            )

    async def again(self, principal: Principal) -> Principal:
        """The principal resolved anew from the same credential."""
        assert principal.user_id is not None
        async with self.database.reader.connect() as connection:
            return await self.access.load_principal(
                connection,
                user_id=principal.user_id,
                session_id=principal.session_id,
                api_token_id=principal.api_token_id,
                scopes=principal.scopes,
            )

    # --- people ---------------------------------------------------------------------------

    async def user(self, name: str = "", *, role: str | None = None, **fields: Any) -> User:
        name = name or f"user{next(self._numbers)}"
        email = fields.pop("email", f"{name}@example.org")
        user = await self.add(
            User(
                given_name=name, family_name="Test", email=email, email_key=email and email.lower(), **fields
            )
        )
        if role is not None:
            await self.add(UserRole(user_id=user.id, role_id=role))
        return user

    async def who(self, role: str, place: Any = None, **fields: Any) -> Principal:
        """A principal of a new user who holds a role at a course, family or organization, or globally."""
        user = await self.user(**fields)
        await self.grant(user, role, place)
        return await self.principal(user)

    async def grant(self, user: User, role: str, place: Any = None) -> Any:
        match place:
            case Course():
                return await self.add(
                    CourseMember(course_id=place.id, user_id=user.id, role_id=f"course:{role}")
                )
            case CourseFamily():
                return await self.add(
                    CourseFamilyMember(course_family_id=place.id, user_id=user.id, role_id=f"family:{role}")
                )
            case Organization():
                return await self.add(
                    OrganizationMember(
                        organization_id=place.id, user_id=user.id, role_id=f"organization:{role}"
                    )
                )
            case None:
                return await self.add(UserRole(user_id=user.id, role_id=role))
        raise TypeError(place)

    # --- places ---------------------------------------------------------------------------

    async def organization(self, path: str = "", parent: Organization | None = None) -> Organization:
        path = path or f"org{next(self._numbers)}"
        full = f"{parent.path}.{path}" if parent else path
        return await self.add(Organization(path=full, parent_id=parent.id if parent else None, title=path))

    async def family(self, organization: Organization | None = None) -> CourseFamily:
        organization = organization or await self.organization()
        number = next(self._numbers)
        return await self.add(
            CourseFamily(organization_id=organization.id, slug=f"family{number}", title=f"Family {number}")
        )

    async def course(self, family: CourseFamily | None = None, **fields: Any) -> Course:
        family = family or await self.family()
        number = next(self._numbers)
        values = {"slug": f"course{number}", "title": f"Course {number}"} | fields
        return await self.add(
            Course(organization_id=family.organization_id, course_family_id=family.id, **values)
        )

    # --- content --------------------------------------------------------------------------

    async def content_type(self, course: Course, kind: str = "assignment") -> CourseContentType:
        number = next(self._numbers)
        return await self.add(
            CourseContentType(course_id=course.id, kind_id=kind, slug=f"type{number}", title=kind)
        )

    async def content(
        self,
        course: Course,
        path: str = "",
        *,
        kind: str = "assignment",
        released: bool = False,
        releases_at: datetime | None = None,
        due_at: datetime | None = None,
        scheduled: bool = True,
        **fields: Any,
    ) -> CourseContent:
        """A node; ``released`` deploys it, with a schedule unless told otherwise."""
        number = next(self._numbers)
        path = path or f"content{number}"
        content_type = await self.content_type(course, kind)
        content = await self.add(
            CourseContent(
                course_id=course.id,
                content_type_id=content_type.id,
                kind_id=kind,
                path=path,
                parent_key=path.rpartition(".")[0],
                position=f"a{number}z",
                title=path,
                **fields,
            )
        )
        if released:
            version = await self.example_version(course)
            await self.add(
                ContentDeployment(
                    course_id=course.id,
                    course_content_id=content.id,
                    example_version_id=version.id,
                    state="deployed",
                    deployed_at=self.now - timedelta(days=1),
                )
            )
            if scheduled:
                await self.schedule(content, releases_at=releases_at, due_at=due_at)
        return content

    async def schedule(self, content: CourseContent, **fields: Any) -> AssignmentSchedule:
        values = {"points": Decimal(10)} | fields
        return await self.add(
            AssignmentSchedule(course_id=content.course_id, course_content_id=content.id, **values)
        )

    async def example(self, organization_id: UUID) -> Example:
        number = next(self._numbers)
        return await self.add(
            Example(
                organization_id=organization_id,
                identifier=f"example.{number}",
                title="Example",
                format="computor",
            )
        )

    async def example_version(self, course: Course) -> ExampleVersion:
        example = await self.example(course.organization_id)
        return await self.add(
            ExampleVersion(
                example_id=example.id,
                organization_id=course.organization_id,
                version_tag="1.0.0",
                ordinal=1,
                title="Example",
                integrity="isolated",
                tree_hash="0" * 64,
                storage_instance="default",
                files=[],
                spec={"tests": []},
            )
        )

    # --- work -----------------------------------------------------------------------------

    async def group(self, content: CourseContent, *members: CourseMember) -> SubmissionGroup:
        group = await self.add(SubmissionGroup(course_id=content.course_id, course_content_id=content.id))
        for member in members:
            await self.add(
                SubmissionGroupMember(
                    course_id=content.course_id,
                    course_content_id=content.id,
                    submission_group_id=group.id,
                    course_member_id=member.id,
                    user_id=member.user_id,
                )
            )
        return group

    async def artifact(self, group: SubmissionGroup, member: CourseMember, **fields: Any) -> Artifact:
        values = {"received_at": self.now, "official": True} | fields
        return await self.add(
            Artifact(
                course_id=group.course_id,
                submission_group_id=group.id,
                course_member_id=member.id,
                transport="upload",
                tree_hash="0" * 64,
                size=1,
                storage_instance="default",
                files=[],
                **values,
            )
        )

    async def receipt(self, artifact: Artifact) -> Receipt:
        return await self.add(
            Receipt(
                course_id=artifact.course_id,
                submission_group_id=artifact.submission_group_id,
                artifact_id=artifact.id,
                sequence=next(self._numbers),
                previous_hash="0" * 64,
                hash="1" * 64,
                body="{}",
                signature="s",
                key_id="k",
                received_at=artifact.received_at,
            )
        )

    async def test_run(self, artifact: Artifact, version: ExampleVersion, **fields: Any) -> TestRun:
        values = {"official": True, "state": "finished", "verdict": "passed", "output": "log"} | fields
        values = {"sections": [{"name": "run"}], "replay": {"seed": 1}} | values
        return await self.add(
            TestRun(
                course_id=artifact.course_id,
                submission_group_id=artifact.submission_group_id,
                artifact_id=artifact.id,
                example_version_id=version.id,
                runner_instance="default",
                **values,
            )
        )

    async def case(self, run: TestRun, visibility: str = "always", **fields: Any) -> TestCaseResult:
        values = {
            "status": "failed",
            "points": Decimal(1),
            "max_points": Decimal(2),
            "message": "message",
            "expected": "expected",
            "actual": "actual",
            "output": "output",
            "duration_ms": 12,
            "memory_bytes": 34,
        } | fields
        return await self.add(
            TestCaseResult(
                course_id=run.course_id,
                submission_group_id=run.submission_group_id,
                test_run_id=run.id,
                ordinal=next(self._numbers),
                name=f"case {visibility}",
                visibility=visibility,
                **values,
            )
        )

    async def grade(
        self, artifact: Artifact, grader: User | None = None, *, published: bool = False, **fields: Any
    ) -> Grade:
        values = {"points": Decimal("7.5"), "comment": "well done"} | fields
        return await self.add(
            Grade(
                course_id=artifact.course_id,
                submission_group_id=artifact.submission_group_id,
                artifact_id=artifact.id,
                graded_by_id=grader.id if grader else None,
                published_at=self.now if published else None,
                **values,
            )
        )

    async def repository(self, member: CourseMember) -> MemberRepository:
        return await self.add(
            MemberRepository(
                course_id=member.course_id,
                course_member_id=member.id,
                git_instance="default",
                external_id=member.id.hex,
                http_url="http://localhost/x.git",
            )
        )

    async def push(self, repository: MemberRepository, content: CourseContent, user_id: UUID) -> PushIntent:
        return await self.add(
            PushIntent(
                course_id=content.course_id,
                member_repository_id=repository.id,
                push_id=new_id().hex,
                user_id=user_id,
                course_content_id=content.id,
                ref="refs/heads/submit/x",
                old_commit="0" * 40,
                new_commit="1" * 40,
                received_at=self.now,
            )
        )

    # --- looking --------------------------------------------------------------------------

    async def ids(self, principal: Principal, endpoint: str, **options: Any) -> set[str]:
        """Ids of all rows that a list shows, over all pages."""
        found: set[str] = set()
        cursor: str | None = None
        while True:
            async with self.read(principal) as unit:
                page = await self.entities[endpoint].list(unit, cursor=cursor, limit=200, **options)
            found |= {row["id"] for row in page.data}
            cursor = page.next_cursor
            if cursor is None:
                return found

    async def get(self, principal: Principal, endpoint: str, row_id: Any, **options: Any) -> dict[str, Any]:
        async with self.read(principal) as unit:
            return await self.entities[endpoint].get(unit, row_id, **options)

    @contextmanager
    def statements(self) -> Iterator[list[str]]:
        """The SQL that is sent meanwhile."""
        sent: list[str] = []

        def note(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
            sent.append(statement)

        engines = {id(engine.sync_engine): engine.sync_engine for engine in self.database.engines}
        for engine in engines.values():
            event.listen(engine, "before_cursor_execute", note)
        try:
            yield sent
        finally:
            for engine in engines.values():
                event.remove(engine, "before_cursor_execute", note)
