"""Doors into the core for providers, commands and routes, as protocols."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from computor_core.plugin_api.db import ReadUnit, UnitOfWork
    from computor_core.plugin_api.principal import Principal, ScopeKind
    from computor_core.plugin_api.providers.base import AppContext
    from computor_core.plugin_api.providers.git import PushReceiver

__all__ = ["AccessDecisions", "Application", "CoreServices", "OpenApplication"]


class CoreServices(Protocol):
    """What core does for a plugin at run time."""

    @property
    def pushes(self) -> PushReceiver:
        """Core's side of a git push."""
        ...

    async def authenticate(self, token: str) -> Principal:
        """Resolve a bearer token (session or API token).

        Raises:
            AuthenticationError: Unknown, expired or revoked.
        """
        ...

    def uow(self, principal: Principal) -> AbstractAsyncContextManager[UnitOfWork]:
        """A write unit of work; commits when the block ends without an exception."""
        ...

    def read(self, principal: Principal) -> AbstractAsyncContextManager[ReadUnit]:
        """A read unit."""
        ...


class AccessDecisions(Protocol):
    """Who may do what, decided by the registered rules for the principal of a unit.

    Every method raises an ``AuthenticationError`` when that principal's sign-in no longer holds.
    """

    async def allowed(self, work: ReadUnit, action: str, endpoint: str, row_id: UUID | str) -> bool:
        """Whether the caller may do this to this row; false when there is no such row."""
        ...

    async def require(self, work: ReadUnit, action: str, endpoint: str, row_id: UUID | str) -> None:
        """Require that the caller may do this to this row.

        Raises:
            NotFoundError: No such row, or none that the caller can read.
            ForbiddenError: The row can be read, the action is refused.
        """
        ...

    async def allowed_at(self, work: ReadUnit, action: str, scope: ScopeKind, scope_id: UUID | None) -> bool:
        """Whether the caller holds an action at a scope, by a role there or above it."""
        ...

    async def require_at(self, work: ReadUnit, action: str, scope: ScopeKind, scope_id: UUID | None) -> None:
        """Require an action at a scope.

        Raises:
            NotFoundError: The caller can't read the scope's row.
            ForbiddenError: It can, but lacks the action there.
        """
        ...


class Application(Protocol):
    """The application as the handlers of entities' commands, routes and CLI commands see it."""

    @property
    def access(self) -> AccessDecisions:
        """Decides who may do what."""
        ...

    def uow(
        self, principal: Principal, *, request_id: str = "", now: datetime | None = None
    ) -> AbstractAsyncContextManager[UnitOfWork]:
        """A write unit of work; commits when the block ends without an exception.

        Args:
            principal: Who acts.
            request_id: For logs and the audit trail.
            now: Start of the request, UTC; the clock's time unless given.
        """
        ...

    def read(
        self, principal: Principal, *, request_id: str = "", now: datetime | None = None
    ) -> AbstractAsyncContextManager[ReadUnit]:
        """A read unit; the arguments are those of :meth:`uow`."""
        ...

    def context(self, plugin: str) -> AppContext:
        """What the application lends to a plugin: its settings, its folder, its logger."""
        ...


OpenApplication = Callable[[], AbstractAsyncContextManager[Application]]
"""Opens the application; the ``obj`` of the click context of every plugin's CLI command."""
