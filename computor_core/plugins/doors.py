"""The doors into the core that providers and routes get, before the core stands."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, TypeVar

from computor_core.plugin_api.providers.base import Provider

if TYPE_CHECKING:
    from computor_core.db.unit_of_work import ReadUnit, UnitOfWork
    from computor_core.plugin_api.principal import Principal
    from computor_core.plugin_api.providers.git import PushReceiver
    from computor_core.plugin_api.services import CoreServices

P = TypeVar("P", bound=Provider)


class Doors:
    """:class:`~computor_core.plugin_api.services.CoreServices` that exist before the services do.

    Providers are opened before the services, which are built on them. What a factory gets is
    this; it works as soon as the application has started.
    """

    def __init__(self) -> None:
        self._services: CoreServices | None = None

    @property
    def _open(self) -> CoreServices:
        if self._services is None:
            raise RuntimeError("core's services are there once the application has started")
        return self._services

    @property
    def pushes(self) -> PushReceiver:
        """Core's side of a git push."""
        return self._open.pushes

    def provider(self, contract: type[P], instance: str | None = None) -> P:
        """A provider instance, the default one unless named."""
        return self._open.provider(contract, instance)

    async def authenticate(self, token: str) -> Principal:
        """Resolve a bearer token (session or API token)."""
        return await self._open.authenticate(token)

    def uow(self, principal: Principal) -> AbstractAsyncContextManager[UnitOfWork]:
        """A write unit of work."""
        return self._open.uow(principal)

    def read(self, principal: Principal) -> AbstractAsyncContextManager[ReadUnit]:
        """A read unit."""
        return self._open.read(principal)


def open_doors(doors: Doors, services: CoreServices) -> None:
    """Let doors lead to the services; from now on they work."""
    doors._services = services


def behind(doors: Doors) -> CoreServices:
    """The services themselves, for core's own code.

    Raises:
        RuntimeError: The application hasn't started.
    """
    return doors._open
