"""What the host knows of a request, and the doors that a route gets."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.types import Scope

from computor_core.plugin_api.http import SCOPE_KEY
from computor_core.plugin_api.principal import Principal
from computor_fastapi_host.callers import Presented, presented

if TYPE_CHECKING:
    from computor_core.app import Computor
    from computor_core.db.unit_of_work import ReadUnit, UnitOfWork
    from computor_core.services.sessions import Credential, Device

__all__ = ["HostRequest", "current_request", "host_request"]

current_request: ContextVar[HostRequest | None] = ContextVar("computor_host_request", default=None)
"""The request that the current task works on, for log lines."""

_LONGEST_USER_AGENT = 512


@dataclass(slots=True)
class HostRequest:
    """One request; also the :class:`~computor_core.plugin_api.http.RequestContext` of its route.

    Attributes:
        app: The application.
        request_id: Goes into logs, errors and the audit trail.
        received_at: When the request arrived, UTC; the "now" of everything it does.
        address: Network address of the caller, as far as the host trusts it.
        method: HTTP method.
        headers: The request's headers.
        body_limit: Most bytes of body that are read; a route raises or lowers it before it reads.
        route: Path of the matched route with its parameters' names, for metrics; "" for none.
        who: Name of the principal that was resolved last, for the access log.
    """

    app: Computor
    request_id: str
    received_at: datetime
    address: str
    method: str
    headers: Headers
    body_limit: int
    route: str = ""
    who: str = "anonymous"
    _presented: Presented | None = field(default=None, init=False)

    @property
    def presented(self) -> Presented:
        """The credential that came with the request.

        Raises:
            AuthenticationError: The ``Authorization`` header can't be understood.
        """
        if self._presented is None:
            self._presented = presented(self.headers, self.app.settings.public_url)
        return self._presented

    async def principal(self) -> Principal:
        """The caller, proven live by the database now; anonymous when nothing was presented."""
        return self._named(await self.presented.prove(self))

    async def recalled_principal(self) -> Principal:
        """The caller, possibly from memory; only for guarded statements, see ``run_guarded``."""
        return self._named(await self.presented.recall(self))

    async def reloaded_principal(self) -> Principal:
        """The caller, read from the database again."""
        return self._named(await self.presented.reload(self))

    async def credential(self) -> Credential | None:
        """The caller's credential, proven; None when nothing was presented."""
        return await self.presented.credential(self)

    def device(self) -> Device:
        """Where the caller is, for a new session."""
        from computor_core.services.sessions import Device

        return Device(self.address, self.headers.get("user-agent", "")[:_LONGEST_USER_AGENT])

    def uow(self, principal: Principal) -> AbstractAsyncContextManager[UnitOfWork]:
        """A write unit of work that belongs to this request."""
        return self.app.uow(principal, request_id=self.request_id, now=self.received_at)

    def read(self, principal: Principal) -> AbstractAsyncContextManager[ReadUnit]:
        """A read unit that belongs to this request."""
        return self.app.read(principal, request_id=self.request_id, now=self.received_at)

    def _named(self, principal: Principal) -> Principal:
        self.who = principal.name
        return principal


def host_request(connection: HTTPConnection | Scope) -> HostRequest:
    """The host's view of a request.

    Raises:
        RuntimeError: The request didn't come through the host's middleware.
    """
    scope = connection.scope if isinstance(connection, HTTPConnection) else connection
    found = scope.get(SCOPE_KEY)
    if not isinstance(found, HostRequest):
        raise RuntimeError("the request didn't come through the host")  # noqa: TRY004 - a wiring mistake
    return found
