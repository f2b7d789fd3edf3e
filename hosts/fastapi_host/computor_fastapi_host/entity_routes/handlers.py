"""What the generated operations do: read the request, one unit of work, answer in JSON."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any
from uuid import UUID

from starlette.requests import Request

from computor_core.plugin_api.principal import Principal
from computor_fastapi_host.bodies import (
    Answer,
    etag,
    if_match,
    parse_json,
    parse_query,
    read_json,
    refuse_query,
)
from computor_fastapi_host.context import HostRequest, host_request
from computor_fastapi_host.guarded import require_caller, run_guarded
from computor_fastapi_host.idempotency import Claim, carry_out_once, claim_for, key_of

if TYPE_CHECKING:
    from computor_core.db.unit_of_work import UnitOfWork
    from computor_core.entities.service import EntityService
    from computor_core.interfaces import Dto
    from computor_core.plugin_api.entities import Command

__all__ = [
    "archive_row",
    "create_row",
    "delete_row",
    "get_row",
    "list_rows",
    "run_command",
    "unarchive_row",
    "update_row",
]

RowId = UUID | str
Handler = Callable[[Request, "RowId | None"], Awaitable[Answer]]
_FIELDS = frozenset({"fields"})


def list_rows(service: EntityService, action: str) -> Handler:
    """``GET /<endpoint>``: a page of what the caller can see."""
    endpoint, model = service.registration.endpoint, service.registration.interface.query

    async def handle(request: Request, row_id: RowId | None) -> Answer:
        context = host_request(request)

        async def work(principal: Principal) -> Answer:
            require_caller(context, principal, action, endpoint)
            query = parse_query(model, request.query_params)
            async with context.read(principal) as unit:
                page = await service.query(unit, query)
            return Answer.of(200, page.envelope())

        return await run_guarded(context, work)

    return handle


def get_row(service: EntityService, action: str) -> Handler:
    """``GET /<endpoint>/{id}``: one row."""
    endpoint = service.registration.endpoint

    async def handle(request: Request, row_id: RowId | None) -> Answer:
        context, key = host_request(request), _required(row_id)

        async def work(principal: Principal) -> Answer:
            require_caller(context, principal, action, endpoint)
            refuse_query(request.query_params, _FIELDS)
            named = request.query_params.get("fields", "")
            fields = [name.strip() for name in named.split(",")] if named else None
            async with context.read(principal) as unit:
                row = await service.get(unit, key, fields=fields)
            return Answer.of(200, row, etag=etag(row))

        return await run_guarded(context, work)

    return handle


def create_row(service: EntityService, action: str) -> Handler:
    """``POST /<endpoint>``: a new row, with its address in ``Location``."""
    endpoint, model = service.registration.endpoint, service.registration.interface.create
    if model is None:
        raise TypeError(f"{endpoint} exposes create without a DTO for it")

    async def handle(request: Request, row_id: RowId | None) -> Answer:
        context = host_request(request)

        async def work(principal: Principal, raw: bytes, claim: Claim | None) -> Answer:
            body = parse_json(model, raw)
            async with context.uow(principal) as unit:
                row = await service.create(unit, body)
                place = f"{request.url.path}/{row['id']}"
                answer = Answer.of(201, row, location=place, etag=etag(row))
                if claim is not None:
                    claim.answer = answer
            return answer

        return await _change_with_body(request, context, action, endpoint, work)

    return handle


def update_row(service: EntityService, action: str) -> Handler:
    """``PATCH /<endpoint>/{id}``: change the fields that were sent."""
    endpoint, model = service.registration.endpoint, service.registration.interface.update
    if model is None:
        raise TypeError(f"{endpoint} exposes update without a DTO for it")

    async def handle(request: Request, row_id: RowId | None) -> Answer:
        context, key = host_request(request), _required(row_id)

        async def work(principal: Principal) -> Answer:
            require_caller(context, principal, action, endpoint)
            refuse_query(request.query_params)
            body = parse_json(model, await read_json(request))
            expected = if_match(context.headers.get("if-match"))
            async with context.uow(principal) as unit:
                row = await service.update(unit, key, body, if_match=expected)
            return Answer.of(200, row, etag=etag(row))

        return await run_guarded(context, work)

    return handle


def archive_row(service: EntityService, action: str) -> Handler:
    """``POST /<endpoint>/{id}/archive``."""

    async def change(unit: UnitOfWork, key: RowId, expected: int | None) -> dict[str, Any] | None:
        return await service.archive(unit, key, if_match=expected)

    return _change_row(service, action, 200, change)


def unarchive_row(service: EntityService, action: str) -> Handler:
    """``POST /<endpoint>/{id}/unarchive``."""

    async def change(unit: UnitOfWork, key: RowId, expected: int | None) -> dict[str, Any] | None:
        return await service.unarchive(unit, key, if_match=expected)

    return _change_row(service, action, 200, change)


def delete_row(service: EntityService, action: str) -> Handler:
    """``DELETE /<endpoint>/{id}``."""

    async def change(unit: UnitOfWork, key: RowId, expected: int | None) -> dict[str, Any] | None:
        await service.delete(unit, key, if_match=expected)
        return None

    return _change_row(service, action, 204, change)


def run_command(service: EntityService, command: Command) -> Handler:
    """``POST /<endpoint>/{id}/<command>`` or ``POST /<endpoint>/<command>``."""
    endpoint, model = service.registration.endpoint, command.input
    keeps_answers = model is None or not _has_secret(model)

    async def handle(request: Request, row_id: RowId | None) -> Answer:
        context = host_request(request)

        async def work(principal: Principal, raw: bytes, claim: Claim | None) -> Answer:
            body: Dto | None = None if model is None else parse_json(model, raw)
            output = await service.command(
                context.app, principal, command, row_id, body, request_id=context.request_id
            )
            return Answer(command.status) if output is None else Answer.of(command.status, output)

        return await _change_with_body(
            request,
            context,
            command.action,
            endpoint,
            work,
            has_body=model is not None,
            keeps_answers=keeps_answers,
            proven=True,
        )

    return handle


async def _change_with_body(
    request: Request,
    context: HostRequest,
    action: str,
    endpoint: str,
    work: Callable[[Principal, bytes, Claim | None], Awaitable[Answer]],
    *,
    has_body: bool = True,
    keeps_answers: bool = True,
    proven: bool = False,
) -> Answer:
    """Carry a change out, once for each idempotency key.

    Args:
        request: The request.
        context: The host's view of it.
        action: The action that it needs.
        endpoint: The entity.
        work: Makes the change, given the caller, the body and the claim of the key.
        has_body: Whether there is a body to read.
        keeps_answers: Whether the answer may be kept: it, and the body, hold no secret.
        proven: Whether the caller is proven before; commands run code that isn't the entity
            service's, so nothing is left to its statements.
    """
    key = key_of(context.headers.get("idempotency-key")) if keeps_answers else None
    # A kept answer is given without any guarded statement, so its reader is proven first, too.
    remembered = key is None and not proven
    caller = await (context.recalled_principal() if remembered else context.principal())
    require_caller(context, caller, action, endpoint)
    refuse_query(request.query_params)
    raw = await read_json(request) if has_body else b""
    if key is None:
        return await run_guarded(context, lambda principal: work(principal, raw, None))
    claim = claim_for(caller, request.method, request.url.path, key, raw)
    return await carry_out_once(
        context.app,
        claim,
        lambda claim: run_guarded(context, lambda principal: work(principal, raw, claim)),
    )


def _change_row(
    service: EntityService,
    action: str,
    status: int,
    change: Callable[[UnitOfWork, RowId, int | None], Awaitable[dict[str, Any] | None]],
) -> Handler:
    endpoint = service.registration.endpoint

    async def handle(request: Request, row_id: RowId | None) -> Answer:
        context, key = host_request(request), _required(row_id)

        async def work(principal: Principal) -> Answer:
            require_caller(context, principal, action, endpoint)
            refuse_query(request.query_params)
            expected = if_match(context.headers.get("if-match"))
            async with context.uow(principal) as unit:
                row = await change(unit, key, expected)
            return Answer(status) if row is None else Answer.of(status, row, etag=etag(row))

        return await run_guarded(context, work)

    return handle


def _required(row_id: RowId | None) -> RowId:
    if row_id is None:
        raise TypeError("an operation on a row was routed without one")
    return row_id


def _has_secret(model: type[Dto]) -> bool:
    return any("Secret" in str(info.annotation) for info in model.model_fields.values())
