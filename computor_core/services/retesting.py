"""Testing a submission again: after an outage, a mended test, or to see whether it is flaky."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import select

from computor_core.errors import ConflictError
from computor_core.interfaces.testing import TestStarted
from computor_core.model import Artifact, ContentDeployment, SubmissionGroup, TestRun

if TYPE_CHECKING:
    from computor_core.app import Computor
    from computor_core.interfaces import Dto
    from computor_core.plugin_api.principal import Principal


async def start_test(
    app: Computor,
    principal: Principal,
    artifact_id: UUID,
    body: Dto | None = None,
    *,
    request_id: str = "",
) -> TestStarted:
    """Test a submission against the example version that its assignment uses now.

    Uses no attempt. One test of a submission at a time, so nobody fills the queue with repetitions.

    Raises:
        NotFoundError: No such artifact, or none that the principal may see.
        ForbiddenError: The principal may not have it tested.
        ConflictError: A test of it is under way, or its assignment has no example version.
        TooManyRequestsError: It was a practice run, and enough of the group's are under way.
    """
    async with app.uow(principal, request_id=request_id) as work:
        await app.access.require(work, "test.start", "artifacts", artifact_id)
        artifact = await work.session.get_one(Artifact, artifact_id, with_for_update=not work.is_sqlite)
        running = await work.connection.scalar(
            select(TestRun.id).where(TestRun.artifact_id == artifact_id, TestRun.state != "finished").limit(1)
        )
        if running is not None:
            raise ConflictError(
                "a test of this submission is under way", details={"test_run_id": str(running)}
            )
        if not artifact.official:
            await app.services.queue.require_practice_room(work, artifact.submission_group_id)
        version_id = await work.connection.scalar(
            select(ContentDeployment.released_version_id)
            .join(SubmissionGroup, SubmissionGroup.course_content_id == ContentDeployment.course_content_id)
            .where(SubmissionGroup.id == artifact.submission_group_id)
        )
        if version_id is None:
            raise ConflictError("the assignment has no example version")
        run = await app.services.submissions.request_test(work, artifact, version_id)
        work.audit("test.start", "test-runs", run.id, after={"artifact_id": str(artifact_id)})
        return TestStarted(test_run_id=run.id)
