"""Releasing assignments: template and reference repositories, and one repository per student.

A release is a workflow over idempotent steps. Each step commits what the database says should be
there, read after the branch's head was read, and only on top of that head: two releases at the
same time can't undo each other, and a step repeated after a crash finds nothing to do.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import case, select, update

from computor_core.db.types import new_id
from computor_core.errors import InvalidError, ProviderConflictError
from computor_core.failpoints import failpoint
from computor_core.interfaces.releasing import ReleaseInput, ReleaseStarted
from computor_core.model import (
    AssignmentSchedule,
    ContentDeployment,
    Course,
    CourseContent,
    CourseFamily,
    CourseMember,
    CourseRepository,
    ExampleVersion,
    MemberRepository,
    Organization,
)
from computor_core.plugin_api.events import ContentReleased
from computor_core.plugin_api.principal import Principal
from computor_core.plugin_api.providers.formats import STUDENT_ROLES, FileRole
from computor_core.plugin_api.providers.git import CommitTree, EnsureRepository, GitHost, TreeFile

if TYPE_CHECKING:
    from computor_core.app import Computor
    from computor_core.db.unit_of_work import ReadUnit, UnitOfWork

_SYSTEM = Principal.system("core:releases")
_AUTHOR = ("Computor", "computor@localhost")
BRANCH = "main"
EVERY_ROLE = frozenset(FileRole)


@dataclass(frozen=True, slots=True)
class Publication:
    """What a repository was brought to.

    Attributes:
        commit: The commit that its branch is at.
        assignments: Digest of the assignments and example versions that it holds.
    """

    commit: str
    assignments: str


@dataclass(frozen=True, slots=True)
class _Deployment:
    """An assignment with its example version, as the tree needs it."""

    content_id: UUID
    version_id: UUID
    path: str
    title: str
    storage_instance: str
    files: list[dict[str, Any]]


async def release_course(
    app: Computor, principal: Principal, course_id: UUID, body: ReleaseInput, *, request_id: str = ""
) -> ReleaseStarted:
    """Start releasing assignments of a course.

    Raises:
        NotFoundError: No such course, or none that the principal may see.
        ForbiddenError: The principal may not release.
        InvalidError: An assignment isn't of this course, is archived or has no example version, or
            its example's verdicts are worth less than it demands.
    """
    async with app.uow(principal, request_id=request_id) as work:
        await app.access.require(work, "content.release", "courses", course_id)
        statement = (
            select(ContentDeployment)
            .join(CourseContent, CourseContent.id == ContentDeployment.course_content_id)
            .where(ContentDeployment.course_id == course_id, CourseContent.archived_at.is_(None))
        )
        if not work.is_sqlite:
            statement = statement.with_for_update(of=ContentDeployment)
        if body.course_content_ids is not None:
            statement = statement.where(ContentDeployment.course_content_id.in_(body.course_content_ids))
        found = (await work.session.execute(statement.order_by(ContentDeployment.id))).scalars().all()
        missing = set(body.course_content_ids or ()) - {item.course_content_id for item in found}
        if missing:
            raise InvalidError(
                "some assignments have no example version or are archived",
                details={"course_content_ids": sorted(map(str, missing))},
            )
        await _require_integrity(work, course_id, [item.course_content_id for item in found])
        for deployment in found:
            deployment.state, deployment.message = "deploying", ""
            deployment.updated_by = principal.user_id
        contents = [item.course_content_id for item in found]
        work.audit(
            "content.release",
            "courses",
            course_id,
            after={"course_content_ids": [str(item) for item in contents]},
            course_id=course_id,
        )
        run_id = work.start_workflow("course.release", {"course_id": str(course_id)})
    return ReleaseStarted(run_id=run_id, course_content_ids=contents)


async def _require_integrity(work: UnitOfWork, course_id: UUID, contents: list[UUID]) -> None:
    """Refuse examples whose verdicts are worth less than their assignments demand."""
    too_weak = (
        (
            await work.connection.execute(
                select(ContentDeployment.course_content_id)
                .join(ExampleVersion, ExampleVersion.id == ContentDeployment.example_version_id)
                .join(
                    AssignmentSchedule,
                    AssignmentSchedule.course_content_id == ContentDeployment.course_content_id,
                )
                .where(
                    ContentDeployment.course_id == course_id,
                    ContentDeployment.course_content_id.in_(contents),
                    AssignmentSchedule.minimum_integrity == "isolated",
                    ExampleVersion.integrity != "isolated",
                )
            )
        )
        .scalars()
        .all()
    )
    if too_weak:
        raise InvalidError(
            "some assignments demand isolated verdicts, which their examples can't give",
            hint="choose other examples, or set minimum_integrity to in_process",
            details={"course_content_ids": sorted(map(str, too_weak))},
        )


class ReleaseService:
    """The steps of a release."""

    def __init__(self, app: Computor) -> None:
        self._app = app

    async def publish(self, course_id: UUID, purpose: str) -> Publication:
        """Bring the template or the reference repository to what the database says.

        Args:
            course_id: The course.
            purpose: ``"template"`` or ``"reference"``.

        Raises:
            ProviderConflictError: Somebody else moved the branch meanwhile; try again.
        """
        host, repository = await self._repository(course_id, purpose)
        head = await host.resolve(repository.external_id, f"refs/heads/{BRANCH}")
        roles = STUDENT_ROLES if purpose == "template" else EVERY_ROLE
        async with self._app.read(_SYSTEM) as unit:
            deployments = await self._deployments(unit, course_id)
        files = await self._tree(deployments, roles)
        failpoint(f"release.before_{purpose}")
        commit = await host.commit_tree(
            CommitTree(
                repository.external_id,
                BRANCH,
                files,
                f"Release {purpose}",
                *_AUTHOR,
                expected_parent=head or "",
            )
        )
        await host.protect_branch(repository.external_id, BRANCH)
        failpoint(f"release.after_{purpose}")
        return Publication(commit, _digest(deployments))

    async def finish(self, course_id: UUID, template: Publication, reference: Publication) -> int | None:
        """Mark what was being deployed as deployed.

        Args:
            course_id: The course.
            template: What the template repository was brought to.
            reference: What the reference repository was brought to.

        Returns:
            How many; None, with nothing changed, when another release has begun since and the
            repositories have to be published again.
        """
        async with self._app.uow(_SYSTEM) as work:
            statement = select(ContentDeployment).where(
                ContentDeployment.course_id == course_id, ContentDeployment.state == "deploying"
            )
            if not work.is_sqlite:
                statement = statement.with_for_update()
            rows = (await work.session.execute(statement.order_by(ContentDeployment.id))).scalars().all()
            deployments = await self._deployments(work, course_id)
            if {template.assignments, reference.assignments} != {_digest(deployments)}:
                return None
            held = {item.content_id for item in deployments}
            for row in rows:
                if row.course_content_id not in held:
                    row.state, row.message = "failed", "the assignment was archived meanwhile"
                    continue
                row.state, row.released_version_id = "deployed", row.example_version_id
                row.deployed_at = row.deployed_at or work.now
                row.template_commit, row.reference_commit = template.commit, reference.commit
                work.emit(ContentReleased(course_id=course_id, course_content_id=row.course_content_id))
        return sum(row.state == "deployed" for row in rows)

    async def fail(self, course_id: UUID, reason: str) -> None:
        """Mark what was still being deployed as failed."""
        async with self._app.uow(_SYSTEM) as work:
            await work.connection.execute(
                update(ContentDeployment)
                .where(ContentDeployment.course_id == course_id, ContentDeployment.state == "deploying")
                .values(state="failed", message=reason[:2000])
            )

    async def provision_members(self, course_id: UUID, *, batch: int = 50) -> bool:
        """Create repositories for students that have none yet, a batch at a time.

        Returns:
            Whether more are left.
        """
        async with self._app.read(_SYSTEM) as unit:
            template = (
                await unit.connection.execute(
                    select(CourseRepository.external_id, CourseRepository.git_instance).where(
                        CourseRepository.course_id == course_id, CourseRepository.purpose == "template"
                    )
                )
            ).one_or_none()
            if template is None:
                return False
            members = (
                (
                    await unit.connection.execute(
                        select(CourseMember.id)
                        .outerjoin(MemberRepository, MemberRepository.course_member_id == CourseMember.id)
                        .where(
                            CourseMember.course_id == course_id,
                            CourseMember.role_id == "course:_student",
                            MemberRepository.id.is_(None),
                        )
                        .order_by(CourseMember.id)
                        .limit(batch)
                    )
                )
                .scalars()
                .all()
            )
        host = self._app.providers.get(GitHost, template.git_instance)
        if not members or await host.resolve(template.external_id, f"refs/heads/{BRANCH}") is None:
            return False  # an empty template: its first release is under way and provides for everybody
        base = await self._course_path(course_id)
        for member_id in members:
            repository = await host.ensure_repository(
                EnsureRepository(f"{base}/students/{member_id}", "student", fork_of=template.external_id)
            )
            failpoint("release.after_member_repository")
            async with self._app.uow(_SYSTEM) as work:
                known = await work.connection.scalar(
                    select(MemberRepository.id).where(MemberRepository.course_member_id == member_id)
                )
                if known is None:
                    work.session.add(
                        MemberRepository(
                            course_id=course_id,
                            course_member_id=member_id,
                            git_instance=template.git_instance,
                            external_id=repository.external_id,
                            http_url=repository.http_url,
                        )
                    )
        return len(members) == batch

    async def _repository(self, course_id: UUID, purpose: str) -> tuple[GitHost, CourseRepository]:
        async with self._app.uow(_SYSTEM) as work:
            found = (
                await work.session.execute(
                    select(CourseRepository).where(
                        CourseRepository.course_id == course_id, CourseRepository.purpose == purpose
                    )
                )
            ).scalar_one_or_none()
            instance = (
                found.git_instance
                if found
                else await self._app.providers.binding(work, "git", course_id=course_id)
            )
        host = self._app.providers.get(GitHost, instance)
        if found is not None:
            return host, found
        path = f"{await self._course_path(course_id)}/{purpose}"
        created = await host.ensure_repository(EnsureRepository(path, purpose))
        row = CourseRepository(
            id=new_id(),
            course_id=course_id,
            purpose=purpose,
            git_instance=instance,
            external_id=created.external_id,
            http_url=created.http_url,
        )
        async with self._app.uow(_SYSTEM) as work:
            known = await work.connection.scalar(
                select(CourseRepository.id).where(
                    CourseRepository.course_id == course_id, CourseRepository.purpose == purpose
                )
            )
            if known is not None:
                raise ProviderConflictError("the repository was created by another release")
            work.session.add(row)
        return host, row

    async def _course_path(self, course_id: UUID) -> str:
        async with self._app.read(_SYSTEM) as unit:
            row = (
                await unit.connection.execute(
                    select(Organization.path, CourseFamily.slug.label("family"), Course.slug)
                    .select_from(Course)
                    .join(CourseFamily, CourseFamily.id == Course.course_family_id)
                    .join(Organization, Organization.id == Course.organization_id)
                    .where(Course.id == course_id)
                )
            ).one()
        return f"{row.path.replace('.', '/')}/{row.family}/{row.slug}"

    async def _tree(self, deployments: list[_Deployment], roles: frozenset[FileRole]) -> list[TreeFile]:
        files = [TreeFile("README.md", _index(deployments).encode())]
        for item in deployments:
            folder = item.path.replace(".", "/")
            for entry in item.files:
                role = FileRole(entry["role"])
                if role in roles:
                    content = await self._app.services.blobs.read(item.storage_instance, entry["sha256"])
                    # Student files keep their place; the others get folders of their own beside it,
                    # under names that no assignment and no student's file can have.
                    prefix = folder if role in STUDENT_ROLES else f"{folder}.{role.value}"
                    files.append(TreeFile(f"{prefix}/{entry['path']}", content, entry["mode"]))
        return files

    async def _deployments(self, unit: ReadUnit, course_id: UUID) -> list[_Deployment]:
        """What the repositories shall hold: what is being released now, and what was before."""
        version_id = case(
            (ContentDeployment.state == "deploying", ContentDeployment.example_version_id),
            else_=ContentDeployment.released_version_id,
        )
        rows = (
            await unit.connection.execute(
                select(
                    CourseContent.id,
                    ExampleVersion.id.label("version_id"),
                    CourseContent.path,
                    CourseContent.title,
                    ExampleVersion.storage_instance,
                    ExampleVersion.files,
                )
                .join(ContentDeployment, ContentDeployment.course_content_id == CourseContent.id)
                .join(ExampleVersion, ExampleVersion.id == version_id)
                .where(CourseContent.course_id == course_id, CourseContent.archived_at.is_(None))
                .order_by(CourseContent.path)
            )
        ).all()
        return [_Deployment(*row) for row in rows]


def _digest(deployments: list[_Deployment]) -> str:
    digest = hashlib.sha256()
    for item in deployments:
        digest.update(f"{item.content_id} {item.version_id} {item.path}\n".encode())
    return digest.hexdigest()


def _index(deployments: list[_Deployment]) -> str:
    lines = ["# Assignments", "", "| assignment | folder | submit with |", "|---|---|---|"]
    for item in deployments:
        folder = item.path.replace(".", "/")
        title = item.title.replace("|", "\\|")
        lines.append(f"| {title} | `{folder}` | `git push --force origin HEAD:submit/{folder}` |")
    # Forced, so that it works from any clone: the branch only carries what is submitted.
    kept = "Every submission is kept; a later push replaces what the branch shows."
    return "\n".join([*lines, "", kept, ""])
