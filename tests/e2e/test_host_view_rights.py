"""Who gets what from the routes that are written by hand, asked of a host by everybody.

The scenario is the one of ``tests/security/rights.yaml``, whose lists of personas are used here too;
the routes themselves are no entity's operations, so that matrix doesn't reach them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass

import httpx
import pytest
import pytest_asyncio
import yaml
from computor_fastapi_host.entity_routes import entity_operations
from computor_fastapi_host.route_check import endpoints

from computor_core.model import TestQueue
from computor_core.services.sessions import Device
from tests.e2e.host_harness import Host, client_for, migrate, serving, settings_for
from tests.security import rights
from tests.support.scenario import Scenario, build
from tests.support.world import World

pytestmark = pytest.mark.asyncio(loop_scope="module")

GROUPS: dict[str, list[str]] = yaml.safe_load(rights.FILE.read_text(encoding="utf-8"))["groups"]
TOKENS = {
    # The student's, which may see names alone, and a lecturer's, which may see courses alone.
    "narrow_token": ("student", ["user.read"]),
    "course_token": ("lecturer", ["course.read"]),
}


def people(*names: str) -> frozenset[str]:
    return frozenset(person for name in names for person in GROUPS.get(name, [name]))


@dataclass(frozen=True)
class View:
    """A route and what it answers to whom; everybody else who is signed in gets 404.

    Attributes:
        method: HTTP method.
        path: Its pattern; ``{…}`` is filled with the id of the row in the scenario.
        row: That row.
        allowed: Who gets ``answer``.
        refused: Who gets 403.
        answer: What the allowed get. Later reasons say that they were let in: 415 for a request
            without an archive, 409 since the scenario's example takes no files.
    """

    method: str
    path: str
    row: str
    allowed: frozenset[str]
    refused: frozenset[str] = frozenset()
    answer: int = 200

    def status(self, persona: str) -> int:
        if persona in self.allowed:
            return self.answer
        return 403 if persona in self.refused else 404


VIEWS = [
    View(
        "GET",
        "/courses/{course_id}/gradebook",
        "courses",
        people("graders"),
        people("students", "family_developer", "organization_developer", "course_token"),
    ),
    View("GET", "/test-runs/{test_run_id}/queue", "test-runs", people("student", "teammate", "graders")),
    View("GET", "/receipt-key", "", people("signed_in", "narrow_token", "course_token")),
    View("GET", "/artifacts/{artifact_id}/download", "artifacts", people("student", "teammate", "graders")),
    View(
        "POST",
        "/course-contents/{content_id}/submissions",
        "course-contents",
        people("students", "graders"),
        people("family_developer", "organization_developer"),
        answer=409,
    ),
    View(
        "POST",
        "/course-contents/{content_id}/submissions",
        "course-contents (unreleased)",
        frozenset(),
        people("authors"),
    ),
    View(
        "POST",
        "/organizations/{organization_id}/examples",
        "organizations",
        people(
            "organization_developer",
            "organization_manager",
            "organization_owner",
            "organizations_manager",
            "example_manager",
            "admin",
        ),
        people("students", "tutor", "lecturer", "maintainer", "owner", "neighbour")
        | people("family_developer", "family_manager", "family_owner"),
        answer=415,
    ),
    View("GET", "/user", "", people("signed_in", "narrow_token")),
]


@dataclass(frozen=True)
class Asked:
    """A host with the scenario, and everybody's client."""

    host: Host
    scenario: Scenario
    clients: dict[str, httpx.AsyncClient]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def asked(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Asked]:
    settings = settings_for(tmp_path_factory.mktemp("views"))
    await migrate(settings)
    async with AsyncExitStack() as stack:
        host = await stack.enter_async_context(serving(settings))
        world = World(host.computor.database)
        scenario = await build(world)
        run = scenario.rows["test-runs"]
        line = {"runner_instance": "default", "available_at": world.now}
        await world.add(TestQueue(id=run.id, test_run_id=run.id, course_id=run.course_id, **line))
        clients = {"anonymous": host.client}
        for name in GROUPS["signed_in"]:
            principal = scenario.personas[name]
            assert principal.user_id is not None
            begun = await host.computor.services.sessions.begin(
                principal.user_id, instance="default", device=Device()
            )
            headers = {"authorization": f"Bearer {begun.token}"}
            clients[name] = await stack.enter_async_context(client_for(host.app, headers=headers))
        for name, (owner, scopes) in TOKENS.items():
            body = {"name": name, "scopes": scopes}
            made = (await clients[owner].post("/api/v1/auth/tokens", json=body)).json()
            headers = {"authorization": f"Bearer {made['token']}"}
            clients[name] = await stack.enter_async_context(client_for(host.app, headers=headers))
        yield Asked(host, scenario, clients)


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: f"{view.method} {view.path} {view.row}")
async def test_everybody_gets_what_a_view_promises(asked: Asked, view: View) -> None:
    start = view.path.partition("{")[0]
    path = view.path
    if view.row:
        path = start + str(asked.scenario.rows[view.row].id) + view.path.partition("}")[2]
    wrong = []
    for persona, client in asked.clients.items():
        expected = 401 if persona == "anonymous" else view.status(persona)
        answer = await client.request(view.method, f"/api/v1{path}")
        if answer.status_code != expected:
            wrong.append(f"{persona}: {answer.status_code}, expected {expected}: {answer.text[:120]}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("view", [view for view in VIEWS if view.row], ids=lambda view: view.path)
async def test_a_row_that_isnt_there_answers_as_one_that_is_hidden(asked: Asked, view: View) -> None:
    start, end = view.path.partition("{")[0], view.path.partition("}")[2]
    absent = f"{start}0195d6f0-0000-7000-8000-000000000000{end}"
    hidden = f"{start}{asked.scenario.rows[view.row].id}{end}"
    told = []
    for path in (absent, hidden):
        answer = await asked.clients["stranger"].request(view.method, f"/api/v1{path}")
        body = answer.json()
        told.append((answer.status_code, body["code"], body["detail"], body.get("hint")))
    assert told[0] == told[1]
    assert told[0][0] == 404


async def test_live_updates_of_what_one_cannot_read_are_refused(asked: Asked) -> None:
    group, course = asked.scenario.rows["submission-groups"], asked.scenario.rows["courses"]
    for persona, query, status in (
        ("stranger", {"course_id": course.id}, 404),
        ("neighbour", {"course_id": course.id}, 404),
        ("narrow_token", {"course_id": course.id}, 404),
        ("classmate", {"submission_group_id": group.id}, 404),
        ("stranger", {"submission_group_id": group.id}, 404),
        ("course_token", {"submission_group_id": group.id}, 404),
        ("anonymous", {"course_id": course.id}, 401),
    ):
        params = {name: str(value) for name, value in query.items()}
        answer = await asked.clients[persona].get("/api/v1/events", params=params)
        assert answer.status_code == status, (persona, query, answer.text)


async def test_no_hand_written_route_is_left_out(asked: Asked) -> None:
    """Those under /auth are about the caller's own credentials and have their own tests."""
    operations = entity_operations(asked.host.computor)
    generated = {(operation.method, operation.path) for operation in operations}
    found = {
        (endpoint.method, endpoint.path)
        for endpoint in endpoints(asked.host.app, operations)
        if endpoint.path.startswith("/api/v1/") and "/auth/" not in endpoint.path
    }
    told = {(view.method, f"/api/v1{view.path}") for view in VIEWS}
    others = {("GET", "/api/v1/openapi.json"), ("GET", "/api/v1/events")}
    assert found - generated == told | others
