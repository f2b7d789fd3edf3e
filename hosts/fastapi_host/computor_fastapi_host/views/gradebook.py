"""The gradebook, and grading."""

from __future__ import annotations

from uuid import UUID

from fastapi import Request

from computor_core.interfaces.gradebook import Gradebook
from computor_core.plugin_api.http import APIRouter, CurrentPrincipal, needs
from computor_core.services.gradebook import read_gradebook
from computor_fastapi_host.context import host_request

router = APIRouter(tags=["gradebook"])


@router.get("/courses/{course_id}/gradebook", openapi_extra=needs("gradebook.read"))
async def gradebook(request: Request, principal: CurrentPrincipal, course_id: UUID) -> Gradebook:
    """Every student's standing in every assignment."""
    context = host_request(request)
    return await read_gradebook(context.app, principal, course_id, request_id=context.request_id)
