"""A migrated deployment in a folder, and clients for the host on it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import uvicorn
from computor_fastapi_host import Limits, create_app, lifespan
from computor_fastapi_host.server import HostServer, listen
from computor_fastapi_host.state import host_state
from fastapi import FastAPI

from computor_core.app import Computor
from computor_core.migrations import runner
from computor_core.model import User, UserRole
from computor_core.plugin_api.emails import email_key
from computor_core.plugin_api.principal import Principal
from computor_core.plugin_api.providers.auth import AuthProvider, SetPassword
from computor_core.settings import Settings
from computor_core.settings.assembly import assemble
from computor_core.settings.database import opened_database

PASSWORD = "nine elephants, no umbrella"
ADMIN = "admin@example.org"

_FAST_HASH = {"type": "local", "time_cost": 1, "memory_kib": 64, "parallelism": 1}


def settings_for(folder: Path, *, public_url: str = "http://127.0.0.1:8000", **sections: Any) -> Settings:
    """The settings of a deployment in a folder: quick hashes, and nothing that runs programs."""
    return Settings.model_validate(
        {
            "data_dir": folder,
            "server": {"public_url": public_url},
            "auth": {"instances": {"default": _FAST_HASH}},
            "plugins": {"enabled": ["auth_local", "storage_local", "git_local"]},
            **sections,
        }
    )


async def migrate(settings: Settings) -> None:
    """Bring the deployment's database to the installed code."""
    assembly = assemble(settings)
    assembly.require_sound()
    async with opened_database(settings) as database:
        await runner.upgrade(database, assembly.plugins.registries)


async def add_user(app: Computor, login: str, *role_ids: str) -> UUID:
    """A user with the test password and global roles."""
    user = User(email=login, email_key=email_key(login), given_name="Ada", family_name="Lovelace")
    async with app.uow(Principal.system("test")) as work:
        work.session.add(user)
        await work.session.flush()
        work.session.add_all(UserRole(user_id=user.id, role_id=role_id) for role_id in role_ids)
    await app.providers.get(AuthProvider, "default").set_password(SetPassword(user.id, PASSWORD))
    return user.id


@dataclass
class Host:
    """A host in this process.

    Attributes:
        app: Its ASGI application.
        computor: The application behind it.
        client: Sends requests as nobody.
    """

    app: FastAPI
    computor: Computor
    client: httpx.AsyncClient

    async def signed_in(self, login: str = ADMIN) -> httpx.AsyncClient:
        """A client with a bearer token; close it with the host's own."""
        answer = await self.client.post("/api/v1/auth/sign-in", json={"login": login, "password": PASSWORD})
        assert answer.status_code == 200, answer.text
        return client_for(self.app, headers={"authorization": f"Bearer {answer.json()['token']}"})


def client_for(app: Any, **options: Any) -> httpx.AsyncClient:
    """A client that talks to an ASGI application."""
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False, client=("127.0.0.1", 4711))
    return httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000", **options)


@asynccontextmanager
async def listening(app: FastAPI) -> AsyncIterator[str]:
    """A real uvicorn for a host whose lifespan is open; gives its address."""
    started = asyncio.Event()
    config = uvicorn.Config(app, lifespan="off", log_config=None, access_log=False, ws="none")
    server = HostServer(config, host_state(app).feed, started.set)
    with listen("127.0.0.1", 0) as sock:
        task = asyncio.create_task(server.serve([sock]))
        await asyncio.wait_for(started.wait(), 30)
        try:
            yield f"http://127.0.0.1:{sock.getsockname()[1]}"
        finally:
            server.should_exit = True
            await task


@asynccontextmanager
async def serving(
    settings: Settings, *, run: bool = False, limits: Limits | None = None
) -> AsyncIterator[Host]:
    """A host in this process, on a migrated deployment."""
    async with AsyncExitStack() as stack:
        computor = await stack.enter_async_context(Computor(settings))
        app = create_app(computor, run=run, limits=limits)
        await stack.enter_async_context(lifespan(app))
        client = await stack.enter_async_context(client_for(app))
        yield Host(app, computor, client)
