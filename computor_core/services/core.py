"""All services of an application, and the doors that plugins get to them."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, TypeVar

from computor_core.plugin_api.providers.base import Provider
from computor_core.plugins.doors import Doors, behind
from computor_core.services.blobs import BlobService
from computor_core.services.examples import ExampleService
from computor_core.services.pushes import PushService
from computor_core.services.releases import ReleaseService
from computor_core.services.results import ResultService
from computor_core.services.sessions import SessionService
from computor_core.services.submissions import SubmissionService
from computor_core.services.test_queue import TestQueueService

if TYPE_CHECKING:
    from computor_core.app import Computor
    from computor_core.db.unit_of_work import ReadUnit, UnitOfWork
    from computor_core.plugin_api.principal import Principal
    from computor_core.plugin_api.workflows import StepContext

P = TypeVar("P", bound=Provider)


class Services:
    """The business operations; also :class:`~computor_core.plugin_api.services.CoreServices`."""

    def __init__(self, app: Computor) -> None:
        self._app = app
        self.sessions = SessionService(app)
        self.blobs = BlobService(app)
        self.examples = ExampleService(app)
        self.releases = ReleaseService(app)
        self.submissions = SubmissionService(app)
        self.pushes = PushService(app)
        self.queue = TestQueueService(app)
        self.results = ResultService(app)

    def provider(self, contract: type[P], instance: str | None = None) -> P:
        """A provider instance, the default one unless named.

        Raises:
            ConfigurationError: There is no such instance, or no default one.
        """
        providers = self._app.providers
        return providers.get(contract, instance or providers.default(contract.seam))

    async def authenticate(self, token: str) -> Principal:
        """Resolve a bearer token (session or API token).

        Raises:
            AuthenticationError: Unknown, expired or revoked.
        """
        return await self.sessions.authenticate(token)

    def uow(self, principal: Principal) -> AbstractAsyncContextManager[UnitOfWork]:
        """A write unit of work; commits when the block ends without an exception."""
        return self._app.uow(principal)

    def read(self, principal: Principal) -> AbstractAsyncContextManager[ReadUnit]:
        """A read unit."""
        return self._app.read(principal)


def services_of(ctx: StepContext) -> Services:
    """Core's services, for core's own steps; a plugin's steps get by with the protocol.

    Raises:
        TypeError: The engine was given other doors than an application's.
    """
    services = behind(ctx.app) if isinstance(ctx.app, Doors) else ctx.app
    if not isinstance(services, Services):
        raise TypeError("core's steps need the application's services")
    return services
