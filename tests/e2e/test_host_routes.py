"""The routes as a whole: no two alike, none without access, all in one document."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from types import MappingProxyType

import pytest
from computor_fastapi_host import create_app, lifespan
from computor_fastapi_host.access import PUBLIC, declared_access
from computor_fastapi_host.route_check import check_routes, endpoints
from fastapi import FastAPI

from computor_core.app import Computor
from computor_core.errors import ConfigurationError, PluginError
from computor_core.plugin_api.http import APIRouter, needs
from computor_core.plugin_api.registrations import ActionAxis, ActionRegistration, RouterRegistration
from computor_core.plugins.registries import Registered
from computor_core.settings import Settings
from tests.e2e.host_harness import ADMIN, Host, add_user, client_for

TARGETS = "tests.e2e.host_plugin_routes"


# --- the check -------------------------------------------------------------------------------


def app_with(*routers: APIRouter) -> FastAPI:
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    for router in routers:
        app.include_router(router, prefix="/api/v1")
    return app


def router_with(path: str, name: str, **options: object) -> APIRouter:
    router = APIRouter(tags=["things"])

    async def route() -> None: ...

    router.add_api_route(path, route, name=name, operation_id=name, **options)  # type: ignore[arg-type]
    return router


def problems_of(app: FastAPI) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        check_routes(app, (), ())
    problems = caught.value.details["problems"]
    assert isinstance(problems, list)
    return problems


def test_routes_that_shadow_each_other_stop_the_start() -> None:
    extra = needs("course.read")
    app = app_with(
        router_with("/things/{thing_id}", "one", openapi_extra=extra),
        router_with("/things/{other_id}", "two", openapi_extra=extra),
    )
    assert problems_of(app) == ["GET /api/v1/things/{other_id} is registered twice"]


def test_two_operations_of_one_name_stop_the_start() -> None:
    extra = needs("course.read")
    app = app_with(
        router_with("/a", "same", openapi_extra=extra), router_with("/b", "same", openapi_extra=extra)
    )
    assert problems_of(app) == ["/api/v1/b and /api/v1/a share the name same"]


def test_a_route_without_access_stops_the_start() -> None:
    nested = APIRouter()
    nested.include_router(router_with("/open", "open"), prefix="/deep")
    app = app_with(nested, router_with("/fine", "fine", openapi_extra=PUBLIC))
    assert problems_of(app) == ["GET /api/v1/deep/open declares no access"]


def test_everything_wrong_is_told_at_once() -> None:
    app = app_with(router_with("/a", "a"), router_with("/a", "a"), router_with("/b", "b"))
    assert len(problems_of(app)) == 4


def test_a_route_beside_fastapis_own_is_seen_too() -> None:
    app = FastAPI(docs_url=None, redoc_url=None)
    assert problems_of(app) == ["GET /openapi.json declares no access"]


@pytest.mark.parametrize("extra", [None, {}, {"x-required-action": ""}, {"x-access": None}, {"other": "x"}])
def test_nothing_said_is_no_access(extra: dict | None) -> None:
    assert declared_access(extra) is None


# --- the real ones ---------------------------------------------------------------------------


async def test_every_route_says_who_may_call_it(host: Host) -> None:
    from computor_fastapi_host.entity_routes import entity_operations

    found = list(endpoints(host.app, entity_operations(host.computor)))
    known = host.computor.access.vocabulary.actions.keys() | {"public", "own"}
    assert {endpoint.access for endpoint in found} <= known
    public = {f"{endpoint.method} {endpoint.path}" for endpoint in found if endpoint.access == "public"}
    assert public == {
        "POST /api/v1/auth/sign-in",
        "GET /api/v1/openapi.json",
        "GET /healthz",
        "GET /readyz",
    }


async def test_every_route_but_the_public_ones_refuses_nobody(host: Host) -> None:
    from computor_fastapi_host.entity_routes import entity_operations

    for endpoint in endpoints(host.app, entity_operations(host.computor)):
        if endpoint.access == "public":
            continue
        path = "/".join(
            "0195d6f0-0000-7000-8000-000000000000" if part.startswith("{") else part
            for part in endpoint.path.split("/")
        )
        answer = await host.client.request(endpoint.method, path, json={})
        assert answer.status_code == 401, (endpoint, answer.status_code, answer.text[:200])


async def test_the_document_describes_every_operation_and_its_errors(host: Host) -> None:
    from computor_fastapi_host.entity_routes import entity_operations

    document = (await host.client.get("/api/v1/openapi.json")).json()
    shown = {
        (method.upper(), path) for path, operations in document["paths"].items() for method in operations
    }
    served = {
        (endpoint.method, endpoint.path)
        for endpoint in endpoints(host.app, entity_operations(host.computor))
        if endpoint.operation_id
    }
    assert shown == served
    names = []
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            names.append(operation["operationId"])
            assert operation["responses"]["default"] == {"$ref": "#/components/responses/Problem"}, path
            assert operation.get("x-required-action") or operation.get("x-access"), (method, path)
            assert operation["summary"]
    assert len(names) == len(set(names))
    assert all(name.isidentifier() for name in names)
    assert "HTTPValidationError" not in json.dumps(document)


async def test_every_reference_in_the_document_leads_somewhere(host: Host) -> None:
    document = (await host.client.get("/api/v1/openapi.json")).json()
    missing = set()

    def walk(value: object) -> None:
        if isinstance(value, dict):
            reference = value.get("$ref")
            if isinstance(reference, str):
                target: object = document
                for part in reference.removeprefix("#/").split("/"):
                    target = target.get(part) if isinstance(target, dict) else None
                if target is None:
                    missing.add(reference)
            for inner in value.values():
                walk(inner)
        elif isinstance(value, list):
            for inner in value:
                walk(inner)

    walk(document)
    assert missing == set()


async def test_answers_are_typed_in_the_document(host: Host) -> None:
    document = (await host.client.get("/api/v1/openapi.json")).json()
    users = document["paths"]["/api/v1/users"]
    schemas = document["components"]["schemas"]
    page = users["get"]["responses"]["200"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[
        2
    ]
    assert set(schemas[page]["properties"]) == {"data", "meta"}
    created = users["post"]["responses"]["201"]["content"]["application/json"]["schema"]["$ref"]
    assert created.rpartition("/")[2].startswith("UserGet")
    parameters = {parameter["name"] for parameter in users["get"]["parameters"]}
    assert {"limit", "cursor", "sort", "total", "fields", "id", "family_name"} <= parameters
    assert {parameter["name"] for parameter in users["post"]["parameters"]} == {"idempotency-key"}
    assert users["post"]["x-required-action"] == "user.create"


async def test_the_document_is_built_when_it_is_asked_for(host: Host) -> None:
    assert host.app.openapi_schema is None
    first = await host.client.get("/api/v1/openapi.json")
    assert host.app.openapi_schema is not None
    assert (await host.client.get("/api/v1/openapi.json")).content == first.content


# --- plugins' routes -------------------------------------------------------------------------


def registered(**routers: RouterRegistration) -> MappingProxyType:
    return MappingProxyType(
        {
            ("notes", name): Registered("notes", "computor-notes", registration)
            for name, registration in routers.items()
        }
    )


@pytest.fixture
async def plugin_host(settings: Settings) -> AsyncIterator[Host]:
    """A host with a plugin's routers: one for sessions, one public, two mounted applications."""
    routers = registered(
        notes=RouterRegistration("notes", f"{TARGETS}:notes", access="session"),
        board=RouterRegistration("board", f"{TARGETS}:board", access="public"),
        guarded=RouterRegistration(
            "guarded", f"{TARGETS}:echo", access="session", kind="asgi", mount="/guarded"
        ),
        own=RouterRegistration("own", f"{TARGETS}:echo", access="own", kind="asgi", mount="/own"),
    )
    async with Computor(settings) as computor:
        known = dict(computor.registries.actions)
        for name in ("notes:note.read", "notes:note.write"):
            action = ActionRegistration(name, "s", ActionAxis.CONTENT)
            known[name] = Registered("notes", "computor-notes", action)
        computor.registries = replace(computor.registries, routers=routers, actions=MappingProxyType(known))
        app = create_app(computor, run=False)
        async with lifespan(app), client_for(app) as client:
            await add_user(computor, ADMIN, "_admin")
            yield Host(app, computor, client)


