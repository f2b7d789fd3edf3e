"""The smart HTTP service in a process of its own, which tests kill and measure.

Called with the data folder, the journal and what to do ("serve", or the moment at which to kill
itself); prints its port.
"""

import asyncio
import logging
import os
import signal
import socket
import sys
from pathlib import Path
from uuid import UUID

import uvicorn
from computor_git_local.host import open_host
from computor_git_local.http import create_app
from computor_git_local.settings import GitLocalSettings
from starlette.applications import Starlette
from starlette.routing import Mount

from computor_core.clock import SystemClock
from computor_core.plugin_api.providers.base import AppContext
from computor_core.plugin_api.providers.git import EnsureRepository, RepositoryAccess
from computor_core.testing.git_pushes import FakeCore, FakePushes

USER = UUID(int=1)
REPOSITORY = "course/students/one"


async def main(folder: Path, journal: Path, moment: str) -> None:
    async def die(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    pushes = FakePushes(rights={(USER, REPOSITORY): RepositoryAccess.WRITE}, journal=journal)
    if moment == "finish":
        pushes.on_finish = die
    core = FakeCore(tokens={"token": USER}, pushes=pushes)
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    context = AppContext(
        instance="default",
        plugin="git_local",
        data_dir=folder,
        public_url=f"http://127.0.0.1:{port}",
        clock=SystemClock(),
        log=logging.getLogger("push_server"),
        services=core,
    )
    async with open_host(GitLocalSettings(max_push_bytes="200MiB"), context) as host:
        await host.ensure_repository(EnsureRepository(REPOSITORY, "Student one"))
        app = Starlette(routes=[Mount("/git", create_app(context))])
        server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_level="warning"))
        print(port, flush=True)
        await server.serve(sockets=[listener])


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]))
