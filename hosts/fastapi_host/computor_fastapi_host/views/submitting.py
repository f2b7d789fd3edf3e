"""Submitting by upload, and getting back what was submitted."""

from __future__ import annotations

import hashlib
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import IO, Annotated
from uuid import UUID

import anyio
from fastapi import Query, Request
from starlette.responses import Response, StreamingResponse

from computor_core.interfaces.submitting import SubmissionAccepted
from computor_core.plugin_api.http import APIRouter, CurrentPrincipal, needs
from computor_core.services.artifacts import pack_artifact
from computor_core.services.submissions import Handover
from computor_fastapi_host.bodies import Answer
from computor_fastapi_host.context import host_request
from computor_fastapi_host.idempotency import carry_out_once, claim_for, key_of
from computor_fastapi_host.views.uploads import ARCHIVE_BODY, SUBMISSION_BYTES, receive_archive

router = APIRouter(tags=["submissions"])

_CHUNK = 256 * 1024


@router.post(
    "/course-contents/{content_id}/submissions",
    status_code=201,
    response_model=SubmissionAccepted,
    openapi_extra={**needs("submission.create"), **ARCHIVE_BODY},
)
async def submit(
    request: Request,
    principal: CurrentPrincipal,
    content_id: UUID,
    official: Annotated[bool, Query(description="False for a practice run that uses no attempt.")] = True,
) -> Response:
    """Submit an archive to an assignment, for one's own submission group.

    Sent again under the same `Idempotency-Key`, it is accepted once and answered the same.
    """
    context = host_request(request)
    services = context.app.services
    handover = Handover(
        transport="upload",
        official=official,
        received_at=context.received_at,
        request_id=context.request_id,
    )
    key = key_of(context.headers.get("idempotency-key"))
    async with context.read(principal) as unit:
        if key is None:
            await services.submissions.check_open(unit, content_id, official=official)
        else:
            # A repetition may come when no attempt is left: the kept answer goes before the window.
            await context.app.access.require(unit, "submission.create", "course-contents", content_id)
    async with services.submissions.spool() as folder:
        archive = await receive_archive(request, folder, limit=SUBMISSION_BYTES)

        async def accept() -> Answer:
            accepted = await services.submissions.submit_archive(principal, content_id, archive, handover)
            return Answer.of(201, accepted.model_dump(mode="json"))

        if key is None:
            return (await accept()).response()
        asked = f"{official} {await anyio.to_thread.run_sync(_digest, archive)}"
        claim = claim_for(principal, request.method, request.url.path, key, asked.encode())
        return (await carry_out_once(context.app, claim, lambda _claim: accept())).response()


def _digest(file: Path) -> str:
    with file.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


@router.get(
    "/artifacts/{artifact_id}/download",
    openapi_extra=needs("submission.read"),
    response_class=StreamingResponse,
    responses={200: {"content": {"application/zip": {}}, "description": "The submitted files."}},
)
async def download(request: Request, principal: CurrentPrincipal, artifact_id: UUID) -> Response:
    """The submitted files as a ZIP archive."""
    context = host_request(request)
    packed = await pack_artifact(context.app, principal, artifact_id, request_id=context.request_id)
    # Whole, whatever Range asks for (RFC 9110, 14.2): it is packed anew each time.
    return StreamingResponse(
        _chunks(packed),
        media_type="application/zip",
        headers={
            "Content-Length": str(os.fstat(packed.fileno()).st_size),
            "Content-Disposition": f'attachment; filename="submission-{artifact_id}.zip"',
        },
    )


async def _chunks(file: IO[bytes]) -> AsyncIterator[bytes]:
    with file:
        while chunk := await anyio.to_thread.run_sync(file.read, _CHUNK):
            yield chunk
