"""Credentials over HTTP: what a token can't become, and what ends when a password changes."""

from __future__ import annotations

import logging
from typing import Any
from uuid import UUID

import httpx
import pytest
from computor_fastapi_host.log import JsonFormatter
from sqlalchemy import insert

from computor_core.db.types import new_id
from computor_core.model import Course, CourseFamily, CourseMember, Organization
from computor_core.plugin_api.principal import Principal
from tests.e2e.host_harness import ADMIN, PASSWORD, Host, add_user, client_for

NEW = "seven walruses waltzing"


async def token_of(host: Host, client: httpx.AsyncClient, **values: Any) -> httpx.AsyncClient:
    """A client with a new API token of another client's user."""
    made = await client.post("/api/v1/auth/tokens", json={"name": "test", **values})
    assert made.status_code == 201, made.text
    return client_for(host.app, headers={"authorization": f"Bearer {made.json()['token']}"})


async def own_id(client: httpx.AsyncClient) -> str:
    return str((await client.get("/api/v1/auth/session")).json()["user_id"])


async def signs_in(host: Host, login: str, password: str) -> bool:
    body = {"login": login, "password": password}
    return (await host.client.post("/api/v1/auth/sign-in", json=body)).status_code == 200


async def enrol(host: Host, user_id: UUID, role_id: str) -> None:
    """A course of its own, with the user in a role."""
    ids = {"organization_id": new_id(), "course_family_id": new_id(), "course_id": new_id()}
    name = ids["organization_id"].hex[-12:]
    async with host.computor.uow(Principal.system("test")) as work:
        for model, values in (
            (Organization, {"id": ids["organization_id"], "path": name, "title": name}),
            (
                CourseFamily,
                {
                    "id": ids["course_family_id"],
                    "organization_id": ids["organization_id"],
                    "slug": name,
                    "title": name,
                },
            ),
            (
                Course,
                {
                    "id": ids["course_id"],
                    "organization_id": ids["organization_id"],
                    "course_family_id": ids["course_family_id"],
                    "slug": name,
                    "title": name,
                },
            ),
        ):
            await work.connection.execute(insert(model).values(**values))
        work.session.add(CourseMember(course_id=ids["course_id"], user_id=user_id, role_id=role_id))


@pytest.mark.parametrize("scopes", [["user.credentials", "user.read"], None])
async def test_no_api_token_sets_a_password_not_even_its_owners(
    host: Host, admin: httpx.AsyncClient, scopes: list[str] | None
) -> None:
    """Whoever sets the owner's password signs in as the owner, without any limit."""
    eve = await add_user(host.computor, "eve@example.org")
    async with await token_of(host, admin, scopes=scopes) as token:
        for user, login in ((await own_id(admin), ADMIN), (str(eve), "eve@example.org")):
            answer = await token.post(f"/api/v1/users/{user}/set-password", json={"password": NEW})
            assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
            assert not await signs_in(host, login, NEW)
            assert await signs_in(host, login, PASSWORD)
    assert (await admin.get("/api/v1/user")).status_code == 200


async def test_a_token_reaches_none_of_its_owners_credentials(host: Host, admin: httpx.AsyncClient) -> None:
    async with await token_of(host, admin) as token:
        password = {"current": PASSWORD, "new": NEW}
        for answer in (
            await token.post("/api/v1/auth/password", json=password),
            await token.post("/api/v1/auth/tokens", json={"name": "more"}),
            await token.get("/api/v1/auth/tokens"),
            await token.get("/api/v1/auth/sessions"),
            await token.delete("/api/v1/auth/sessions"),
            await token.post("/api/v1/auth/sign-out"),
        ):
            assert (answer.status_code, answer.json()["code"]) == (403, "forbidden"), answer.request.url
    assert await signs_in(host, ADMIN, PASSWORD)