async def test_a_plugins_router_lives_under_its_own_prefix_and_access(plugin_host: Host) -> None:
    async with await plugin_host.signed_in() as admin:
        assert (await plugin_host.client.get("/api/v1/x/notes/whoami")).status_code == 401
        own = (await admin.get("/api/v1/auth/session")).json()["user_id"]
        assert (await admin.get("/api/v1/x/notes/whoami")).json() == {"user_id": own}
        assert (await plugin_host.client.get("/api/v1/x/notes/board")).json() == {"open": True}
        document = (await admin.get("/api/v1/openapi.json")).json()
        assert document["paths"]["/api/v1/x/notes/whoami"]["get"]["x-required-action"] == "notes:note.read"


async def test_a_plugins_unit_of_work_commits_before_the_answer_or_not_at_all(plugin_host: Host) -> None:
    async with await plugin_host.signed_in() as admin:
        made = await admin.post("/api/v1/x/notes/organizations/tug")
        assert made.status_code == 201
        assert len((await admin.get("/api/v1/organizations")).json()["data"]) == 1
        failed = await admin.post("/api/v1/x/notes/organizations/other", params={"fail": "true"})
        assert (failed.status_code, failed.json()["code"]) == (409, "conflict")
        assert len((await admin.get("/api/v1/organizations")).json()["data"]) == 1
        # The commit itself fails on the unique path: the caller must not read "created".
        twice = await admin.post("/api/v1/x/notes/organizations/tug")
        assert twice.status_code >= 400
        assert twice.headers["content-type"] == "application/problem+json"


