"""Nobody becomes somebody who may do more: not by a token, not by managing accounts.

Each attack fails on the system as it is and succeeds on a mutant without the protection.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable

import pytest
from sqlalchemy import false

from computor_core.access import caller
from computor_core.catalogue import actions, conditions, entities, roles, rules
from computor_core.db.engine import Database
from computor_core.entities.assembly import assemble
from computor_core.model import User
from computor_core.plugin_api.principal import Principal
from tests.support.world import World

Attack = Callable[[World], Awaitable[bool]]
MANAGING = ("user.credentials", "user.update", "user.archive")


def system(*, protected: bool = True):
    """The system; on demand without what protects those who may do more."""
    return assemble(
        entities=entities.registrations(),
        actions=actions.registrations(),
        roles=roles.registrations(),
        rules=[rule if protected else dataclasses.replace(rule, deny=()) for rule in rules.registrations()],
    )


async def may(world: World, principal: Principal, action: str, user: User) -> bool:
    async with world.read(principal) as unit:
        allowed = await world.access.allowed(unit, action, "users", user.id)
        assert (await world.access.explain(unit, action, "users", user.id)).allowed is allowed
    return allowed


# --- a limited token and its owner --------------------------------------------------------------


async def become_the_owner(world: World) -> bool:
    """An administrator's token that is limited to credentials, asked about that administrator."""
    admin = await world.user(role="_admin")
    token = await world.principal(admin, scopes=["user.credentials", "user.read"])
    return await may(world, token, "user.credentials", admin)


async def become_another_administrator(world: World) -> bool:
    admin, other = await world.user(role="_admin"), await world.user(role="_admin")
    token = await world.principal(admin, scopes=["user.credentials", "user.read"])
    return await may(world, token, "user.credentials", other)


async def become_a_lecturer(world: World) -> bool:
    admin, lecturer = await world.user(role="_admin"), await world.user()
    await world.grant(lecturer, "_lecturer", await world.course())
    token = await world.principal(admin, scopes=["user.credentials", "user.read"])
    return await may(world, token, "user.credentials", lecturer)


@pytest.mark.parametrize("attack", [become_the_owner, become_another_administrator, become_a_lecturer])
async def test_a_limited_token_manages_nobody_who_may_do_more_than_it(
    database: Database, attack: Attack
) -> None:
    assert not await attack(World(database, system()))
    assert await attack(World(database, system(protected=False)))


async def test_what_lies_outside_a_tokens_scopes_counts_as_lacking(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The comparison with the owner's roles alone lets the token through."""
    unlimited = dataclasses.replace(caller.CALLER, limited=false())
    monkeypatch.setattr("computor_core.access.selection.CALLER", unlimited)
    monkeypatch.setattr("computor_core.access.explanation.CALLER", unlimited)
    assert await become_the_owner(World(database, system()))


async def test_a_limited_token_still_manages_those_who_may_do_less(world: World) -> None:
    admin, student = await world.user(role="_admin"), await world.user()
    await world.grant(student, "_student", await world.course())
    token = await world.principal(admin, scopes=["user.update", "user.read"])
    assert await may(world, token, "user.update", student)
    assert not await may(world, token, "user.archive", student)


# --- somebody who manages accounts and those who hold roles in courses --------------------------


@pytest.mark.parametrize("action", MANAGING)
@pytest.mark.parametrize(
    ("level", "role"),
    [
        ("course", "_tutor"),
        ("course", "_lecturer"),
        ("course", "_owner"),
        ("family", "_developer"),
        ("family", "_manager"),
        ("organization", "_developer"),
        ("organization", "_owner"),
    ],
)
async def test_a_user_manager_manages_nobody_whose_role_goes_beyond_a_students(
    database: Database, monkeypatch: pytest.MonkeyPatch, level: str, role: str, action: str
) -> None:
    async def attack(world: World) -> bool:
        places = {"course": world.course, "family": world.family, "organization": world.organization}
        victim, manager = await world.user(), await world.who("_user_manager")
        await world.grant(victim, role, await places[level]())
        assert await may(world, await world.who("_admin"), action, victim)
        return await may(world, manager, action, victim)

    assert not await attack(World(database, system()))
    monkeypatch.setattr(conditions, "_THEIR_MEMBERSHIPS", ())
    assert await attack(World(database, system()))


@pytest.mark.parametrize("action", MANAGING)
async def test_students_and_people_without_roles_stay_manageable(world: World, action: str) -> None:
    manager, student, stranger = await world.who("_user_manager"), await world.user(), await world.user()
    for _ in range(2):
        await world.grant(student, "_student", await world.course())
    assert await may(world, manager, action, student)
    assert await may(world, manager, action, stranger)


async def test_a_role_that_is_taken_away_protects_no_longer(world: World) -> None:
    manager, former = await world.who("_user_manager"), await world.user()
    grant = await world.grant(former, "_lecturer", await world.course())
    assert not await may(world, manager, "user.archive", former)
    async with world.session() as session:
        await session.delete(await session.get_one(type(grant), grant.id))
    assert await may(world, manager, "user.archive", former)


@pytest.mark.parametrize("role", ["_lecturer", "_owner"])
async def test_everybody_may_change_their_own_name(world: World, role: str) -> None:
    user = await world.user()
    await world.grant(user, role, await world.course())
    assert await may(world, await world.principal(user), "user.update", user)
    token = await world.principal(user, scopes=["user.update", "user.read"])
    assert not await may(world, token, "user.update", user)
