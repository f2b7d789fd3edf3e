"""An entity that a plugin brings is served like core's own: rows, access, events, audit, commands."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from computor_core.catalogue import actions, entities, roles, rules
from computor_core.db.engine import Database
from computor_core.entities.assembly import assemble
from computor_core.errors import ForbiddenError, InvalidError, NotFoundError
from computor_core.model import AuditEvent, CourseFamily
from tests.support import notes
from tests.support.world import World


class App(World):
    """As much of the application as a command's handler asks for."""

    unit: Any = None

    def read(self, principal: Any, *, now: Any = None, request_id: str = "") -> Any:
        return super().read(principal, now=now)


@pytest.fixture
async def app(database: Database) -> App:
    system = assemble(
        entities=[*entities.registrations(), notes.registration()],
        actions=[*actions.registrations(), *notes.ACTIONS],
        roles=roles.registrations(),
        rules=rules.registrations(),
    )
    async with database.writer.begin() as connection:
        await connection.run_sync(notes.Note.__table__.create)
    return App(database, system)


async def write(app: App, principal: Any, course: Any, text: str = "hello") -> dict[str, Any]:
    async with app.uow(principal) as work:
        return await app.entities["x-notes"].create(work, notes.NoteCreate(course_id=course.id, text=text))


async def test_rows_are_made_stamped_changed_and_removed(app: App) -> None:
    course = await app.course()
    student = await app.who("_student", course)
    row = await write(app, student, course)
    assert (row["author_id"], row["version"]) == (str(student.user_id), 1)
    async with app.uow(student) as work:
        changed = await app.entities["x-notes"].update(
            work, row["id"], notes.NoteUpdate(text="bye"), if_match=1
        )
    assert (changed["text"], changed["version"]) == ("bye", 2)
    async with app.uow(student) as work:
        await app.entities["x-notes"].delete(work, row["id"])
    assert await app.ids(student, "x-notes") == set()
    assert [event.name for event in app.events] == ["entity.created", "entity.updated", "entity.deleted"]
    async with app.database.reader.connect() as connection:
        found = (
            await connection.execute(select(AuditEvent.action).where(AuditEvent.entity == "x-notes"))
        ).scalars()
        assert set(found) == {notes.WRITE}


async def test_cores_roles_reach_the_plugins_rows_by_the_plugins_rules(app: App) -> None:
    course, other = await app.course(), await app.course()
    author, classmate = await app.who("_student", course), await app.who("_student", course)
    lecturer, stranger = await app.who("_lecturer", course), await app.who("_owner", other)
    row = await write(app, author, course)
    for principal in (author, classmate, lecturer):
        assert await app.ids(principal, "x-notes") == {row["id"]}
    assert await app.ids(stranger, "x-notes") == set()
    for principal, error in ((classmate, ForbiddenError), (stranger, NotFoundError)):
        with pytest.raises(error):
            async with app.uow(principal) as work:
                await app.entities["x-notes"].delete(work, row["id"])
    with pytest.raises(NotFoundError):
        await write(app, stranger, course)
    async with app.uow(lecturer) as work:
        await app.entities["x-notes"].delete(work, row["id"])


async def test_of_several_parents_exactly_one_is_given(app: App) -> None:
    course = await app.course()
    owner = await app.who("_owner", await app.family())
    async with app.session() as session:
        family = await session.get_one(CourseFamily, course.course_family_id)
    user = await app.user()
    await app.grant(user, "_owner", family)
    family_owner = await app.principal(user)

    async def add(principal: Any, **parents: Any) -> dict[str, Any]:
        async with app.uow(principal) as work:
            return await app.entities["x-notes"].create(work, notes.NoteCreate(text="x", **parents))

    assert (await add(family_owner, course_family_id=family.id))["course_id"] is None
    assert (await add(family_owner, course_id=course.id))["course_family_id"] is None
    assert len(await app.ids(family_owner, "x-notes")) == 2
    for parents, code in (
        ({}, "missing"),
        ({"course_id": course.id, "course_family_id": family.id}, "second_parent"),
    ):
        with pytest.raises(InvalidError) as caught:
            await add(family_owner, **parents)
        assert caught.value.fields[0].code == code
    with pytest.raises(NotFoundError):
        await add(owner, course_family_id=family.id)


async def test_a_command_checks_its_action_first(app: App) -> None:
    course = await app.course()
    author, classmate = await app.who("_student", course), await app.who("_student", course)
    stranger = await app.principal(await app.user())
    row = await write(app, author, course)
    service = app.entities["x-notes"]
    shout, count = service.registration.commands
    async with app.read(author) as app.unit:
        told = await service.command(
            app, author, shout, row["id"], notes.ShoutInput(times=2), request_id="r1"
        )
        assert told == {"text": "hello!!", "by": str(author.user_id), "request_id": "r1", "remark": None}
        for principal, error in ((classmate, ForbiddenError), (stranger, NotFoundError)):
            with pytest.raises(error):
                await service.command(app, principal, shout, row["id"], notes.ShoutInput(times=2))
    assert await service.command(app, classmate, count, None, None) == {"notes": 1}


async def test_a_commands_output_keeps_the_fields_own_actions(app: App) -> None:
    course = await app.course()
    author, lecturer = await app.who("_student", course), await app.who("_lecturer", course)
    row = await write(app, author, course)
    service = app.entities["x-notes"]
    shout, _ = service.registration.commands
    loud = notes.ShoutInput(times=1)
    async with app.read(author) as app.unit:
        for principal, remark in ((author, None), (lecturer, "loud")):
            told = await service.command(app, principal, shout, row["id"], loud)
            assert told is not None
            assert told["remark"] == remark


async def test_an_unknown_endpoint_has_no_service(app: App) -> None:
    assert "x-notes" in app.entities
    assert "y-notes" not in app.entities
    assert len(app.entities) == len(list(app.entities)) == len(entities.registrations()) + 1
