"""Every entity, every operation, every persona against the hand-written rights."""

from __future__ import annotations

from typing import Any

from computor_core.entities.service import EntityService
from computor_core.errors import AuthenticationError, ConflictError, ForbiddenError, NotFoundError
from computor_core.interfaces import UpdateDto
from computor_core.plugin_api.entities import Operation
from computor_core.plugin_api.principal import Principal
from tests.security import rights
from tests.support.scenario import build
from tests.support.world import World, assembled

EXPECTATIONS = list(rights.expectations())
CHANGES: dict[str, dict[str, Any]] = {
    "users": {"given_name": "New"},
    "organization-members": {"role_id": "organization:_manager"},
    "course-family-members": {"role_id": "family:_manager"},
    "course-members": {"role_id": "course:_tutor"},
    "assignment-schedules": {"max_attempts": 7},
    "content-deployments": {},
    "grades": {"comment": "changed"},
    "provider-bindings": {"instance": "other"},
}
LEVELS = {"courses": "course", "course-families": "family", "organizations": "organization"}
ANSWERS = {NotFoundError: "hidden", ForbiddenError: "refused", AuthenticationError: "hidden"}


class _UndoError(Exception):
    """Ends a unit without a commit."""


async def _attempt(world: World, principal: Principal, operation: str, endpoint: str, row: Any) -> str:
    service = world.entities[endpoint]
    reads = operation.split()[0] in {"get", "field", "action"}
    try:
        async with world.read(principal) if reads else world.uow(principal) as work:
            if operation.startswith("action "):
                await world.access.require(work, operation.removeprefix("action "), endpoint, row.id)
            else:
                await _perform(service, work, operation, row)
            raise _UndoError
    except _UndoError:
        return "allowed"
    except ConflictError:
        # The database or a business rule says no, after access said yes.
        return "allowed"
    except (NotFoundError, ForbiddenError, AuthenticationError) as error:
        return next(answer for kind, answer in ANSWERS.items() if isinstance(error, kind))


async def _perform(service: EntityService, work: Any, operation: str, row: Any) -> None:
    match operation:
        case "get":
            await service.get(work, row.id)
        case "update":
            dto = service.registration.interface.update
            assert dto is not None
            await service.update(work, row.id, _changes(dto, service.endpoint))
        case "archive":
            await service.archive(work, row.id)
        case "delete":
            await service.delete(work, row.id)
        case _:
            name = operation.removeprefix("field ")
            value = (await service.get(work, row.id, fields=[name]))[name]
            if value is None:
                raise NotFoundError("null")


def _changes(dto: type[UpdateDto], endpoint: str) -> UpdateDto:
    return dto(**CHANGES.get(endpoint, {"title": "New"}))


async def test_everybody_gets_exactly_what_the_rights_say(world: World) -> None:
    scenario = await build(world)
    for expected in EXPECTATIONS:
        wrong = []
        for persona, principal in scenario.personas.items():
            outcome = expected.outcome(persona)
            row = scenario.rows[expected.row]
            got = await _attempt(world, principal, expected.operation, expected.endpoint, row)
            if got != outcome:
                wrong.append(f"{persona}: {expected.operation} {expected.row} is {got}, expected {outcome}")
        assert not wrong, "\n".join(wrong)


async def test_what_is_asked_at_a_scope_follows_the_roles_held_there_and_above(world: World) -> None:
    """Every action at the course, the family and the organization, for everybody."""
    scenario = await build(world)
    reaches = {
        "courses": {"course", "family", "organization", "global"},
        "course-families": {"family", "organization", "global"},
        "organizations": {"organization", "global"},
    }
    wrong = []
    for endpoint, levels in reaches.items():
        row_id = scenario.rows[endpoint].id
        for persona, (role_id, here) in scenario.roles.items():
            level = role_id.partition(":")[0] if ":" in role_id else "global"
            for action in sorted(rights.asked_at(endpoint)):
                expected = here and level in levels and rights.holds(role_id, action)
                async with world.read(scenario.personas[persona]) as unit:
                    got = await world.access.allowed(unit, action, endpoint, row_id)
                    there = await world.access.allowed_at(unit, action, LEVELS[endpoint], row_id)
                if not got == there == expected:
                    wrong.append(
                        f"{persona}: {action} on {endpoint} is {got} and {there}, expected {expected}"
                    )
    assert not wrong, "\n".join(wrong)


async def test_lists_show_exactly_the_rows_that_can_be_read(world: World) -> None:
    scenario = await build(world)
    wrong = []
    for expected in EXPECTATIONS:
        if expected.operation != "get":
            continue
        row_id = str(scenario.rows[expected.row].id)
        for persona, principal in scenario.personas.items():
            if persona == "archived":
                continue
            listed = row_id in await world.ids(principal, expected.endpoint)
            if listed != (expected.outcome(persona) == "allowed"):
                wrong.append(f"{persona}: {expected.row} listed is {listed}")
    assert not wrong, "\n".join(wrong)


def test_the_matrix_covers_every_entity_and_operation() -> None:
    exposed = {
        (endpoint, operation.value)
        for endpoint, service in assembled()[1].items()
        for operation in service.registration.operations - {Operation.CREATE, Operation.LIST}
    }
    told = {(expected.endpoint, expected.operation) for expected in EXPECTATIONS}
    assert exposed <= told, exposed - told


def test_every_field_with_an_action_of_its_own_is_in_the_matrix() -> None:
    told = {(item.endpoint, item.operation.removeprefix("field ")) for item in EXPECTATIONS}
    actions = {}
    for endpoint, service in assembled()[1].items():
        for field, action in service._reader._entity.requires.items():
            actions.setdefault((endpoint, action), []).append(field)
    for (endpoint, action), fields in actions.items():
        assert any((endpoint, field) in told for field in fields), (endpoint, action, fields)
