"""Doors into the core for providers and routes, as protocols."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from computor_core.plugin_api.db import ReadUnit, UnitOfWork
    from computor_core.plugin_api.principal import Principal
    from computor_core.plugin_api.providers.git import PushReceiver


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
