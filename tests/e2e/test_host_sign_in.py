"""Signing in over HTTP: bearer tokens, cookies against forged requests, devices and API tokens."""

from __future__ import annotations

from http.cookies import SimpleCookie

import httpx
import pytest

from computor_core.plugin_api.principal import Principal
from computor_core.settings import Settings
from tests.e2e.host_harness import ADMIN, PASSWORD, Host, add_user, client_for, serving, settings_for

SIGN_IN = "/api/v1/auth/sign-in"
GOOD = {"login": ADMIN, "password": PASSWORD}


def cookie_of(answer: httpx.Response) -> tuple[str, SimpleCookie]:
    (header,) = answer.headers.get_list("set-cookie")
    parsed: SimpleCookie = SimpleCookie(header)
    (name,) = parsed
    return name, parsed


# --- bearer ----------------------------------------------------------------------------------


async def test_a_bearer_session_tells_its_token_once_and_sets_no_cookie(host: Host) -> None:
    answer = await host.client.post(SIGN_IN, json=GOOD)
    assert answer.status_code == 200
    assert answer.json()["token"].startswith("cts_")
    assert answer.json()["csrf_token"] is None
    assert "set-cookie" not in answer.headers
    assert answer.headers["cache-control"] == "no-store"


async def test_wrong_password_unknown_and_archived_names_get_the_same_answer(host: Host) -> None:
    archived = await add_user(host.computor, "gone@example.org")
    async with host.computor.uow(Principal.system("test")) as work:
        from computor_core.model import User

        (await work.session.get_one(User, archived)).archived_at = work.now
    answers = [
        await host.client.post(SIGN_IN, json={"login": login, "password": password})
        for login, password in [
            (ADMIN, "something else entirely"),
            ("nobody@example.org", PASSWORD),
            ("gone@example.org", PASSWORD),
            (ADMIN, ""),
            (ADMIN, "x" * 60_000),
        ]
    ]
    assert {answer.status_code for answer in answers} == {401}
    told = []
    for answer in answers:
        body = answer.json()
        body.pop("request_id")
        told.append((body, answer.headers["content-length"]))
    assert all(one == told[0] for one in told)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"login": ADMIN},
        {"login": "", "password": PASSWORD},
        {"login": ADMIN, "password": ["x"]},
        {**GOOD, "user_id": "0195d6f0-0000-7000-8000-000000000000"},
        {**GOOD, "provider_url": "https://evil.example.org"},
        {**GOOD, "transport": "url"},
        {**GOOD, "provider": "nope"},
    ],
)
async def test_a_wrong_sign_in_body_is_named_and_the_password_not_repeated(
    host: Host, body: dict[str, object]
) -> None:
    answer = await host.client.post(SIGN_IN, json=body)
    assert answer.status_code == 422
    assert answer.json()["fields"]
    assert PASSWORD not in answer.text


async def test_guessing_ends_in_429_with_a_time_to_wait(host: Host) -> None:
    statuses = []
    for _ in range(8):
        answer = await host.client.post(SIGN_IN, json={"login": ADMIN, "password": "a wrong password"})
        statuses.append(answer.status_code)
    assert statuses[:5] == [401] * 5
    assert statuses[-1] == 429
    assert int(answer.headers["retry-after"]) >= 1
    assert (await host.client.post(SIGN_IN, json=GOOD)).status_code == 429


async def test_a_token_in_the_address_opens_nothing(host: Host, admin: httpx.AsyncClient) -> None:
    token = admin.headers["authorization"].removeprefix("Bearer ")
    for query in (f"token={token}", f"access_token={token}", f"authorization=Bearer%20{token}"):
        assert (await host.client.get(f"/api/v1/user?{query}")).status_code == 401


async def test_sign_out_ends_the_session_at_once(admin: httpx.AsyncClient) -> None:
    assert (await admin.get("/api/v1/user")).status_code == 200
    assert (await admin.post("/api/v1/auth/sign-out")).status_code == 204
    for path in ("/api/v1/user", "/api/v1/users", "/api/v1/auth/session"):
        assert (await admin.get(path)).status_code == 401


# --- cookies ---------------------------------------------------------------------------------


async def by_cookie(host: Host) -> tuple[httpx.AsyncClient, str]:
    """A page: it has the cookie and its anti-forgery token."""
    answer = await host.client.post(SIGN_IN, json={**GOOD, "transport": "cookie"})
    assert answer.status_code == 200, answer.text
    assert answer.json()["token"] is None
    name, cookie = cookie_of(answer)
    page = client_for(host.app, headers={"cookie": f"{name}={cookie[name].value}"})
    return page, answer.json()["csrf_token"]


