"""The host inside another application, and two of them in one process."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from computor_fastapi_host import create_app, lifespan
from fastapi import FastAPI

from computor_core.app import Computor
from computor_core.settings import Settings
from tests.e2e.host_harness import ADMIN, PASSWORD, add_user, client_for, listening, serving, settings_for

ROOT = Path(__file__).parents[2]


@asynccontextmanager
async def mounted(settings: Settings) -> AsyncIterator[tuple[FastAPI, FastAPI]]:
    """An application of somebody else's that mounts the host at /computor."""
    host = create_app(settings)

    @asynccontextmanager
    async def own_lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with lifespan(host):
            yield

    own = FastAPI(lifespan=own_lifespan)

    @own.get("/own")
    async def own_route() -> dict[str, str]:
        return {"whose": "the integrator's"}

    own.mount("/computor", host)
    async with own.router.lifespan_context(own):
        yield own, host


async def test_the_host_works_mounted_in_another_application(settings: Settings) -> None:
    async with mounted(settings) as (own, host), client_for(own) as client:
        await add_user(host.state.computor_host.computor, ADMIN, "_admin")
        assert (await client.get("/own")).json() == {"whose": "the integrator's"}
        assert (await client.get("/computor/readyz")).status_code == 200
        signed_in = await client.post(
            "/computor/api/v1/auth/sign-in", json={"login": ADMIN, "password": PASSWORD}
        )
        client.headers["authorization"] = f"Bearer {signed_in.json()['token']}"
        made = await client.post("/computor/api/v1/organizations", json={"slug": "tug", "title": "TUG"})
        assert made.status_code == 201
        assert made.headers["location"] == f"/computor/api/v1/organizations/{made.json()['id']}"
        assert (await client.get(made.headers["location"])).json() == made.json()
        token = await client.post("/computor/api/v1/auth/tokens", json={"name": "ci"})
        assert token.headers["location"].startswith("/computor/api/v1/auth/tokens/")
        missing = await client.get("/computor/nope")
        assert (missing.status_code, missing.json()["code"]) == (404, "not_found")
        assert (await client.get("/api/v1/organizations")).status_code == 404


async def test_a_mounted_host_works_on_a_real_server(settings: Settings) -> None:
    async with mounted(settings) as (own, host):
        own.state.computor_host = host.state.computor_host
        async with listening(own) as base, httpx.AsyncClient(base_url=base) as client:
            assert (await client.get("/computor/healthz")).json() == {"status": "ok"}
            assert (await client.get("/computor/api/v1/user")).status_code == 401


async def test_a_mounted_host_whose_lifespan_nobody_entered_says_so(settings: Settings) -> None:
    own = FastAPI()
    own.mount("/computor", create_app(settings))
    async with own.router.lifespan_context(own), client_for(own) as client:
        answer = await client.get("/computor/api/v1/users")
    assert answer.status_code == 503
    assert answer.json()["code"] == "unavailable"
    assert "lifespan" in answer.json()["hint"]


async def test_a_host_opens_and_closes_what_it_was_given_settings_for(settings: Settings) -> None:
    app = create_app(settings)
    async with app.router.lifespan_context(app), client_for(app) as client:
        assert (await client.get("/readyz")).status_code == 200
        computor = app.state.computor_host.computor
    async with client_for(app) as client:
        assert (await client.get("/readyz")).status_code == 503
    assert computor is not None
    with pytest.raises(RuntimeError, match="create a new one"):
        async with lifespan(app):
            pass


async def test_a_host_leaves_an_application_open_that_it_was_given(settings: Settings) -> None:
    async with Computor(settings) as computor:
        async with lifespan(create_app(computor)):
            pass
        async with lifespan(create_app(computor, run=False)):
            pass
        await add_user(computor, "later@example.org")


async def test_two_hosts_in_one_process_know_nothing_of_each_other(
    settings: Settings, migrated_folder: Path, tmp_path: Path
) -> None:
    shutil.copytree(migrated_folder, tmp_path / "second")
    async with serving(settings) as one, serving(settings_for(tmp_path / "second")) as two:
        await add_user(one.computor, ADMIN, "_admin")
        async with await one.signed_in() as client:
            headers = dict(client.headers)
            assert (await client.get("/api/v1/users")).status_code == 200
        async with client_for(two.app, headers=headers) as client:
            assert (await client.get("/api/v1/users")).status_code == 401
        await add_user(two.computor, ADMIN, "_admin")
        async with await two.signed_in() as client:
            counted = (await client.get("/metrics")).text
        assert 'route="/api/v1/auth/sign-in"' in counted
        assert 'route="/api/v1/users",status="200"' not in counted


def test_only_what_create_app_made_has_a_lifespan_here() -> None:
    async def enter() -> None:
        async with lifespan(FastAPI()):
            pass

    import asyncio

    with pytest.raises(TypeError, match="create_app"):
        asyncio.run(enter())
