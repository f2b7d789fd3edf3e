"""Core's side of a git push: pushing ``submit/<directory>`` submits that directory.

An intent is written before the ref moves. Whatever dies afterwards, the intent is there: the
sweeper asks the host where the ref stands and completes or discards it. Acceptance and
completion are one transaction, so a push is never submitted twice.
"""

from __future__ import annotations

import hashlib
import logging
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import anyio
from sqlalchemy import ColumnElement, select, update

from computor_core.db.types import new_id
from computor_core.errors import (
    ComputorError,
    ForbiddenError,
    NotFoundError,
    ProviderNotFoundError,
    UnavailableError,
    UnsafeArchiveError,
)
from computor_core.failpoints import failpoint
from computor_core.model import CourseContent, CourseMember, CourseRepository, MemberRepository, PushIntent
from computor_core.plugin_api.principal import Principal, ScopeKind
from computor_core.plugin_api.providers.git import (
    GitHost,
    Push,
    PushDecision,
    PushOutcome,
    ReadTree,
    RefUpdate,
    RepositoryAccess,
)
from computor_core.services.submissions import AlreadySubmittedError, Handover
from computor_core.services.trees import (
    EXECUTABLE,
    REGULAR,
    FileEntry,
    SpooledFile,
    refuse_collisions,
    safe_path,
)

if TYPE_CHECKING:
    from computor_core.app import Computor
    from computor_core.interfaces.submitting import SubmissionAccepted

log = logging.getLogger(__name__)

SUBMIT_PREFIX = "refs/heads/submit/"
OPEN_STATES = ("pending", "moved")
"""States of an intent that somebody has still to complete."""

MOVED_AGE = timedelta(minutes=1)
"""How long after its refs moved a push is left to the request that carried it."""

_SYSTEM = Principal.system("core:pushes")


