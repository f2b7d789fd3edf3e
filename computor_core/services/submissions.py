"""Accepting submissions, from whichever transport they come.

An acceptance is one transaction: artifact, references to its bytes, receipt, test run and the
start of the test workflow become visible together or not at all. The bytes are staged before.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import anyio
from sqlalchemy import select, update

from computor_core.db.types import new_id
from computor_core.db.violations import RowConflictError
from computor_core.errors import (
    ConflictError,
    ForbiddenError,
    NotFoundError,
    QuotaExceededError,
    ScheduleClosedError,
)
from computor_core.failpoints import failpoint
from computor_core.interfaces.submitting import ReceiptView, SubmissionAccepted
from computor_core.model import (
    Artifact,
    AssignmentSchedule,
    ContentDeployment,
    CourseContent,
    CourseMember,
    PushIntent,
    Receipt,
    SubmissionGroup,
    SubmissionGroupMember,
    TestRun,
)
from computor_core.plugin_api.events import SubmissionReceived
from computor_core.schedule import Schedule, Window, evaluate
from computor_core.services.archives import ArchiveLimits, extract
from computor_core.services.receipts import GENESIS, ReceiptClaim, sign
from computor_core.services.trees import FileEntry, SpooledFile, tree_hash

if TYPE_CHECKING:
    from computor_core.app import Computor
    from computor_core.db.unit_of_work import ReadUnit, UnitOfWork
    from computor_core.plugin_api.principal import Principal


class AlreadySubmittedError(ConflictError):
    """Somebody else has completed the push, or given it up, in the meantime."""


@dataclass(frozen=True, slots=True)
class Handover:
    """How a submission came.

    Attributes:
        transport: ``"upload"`` or ``"git"``.
        official: Whether it counts and uses an attempt; else it is a practice run.
        received_at: Start of the authenticated request.
        request_id: For logs and the audit trail.
        git_commit: The commit it was read from.
        push_intent_id: The intent that the acceptance completes, in the same transaction.
    """

    transport: str
    official: bool
    received_at: datetime
    request_id: str = ""
    git_commit: str | None = None
    push_intent_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class _Target:
    """What a submission is for, as read before its bytes are stored."""

    course_id: UUID
    content_id: UUID
    example_version_id: UUID
    schedule: Schedule


class SubmissionService:
    """Accepts submissions."""

    def __init__(self, app: Computor) -> None:
        self._app = app

    @asynccontextmanager
    async def spool(self) -> AsyncIterator[Path]:
        """A private folder for the bytes of one request, removed afterwards."""
        root = self._app.settings.data_dir / "spool"
        folder = Path(await anyio.to_thread.run_sync(lambda: tempfile.mkdtemp(dir=root)))
        try:
            yield folder
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(shutil.rmtree, folder)

    async def submit_archive(
        self,
        principal: Principal,
        content_id: UUID,
        archive: Path,
        handover: Handover,
        *,
        limits: ArchiveLimits | None = None,
    ) -> SubmissionAccepted:
        """Submit an uploaded archive for the caller's own submission group.

        Args:
            principal: Who submits.
            content_id: The assignment.
            archive: The uploaded file, in a folder made by :meth:`spool`.
            handover: How it came.
            limits: What may come out of the archive.

        Raises:
            NotFoundError: No such assignment, or none that the principal may see.
            ForbiddenError: The principal may not submit to it.
            ScheduleClosedError: Not released, closed, or no attempts are left.
            TooManyRequestsError: Enough practice runs of the group are under way.
            UnsafeArchiveError, PayloadTooLargeError: See :func:`~computor_core.services.archives.extract`.
            ProviderUnavailableError: Storage is away; nothing was accepted.
        """
        async with self._app.read(
            principal, request_id=handover.request_id, now=handover.received_at
        ) as unit:
            await self.check_open(unit, content_id, official=handover.official)
        folder = archive.parent / "files"
        await anyio.Path(folder).mkdir()
        files = await anyio.to_thread.run_sync(extract, archive, folder, limits or ArchiveLimits())
        return await self.submit_files(principal, content_id, files, handover)

    async def check_open(self, unit: ReadUnit, content_id: UUID, *, official: bool) -> Window:
        """Refuse early what the acceptance would refuse, before bytes are moved.

        Raises:
            NotFoundError, ForbiddenError, ScheduleClosedError: As for :meth:`submit_archive`.
        """
        await self._app.access.require(unit, "submission.create", "course-contents", content_id)
        target = await self._target(unit, content_id)
        await self._member_id(unit, target.course_id)
        group = await self._own_group(unit, target)
        used = group.attempts_used if group else 0
        return self._window(target, used, unit.now, official=official)

    async def submit_files(
        self,
        principal: Principal,
        content_id: UUID,
        files: Sequence[SpooledFile],
        handover: Handover,
    ) -> SubmissionAccepted:
        """Submit spooled files; an empty list is a submission of nothing, which is allowed.

        Raises:
            See :meth:`submit_archive`.
        """
        entries = [item.entry for item in files]
        storage_instance = await self._storage_instance(principal, content_id)
        await self._app.services.blobs.stage(storage_instance, files)
        try:
            accepted = await self._accept_once(principal, content_id, entries, storage_instance, handover)
        except RowConflictError:
            # Two first submissions of a member at once: the other one made the group, use it.
            accepted = await self._accept_once(principal, content_id, entries, storage_instance, handover)
        failpoint("submission.after_commit")
        return accepted

    async def _accept_once(
        self,
        principal: Principal,
        content_id: UUID,
        entries: list[FileEntry],
        storage_instance: str,
        handover: Handover,
    ) -> SubmissionAccepted:
        async with self._app.uow(principal, request_id=handover.request_id, now=handover.received_at) as work:
            accepted = await self._accept(work, content_id, entries, storage_instance, handover)
            if handover.push_intent_id is not None:
                await self._complete_intent(work, handover.push_intent_id, accepted.artifact_id)
            failpoint("submission.before_commit")
        return accepted

    async def _complete_intent(self, work: UnitOfWork, intent_id: UUID, artifact_id: UUID) -> None:
        result = await work.connection.execute(
            update(PushIntent)
            .where(PushIntent.id == intent_id, PushIntent.state.in_(("pending", "moved")))
            .values(state="submitted", artifact_id=artifact_id, message="")
        )
        if result.rowcount != 1:
            raise AlreadySubmittedError("the push was submitted already")

    async def _storage_instance(self, principal: Principal, content_id: UUID) -> str:
        async with self._app.read(principal) as unit:
            course_id = await unit.connection.scalar(
                select(CourseContent.course_id).where(CourseContent.id == content_id)
            )
            if course_id is None:
                raise NotFoundError("no such assignment")
            return await self._app.providers.binding(unit, "storage", course_id=course_id)

    async def _accept(
        self,
        work: UnitOfWork,
        content_id: UUID,
        entries: list[FileEntry],
        storage_instance: str,
        handover: Handover,
    ) -> SubmissionAccepted:
        await self._app.access.require(work, "submission.create", "course-contents", content_id)
        target = await self._target(work, content_id)
        group = await self.ensure_own_group(work, target.course_id, target.content_id)
        window = self._window(target, group.attempts_used, work.now, official=handover.official)
        if handover.official:
            await self._use_attempt(work, group.id, target.schedule.max_attempts)
        else:
            await self._app.services.queue.require_practice_room(work, group.id)
        member_id = await self._member_id(work, target.course_id)
        artifact = Artifact(
            id=new_id(),
            course_id=target.course_id,
            submission_group_id=group.id,
            course_member_id=member_id,
            transport=handover.transport,
            official=handover.official,
            tree_hash=tree_hash(entries),
            size=sum(entry.size for entry in entries),
            storage_instance=storage_instance,
            files=[entry.to_json() for entry in sorted(entries)],
            git_commit=handover.git_commit,
            received_at=work.now,
            created_by=work.principal.user_id,
            updated_by=work.principal.user_id,
        )
        work.session.add(artifact)
        await work.session.flush()
        await self._app.services.blobs.reference(work, storage_instance, entries)
        receipt = await self._receipt(work, artifact, target.schedule)
        run = await self.request_test(work, artifact, target.example_version_id)
        work.emit(
            SubmissionReceived(
                course_id=target.course_id,
                user_id=work.principal.user_id,
                submission_group_id=group.id,
                artifact_id=artifact.id,
                transport=handover.transport,
            )
        )
        work.audit(
            "submission.create",
            "artifacts",
            artifact.id,
            after={"tree_hash": artifact.tree_hash, "official": artifact.official, "files": len(entries)},
            course_id=target.course_id,
        )
        left = window.attempts_left
        return SubmissionAccepted(
            artifact_id=artifact.id,
            submission_group_id=group.id,
            test_run_id=run.id,
            tree_hash=artifact.tree_hash,
            received_at=artifact.received_at,
            official=artifact.official,
            window=window.state.value,
            attempts_left=left - 1 if left is not None and handover.official else left,
            receipt=receipt,
        )

    async def request_test(self, work: UnitOfWork, artifact: Artifact, example_version_id: UUID) -> TestRun:
        """Add a test run for an artifact and start its workflow with the unit's commit."""
        run = TestRun(
            id=new_id(),
            course_id=artifact.course_id,
            submission_group_id=artifact.submission_group_id,
            artifact_id=artifact.id,
            example_version_id=example_version_id,
            runner_instance=await self._app.providers.binding(work, "runner", course_id=artifact.course_id),
            official=artifact.official,
            created_by=work.principal.user_id,
            updated_by=work.principal.user_id,
        )
        work.session.add(run)
        await work.session.flush()
        work.start_workflow("submission.test", {"test_run_id": str(run.id)}, run_id=run.id)
        return run

    async def ensure_own_group(self, work: UnitOfWork, course_id: UUID, content_id: UUID) -> SubmissionGroup:
        """The caller's submission group for an assignment, made when it is the first use.

        Raises:
            ForbiddenError: The caller isn't a member of the course.
            IntegrityError: Another request made it at this very moment; a new unit finds it.
        """
        member_id = await self._member_id(work, course_id)
        found = (
            select(SubmissionGroup)
            .join(SubmissionGroupMember, SubmissionGroupMember.submission_group_id == SubmissionGroup.id)
            .where(
                SubmissionGroupMember.course_content_id == content_id,
                SubmissionGroupMember.course_member_id == member_id,
            )
        )
        if not work.is_sqlite:
            # Receipts are chained per group: two acceptances of one group go one after the other.
            found = found.with_for_update(of=SubmissionGroup)
        group = (await work.session.execute(found)).scalar_one_or_none()
        if group is not None:
            return group
        user_id = work.principal.user_id
        group = SubmissionGroup(
            id=new_id(), course_id=course_id, course_content_id=content_id, created_by=user_id
        )
        work.session.add(group)
        await work.session.flush()
        work.session.add(
            SubmissionGroupMember(
                course_id=course_id,
                course_content_id=content_id,
                submission_group_id=group.id,
                course_member_id=member_id,
                user_id=user_id,
            )
        )
        await work.session.flush()
        return group

    async def _member_id(self, unit: ReadUnit, course_id: UUID) -> UUID:
        member_id = await unit.connection.scalar(
            select(CourseMember.id).where(
                CourseMember.course_id == course_id, CourseMember.user_id == unit.principal.user_id
            )
        )
        if member_id is None:
            # Somebody with a role above the course, who sees the assignment without being in it.
            raise ForbiddenError("only members of the course submit")
        return member_id

    async def _target(self, unit: ReadUnit, content_id: UUID) -> _Target:
        row = (
            await unit.connection.execute(
                select(
                    CourseContent.course_id,
                    ContentDeployment.released_version_id,
                    AssignmentSchedule.releases_at,
                    AssignmentSchedule.due_at,
                    AssignmentSchedule.closes_at,
                    AssignmentSchedule.max_attempts,
                )
                .outerjoin(ContentDeployment, ContentDeployment.course_content_id == CourseContent.id)
                .outerjoin(AssignmentSchedule, AssignmentSchedule.course_content_id == CourseContent.id)
                .where(CourseContent.id == content_id)
            )
        ).one_or_none()
        if row is None:
            raise NotFoundError("no such assignment")
        if row.released_version_id is None:
            raise ConflictError("nothing can be submitted here", hint="the assignment isn't released")
        return _Target(
            row.course_id,
            content_id,
            row.released_version_id,
            Schedule(row.releases_at, row.due_at, row.closes_at, row.max_attempts),
        )

    async def _own_group(self, unit: ReadUnit, target: _Target) -> SubmissionGroup | None:
        statement = (
            select(SubmissionGroup.attempts_used)
            .join(SubmissionGroupMember, SubmissionGroupMember.submission_group_id == SubmissionGroup.id)
            .where(
                SubmissionGroupMember.course_content_id == target.content_id,
                SubmissionGroupMember.user_id == unit.principal.user_id,
            )
        )
        used = await unit.connection.scalar(statement)
        return None if used is None else SubmissionGroup(attempts_used=used)

    def _window(self, target: _Target, used: int, at: datetime, *, official: bool) -> Window:
        # A practice run uses no attempt, so spent attempts don't forbid it.
        window = evaluate(target.schedule, attempts_used=used if official else 0, at=at)
        if not window.accepts:
            raise ScheduleClosedError(
                window.reasons[0].text,
                details={
                    "reasons": [
                        {"code": item.code, "at": item.at.isoformat() if item.at else None}
                        for item in window.reasons
                    ]
                },
            )
        return window

    async def _use_attempt(self, work: UnitOfWork, group_id: UUID, maximum: int | None) -> None:
        statement = (
            update(SubmissionGroup)
            .where(SubmissionGroup.id == group_id)
            .values(attempts_used=SubmissionGroup.attempts_used + 1)
        )
        if maximum is not None:
            statement = statement.where(SubmissionGroup.attempts_used < maximum)
        if (await work.connection.execute(statement)).rowcount != 1:
            raise QuotaExceededError("all attempts are used")

    async def _receipt(self, work: UnitOfWork, artifact: Artifact, schedule: Schedule) -> ReceiptView:
        last = (
            await work.connection.execute(
                select(Receipt.sequence, Receipt.hash)
                .where(Receipt.submission_group_id == artifact.submission_group_id)
                .order_by(Receipt.sequence.desc())
                .limit(1)
            )
        ).one_or_none()
        claim = ReceiptClaim(
            submission_group_id=artifact.submission_group_id,
            artifact_id=artifact.id,
            sequence=last.sequence + 1 if last else 1,
            previous_hash=last.hash if last else GENESIS,
            tree_hash=artifact.tree_hash,
            received_at=artifact.received_at,
            due_at=schedule.due_at,
            official=artifact.official,
        )
        key = self._app.keys.signing
        signed = sign(claim, key.private)
        work.session.add(
            Receipt(
                course_id=artifact.course_id,
                submission_group_id=artifact.submission_group_id,
                artifact_id=artifact.id,
                sequence=claim.sequence,
                previous_hash=claim.previous_hash,
                hash=signed.hash,
                body=signed.body,
                signature=signed.signature,
                key_id=key.key_id,
                received_at=artifact.received_at,
            )
        )
        return ReceiptView(
            sequence=claim.sequence,
            body=signed.body,
            hash=signed.hash,
            signature=signed.signature,
            key_id=key.key_id,
        )
