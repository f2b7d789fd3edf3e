"""``computor serve``: the host as a server process."""

from __future__ import annotations

import asyncio
import sys

import click


@click.command()
@click.option("--host", metavar="ADDRESS", help="Address to listen on instead of server.host.")
@click.option(
    "--port",
    metavar="PORT",
    type=click.IntRange(0, 65535),
    help="TCP port instead of server.port; 0 takes a free one.",
)
@click.option("--migrate", is_flag=True, help="Apply pending migrations first instead of refusing.")
def serve(host: str | None, port: int | None, *, migrate: bool) -> None:
    """Serve the API, and carry out the background work.

    The process ends in order at SIGINT and SIGTERM. Log lines go to standard error as JSON.
    """
    from computor_core.app import Computor
    from computor_core.settings import load_settings
    from computor_fastapi_host.log import log_to
    from computor_fastapi_host.server import listen, serve_on, with_port

    settings = load_settings()
    address = host or settings.server.host
    listening = listen(address, settings.server.port if port is None else port)
    with listening:
        settings = with_port(settings, address, listening.getsockname()[1])
        log_to(sys.stderr)
        if migrate:
            for applied in asyncio.run(Computor.migrate(settings)):
                click.echo(f"{applied.owner}: applied {applied.revision}")

        def tell() -> None:
            click.echo(f"Computor answers at {settings.public_url}")

        asyncio.run(serve_on(settings, listening, tell))
