"""Every refusal is a problem document with a code; nothing unexpected tells its text."""

from __future__ import annotations

import logging
import re

import httpx
import pytest
from sqlalchemy.exc import OperationalError

from computor_core.entities.service import EntityService
from tests.e2e.host_harness import Host, add_user, client_for

PROBLEM = "application/problem+json"


def problem(answer: httpx.Response, status: int, code: str) -> dict:
    """The answer's problem, checked for what every one must have."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == PROBLEM
    body = answer.json()
    assert body["status"] == status
    assert body["code"] == code
    assert body["type"] == f"urn:computor:error:{code}"
    assert str(body["internal_code"]).startswith(str(status))
    assert body["request_id"] == answer.headers["x-request-id"]
    assert body["title"]
    assert body["detail"]
    return body


@pytest.mark.parametrize(
    "path", ["/", "/nope", "/api/v1/nope", "/api/v1/users/", "/api/v1", "/users", "/docs"]
)
async def test_an_unknown_path_is_a_404_and_never_a_redirect(admin: httpx.AsyncClient, path: str) -> None:
    answer = await admin.get(path)
    problem(answer, 404, "not_found")
    assert "location" not in answer.headers


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/api/v1/users", {"GET", "POST"}),
        ("DELETE", "/api/v1/users", {"GET", "POST"}),
        ("GET", "/api/v1/auth/sign-in", {"POST"}),
        ("POST", "/healthz", {"GET"}),
        ("PUT", "/api/v1/users/0195d6f0-0000-7000-8000-000000000000", {"GET", "PATCH"}),
    ],
)
async def test_a_wrong_method_names_the_right_ones(
    admin: httpx.AsyncClient, method: str, path: str, allowed: set[str]
) -> None:
    answer = await admin.request(method, path)
    problem(answer, 405, "method_not_allowed")
    assert allowed <= set(re.split(r",\s*", answer.headers["allow"]))


@pytest.mark.parametrize(
    "path", ["/healthz", "/api/v1/users", "/api/v1/user", "/api/v1/nope", "/openapi.json"]
)
async def test_head_answers_as_get_does_without_content(admin: httpx.AsyncClient, path: str) -> None:
    head, get = await admin.head(path), await admin.get(path)
    assert (head.status_code, head.content) == (get.status_code, b"")
    assert head.headers["content-type"] == get.headers["content-type"]
    assert head.headers.get("content-length") == get.headers.get("content-length")


async def test_head_of_a_stream_ends_after_its_headers(admin: httpx.AsyncClient) -> None:
    answer = await admin.head("/api/v1/events")
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-type"].startswith("text/event-stream")


async def test_head_of_what_takes_no_get_is_refused(admin: httpx.AsyncClient) -> None:
    answer = await admin.head("/api/v1/auth/sign-in")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize("path", ["/api/v1/users", "/api/v1/user", "/api/v1/auth/sessions", "/api/v1/events"])
async def test_nobody_gets_401_and_is_told_how(host: Host, path: str) -> None:
    answer = await host.client.get(path)
    problem(answer, 401, "unauthenticated")
    assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    "header",
    ["Basic YWRhOng=", "Bearer", "Bearer ", "cts_token", "Bearer nonsense", "Bearer cts_" + "a" * 43],
)
async def test_a_credential_that_is_none_is_refused_rather_than_ignored(host: Host, header: str) -> None:
    answer = await host.client.get("/api/v1/users", headers={"authorization": header})
    problem(answer, 401, "unauthenticated")


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b'{"a": 1,}', b"[" * 10_000])
async def test_a_body_that_is_not_json_is_a_400(admin: httpx.AsyncClient, body: bytes) -> None:
    for path in ("/api/v1/users", "/api/v1/auth/tokens"):
        answer = await admin.post(path, content=body, headers={"content-type": "application/json"})
        assert answer.status_code in {400, 422}, answer.text
        problem(answer, answer.status_code, "malformed_request" if answer.status_code == 400 else "invalid")


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""]
)
@pytest.mark.parametrize("path", ["/users", "/auth/sign-in", "/auth/tokens"])
async def test_a_body_of_another_type_is_not_taken_for_json(
    admin: httpx.AsyncClient, content_type: str, path: str
) -> None:
    """So no form on another site can make a request that passes for JSON."""
    answer = await admin.post(
        f"/api/v1{path}", content=b'{"given_name": "x"}', headers={"content-type": content_type}
    )
    problem(answer, 415, "unsupported_media_type")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/courses/xyz"),
        ("GET", "/courses/xyz/gradebook"),
        ("GET", "/test-runs/1/queue"),
        ("DELETE", "/auth/sessions/me"),
        ("POST", "/course-contents/0/submissions"),
    ],
)
async def test_an_id_that_is_none_names_no_row(admin: httpx.AsyncClient, method: str, path: str) -> None:
    problem(await admin.request(method, f"/api/v1{path}"), 404, "not_found")


async def test_every_broken_field_is_named_and_its_value_is_not_repeated(admin: httpx.AsyncClient) -> None:
    body = {"given_name": "x" * 300, "email": "no address", "surprise": "a secret value"}
    answer = await admin.post("/api/v1/users", json=body)
    found = problem(answer, 422, "invalid")
    assert {(field["path"], field["code"]) for field in found["fields"]} == {
        ("given_name", "string_too_long"),
        ("email", "string_pattern_mismatch"),
        ("surprise", "extra_forbidden"),
    }
    assert "a secret value" not in answer.text


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=201", "limit=x", "nope=1", "user_id=0195d6f0-0000-7000-8000-000000000000"]
)
async def test_a_wrong_or_unknown_parameter_is_refused(admin: httpx.AsyncClient, query: str) -> None:
    found = problem(await admin.get(f"/api/v1/users?{query}"), 422, "invalid")
    assert [field["path"] for field in found["fields"]] == [query.partition("=")[0]]


async def test_a_parameter_given_twice_is_refused(admin: httpx.AsyncClient) -> None:
    problem(await admin.get("/api/v1/users?limit=5&limit=6"), 400, "malformed_request")


@pytest.mark.parametrize(
    "row", ["x", "1", "{0195d6f0-0000-7000-8000-000000000000}", "0195d6f000007000800000000000000"]
)
async def test_an_id_that_cannot_be_one_is_a_404(admin: httpx.AsyncClient, row: str) -> None:
    problem(await admin.get(f"/api/v1/users/{row}"), 404, "not_found")


@pytest.fixture
def broken_list(monkeypatch: pytest.MonkeyPatch):
    def with_error(error: Exception) -> None:
        async def fail(*_: object) -> None:
            raise error

        monkeypatch.setattr(EntityService, "query", fail)

    return with_error


async def test_the_text_of_an_unexpected_error_stays_in_the_log(
    admin: httpx.AsyncClient, broken_list, caplog: pytest.LogCaptureFixture
) -> None:
    broken_list(RuntimeError("the secret of table 7"))
    with caplog.at_level(logging.ERROR):
        answer = await admin.get("/api/v1/users")
    problem(answer, 500, "internal")
    assert "secret" not in answer.text
    (record,) = [one for one in caplog.records if one.name == "computor.http"]
    assert record.request_id == answer.headers["x-request-id"]
    assert record.exc_info is not None
    assert "the secret of table 7" in str(record.exc_info[1])


@pytest.mark.parametrize(
    "error",
    [OperationalError("SELECT 1", {}, Exception("connection refused")), ConnectionRefusedError("postgres")],
)
async def test_a_database_that_is_away_is_a_503(
    admin: httpx.AsyncClient, broken_list, error: Exception
) -> None:
    broken_list(error)
    answer = await admin.get("/api/v1/users")
    body = problem(answer, 503, "unavailable")
    assert int(answer.headers["retry-after"]) >= 1
    assert "refused" not in body["detail"]


@pytest.mark.parametrize("path", ["/api/v1/roles/%00", "/api/v1/users?given_name=%00", "/%00"])
async def test_an_address_holds_no_nul(admin: httpx.AsyncClient, path: str) -> None:
    problem(await admin.get(path), 400, "malformed_request")


async def test_security_headers_stand_on_every_answer(admin: httpx.AsyncClient, broken_list) -> None:
    broken_list(RuntimeError("unexpected"))
    for answer in (
        await admin.get("/healthz"),
        await admin.get("/api/v1/users"),
        await admin.get("/nope"),
        await admin.get("/git/nope"),
    ):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "no-store" in answer.headers["cache-control"] or "no-cache" in answer.headers["cache-control"]
        assert answer.headers["x-request-id"]
        assert "server" not in answer.headers


@pytest.mark.parametrize("given", ["0195d6f0-a1b2", "trace.4711_x"])
async def test_a_harmless_request_id_is_kept(host: Host, given: str) -> None:
    answer = await host.client.get("/healthz", headers={"x-request-id": given})
    assert answer.headers["x-request-id"] == given


@pytest.mark.parametrize(
    "given", ["short", "x" * 65, "has spaces in it", "line\u2028break-id", '{"json": 1}', "-leading-dash"]
)
async def test_any_other_request_id_is_replaced(host: Host, given: str) -> None:
    answer = await host.client.get("/healthz", headers={"x-request-id": given.encode("utf-8")})
    assert re.fullmatch(r"[0-9a-f]{32}", answer.headers["x-request-id"])


async def test_the_access_log_tells_who_and_not_what_they_asked_for(
    admin: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    own = (await admin.get("/api/v1/auth/session")).json()["user_id"]
    caplog.clear()
    with caplog.at_level(logging.INFO, logger="computor.access"):
        answer = await admin.get("/api/v1/users", params={"given_name": "Topsecret"})
    (record,) = [one for one in caplog.records if one.name == "computor.access"]
    assert (record.status, record.method, record.route) == (200, "GET", "/api/v1/users")
    assert record.user == own
    assert record.request_id == answer.headers["x-request-id"]
    assert "Topsecret" not in repr(record.__dict__)
    assert admin.headers["authorization"].removeprefix("Bearer ")[:12] not in repr(record.__dict__)


async def test_long_answers_are_compressed(admin: httpx.AsyncClient) -> None:
    answer = await admin.get("/api/v1/openapi.json", headers={"accept-encoding": "gzip"})
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.json()["openapi"].startswith("3.")


async def test_https_is_demanded_where_users_reach_the_host_over_it(data_dir) -> None:
    from tests.e2e.host_harness import serving, settings_for

    async with serving(settings_for(data_dir, public_url="https://computor.example.org")) as host:
        answer = await host.client.get("/healthz")
    assert "max-age" in answer.headers["strict-transport-security"]


async def test_metrics_name_routes_never_paths(admin: httpx.AsyncClient) -> None:
    user = (await admin.get("/api/v1/users")).json()["data"][0]["id"]
    await admin.get(f"/api/v1/users/{user}")
    await admin.get("/api/v1/auth/sessions")
    await admin.get("/some/invented/path")
    text = (await admin.get("/metrics")).text
    assert 'computor_http_requests_total{method="GET",route="/api/v1/users/{id}",status="200"} 1.0' in text
    assert 'route="/api/v1/auth/sessions"' in text
    assert 'route="(none)",status="404"' in text
    assert user not in text
    assert "invented" not in text


async def test_metrics_are_for_those_who_may_read_them_also_on_this_machine(
    host: Host, admin: httpx.AsyncClient
) -> None:
    """The test's client comes from 127.0.0.1 without any header, like a proxy that adds none."""
    problem(await host.client.get("/metrics"), 401, "unauthenticated")
    assert (await admin.get("/metrics")).status_code == 200
    await add_user(host.computor, "eve@example.org")
    async with await host.signed_in("eve@example.org") as eve:
        problem(await eve.get("/metrics"), 403, "forbidden")


