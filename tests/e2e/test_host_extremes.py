"""Values at the edge of what Python or a database can hold are refused, never a crash."""

from __future__ import annotations

import base64
import json
from datetime import datetime

import httpx
import pytest
from pydantic import TypeAdapter

from computor_core.interfaces import InputDto
from computor_core.model import Course
from tests.e2e.host_harness import Host
from tests.e2e.test_host_errors import problem
from tests.support.world import World

TOO_EARLY, TOO_LATE = "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"
EXTREMES = pytest.mark.parametrize("moment", [TOO_EARLY, TOO_LATE])
TIMES = ("releases_at", "due_at", "closes_at")


@pytest.fixture
async def course(host: Host) -> Course:
    return await World(host.computor.database).course()


@EXTREMES
@pytest.mark.parametrize("field", TIMES)
async def test_a_time_that_utc_cannot_tell_is_refused_in_a_schedule(
    host: Host, admin: httpx.AsyncClient, course: Course, field: str, moment: str
) -> None:
    world = World(host.computor.database)
    schedule = await world.schedule(await world.content(course))
    bare = await world.content(course)
    body = {"course_content_id": str(bare.id), "points": "1", field: moment}
    for answer in (
        await admin.patch(f"/api/v1/assignment-schedules/{schedule.id}", json={field: moment}),
        await admin.post("/api/v1/assignment-schedules", json=body),
    ):
        (wrong,) = problem(answer, 422, "invalid")["fields"]
        assert wrong["path"] == field
    edge = await admin.patch(
        f"/api/v1/assignment-schedules/{schedule.id}", json={"closes_at": "9999-12-31T23:59:59Z"}
    )
    assert edge.json()["closes_at"] == "9999-12-31T23:59:59Z"


@EXTREMES
async def test_every_time_that_a_filter_takes_is_refused_alike(
    host: Host, admin: httpx.AsyncClient, moment: str
) -> None:
    asked = 0
    for endpoint, service in host.computor.entities.items():
        for name, info in service.registration.interface.query.model_fields.items():
            if "datetime" not in str(info.annotation).lower():
                continue
            answer = await admin.get(f"/api/v1/{endpoint}", params={name: moment})
            assert [wrong["path"] for wrong in problem(answer, 422, "invalid")["fields"]] == [name]
            asked += 1
    assert asked >= 2


@EXTREMES
async def test_and_in_the_end_of_an_api_token(admin: httpx.AsyncClient, moment: str) -> None:
    for ends in (moment, "2027-01-01T00:00:00"):
        answer = await admin.post("/api/v1/auth/tokens", json={"name": "x", "expires_at": ends})
        assert [wrong["path"] for wrong in problem(answer, 422, "invalid")["fields"]] == ["expires_at"]


@EXTREMES
def test_a_plugins_dto_is_held_to_it_too(moment: str) -> None:
    class Appointment(InputDto):
        at: datetime | None = None
        others: list[datetime] = []

    for body in ({"at": moment}, {"others": [moment]}):
        with pytest.raises(ValueError, match="years 1 to 9999"):
            TypeAdapter(Appointment).validate_python(body)


# --- cursors ------------------------------------------------------------------------------------


def cursor_with(real: str, first: str) -> str:
    """A cursor that a list gave, with another first value."""
    bound_to, _, *rest = json.loads(base64.urlsafe_b64decode(real + "=" * (-len(real) % 4)))
    return base64.urlsafe_b64encode(json.dumps([bound_to, first, *rest]).encode()).decode()


@EXTREMES
async def test_a_made_up_cursor_with_such_a_time_is_refused(
    host: Host, admin: httpx.AsyncClient, course: Course, moment: str
) -> None:
    await World(host.computor.database).course()
    query = {"sort": "created_at", "limit": "1"}
    real = (await admin.get("/api/v1/courses", params=query)).json()["meta"]["next_cursor"]

    async def after(created_at: str) -> httpx.Response:
        cursor = cursor_with(real, created_at)
        return await admin.get("/api/v1/courses", params={**query, "cursor": cursor})

    assert len((await after("2000-01-01T00:00:00Z")).json()["data"]) == 1
    (wrong,) = problem(await after(moment), 422, "invalid")["fields"]
    assert (wrong["path"], wrong["code"]) == ("cursor", "malformed")


async def test_a_cursor_that_nests_without_end_is_refused(admin: httpx.AsyncClient) -> None:
    cursor = base64.urlsafe_b64encode(b"[" * 1500).decode()
    (wrong,) = problem(await admin.get("/api/v1/courses", params={"cursor": cursor}), 422, "invalid")[
        "fields"
    ]
    assert wrong["path"] == "cursor"


# --- headers ------------------------------------------------------------------------------------


@pytest.mark.parametrize("tag", ['"' + "1" * 4301 + '"', '"' + "9" * 19 + '"', '"0x1"', '"-1"', '"\u0661"'])
async def test_a_version_that_no_row_can_have_doesnt_match(
    admin: httpx.AsyncClient, course: Course, tag: str
) -> None:
    answer = await admin.patch(
        f"/api/v1/courses/{course.id}", json={"title": "New"}, headers={"if-match": tag.encode()}
    )
    problem(answer, 412, "precondition_failed")
    assert (await admin.get(f"/api/v1/courses/{course.id}")).json()["title"] == course.title


async def test_a_length_that_no_body_has_doesnt_crash(admin: httpx.AsyncClient) -> None:
    answer = await admin.post(
        "/api/v1/users",
        content=b'{"given_name": "Ada"}',
        headers={"content-type": "application/json", "content-length": "1" * 4301},
    )
    assert answer.status_code == 201


async def test_a_last_event_id_that_no_event_has_is_refused(admin: httpx.AsyncClient) -> None:
    answer = await admin.get("/api/v1/events", headers={"last-event-id": "1" * 4301})
    problem(answer, 400, "malformed_request")


# --- text ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/v1/auth/tokens", {"name": "a\x00b"}),
        ("/api/v1/auth/sign-in", {"login": "a\x00b", "password": "x"}),
        ("/api/v1/auth/password", {"current": "x", "new": "a\x00b"}),
    ],
)
async def test_text_with_nul_is_refused_in_hand_written_routes_too(
    admin: httpx.AsyncClient, path: str, body: dict[str, str]
) -> None:
    problem(await admin.post(path, json=body), 422, "invalid")
