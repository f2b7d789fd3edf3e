"""The servers this tool knows, in the order in which they start."""

from tools.services.pins import Pins
from tools.services.postgres import Postgres
from tools.services.redis import Redis
from tools.services.server import Server
from tools.services.temporal import Temporal


def all_servers(pins: Pins) -> tuple[Server, ...]:
    """Return every server."""
    return (Postgres(pins.postgres), Redis(pins.redis), Temporal(pins.temporal, pins.go))


def choose(servers: tuple[Server, ...], only: str | None) -> tuple[Server, ...]:
    """Return the servers named in ``only``, separated by commas, in start order; all of them for None.

    Raises:
        ValueError: A name is unknown, or there is none.
    """
    if only is None:
        return servers
    names = [name.strip() for name in only.split(",") if name.strip()]
    known = [server.name for server in servers]
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        error = f"no such server: {', '.join(unknown)}" if unknown else "no server named"
        message = f"{error} (known are {', '.join(known)})"
        raise ValueError(message)
    return tuple(server for server in servers if server.name in names)