@pytest.mark.parametrize(("role_id", "status"), [("course:_lecturer", 403), ("course:_student", 204)])
async def test_a_user_manager_sets_the_passwords_of_students_and_not_of_lecturers(
    host: Host, role_id: str, status: int
) -> None:
    await add_user(host.computor, "manager@example.org", "_user_manager")
    someone = await add_user(host.computor, "someone@example.org")
    await enrol(host, someone, role_id)
    async with await host.signed_in("manager@example.org") as manager:
        answer = await manager.post(f"/api/v1/users/{someone}/set-password", json={"password": NEW})
    assert answer.status_code == status, answer.text
    assert await signs_in(host, "someone@example.org", NEW) is (status == 204)


async def test_a_password_that_is_set_ends_the_sessions_and_the_tokens(
    host: Host, admin: httpx.AsyncClient
) -> None:
    eve = await add_user(host.computor, "eve@example.org")
    async with (
        await host.signed_in("eve@example.org") as session,
        await token_of(host, session) as token,
        await token_of(host, admin) as another,
    ):
        assert (await token.get("/api/v1/user")).status_code == 200
        answer = await admin.post(f"/api/v1/users/{eve}/set-password", json={"password": NEW})
        assert answer.status_code == 204
        for client in (session, token):
            assert (await client.get("/api/v1/user")).status_code == 401
        for client in (admin, another):
            assert (await client.get("/api/v1/user")).status_code == 200


async def test_a_password_that_its_owner_changes_ends_the_other_sessions_and_no_token(host: Host) -> None:
    """A leaked password gives no token away, and a course's automation goes on; the owner revokes tokens."""
    await add_user(host.computor, "eve@example.org")
    async with (
        await host.signed_in("eve@example.org") as here,
        await host.signed_in("eve@example.org") as there,
        await token_of(host, here) as token,
    ):
        answer = await here.post("/api/v1/auth/password", json={"current": PASSWORD, "new": NEW})
        assert answer.status_code == 204
        assert (await here.get("/api/v1/user")).status_code == 200
        assert (await there.get("/api/v1/user")).status_code == 401
        assert (await token.get("/api/v1/user")).status_code == 200


async def test_no_part_of_a_credential_stands_in_the_log(
    host: Host, caplog: pytest.LogCaptureFixture
) -> None:
    """Of sessions, API tokens, anti-forgery tokens and passwords, in whatever way they are presented."""
    await add_user(host.computor, "eve@example.org")
    caplog.set_level(logging.INFO)
    signed_in = {"login": "eve@example.org", "password": PASSWORD}
    begun = (await host.client.post("/api/v1/auth/sign-in", json={**signed_in, "transport": "cookie"})).json()
    async with await host.signed_in("eve@example.org") as session:
        made = (await session.post("/api/v1/auth/tokens", json={"name": "ci"})).json()
        bearer = session.headers["authorization"].removeprefix("Bearer ")
        await session.post("/api/v1/auth/password", json={"current": "wrong-secret-1", "new": NEW})
    await host.client.post("/api/v1/auth/sign-in", json={**signed_in, "password": "wrong-secret-2"})
    presented = ["ct_mistaken-token-of-somebody", made["token"], bearer]
    for token in presented:
        for headers in (
            {"authorization": f"Bearer {token}"},
            {"authorization": f"Basic {token}"},
            {"cookie": f"computor={token}"},
            {"x-csrf-token": token},
        ):
            await host.client.get("/api/v1/user", headers=headers)
        await host.client.get("/api/v1/user", params={"token": token, "access_token": token})
    # The test's own client logs what it asks for.
    told = [record for record in caplog.records if record.name != "httpx"]
    lines = [JsonFormatter().format(record) for record in told]
    assert len(lines) > len(presented)
    secrets = [*presented, begun["csrf_token"], PASSWORD, NEW, "wrong-secret-1", "wrong-secret-2"]
    # As much of each as tells more than its kind.
    for beginning in [secret[: max(8, len(secret) // 4)] for secret in secrets]:
        assert not [line for line in lines if beginning in line], beginning