async def test_the_cookie_over_https_is_bound_to_its_host(data_dir) -> None:
    settings = settings_for(data_dir, public_url="https://computor.example.org")
    async with serving(settings) as host:
        await add_user(host.computor, ADMIN, "_admin")
        answer = await host.client.post(SIGN_IN, json={**GOOD, "transport": "cookie"})
        name, cookie = cookie_of(answer)
        morsel = cookie[name]
        assert name == "__Host-computor"
        assert (morsel["path"], morsel["domain"], morsel["samesite"]) == ("/", "", "Lax")
        assert morsel["secure"]
        assert morsel["httponly"]
        assert 29 * 86400 < int(morsel["max-age"]) <= 30 * 86400
        value = morsel.value
        answer = await host.client.get("/api/v1/user", headers={"cookie": f"__Host-computor={value}"})
        assert answer.status_code == 200
        # A neighbouring host could plant the plain name, so it means nothing here.
        answer = await host.client.get("/api/v1/user", headers={"cookie": f"computor={value}"})
        assert answer.status_code == 401


async def test_on_the_machine_itself_the_cookie_is_plain(host: Host) -> None:
    answer = await host.client.post(SIGN_IN, json={**GOOD, "transport": "cookie"})
    name, cookie = cookie_of(answer)
    assert name == "computor"
    assert cookie[name]["httponly"]
    assert not cookie[name]["secure"]


async def test_no_cookie_is_set_over_a_plain_network(data_dir) -> None:
    async with serving(settings_for(data_dir, public_url="http://computor.example.org")) as host:
        await add_user(host.computor, ADMIN, "_admin")
        answer = await host.client.post(SIGN_IN, json={**GOOD, "transport": "cookie"})
        assert answer.status_code == 422
        assert "set-cookie" not in answer.headers
        assert (await host.client.post(SIGN_IN, json=GOOD)).status_code == 200


async def test_reading_by_cookie_needs_no_more(host: Host) -> None:
    page, csrf = await by_cookie(host)
    async with page:
        assert (await page.get("/api/v1/users")).status_code == 200
        session = (await page.get("/api/v1/auth/session")).json()
        assert session["csrf_token"] == csrf


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/v1/users"),
        ("PATCH", "/api/v1/users/0195d6f0-0000-7000-8000-000000000000"),
        ("POST", "/api/v1/auth/tokens"),
        ("DELETE", "/api/v1/auth/sessions"),
        ("POST", "/api/v1/auth/sign-out"),
        ("POST", "/api/v1/auth/password"),
        ("POST", "/api/v1/organizations"),
    ],
)
async def test_a_change_by_cookie_needs_the_anti_forgery_token(host: Host, method: str, path: str) -> None:
    page, _ = await by_cookie(host)
    other, foreign = await by_cookie(host)
    async with page, other:
        for headers in ({}, {"x-csrf-token": ""}, {"x-csrf-token": foreign}, {"x-csrf-token": "x" * 43}):
            answer = await page.request(method, path, json={"name": "x"}, headers=headers)
            assert answer.status_code == 403, (headers, answer.text)
            assert answer.json()["code"] == "csrf"
        assert (await page.get("/api/v1/auth/tokens")).json()["data"] == []


async def test_a_change_by_cookie_works_with_it(host: Host) -> None:
    page, csrf = await by_cookie(host)
    async with page:
        answer = await page.post(
            "/api/v1/users", json={"given_name": "Grace"}, headers={"x-csrf-token": csrf}
        )
        assert answer.status_code == 201, answer.text
        answer = await page.post("/api/v1/auth/sign-out", headers={"x-csrf-token": csrf})
        assert answer.status_code == 204
        name, cookie = cookie_of(answer)
        assert (cookie[name].value, cookie[name]["max-age"]) == ("", "0")
        assert (await page.get("/api/v1/user")).status_code == 401


async def test_an_api_token_is_no_cookie(host: Host, admin: httpx.AsyncClient) -> None:
    made = (await admin.post("/api/v1/auth/tokens", json={"name": "ci"})).json()
    page = client_for(host.app, headers={"cookie": f"computor={made['token']}"})
    async with page:
        answer = await page.post("/api/v1/users", json={}, headers={"x-csrf-token": "x"})
        assert answer.status_code == 401


async def test_a_bearer_token_needs_no_anti_forgery_token_beside_a_cookie(
    host: Host, admin: httpx.AsyncClient
) -> None:
    page, _ = await by_cookie(host)
    async with page:
        answer = await page.post(
            "/api/v1/users",
            json={"given_name": "Grace"},
            headers={"authorization": admin.headers["authorization"]},
        )
        assert answer.status_code == 201


# --- devices and tokens ----------------------------------------------------------------------


async def test_the_devices_can_be_listed_and_signed_out_one_by_one(host: Host) -> None:
    async with await host.signed_in() as here, await host.signed_in() as there:
        listed = (await here.get("/api/v1/auth/sessions")).json()["data"]
        assert [one["current"] for one in listed] == [False, True]
        answer = await here.delete(f"/api/v1/auth/sessions/{listed[0]['id']}")
        assert answer.status_code == 204
        assert (await there.get("/api/v1/users")).status_code == 401
        assert (await here.get("/api/v1/users")).status_code == 200
        assert (await here.delete(f"/api/v1/auth/sessions/{listed[0]['id']}")).status_code == 404


