"""Submitting by upload, and getting back what was submitted."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Query, Request
from starlette.background import BackgroundTask
from starlette.responses import FileResponse, Response

from computor_core.interfaces.submitting import SubmissionAccepted
from computor_core.plugin_api.http import APIRouter, CurrentPrincipal, needs
from computor_core.services.artifacts import pack_artifact
from computor_core.services.submissions import Handover
from computor_fastapi_host.context import host_request
from computor_fastapi_host.views.uploads import ARCHIVE_BODY, SUBMISSION_BYTES, receive_archive

router = APIRouter(tags=["submissions"])


@router.post(
    "/course-contents/{content_id}/submissions",
    status_code=201,
    openapi_extra={**needs("submission.create"), **ARCHIVE_BODY},
)
async def submit(
    request: Request,
    principal: CurrentPrincipal,
    content_id: UUID,
    official: Annotated[bool, Query(description="False for a practice run that uses no attempt.")] = True,
) -> SubmissionAccepted:
    """Submit an archive to an assignment, for one's own submission group."""
    context = host_request(request)
    services = context.app.services
    handover = Handover(
        transport="upload",
        official=official,
        received_at=context.received_at,
        request_id=context.request_id,
    )
    async with context.read(principal) as unit:
        await services.submissions.check_open(unit, content_id, official=official)
    async with services.submissions.spool() as folder:
        archive = await receive_archive(request, folder, limit=SUBMISSION_BYTES)
        return await services.submissions.submit_archive(principal, content_id, archive, handover)


@router.get(
    "/artifacts/{artifact_id}/download",
    openapi_extra=needs("submission.read"),
    response_class=FileResponse,
    responses={200: {"content": {"application/zip": {}}, "description": "The submitted files."}},
)
async def download(request: Request, principal: CurrentPrincipal, artifact_id: UUID) -> Response:
    """The submitted files as a ZIP archive."""
    context = host_request(request)
    packed = await pack_artifact(context.app, principal, artifact_id, request_id=context.request_id)
    return FileResponse(
        packed,
        media_type="application/zip",
        filename=f"submission-{artifact_id}.zip",
        background=BackgroundTask(packed.unlink),
    )
