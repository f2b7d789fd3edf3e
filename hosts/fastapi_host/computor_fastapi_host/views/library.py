"""Bringing examples into an organization's library."""

from __future__ import annotations

from uuid import UUID

from fastapi import Request

from computor_core.interfaces.importing import ExampleImported
from computor_core.plugin_api.http import APIRouter, CurrentPrincipal, needs
from computor_fastapi_host.context import host_request
from computor_fastapi_host.views.uploads import ARCHIVE_BODY, EXAMPLE_BYTES, receive_archive

router = APIRouter(tags=["examples"])


@router.post(
    "/organizations/{organization_id}/examples",
    status_code=201,
    openapi_extra={**needs("example.write"), **ARCHIVE_BODY},
)
async def import_example(
    request: Request, principal: CurrentPrincipal, organization_id: UUID
) -> ExampleImported:
    """Import an example from an archive of its directory; the same version twice is harmless."""
    context = host_request(request)
    services = context.app.services
    async with context.read(principal) as unit:
        await context.app.access.require_at(unit, "example.write", "organization", organization_id)
    async with services.submissions.spool() as folder:
        archive = await receive_archive(request, folder, limit=EXAMPLE_BYTES)
        return await services.examples.import_archive(
            principal, organization_id, archive, request_id=context.request_id
        )
