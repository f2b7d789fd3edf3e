"""The generated routes: one object plain, a list in an envelope, versions, and the server's own audit."""

from __future__ import annotations

from uuid import UUID

import httpx
import pytest
from sqlalchemy import select

from computor_core.db.types import new_id
from computor_core.model import AuditEvent
from computor_core.plugin_api.principal import Principal
from tests.e2e.host_harness import PASSWORD, Host, add_user

ORGANIZATIONS = "/api/v1/organizations"


async def organization(client: httpx.AsyncClient, slug: str = "tug", **values: object) -> httpx.Response:
    answer = await client.post(ORGANIZATIONS, json={"slug": slug, "title": slug.upper(), **values})
    assert answer.status_code == 201, answer.text
    return answer


async def audit_of(host: Host, row_id: str) -> list:
    async with host.computor.read(Principal.system("test")) as work:
        found = await work.connection.execute(
            select(AuditEvent).where(AuditEvent.row_id == row_id).order_by(AuditEvent.id)
        )
        return list(found.all())


async def test_a_created_row_says_where_it_is_and_which_version(admin: httpx.AsyncClient) -> None:
    made = await organization(admin)
    assert made.headers["location"] == f"{ORGANIZATIONS}/{made.json()['id']}"
    assert made.headers["etag"] == '"1"'
    read = await admin.get(made.headers["location"])
    assert read.status_code == 200
    assert read.headers["etag"] == '"1"'
    assert read.json() == made.json()
    assert read.json()["path"] == "tug"


async def test_a_list_is_an_envelope_with_a_total_only_when_asked(admin: httpx.AsyncClient) -> None:
    for slug in ("a", "b", "c"):
        await organization(admin, slug)
    page = (await admin.get(ORGANIZATIONS)).json()
    assert {row["path"] for row in page["data"]} == {"a", "b", "c"}
    assert page["meta"] == {"limit": 50, "next_cursor": None}
    page = (await admin.get(ORGANIZATIONS, params={"total": "true", "limit": 2})).json()
    assert (len(page["data"]), page["meta"]["total"], page["meta"]["limit"]) == (2, 3, 2)


async def test_a_cursor_leads_through_all_rows_once(admin: httpx.AsyncClient) -> None:
    made = {(await organization(admin, f"o{number}")).json()["id"] for number in range(7)}
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = (await admin.get(ORGANIZATIONS, params={"limit": 3, **cursor})).json()
        seen += [row["id"] for row in page["data"]]
        if page["meta"]["next_cursor"] is None:
            break
        cursor = {"cursor": page["meta"]["next_cursor"]}
    assert len(seen) == 7
    assert set(seen) == made


async def test_only_named_fields_are_answered(admin: httpx.AsyncClient) -> None:
    place = (await organization(admin)).headers["location"]
    row = (await admin.get(place, params={"fields": "title"})).json()
    assert row["title"] == "TUG"
    assert "description" not in row
    assert (await admin.get(place, params={"fields": "nope"})).status_code == 422


async def test_several_ids_filter_a_list(admin: httpx.AsyncClient) -> None:
    ids = [(await organization(admin, slug)).json()["id"] for slug in ("a", "b", "c")]
    page = (await admin.get(ORGANIZATIONS, params={"id": ids[:2]})).json()
    assert {row["id"] for row in page["data"]} == set(ids[:2])


async def test_a_change_needs_the_version_it_was_made_on_where_one_is_named(admin: httpx.AsyncClient) -> None:
    place = (await organization(admin)).headers["location"]
    changed = await admin.patch(place, json={"title": "New"}, headers={"if-match": '"1"'})
    assert (changed.status_code, changed.headers["etag"], changed.json()["title"]) == (200, '"2"', "New")
    for stale in ('"1"', 'W/"2"', "2", '"x"', '"²"', ""):
        answer = await admin.patch(place, json={"title": "No"}, headers={"if-match": stale.encode("utf-8")})
        assert answer.status_code == 412, stale
        assert answer.json()["code"] == "precondition_failed"
    for fine in ("*", '"2"'):
        assert (
            await admin.patch(place, json={"title": "New"}, headers={"if-match": fine})
        ).status_code == 200
    assert (await admin.patch(place, json={"title": "Newer"})).status_code == 200
    assert (await admin.get(place)).json()["title"] == "Newer"


async def test_rows_are_archived_brought_back_and_deleted(admin: httpx.AsyncClient) -> None:
    place = (await organization(admin)).headers["location"]
    archived = await admin.post(f"{place}/archive")
    assert (archived.status_code, archived.json()["archived_at"] is None) == (200, False)
    back = await admin.post(f"{place}/unarchive")
    assert (back.status_code, back.json()["archived_at"]) == (200, None)
    gone = await admin.delete(place)
    assert (gone.status_code, gone.content) == (204, b"")
    assert (await admin.get(place)).status_code == 404
    assert (await admin.delete(place)).status_code == 404