async def test_all_devices_can_be_signed_out_at_once(host: Host) -> None:
    async with await host.signed_in() as here, await host.signed_in() as there:
        assert (await here.delete("/api/v1/auth/sessions")).status_code == 204
        for client in (here, there):
            assert (await client.get("/api/v1/users")).status_code == 401


async def test_revoked_on_one_host_is_refused_on_the_other_at_the_next_request(
    host: Host, settings: Settings, admin: httpx.AsyncClient
) -> None:
    user = (await admin.get("/api/v1/auth/session")).json()["user_id"]
    async with serving(settings) as second:
        elsewhere = client_for(second.app, headers=dict(admin.headers))
        async with elsewhere:
            # The second host remembers the principal now, and its entity routes ask no more.
            for _ in range(3):
                assert (await elsewhere.get("/api/v1/users")).status_code == 200
            assert (await admin.post("/api/v1/auth/sign-out")).status_code == 204
            assert (await elsewhere.get("/api/v1/users")).status_code == 401
            assert (await elsewhere.post("/api/v1/users", json={"given_name": "x"})).status_code == 401
            assert (await elsewhere.get("/api/v1/user")).status_code == 401
            command = f"/api/v1/users/{user}/set-password"
            assert (await elsewhere.post(command, json={"password": "x" * 20})).status_code == 401


async def test_an_empty_list_is_not_the_answer_to_a_revoked_session(
    host: Host, settings: Settings, admin: httpx.AsyncClient
) -> None:
    """A guard that fails and a list without rows look alike to SQL, never to the caller."""
    async with (
        serving(settings) as second,
        client_for(second.app, headers=dict(admin.headers)) as elsewhere,
    ):
        empty = await elsewhere.get("/api/v1/courses")
        assert (empty.status_code, empty.json()["data"]) == (200, [])
        await admin.delete("/api/v1/auth/sessions")
        assert (await elsewhere.get("/api/v1/courses")).status_code == 401


async def test_an_api_token_works_within_its_scopes_and_its_owners_rights(
    host: Host, admin: httpx.AsyncClient
) -> None:
    made = await admin.post("/api/v1/auth/tokens", json={"name": "ci", "scopes": ["organization.read"]})
    assert made.status_code == 201
    location, token = made.headers["location"], made.json()["token"]
    assert location == f"/api/v1/auth/tokens/{made.json()['info']['id']}"
    async with client_for(host.app, headers={"authorization": f"Bearer {token}"}) as client:
        assert (await client.get("/api/v1/organizations")).status_code == 200
        refused = await client.post("/api/v1/organizations", json={"slug": "tug", "title": "TUG"})
        assert refused.status_code == 403
        assert (await client.get("/api/v1/users")).json()["data"] == []
        assert (await client.post("/api/v1/auth/tokens", json={"name": "more"})).status_code == 403
        assert (await admin.delete(location)).status_code == 204
        assert (await client.get("/api/v1/organizations")).status_code == 401


async def test_a_token_never_gives_what_its_owner_lacks(host: Host) -> None:
    await add_user(host.computor, "eve@example.org")
    async with await host.signed_in("eve@example.org") as eve:
        body = {"name": "all of it", "scopes": ["organization.create", "user.create", "role.grant"]}
        token = (await eve.post("/api/v1/auth/tokens", json=body)).json()["token"]
        async with client_for(host.app, headers={"authorization": f"Bearer {token}"}) as client:
            for path, values in (
                ("organizations", {"slug": "eve", "title": "Eve"}),
                ("users", {"given_name": "Mallory"}),
            ):
                assert (await client.post(f"/api/v1/{path}", json=values)).status_code == 403


async def test_a_changed_password_signs_the_other_devices_out(host: Host) -> None:
    new = "twelve penguins on a tram"
    async with await host.signed_in() as here, await host.signed_in() as there:
        body = {"current": "not the present one", "new": new}
        assert (await here.post("/api/v1/auth/password", json=body)).status_code == 401
        body = {"current": PASSWORD, "new": "short"}
        refused = await here.post("/api/v1/auth/password", json=body)
        assert (refused.status_code, refused.json()["fields"][0]["code"]) == (422, "too_short")
        assert (await there.get("/api/v1/user")).status_code == 200
        body = {"current": PASSWORD, "new": new}
        assert (await here.post("/api/v1/auth/password", json=body)).status_code == 204
        assert (await here.get("/api/v1/user")).status_code == 200
        assert (await there.get("/api/v1/user")).status_code == 401
    assert (await host.client.post(SIGN_IN, json=GOOD)).status_code == 401
    assert (await host.client.post(SIGN_IN, json={**GOOD, "password": new})).status_code == 200


async def test_the_caller_learns_what_it_may_do(host: Host, admin: httpx.AsyncClient) -> None:
    me = (await admin.get("/api/v1/user")).json()
    assert me["user"]["email"] == ADMIN
    (grant,) = me["grants"]
    assert (grant["scope"], grant["role_id"]) == ("global", "_admin")
    assert set(grant["actions"]) == set(host.computor.access.vocabulary.actions)
