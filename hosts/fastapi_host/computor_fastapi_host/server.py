"""The host as a server of its own: one socket, one process, an orderly end."""

from __future__ import annotations

import logging
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn

from computor_core.app import Computor
from computor_core.plugins.registries import SEAMS
from computor_core.settings import Settings
from computor_core.settings.absent import absences
from computor_fastapi_host.app import create_app
from computor_fastapi_host.errors import AddressUnavailableError
from computor_fastapi_host.feed import Feed
from computor_fastapi_host.lifespan import lifespan
from computor_fastapi_host.state import host_state

__all__ = ["listen", "serve_on", "with_port"]

_log = logging.getLogger(__name__)

_BACKLOG = 2048
_SECONDS_TO_FINISH = 20
_KEEP_ALIVE_SECONDS = 30


class HostServer(uvicorn.Server):
    """uvicorn, ending live updates before it waits for open connections.

    Args:
        config: uvicorn's configuration.
        feed: The live updates.
        started: Called when requests are answered.
    """

    def __init__(self, config: uvicorn.Config, feed: Feed, started: Callable[[], None]) -> None:
        super().__init__(config)
        self._feed = feed
        self._tell_started = started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer."""
        await super().startup(sockets)
        self._tell_started()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop answering: streams end by themselves, requests are finished."""
        self._feed.close()
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """End at SIGINT and SIGTERM without raising them again: what follows is closed in order."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self.handle_exit) for number in _SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def listen(host: str, port: int) -> socket.socket:
    """A listening socket.

    Args:
        host: Name or address.
        port: Port; 0 for a free one.

    Raises:
        AddressUnavailableError: The port is taken, or the address isn't this machine's.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, kind, protocol)
    except OSError as error:
        raise _unavailable(host, port, error) from error
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(_BACKLOG)
    except OSError as error:
        listening.close()
        raise _unavailable(host, port, error) from error
    listening.set_inheritable(False)
    return listening


def with_port(settings: Settings, host: str, port: int) -> Settings:
    """The settings with the address that is really listened on."""
    server = settings.server.model_copy(update={"host": host, "port": port})
    return settings.model_copy(update={"server": server})


async def serve_on(settings: Settings, listening: socket.socket, started: Callable[[], None]) -> None:
    """Serve until SIGINT or SIGTERM.

    Args:
        settings: The settings of the deployment.
        listening: Where requests come in; closed at the end.
        started: Called when requests are answered.

    Raises:
        ComputorError: The application can't start; nothing was answered.
    """
    async with Computor(settings) as computor:
        for absence in absences({seam for seam in SEAMS if computor.providers.names(seam)}):
            _log.warning(absence)
        app = create_app(computor)
        async with lifespan(app):
            config = uvicorn.Config(
                app,
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                ws="none",
                timeout_graceful_shutdown=_SECONDS_TO_FINISH,
                timeout_keep_alive=_KEEP_ALIVE_SECONDS,
                proxy_headers=bool(settings.server.trusted_proxies),
                forwarded_allow_ips=list(settings.server.trusted_proxies),
            )
            await HostServer(config, host_state(app).feed, started).serve([listening])


def _unavailable(host: str, port: int, error: OSError) -> AddressUnavailableError:
    return AddressUnavailableError(
        f"the host can't listen on {host}, port {port}: {error.strerror or error}",
        hint="stop what uses the port, or choose another with --port (0 takes a free one)",
    )
