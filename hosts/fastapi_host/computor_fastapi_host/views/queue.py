"""Where a test stands in the queue, and the key that receipts are checked with."""

from __future__ import annotations

from uuid import UUID

from fastapi import Request
from pydantic import Field

from computor_core.errors import NotFoundError
from computor_core.interfaces import ReadDto
from computor_core.plugin_api.http import APIRouter, CurrentPrincipal, needs
from computor_fastapi_host.access import OWN
from computor_fastapi_host.context import host_request

router = APIRouter(tags=["results"])


class QueueStanding(ReadDto):
    """Where a test stands."""

    state: str = Field(description="`queued`, `leased` or `done`.")
    ahead: int = Field(description="Tests in front of it.")


class ReceiptKey(ReadDto):
    """The public key of the deployment's receipts."""

    key_id: str = Field(description="As named in receipts.")
    public_key: str = Field(description="Ed25519 public key, PEM (SubjectPublicKeyInfo).")


@router.get("/test-runs/{test_run_id}/queue", openapi_extra=needs("result.read"))
async def standing(request: Request, principal: CurrentPrincipal, test_run_id: UUID) -> QueueStanding:
    """Where a test stands in the queue; 404 once it has left it."""
    context = host_request(request)
    async with context.read(principal) as unit:
        await context.app.access.require(unit, "result.read", "test-runs", test_run_id)
    position = await context.app.services.queue.position(test_run_id)
    if position is None:
        raise NotFoundError("the test isn't in the queue")
    return QueueStanding(state=position.state, ahead=position.ahead)


@router.get("/receipt-key", openapi_extra=OWN)
async def receipt_key(request: Request, principal: CurrentPrincipal) -> ReceiptKey:
    """The key that checks receipts; it is nobody's secret, so any signed-in caller gets it."""
    key = host_request(request).app.keys.signing
    return ReceiptKey(key_id=key.key_id, public_key=key.public_pem)