async def test_absent_and_forbidden_rows_get_the_same_404(host: Host, admin: httpx.AsyncClient) -> None:
    hidden = (await organization(admin)).headers["location"]
    await add_user(host.computor, "eve@example.org")
    async with await host.signed_in("eve@example.org") as eve:
        answers = []
        for place in (hidden, f"{ORGANIZATIONS}/{new_id()}"):
            for method in ("GET", "PATCH", "DELETE"):
                body = {"title": "x"} if method == "PATCH" else None
                answer = await eve.request(method, place, json=body)
                assert answer.status_code == 404, (method, place, answer.text)
                told = answer.json()
                told.pop("request_id")
                answers.append(told)
        assert all(told == answers[0] for told in answers)
        assert (await eve.get(ORGANIZATIONS)).json()["data"] == []


async def test_a_conflict_names_its_field(admin: httpx.AsyncClient) -> None:
    await organization(admin)
    answer = await admin.post(ORGANIZATIONS, json={"slug": "tug", "title": "Again"})
    assert answer.status_code == 409
    assert answer.json()["code"] == "conflict"


# --- who did it ------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["query", "header", "body"])
async def test_no_parameter_chooses_whom_the_audit_trail_names(
    host: Host, admin: httpx.AsyncClient, where: str
) -> None:
    somebody = await add_user(host.computor, "somebody@example.org")
    own = UUID((await admin.get("/api/v1/auth/session")).json()["user_id"])
    options: dict[str, dict] = {"json": {"slug": "tug", "title": "TUG"}}
    if where == "query":
        options["params"] = {"user_id": str(somebody)}
    elif where == "header":
        options["headers"] = {"x-user-id": str(somebody), "x-forwarded-user": str(somebody)}
    else:
        options["json"] |= {"user_id": str(somebody), "created_by": str(somebody)}
    answer = await admin.post(ORGANIZATIONS, **options)
    if where == "header":
        assert answer.status_code == 201
        (record,) = await audit_of(host, answer.json()["id"])
        assert (record.actor_id, record.request_id) == (own, answer.headers["x-request-id"])
    else:
        assert answer.status_code == 422
        assert (await admin.get(ORGANIZATIONS)).json()["data"] == []


@pytest.mark.parametrize(
    ("method", "tail"), [("PATCH", ""), ("DELETE", ""), ("POST", "/archive"), ("GET", "")]
)
async def test_routes_on_a_row_take_no_foreign_parameters_either(
    admin: httpx.AsyncClient, method: str, tail: str
) -> None:
    place = (await organization(admin)).headers["location"]
    body = {"title": "x"} if method == "PATCH" else None
    answer = await admin.request(method, f"{place}{tail}", params={"user_id": str(new_id())}, json=body)
    assert answer.status_code == 422
    assert answer.json()["fields"][0]["path"] == "user_id"
    row = (await admin.get(place)).json()
    assert (row["version"], row["title"]) == (1, "TUG")


async def test_a_parameter_of_a_hand_written_route_names_nobody_else(
    host: Host, admin: httpx.AsyncClient
) -> None:
    somebody = await add_user(host.computor, "somebody@example.org")
    own = UUID((await admin.get("/api/v1/auth/session")).json()["user_id"])
    made = await admin.post("/api/v1/auth/tokens", params={"user_id": str(somebody)}, json={"name": "ci"})
    (record,) = await audit_of(host, made.json()["info"]["id"])
    assert record.actor_id == own
    assert len((await admin.get("/api/v1/auth/tokens")).json()["data"]) == 1


# --- commands --------------------------------------------------------------------------------


async def test_a_command_runs_for_its_caller_and_checks_its_action(
    host: Host, admin: httpx.AsyncClient
) -> None:
    eve = await add_user(host.computor, "eve@example.org")
    async with await host.signed_in("eve@example.org") as client:
        body = {"password": "seven walruses waltzing"}
        refused = await client.post(f"/api/v1/users/{eve}/set-password", json=body)
        assert refused.status_code in {403, 404}
        assert (await admin.post(f"/api/v1/users/{eve}/set-password", json=body)).status_code == 204
        # An administrator's new password ends the sessions that the old one had opened.
        assert (await client.get("/api/v1/user")).status_code == 401
    answer = await host.client.post(
        "/api/v1/auth/sign-in", json={"login": "eve@example.org", "password": PASSWORD}
    )
    assert answer.status_code == 401


async def test_a_refused_password_is_not_repeated(host: Host, admin: httpx.AsyncClient) -> None:
    eve = await add_user(host.computor, "eve@example.org")
    answer = await admin.post(f"/api/v1/users/{eve}/set-password", json={"password": "Pa55!"})
    assert answer.status_code == 422
    assert "Pa55!" not in answer.text
