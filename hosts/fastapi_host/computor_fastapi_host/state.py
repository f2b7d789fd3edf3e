"""What a host keeps between requests."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from starlette.applications import Starlette

from computor_core.app import Computor
from computor_core.settings import Settings
from computor_fastapi_host.metrics import Metrics

if TYPE_CHECKING:
    from computor_fastapi_host.feed import Feed

__all__ = ["HostState", "Limits", "host_state"]


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes of bodies, in bytes.

    Attributes:
        body_bytes: Most bytes of an ordinary body.
        upload_bytes: Most bytes of a body for a plugin's mounted application.
    """

    body_bytes: int = 1024 * 1024
    upload_bytes: int = 256 * 1024 * 1024


@dataclass(slots=True)
class HostState:
    """The host's own state.

    Attributes:
        source: The application, or the settings of one that the host opens and closes itself.
        runs: Whether the host carries out background work, too.
        limits: Sizes of bodies.
        metrics: Counters.
        computor: The application while the lifespan is open, else None.
        feed: Live updates; there while the lifespan is open.
    """

    source: Settings | Computor
    runs: bool = True
    limits: Limits = field(default_factory=Limits)
    metrics: Metrics = field(default_factory=Metrics)
    computor: Computor | None = None
    feed: Feed = field(init=False)
    _begun: bool = field(default=False, init=False)

    def begin(self) -> None:
        """Note that the lifespan begins; the routes belong to one application and one run of it.

        Raises:
            RuntimeError: It began before.
        """
        if self._begun:
            raise RuntimeError("this host has been started before; create a new one")
        self._begun = True

    async def opened(self, stack: AsyncExitStack) -> Computor:
        """The application; one that the host opens itself is closed with the stack."""
        if isinstance(self.source, Computor):
            return self.source
        return await stack.enter_async_context(Computor(self.source))


def host_state(app: Starlette) -> HostState:
    """The host's state in an application that ``create_app`` made.

    Raises:
        TypeError: The application is something else.
    """
    state = getattr(app.state, "computor_host", None)
    if not isinstance(state, HostState):
        raise TypeError("this application wasn't made by computor_fastapi_host.create_app")
    return state
