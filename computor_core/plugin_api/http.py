"""HTTP for plugins' routes: FastAPI's router, the caller, and units of work (imports FastAPI).

A router's routes take what they need as parameters::

    from computor_core.plugin_api.http import APIRouter, CurrentPrincipal, Work, needs

    router = APIRouter()

    @router.post("/notes", openapi_extra=needs("notes:note.write"), status_code=201)
    async def add_note(body: NoteCreate, work: Work, access: Access) -> NoteGet:
        await access.require(work, "notes:note.write", "course-members", body.course_member_id)
        ...

The unit of work commits when the route's function has returned and *before* the response is
sent; it rolls back when the function raises. Nothing of it is chosen by a request's parameters:
the caller is whoever the credential proves, and "now" is when the request arrived.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Annotated, Any, Protocol

from fastapi import APIRouter, Depends, Request
from fastapi.routing import APIRoute, iter_route_contexts

from computor_core.db.unit_of_work import ReadUnit, UnitOfWork
from computor_core.errors import AuthenticationError
from computor_core.plugin_api.principal import Principal, PrincipalKind
from computor_core.plugin_api.services import AccessDecisions, Application

__all__ = [
    "ACCESS_KEY",
    "ACTION_KEY",
    "OWN",
    "PUBLIC",
    "SCOPE_KEY",
    "APIRouter",
    "Access",
    "AnyPrincipal",
    "CurrentPrincipal",
    "Reading",
    "RequestContext",
    "Work",
    "needs",
    "request_context",
    "signed_in",
]

SCOPE_KEY = "computor.request"
"""Key of the ASGI scope under which a host keeps the request's :class:`RequestContext`."""

ACTION_KEY = "x-required-action"
"""Key of a route's OpenAPI extension that names the action it needs."""

ACCESS_KEY = "x-access"
"""Key of a route's OpenAPI extension for access that isn't an action."""

PUBLIC: dict[str, Any] = {ACCESS_KEY: "public"}
"""For a route's ``openapi_extra``: anybody may call it."""

OWN: dict[str, Any] = {ACCESS_KEY: "own"}
"""For a route's ``openapi_extra``: a signed-in caller, about nobody but themselves."""


class RequestContext(Protocol):
    """What a host knows of a request.

    Attributes:
        request_id: Goes into logs, errors and the audit trail.
        received_at: When the request arrived, UTC.
        address: Network address of the caller, as far as the host trusts it; "" when unknown.
    """

    request_id: str
    received_at: datetime
    address: str

    @property
    def app(self) -> Application:
        """The application that answers."""
        ...

    async def principal(self) -> Principal:
        """The caller, proven live by the database now; anonymous when nothing was presented.

        Raises:
            AuthenticationError: A credential was presented and doesn't hold.
        """
        ...

    def uow(self, principal: Principal) -> AbstractAsyncContextManager[UnitOfWork]:
        """A write unit of work that belongs to this request."""
        ...

    def read(self, principal: Principal) -> AbstractAsyncContextManager[ReadUnit]:
        """A read unit that belongs to this request."""
        ...


def needs(action: str) -> dict[str, Any]:
    """For a route's ``openapi_extra``: the action that the route requires, for the documents.

    The route still has to require it where it belongs, with :data:`Access`; declaring it, or
    :data:`PUBLIC` or :data:`OWN`, is mandatory.
    """
    return {ACTION_KEY: action}


def route_declarations(router: APIRouter) -> Iterator[tuple[str, str, str | None]]:
    """What the routes of a router declare, those of included routers too: for hosts and checks.

    Yields:
        Method, path below the router, and the action needed or the kind of access; None where
        nothing is declared.
    """
    for context in iter_route_contexts(router.routes):
        route = context.original_route
        extra = (route.openapi_extra if isinstance(route, APIRoute) else None) or {}
        declared = extra.get(ACTION_KEY) or extra.get(ACCESS_KEY)
        path = context.path or str(getattr(route, "path", route))
        for method in sorted(context.methods or {"*"}):
            yield method, path, declared if isinstance(declared, str) else None


def request_context(request: Request) -> RequestContext:
    """The request's context.

    Raises:
        RuntimeError: The application isn't behind a Computor host.
    """
    context: RequestContext | None = request.scope.get(SCOPE_KEY)
    if context is None:
        raise RuntimeError("this route runs outside a Computor host")
    return context


async def any_principal(request: Request) -> Principal:
    """The caller, who may be anonymous."""
    return await request_context(request).principal()


async def signed_in(principal: Annotated[Principal, Depends(any_principal)]) -> Principal:
    """The caller, who must be signed in.

    Raises:
        AuthenticationError: Nobody is signed in, or the credential doesn't hold.
    """
    if principal.kind is PrincipalKind.ANONYMOUS:
        raise AuthenticationError("this needs somebody who is signed in", hint="sign in first")
    return principal


AnyPrincipal = Annotated[Principal, Depends(any_principal)]
"""Parameter type: the caller, who may be anonymous."""

CurrentPrincipal = Annotated[Principal, Depends(signed_in)]
"""Parameter type: the signed-in caller; anonymous ones get 401."""


async def unit_of_work(request: Request, principal: CurrentPrincipal) -> AsyncIterator[UnitOfWork]:
    """The request's write unit."""
    async with request_context(request).uow(principal) as work:
        yield work


async def reading(request: Request, principal: CurrentPrincipal) -> AsyncIterator[ReadUnit]:
    """The request's read unit."""
    async with request_context(request).read(principal) as work:
        yield work


# The scope "function" ends the unit before the response is sent; the default would commit after it.
Work = Annotated[UnitOfWork, Depends(unit_of_work, scope="function")]
"""Parameter type: the request's write unit of work."""

Reading = Annotated[ReadUnit, Depends(reading, scope="function")]
"""Parameter type: the request's read unit."""


async def access_decisions(request: Request) -> AccessDecisions:
    """The application's access decisions."""
    return request_context(request).app.access


Access = Annotated[AccessDecisions, Depends(access_decisions)]
"""Parameter type: decides what the unit's principal may do."""
