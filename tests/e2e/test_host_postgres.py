"""Two hosts on one PostgreSQL: what one promises, the other keeps."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from sqlalchemy import func, select

from computor_core.model import User
from computor_core.plugin_api.principal import Principal
from tests.e2e.host_harness import ADMIN, Host, add_user, client_for, migrate, serving, settings_for

KEY = {"idempotency-key": "5f0c1e3a-first"}


@pytest.fixture
async def hosts(postgres_url: str, tmp_path: Path) -> AsyncIterator[tuple[Host, Host]]:
    one = settings_for(tmp_path / "one", database={"url": postgres_url})
    two = settings_for(tmp_path / "two", database={"url": postgres_url})
    await migrate(one)
    async with serving(one, run=True) as first, serving(two, run=True) as second:
        await add_user(first.computor, ADMIN, "_admin")
        yield first, second


@pytest.fixture
async def clients(hosts: tuple[Host, Host]) -> AsyncIterator[tuple[httpx.AsyncClient, httpx.AsyncClient]]:
    """The same session, at each host."""
    async with (
        await hosts[0].signed_in() as here,
        client_for(hosts[1].app, headers=dict(here.headers)) as there,
    ):
        yield here, there


async def test_one_key_has_one_effect_over_both_hosts(
    hosts: tuple[Host, Host], clients: tuple[httpx.AsyncClient, httpx.AsyncClient]
) -> None:
    body = {"given_name": "Grace", "family_name": "Hopper"}
    answers = await asyncio.gather(
        *[client.post("/api/v1/users", json=body, headers=KEY) for _ in range(10) for client in clients]
    )
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    async with hosts[0].computor.read(Principal.system("test")) as work:
        hoppers = select(func.count()).select_from(User).where(User.family_name == "Hopper")
        assert (await work.connection.execute(hoppers)).scalar_one() == 1


async def test_requests_with_a_key_that_break_a_unique_rule_get_the_first_answer(
    clients: tuple[httpx.AsyncClient, httpx.AsyncClient],
) -> None:
    body = {"slug": "tug", "title": "TUG"}
    answers = await asyncio.gather(
        *[
            client.post("/api/v1/organizations", json=body, headers=KEY)
            for _ in range(5)
            for client in clients
        ]
    )
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 1


async def test_revoked_here_is_refused_there_at_the_next_request(
    clients: tuple[httpx.AsyncClient, httpx.AsyncClient],
) -> None:
    here, there = clients
    for _ in range(3):
        assert (await there.get("/api/v1/users")).status_code == 200
    assert (await here.post("/api/v1/auth/sign-out")).status_code == 204
    for path in ("/api/v1/users", "/api/v1/courses", "/api/v1/user"):
        assert (await there.get(path)).status_code == 401


async def test_a_role_given_here_counts_there_at_the_next_request(hosts: tuple[Host, Host]) -> None:
    eve = await add_user(hosts[0].computor, "eve@example.org")
    async with await hosts[1].signed_in("eve@example.org") as client:
        body = {"slug": "eve", "title": "Eve"}
        assert (await client.post("/api/v1/organizations", json=body)).status_code == 403
        async with await hosts[0].signed_in() as admin:
            given = {"user_id": str(eve), "role_id": "_organization_manager"}
            assert (await admin.post("/api/v1/user-roles", json=given)).status_code == 201
        assert (await client.post("/api/v1/organizations", json=body)).status_code == 201


async def test_what_the_database_cannot_store_is_the_callers_mistake(
    hosts: tuple[Host, Host], clients: tuple[httpx.AsyncClient, httpx.AsyncClient]
) -> None:
    here, _ = clients
    answers = [
        await here.post("/api/v1/users", json={"given_name": "a\0b"}),
        await here.post("/api/v1/users", json={"given_name": "x", "properties": {"a": "\0"}}),
        await here.post("/api/v1/auth/tokens", json={"name": "a\0b"}),
    ]
    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(422, "invalid")] * 3
    for login in ("a\0b", ADMIN):
        body = {"login": login, "password": "\0 is no good password"}
        answer = await here.post("/api/v1/auth/sign-in", json=body)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid")


async def test_two_changes_on_one_version_at_once_are_not_both_made(
    clients: tuple[httpx.AsyncClient, httpx.AsyncClient],
) -> None:
    here, _ = clients
    place = (await here.post("/api/v1/organizations", json={"slug": "tug", "title": "0"})).headers["location"]
    answers = await asyncio.gather(
        *[
            client.patch(place, json={"title": f"{number}"}, headers={"if-match": '"1"'})
            for number in range(1, 6)
            for client in clients
        ]
    )
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses.count(200) == 1
    assert set(statuses) <= {200, 409, 412}
    assert (await here.get(place)).headers["etag"] == '"2"'
