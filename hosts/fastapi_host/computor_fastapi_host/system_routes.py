"""For machines that look after the host: is it alive, is it ready, and its counters."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable
from typing import TYPE_CHECKING

from fastapi import Request
from pydantic_core import to_json
from sqlalchemy import literal_column, select
from starlette.responses import Response

from computor_core.migrations.lineage import lineages
from computor_core.migrations.state import states
from computor_core.plugin_api.http import APIRouter, CurrentPrincipal, needs
from computor_core.plugin_api.principal import ScopeKind
from computor_core.plugin_api.providers.base import HealthState
from computor_core.plugins.registries import SEAMS
from computor_fastapi_host.access import PUBLIC
from computor_fastapi_host.context import host_request
from computor_fastapi_host.metrics import CONTENT_TYPE
from computor_fastapi_host.state import host_state

if TYPE_CHECKING:
    from computor_core.app import Computor

router = APIRouter(include_in_schema=False)

_CHECK_SECONDS = 5.0
_log = logging.getLogger("computor.http")


@router.get("/healthz", openapi_extra=PUBLIC)
async def healthz() -> Response:
    """The process answers."""
    return Response(b'{"status":"ok"}', media_type="application/json")


@router.get("/readyz", openapi_extra=PUBLIC)
async def readyz(request: Request) -> Response:
    """Database, schema and providers are there; 503 when one that requests need isn't.

    Anybody may ask, so each check answers with a state alone; the reasons are in the log.
    """
    app = host_request(request).app
    names = ["database", "migrations"]
    checks = [_state(_database(app), "database"), _state(_migrations(app), "migrations")]
    for seam in SEAMS:
        for instance in app.providers.names(seam):
            names.append(f"{seam}.{instance}")
            checks.append(_state(_provider(app, seam, instance), names[-1]))
    found = dict(zip(names, await asyncio.gather(*checks), strict=True))
    # What is degraded still serves; a cache or bus that is away only slows the host down.
    needed = [state for name, state in found.items() if not name.startswith(("cache.", "bus."))]
    ready = HealthState.DOWN not in needed
    body = to_json({"ready": ready, "checks": {name: state.value for name, state in found.items()}})
    return Response(body, 200 if ready else 503, media_type="application/json")


@router.get("/metrics", openapi_extra=needs("metrics.read"))
async def metrics(request: Request, principal: CurrentPrincipal) -> Response:
    """Counters for Prometheus, for a collector with a token of somebody who holds ``metrics.read``."""
    context = host_request(request)
    async with context.read(principal) as unit:
        await context.app.access.require_at(unit, "metrics.read", ScopeKind.GLOBAL, None)
    return Response(host_state(request.app).metrics.text(), media_type=CONTENT_TYPE)


async def _state(check: Awaitable[HealthState], name: str) -> HealthState:
    """A check's verdict; one that fails or takes too long is down."""
    try:
        async with asyncio.timeout(_CHECK_SECONDS):
            return await check
    except Exception:  # noqa: BLE001 - whatever it is, the check failed, and the log says why
        _log.exception("readiness check failed", extra={"check": name})
        return HealthState.DOWN


async def _database(app: Computor) -> HealthState:
    async with app.database.reader.connect() as connection:
        await connection.execute(select(literal_column("1")))
    return HealthState.OK


async def _migrations(app: Computor) -> HealthState:
    found = await states(app.database, lineages(app.registries))
    pending = [state.owner for state in found if state.pending or not state.known]
    if pending:
        _log.error("the schema isn't the installed code's", extra={"lineages": pending})
    return HealthState.DOWN if pending else HealthState.OK


async def _provider(app: Computor, seam: str, instance: str) -> HealthState:
    health = await app.providers.get(seam, instance).health()
    if health.state is not HealthState.OK:
        text = "%s instance %s is %s: %s"
        _log.warning(text, seam, instance, health.state.value, health.message)
    return health.state
