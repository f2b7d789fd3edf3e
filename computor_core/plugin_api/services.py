"""Doors into the core for providers, commands and routes, as protocols."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from computor_core.interfaces import CreateDto, UpdateDto
    from computor_core.plugin_api.db import ReadUnit, UnitOfWork
    from computor_core.plugin_api.principal import Principal, ScopeKind
    from computor_core.plugin_api.providers.base import AppContext, Provider
    from computor_core.plugin_api.providers.git import PushReceiver

__all__ = [
    "AccessDecisions",
    "Application",
    "CoreServices",
    "EntityOperations",
    "OpenApplication",
    "RowPage",
]

P = TypeVar("P", bound="Provider")


class CoreServices(Protocol):
    """What core does for a plugin at run time."""

    @property
    def pushes(self) -> PushReceiver:
        """Core's side of a git push."""
        ...

    def provider(self, contract: type[P], instance: str | None = None) -> P:
        """A provider instance: storage, cache, bus, git host and the others.

        Args:
            contract: The contract class, for example ``StorageBackend``.
            instance: Its name in the settings, None for the default one.

        Raises:
            ConfigurationError: There is no such instance, or no default one.
        """
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


class RowPage(Protocol):
    """A page of a list."""

    @property
    def data(self) -> list[dict[str, Any]]:
        """The rows as the list DTO's JSON values."""
        ...

    @property
    def next_cursor(self) -> str | None:
        """Where the next page begins; None for the last one."""
        ...

    @property
    def total(self) -> int | None:
        """The number of all matching rows, where it was asked for."""
        ...


class EntityOperations(Protocol):
    """What is derived from an entity's registration, with the access of the unit's principal.

    Rows are the JSON values of the entity's DTOs; fields whose own action the principal lacks are
    None. Every method raises a ``NotFoundError`` for a row that isn't there or can't be seen and a
    ``ForbiddenError`` for a visible one that refuses the action; changes raise an
    ``InvalidError`` or ``ConflictError`` where a rule or constraint is broken.
    """

    async def get(
        self, work: ReadUnit, row_id: UUID | str, *, fields: Sequence[str] | None = None
    ) -> dict[str, Any]:
        """One row; ``fields`` chooses among those of the get DTO."""
        ...

    async def list(
        self,
        work: ReadUnit,
        *,
        filters: Mapping[str, Any] | None = None,
        sort: Sequence[str] = (),
        limit: int = 50,
        cursor: str | None = None,
        with_total: bool = False,
        fields: Sequence[str] | None = None,
    ) -> RowPage:
        """A page of the rows that the principal can see; values of filters are Python values."""
        ...

    async def create(self, work: UnitOfWork, body: CreateDto) -> dict[str, Any]:
        """Create a row."""
        ...

    async def update(
        self, work: UnitOfWork, row_id: UUID | str, body: UpdateDto, *, if_match: int | None = None
    ) -> dict[str, Any]:
        """Change the fields that were set; ``if_match`` is the version that the caller saw."""
        ...

    async def delete(self, work: UnitOfWork, row_id: UUID | str, *, if_match: int | None = None) -> None:
        """Delete a row."""
        ...


class Application(Protocol):
    """The application as the handlers of entities' commands, routes and CLI commands see it."""

    @property
    def access(self) -> AccessDecisions:
        """Decides who may do what."""
        ...

    @property
    def entities(self) -> Mapping[str, EntityOperations]:
        """The operations of every entity, by endpoint."""
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
