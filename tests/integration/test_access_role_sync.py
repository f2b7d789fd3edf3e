"""The role tables follow what is installed; custom roles are the institution's own."""

from __future__ import annotations

from sqlalchemy import delete, insert, select, update

from computor_core.access.role_sync import roles_in_sync, sync_roles
from computor_core.access.vocabulary import Vocabulary
from computor_core.catalogue import actions, roles
from computor_core.model import Role, RoleAction, User
from computor_core.plugin_api.principal import ScopeKind
from computor_core.plugin_api.registrations import RoleRegistration
from tests.support.world import World

PLUGIN_ROLE = RoleRegistration("x_helper", ScopeKind.COURSE, "Helper", frozenset({"course.read"}))


def vocabulary(*extra: RoleRegistration) -> Vocabulary:
    return Vocabulary(actions.registrations(), [*roles.registrations(), *extra])


async def contents(world: World, role_id: str) -> set[str]:
    async with world.database.reader.connect() as connection:
        return set(
            (
                await connection.execute(select(RoleAction.action).where(RoleAction.role_id == role_id))
            ).scalars()
        )


async def sync(world: World, words: Vocabulary, owners: dict[str, str] | None = None) -> list[str]:
    async with world.database.writer.begin() as connection:
        return await sync_roles(connection, words, owners)


async def in_sync(world: World, words: Vocabulary, owners: dict[str, str] | None = None) -> bool:
    async with world.database.reader.connect() as connection:
        return await roles_in_sync(connection, words, owners)


async def test_a_fresh_database_is_in_step_and_stays_so(world: World) -> None:
    assert await in_sync(world, vocabulary())
    assert await sync(world, vocabulary()) == []
    assert await contents(world, "_admin") == {action.name for action in actions.registrations()}


async def test_an_edited_built_in_role_comes_back_and_its_holders_notice(world: World) -> None:
    course, user = await world.course(), await world.user()
    await world.grant(user, "_student", course)
    async with world.database.writer.begin() as connection:
        await connection.execute(insert(RoleAction).values(role_id="course:_student", action="grade.write"))
        await connection.execute(
            delete(RoleAction).where(
                RoleAction.role_id == "course:_student", RoleAction.action == "course.read"
            )
        )
        await connection.execute(update(Role).where(Role.id == "course:_tutor").values(title="Boss"))
    assert not await in_sync(world, vocabulary())
    principal = await world.principal(user)
    assert await sync(world, vocabulary()) == ["course:_student"]
    assert await in_sync(world, vocabulary())
    async with world.read(principal) as unit:
        assert not await world.access.still_valid(unit)


async def test_a_plugins_role_comes_and_contains_nothing_once_the_plugin_is_gone(world: World) -> None:
    course, user = await world.course(), await world.user()
    owners = {PLUGIN_ROLE.id: "x"}
    assert not await in_sync(world, vocabulary(PLUGIN_ROLE), owners)
    await sync(world, vocabulary(PLUGIN_ROLE), owners)
    assert await in_sync(world, vocabulary(PLUGIN_ROLE), owners)
    async with world.session() as session:
        from computor_core.model import CourseMember

        session.add(CourseMember(course_id=course.id, user_id=user.id, role_id=PLUGIN_ROLE.id))
    assert await contents(world, PLUGIN_ROLE.id) == {"course.read"}
    assert not await in_sync(world, vocabulary())
    assert await sync(world, vocabulary()) == [PLUGIN_ROLE.id]
    assert await contents(world, PLUGIN_ROLE.id) == set()
    assert await in_sync(world, vocabulary())
    assert await world.ids(await world.principal(user), "courses") == set()


async def test_a_custom_role_works_and_is_left_alone(world: World) -> None:
    course, user = await world.course(), await world.user()
    async with world.database.writer.begin() as connection:
        await connection.execute(
            insert(Role).values(
                id="course:reader", scope="course", name="reader", title="Reader", builtin=False
            )
        )
        await connection.execute(
            insert(RoleAction),
            [{"role_id": "course:reader", "action": name} for name in ("course.read", "x.gone")],
        )
    await world.grant(user, "reader", course)
    principal = await world.principal(user)
    assert await world.ids(principal, "courses") == {str(course.id)}
    assert await world.ids(principal, "artifacts") == set()
    assert await sync(world, vocabulary()) == []
    assert await contents(world, "course:reader") == {"course.read", "x.gone"}
    # An action that isn't installed stays denied, whatever a role says.
    assert world.access.vocabulary.actions_of("course:reader") == {"course.read"}
    async with world.database.reader.connect() as connection:
        assert await connection.scalar(select(User.grants_epoch).where(User.id == user.id)) == 2


async def test_a_changed_custom_role_counts_with_the_next_principal(world: World) -> None:
    course, user = await world.course(), await world.user()
    async with world.database.writer.begin() as connection:
        await connection.execute(
            insert(Role).values(id="course:grower", scope="course", name="grower", title="x", builtin=False)
        )
        await connection.execute(insert(RoleAction).values(role_id="course:grower", action="course.read"))
    await world.grant(user, "grower", course)
    principal = await world.principal(user)
    async with world.database.writer.begin() as connection:
        await connection.execute(insert(RoleAction).values(role_id="course:grower", action="member.read"))
    assert len(await world.ids(await world.again(principal), "course-members")) == 1