async def test_a_collectors_token_reads_metrics_and_nothing_else(host: Host) -> None:
    await add_user(host.computor, "auditor@example.org", "_auditor")
    async with await host.signed_in("auditor@example.org") as auditor:
        body = {"name": "prometheus", "scopes": ["metrics.read"]}
        token = (await auditor.post("/api/v1/auth/tokens", json=body)).json()["token"]
        other = (await auditor.post("/api/v1/auth/tokens", json={**body, "scopes": ["user.read"]})).json()
    async with client_for(host.app, headers={"authorization": f"Bearer {token}"}) as collector:
        assert (await collector.get("/metrics")).status_code == 200
        assert (await collector.get("/api/v1/users")).json()["data"] == []
        assert (await collector.get("/api/v1/audit-events")).json()["data"] == []
    async with client_for(host.app, headers={"authorization": f"Bearer {other['token']}"}) as other_client:
        problem(await other_client.get("/metrics"), 403, "forbidden")


async def test_readiness_names_what_is_down_and_nothing_more(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready = await host.client.get("/readyz")
    assert (ready.status_code, ready.json()["ready"]) == (200, True)
    assert {"database", "migrations", "auth.default", "storage.default"} <= ready.json()["checks"].keys()

    async def away(*_: object) -> None:
        raise ConnectionRefusedError("10.1.2.3:5432 refused")

    monkeypatch.setattr("computor_fastapi_host.system_routes._database", away)
    down = await host.client.get("/readyz")
    assert down.status_code == 503
    assert down.json()["checks"]["database"] == "down"
    assert "10.1.2.3" not in down.text
    assert (await host.client.get("/healthz")).status_code == 200