class PushService:
    """Implements :class:`~computor_core.plugin_api.providers.git.PushReceiver`."""

    def __init__(self, app: Computor) -> None:
        self._app = app

    async def access(self, principal: Principal, instance: str, external_id: str) -> RepositoryAccess | None:
        """Rights of a principal on a repository; None when it has none or there is none.

        The owner of a member repository writes while the membership allows submitting; staff who
        may read submissions read it. Templates are read by all members, references by those who
        write content. Nobody pushes to either: releases do.
        """
        async with self._app.read(principal) as unit:
            if not await self._app.access.still_valid(unit):
                return None
            own = (
                await unit.connection.execute(
                    select(CourseMember.user_id, CourseMember.course_id)
                    .join(MemberRepository, MemberRepository.course_member_id == CourseMember.id)
                    .where(
                        MemberRepository.git_instance == instance,
                        MemberRepository.external_id == external_id,
                    )
                )
            ).one_or_none()
            if own is not None:
                mine = own.user_id == principal.user_id
                action = "submission.create" if mine else "submission.read"
                if not await self._app.access.allowed_at(unit, action, ScopeKind.COURSE, own.course_id):
                    return None
                return RepositoryAccess.WRITE if mine else RepositoryAccess.READ
            row = (
                await unit.connection.execute(
                    select(CourseRepository.course_id, CourseRepository.purpose).where(
                        CourseRepository.git_instance == instance,
                        CourseRepository.external_id == external_id,
                    )
                )
            ).one_or_none()
            if row is None:
                return None
            action = "course.read" if row.purpose == "template" else "content.write"
            allowed = await self._app.access.allowed(unit, action, "courses", row.course_id)
            return RepositoryAccess.READ if allowed else None

    async def begin(self, push: Push) -> PushDecision:
        """Decide on each ref and write an intent for each submitting one.

        Raises:
            NotFoundError: The principal may not write to the repository.
        """
        push_id = new_id().hex
        async with self._app.read(push.principal, now=push.received_at) as unit:
            repository = (
                await unit.connection.execute(
                    select(MemberRepository.id, MemberRepository.course_id)
                    .join(CourseMember, CourseMember.id == MemberRepository.course_member_id)
                    .where(
                        MemberRepository.git_instance == push.instance,
                        MemberRepository.external_id == push.external_id,
                        CourseMember.user_id == push.principal.user_id,
                    )
                )
            ).one_or_none()
        if repository is None:
            raise NotFoundError("no such repository")
        refused: dict[str, str] = {}
        intents: list[PushIntent] = []
        for ref_update in push.updates:
            if not ref_update.ref.startswith(SUBMIT_PREFIX) or set(ref_update.new) == {"0"}:
                continue
            try:
                content_id = await self._target(push, repository.course_id, ref_update)
            except ComputorError as error:
                refused[ref_update.ref] = error.message
                continue
            intents.append(
                self._intent(push, push_id, repository.id, repository.course_id, content_id, ref_update)
            )
        if intents:
            async with self._app.uow(push.principal, now=push.received_at) as work:
                work.session.add_all(intents)
        failpoint("push.intended")
        return PushDecision(push_id, refused)

    async def _target(self, push: Push, course_id: UUID, ref_update: RefUpdate) -> UUID:
        directory = ref_update.ref.removeprefix(SUBMIT_PREFIX)
        # "week.hello" is no other name of the directory "week/hello".
        path = directory.replace("/", ".") if "." not in directory else ""
        async with self._app.read(push.principal, now=push.received_at) as unit:
            content_id = await unit.connection.scalar(
                select(CourseContent.id).where(
                    CourseContent.course_id == course_id, CourseContent.path == path
                )
            )
            if content_id is None:
                raise NotFoundError(f"this course has no assignment {directory}")
            try:
                await self._app.services.submissions.check_open(unit, content_id, official=True)
            except (NotFoundError, ForbiddenError) as error:
                raise NotFoundError(f"this course has no assignment {directory}") from error
        return content_id

    def _intent(
        self,
        push: Push,
        push_id: str,
        repository_id: UUID,
        course_id: UUID,
        content_id: UUID,
        ref_update: RefUpdate,
    ) -> PushIntent:
        return PushIntent(
            course_id=course_id,
            member_repository_id=repository_id,
            push_id=push_id,
            user_id=push.principal.user_id,
            course_content_id=content_id,
            ref=ref_update.ref,
            old_commit=ref_update.old,
            new_commit=ref_update.new,
            received_at=push.received_at,
            updated_at=self._app.clock.now(),  # the sweeper's patience counts from here
            created_by=push.principal.user_id,
        )

    async def finish(self, push_id: str, moved: frozenset[str]) -> PushOutcome:
        """Submit what moved and discard the rest; what can't be done now is left to the sweeper."""
        failpoint("push.before_finish")
        messages: list[str] = []
        intents = await self._open_intents(PushIntent.push_id == push_id)
        for intent in intents:
            if intent.ref not in moved:
                await self._close(intent, "discarded", "the ref didn't move")
        # From here on the sweeper needn't wait for the push to be over, should storage be away.
        await self._note_moved([intent.id for intent in intents if intent.ref in moved])
        messages.extend([await self._complete(intent) for intent in intents if intent.ref in moved])
        return PushOutcome(tuple(messages))

    async def sweep(self, *, everything: bool = False) -> int:
        """Complete or discard intents that a crash left behind; returns how many were looked at.

        One that can't be dealt with now waits for the next time and keeps no other one waiting.

        Args:
            everything: Also the youngest ones: right at the start of the only host.
        """
        now = self._app.clock.now()
        left = await self._open_intents(PushIntent.received_at <= now)
        for intent in left:
            try:
                await self._sweep(intent, now, everything=everything)
            except UnavailableError as error:
                log.warning("the push %s waits: %s", intent.push_id, error.message)
            except Exception:
                log.exception("the push %s can't be completed", intent.push_id)
        return len(left)

    async def _sweep(self, intent: PushIntent, now: datetime, *, everything: bool) -> None:
        host, _external_id = await self._host(intent)
        patience = MOVED_AGE if intent.state == "moved" else host.longest_push
        if not everything and max(intent.received_at, intent.updated_at) + patience > now:
            return  # it may still be under way
        if intent.state == "moved" or await self._moved(intent):
            await self._complete(intent)
        else:
            await self._close(intent, "discarded", "the ref didn't move")

    async def _open_intents(self, condition: ColumnElement[bool]) -> list[PushIntent]:
        async with self._app.uow(_SYSTEM) as work:
            statement = select(PushIntent).where(PushIntent.state.in_(OPEN_STATES), condition)
            return list((await work.session.execute(statement.order_by(PushIntent.id).limit(500))).scalars())

    async def _note_moved(self, intents: list[UUID]) -> None:
        if intents:
            async with self._app.uow(_SYSTEM) as work:
                await work.connection.execute(
                    update(PushIntent)
                    .where(PushIntent.id.in_(intents), PushIntent.state == "pending")
                    .values(state="moved", updated_at=work.now)
                )

    async def _moved(self, intent: PushIntent) -> bool:
        host, external_id = await self._host(intent)
        try:
            if await host.resolve(external_id, intent.ref) == intent.new_commit:
                return True
        except ProviderNotFoundError:
            return False
        async with self._app.read(_SYSTEM) as unit:
            later = await unit.connection.scalar(
                select(PushIntent.id)
                .where(
                    PushIntent.member_repository_id == intent.member_repository_id,
                    PushIntent.ref == intent.ref,
                    PushIntent.old_commit == intent.new_commit,
                    PushIntent.received_at >= intent.received_at,
                )
                .limit(1)
            )
        return later is not None

    async def _host(self, intent: PushIntent) -> tuple[GitHost, str]:
        async with self._app.read(_SYSTEM) as unit:
            row = (
                await unit.connection.execute(
                    select(MemberRepository.git_instance, MemberRepository.external_id).where(
                        MemberRepository.id == intent.member_repository_id
                    )
                )
            ).one()
        return self._app.providers.get(GitHost, row.git_instance), row.external_id

    async def _complete(self, intent: PushIntent) -> str:
        directory = intent.ref.removeprefix(SUBMIT_PREFIX)
        try:
            accepted = await self._submit(intent, directory)
        except UnavailableError as error:
            # The intent stays open; the sweeper goes on when the server is back.
            return f"{directory}: received; it is submitted as soon as possible ({error.message})"
        except AlreadySubmittedError:
            return f"{directory}: {await self._ending(intent)}"
        except ProviderNotFoundError:
            await self._close(intent, "refused", "the commit has no such directory")
            return f"{directory}: NOT submitted: the commit has no directory {directory}/"
        except ComputorError as error:
            await self._close(intent, "refused", error.message)
            return f"{directory}: NOT submitted: {error.message}"
        return (
            f"{directory}: submitted, receipt {accepted.receipt.sequence} {accepted.receipt.hash[:16]}, "
            f"test {accepted.test_run_id}"
        )

    async def _ending(self, intent: PushIntent) -> str:
        """What somebody else has made of an intent meanwhile."""
        async with self._app.read(_SYSTEM) as unit:
            row = (
                await unit.connection.execute(
                    select(PushIntent.state, PushIntent.message).where(PushIntent.id == intent.id)
                )
            ).one()
        return "submitted" if row.state == "submitted" else f"NOT submitted: {row.message}"

    async def _submit(self, intent: PushIntent, directory: str) -> SubmissionAccepted:
        host, external_id = await self._host(intent)
        await host.keep(external_id, intent.new_commit, intent.id.hex)
        failpoint("push.kept")
        async with self._app.read(_SYSTEM) as unit:
            principal = await self._app.access.load_principal(unit.connection, user_id=intent.user_id)
        async with self._app.services.submissions.spool() as spool:
            files = await self._read(host, ReadTree(external_id, intent.new_commit, directory), spool)
            return await self._app.services.submissions.submit_files(
                principal,
                intent.course_content_id,
                files,
                Handover(
                    transport="git",
                    official=True,
                    received_at=intent.received_at,
                    git_commit=intent.new_commit,
                    push_intent_id=intent.id,
                ),
            )

    async def _read(self, host: GitHost, request: ReadTree, spool: Path) -> list[SpooledFile]:
        files: list[SpooledFile] = []
        async with host.read_tree(request) as entries:
            async for entry in entries:
                if entry.mode not in (REGULAR, EXECUTABLE):
                    raise UnsafeArchiveError(f"{entry.path} is a link or a submodule")
                target = spool / str(len(files))
                await anyio.Path(target).write_bytes(entry.content)
                digest = hashlib.sha256(entry.content).hexdigest()
                files.append(
                    SpooledFile(
                        FileEntry(safe_path(entry.path), entry.mode, len(entry.content), digest), target
                    )
                )
        refuse_collisions(item.entry.path for item in files)
        return files

    async def _close(self, intent: PushIntent, state: str, message: str) -> None:
        async with self._app.uow(_SYSTEM) as work:
            await work.connection.execute(
                update(PushIntent)
                .where(PushIntent.id == intent.id, PushIntent.state.in_(OPEN_STATES))
                .values(state=state, message=message[:2000])
            )