async def test_a_plugins_unexpected_error_tells_nothing(plugin_host: Host) -> None:
    async with await plugin_host.signed_in() as admin:
        answer = await admin.get("/api/v1/x/notes/crash")
        assert (answer.status_code, answer.json()["code"]) == (500, "internal")
        assert "secret" not in answer.text
        refused = await admin.get("/api/v1/x/notes/teapot")
        assert (refused.status_code, refused.json()["detail"]) == (418, "a sentence of the plugin's")
        assert refused.json()["code"] == "request_refused"


async def test_a_mounted_application_is_guarded_as_it_declared(plugin_host: Host) -> None:
    async with await plugin_host.signed_in() as admin:
        assert (await plugin_host.client.get("/guarded/x")).status_code == 401
        assert (await admin.get("/guarded/x")).json()["path"] == "/guarded/x"
        assert (await plugin_host.client.post("/own/x", content=b"y" * 2_000_000)).json()[
            "bytes"
        ] == 2_000_000
        metrics = (await admin.get("/metrics")).text
    assert 'route="/own/…"' in metrics
    assert "/own/x" not in metrics


@pytest.mark.parametrize(
    ("registration", "message"),
    [
        (RouterRegistration("x", f"{TARGETS}:echo", access="own"), "not an APIRouter"),
        (
            RouterRegistration("x", f"{TARGETS}:echo", access="own", kind="asgi", mount="/api"),
            "belongs to the host",
        ),
        (
            RouterRegistration("x", f"{TARGETS}:echo", access="own", kind="asgi", mount="/a/b"),
            "no top-level path",
        ),
        (RouterRegistration("x", f"{TARGETS}:echo", access="own", kind="asgi"), "no top-level path"),
        (RouterRegistration("x", f"{TARGETS}:undeclared", access="session"), "declares no access"),
    ],
)
async def test_a_plugins_routes_that_cannot_be_served_stop_the_start(
    settings: Settings, registration: RouterRegistration, message: str
) -> None:
    async with Computor(settings) as computor:
        computor.registries = replace(computor.registries, routers=registered(x=registration))
        with pytest.raises((PluginError, ConfigurationError), match=message):
            async with lifespan(create_app(computor, run=False)):
                pass


async def test_two_plugins_cannot_mount_at_one_path(settings: Settings) -> None:
    both = MappingProxyType(
        {
            (plugin, "x"): Registered(
                plugin,
                f"computor-{plugin}",
                RouterRegistration("x", f"{TARGETS}:echo", access="own", kind="asgi", mount="/same"),
            )
            for plugin in ("one", "two")
        }
    )
    async with Computor(settings) as computor:
        computor.registries = replace(computor.registries, routers=both)
        with pytest.raises(PluginError, match="belongs to one"):
            async with lifespan(create_app(computor, run=False)):
                pass
