"""Whatever an entity leaves unsaid stops the start, for plugins' entities too."""

from __future__ import annotations

import dataclasses
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import pytest
from pydantic import Field
from sqlalchemy import ForeignKey
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from computor_core.catalogue import actions, entities, roles, rules
from computor_core.entities.assembly import assemble
from computor_core.errors import ConfigurationError
from computor_core.interfaces import (
    Contains,
    CreateDto,
    EntityInterface,
    Equals,
    ListQuery,
    ReadDto,
    Requires,
    UpdateDto,
)
from computor_core.model import Course, Role, User
from computor_core.plugin_api.access import AccessRuleRegistration, ScopeKind, branch, scope_of
from computor_core.plugin_api.entities import (
    Command,
    Delegation,
    EntityRegistration,
    Erasure,
    Operation,
    Personal,
    Ref,
)


class OtherBase(DeclarativeBase):
    """Tables apart from core's, as a plugin would have them."""


class Thing(OtherBase):
    __tablename__ = "x_thing"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    course_id: Mapped[UUID] = mapped_column(ForeignKey(Course.__table__.c.id))
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey(User.__table__.c.id))
    role_id: Mapped[str | None] = mapped_column(ForeignKey(Role.__table__.c.id))
    name: Mapped[str]
    nickname: Mapped[str] = mapped_column(default="", info={"personal": True})
    secret: Mapped[int] = mapped_column(default=0)
    seen_at: Mapped[datetime | None]
    version: Mapped[int]


class NotMapped:
    """No table."""


class ThingCreate(CreateDto):
    """A new thing."""

    course_id: UUID = Field(description="The course.")
    name: str = Field(description="Its name.")


class ThingUpdate(UpdateDto):
    """Changes."""

    name: str = Field("", description="Its name.")


class ThingGet(ReadDto):
    """A thing."""

    id: UUID = Field(description="Its id.")
    course_id: UUID = Field(description="The course.")
    name: str = Field(description="Its name.")


class ThingQuery(ListQuery):
    """Filters."""

    name: Annotated[str | None, Contains()] = Field(None, description="Part of the name.")


class ThingInterface(EntityInterface):
    endpoint = "x-things"
    create, get, list, update, query = ThingCreate, ThingGet, ThingGet, ThingUpdate, ThingQuery


READING = {Operation.GET: "content.read", Operation.LIST: "content.read"}
GOOD = EntityRegistration(
    interface=ThingInterface,
    model=f"{__name__}:Thing",
    summary="Things.",
    access={**READING, Operation.CREATE: "content.write", Operation.UPDATE: "content.write"},
    rules=tuple(
        AccessRuleRegistration(
            "x-things", action, (branch("course", scope_of(ScopeKind.COURSE, "course_id")),)
        )
        for action in ("content.read", "content.write")
    ),
    refs=(Ref("course_id", "courses", "content.write", parent=True),),
    personal={"user_id": Personal(Erasure.CLEAR), "nickname": Personal(Erasure.CLEAR)},
    sort=("name",),
)


def start(*registrations: EntityRegistration) -> Any:
    return assemble(
        entities=[*entities.registrations(), *registrations],
        actions=actions.registrations(),
        roles=roles.registrations(),
        rules=rules.registrations(),
    )


@pytest.fixture(autouse=True)
def module_can_be_imported_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    # Registrations name their model by import string; pytest imports this file under a name of its own.
    monkeypatch.setitem(sys.modules, __name__, sys.modules.get(__name__) or _this_module())


def _this_module() -> Any:
    import types

    module = types.ModuleType(__name__)
    module.__dict__.update(globals())
    return module


def problems(**changes: Any) -> str:
    with pytest.raises(ConfigurationError) as caught:
        start(dataclasses.replace(GOOD, **changes))
    return caught.value.message


def interface(**dtos: Any) -> type[EntityInterface]:
    return type("ChangedInterface", (ThingInterface,), dtos)


def dto(base: type[Any], **fields: Any) -> type[Any]:
    values = {name: value for name, (_, value) in fields.items()}
    hints = {name: hint for name, (hint, _) in fields.items()}
    return type(
        base.__name__, (base,), {"__annotations__": hints, "__module__": __name__, "__doc__": "x.", **values}
    )


def test_a_complete_entity_of_a_plugin_starts() -> None:
    access, services = start(GOOD)
    assert services["x-things"].registration is GOOD
    assert access.rules.get("x-things", "content.read") is not None


def test_core_itself_has_no_gap() -> None:
    start()


# --- loading ----------------------------------------------------------------------------------


def test_two_entities_with_the_same_endpoint() -> None:
    with pytest.raises(ConfigurationError, match="x-things: two entities have this endpoint"):
        start(GOOD, GOOD)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("nowhere", "isn't of the form"),
        ("computor_core.nowhere:Thing", "No module named"),
        ("computor_core.model:Thing", "Thing"),
        (f"{__name__}:NotMapped", "isn't a mapped class"),
    ],
)
def test_a_model_that_cant_be_loaded(model: str, message: str) -> None:
    assert message in problems(model=model)


# --- access -----------------------------------------------------------------------------------


def test_an_operation_without_a_rule() -> None:
    assert "get needs content.read, but no rule says which rows of x-things it reaches" in problems(rules=())


def test_an_unknown_action() -> None:
    assert "update needs the unknown action x.fly" in problems(
        access={**GOOD.access, Operation.UPDATE: "x.fly"}
    )


def test_no_operation_at_all() -> None:
    assert "no operation is exposed" in problems(access={}, interface=interface(create=None, update=None))


def test_get_and_list_with_different_actions() -> None:
    assert "get and list need different actions" in problems(
        access={**GOOD.access, Operation.LIST: "content.write"}
    )


def test_changing_without_reading() -> None:
    assert "rows can be changed but not read" in problems(
        access={Operation.UPDATE: "content.write"}, interface=interface(create=None)
    )


def test_archiving_without_the_column() -> None:
    assert "there is no column archived_at" in problems(
        access={**GOOD.access, Operation.ARCHIVE: "content.write"}
    )


def test_a_field_with_an_unknown_action() -> None:
    changed = dto(ThingGet, name=(Annotated[str, Requires("x.fly")], Field(description="d.")))
    assert "field name needs the unknown action x.fly" in problems(
        interface=interface(get=changed, list=changed)
    )


def test_a_field_guarded_in_get_but_not_in_list() -> None:
    changed = dto(ThingGet, name=(Annotated[str, Requires("content.write")], Field(description="d.")))
    assert "field name needs content.write in the get DTO but not in the list DTO" in problems(
        interface=interface(get=changed)
    )


# --- DTOs -------------------------------------------------------------------------------------


def test_a_field_without_a_column() -> None:
    changed = dto(ThingGet, colour=(str, Field(description="d.")))
    assert "field colour of the get DTO has no column" in problems(interface=interface(get=changed))


def test_an_undocumented_field() -> None:
    changed = dto(ThingGet, secret=(int, Field()))
    assert "field secret of the get DTO isn't documented" in problems(interface=interface(get=changed))


def test_a_list_field_that_get_lacks() -> None:
    changed = dto(ThingGet, secret=(int, Field(description="d.")))
    assert "the list DTO has fields that the get DTO lacks: secret" in problems(
        interface=interface(list=changed)
    )


def test_a_body_field_that_nobody_consumes() -> None:
    changed = dto(ThingCreate, colour=(str, Field(description="d.")))
    assert "field colour of the create DTO has no column and no behavior consumes it" in problems(
        interface=interface(create=changed)
    )


def test_a_body_field_that_isnt_for_callers() -> None:
    changed = dto(ThingUpdate, version=(int, Field(1, description="d.")))
    assert "field version of the update DTO isn't for callers to set" in problems(
        interface=interface(update=changed)
    )


def test_an_operation_without_a_body() -> None:
    assert "create is exposed without a DTO" in problems(interface=interface(create=None))


def test_a_body_without_an_operation() -> None:
    assert "has a DTO without being exposed" in problems(access=READING)


# --- filters and sorting ----------------------------------------------------------------------


def test_a_query_field_that_filters_nothing() -> None:
    changed = dto(ThingQuery, colour=(str | None, Field(None, description="d.")))
    assert "field colour of the query DTO doesn't say what it filters by" in problems(
        interface=interface(query=changed)
    )


def test_a_filter_without_a_column() -> None:
    changed = dto(ThingQuery, colour=(Annotated[str | None, Equals()], Field(None, description="d.")))
    assert "filter colour looks at colour, which has no column" in problems(
        interface=interface(query=changed)
    )


@pytest.mark.parametrize(
    ("column", "message"), [("colour", "has no column"), ("seen_at", "can be null, so pages would lose rows")]
)
def test_a_sort_field_that_doesnt_fit(column: str, message: str) -> None:
    assert f"sort field {column} {message}" in problems(sort=(column,))


def test_archived_rows_that_lists_cant_tell_apart() -> None:
    course = next(item for item in entities.registrations() if item.endpoint == "courses")
    plain = type("Q", (ListQuery,), {"__doc__": "x.", "__annotations__": {}, "__module__": __name__})
    changed = dataclasses.replace(
        course, interface=type("C", (course.interface,), {"query": plain, "endpoint": "x-courses"}), rules=()
    )
    with pytest.raises(ConfigurationError, match="rows can be archived but lists can't filter by it"):
        start(changed)


# --- references -------------------------------------------------------------------------------


def test_a_reference_without_a_rule() -> None:
    message = problems(refs=())
    assert "course_id refers to another entity without a reference rule" in message
    assert "create has neither a parent reference nor create_at_root" in message


def test_a_reference_to_an_unknown_entity() -> None:
    assert "reference course_id goes to the unknown entity stars" in problems(
        refs=(Ref("course_id", "stars", "content.write", parent=True),)
    )


def test_a_reference_whose_action_has_no_rule_on_the_target() -> None:
    assert "reference course_id needs audit.read, but no rule says which rows of courses" in problems(
        refs=(Ref("course_id", "courses", "audit.read", parent=True),)
    )


@pytest.mark.parametrize("kind", ["same", "copies"])
def test_a_reference_that_names_no_column(kind: str) -> None:
    ref = Ref("course_id", "courses", "content.write", parent=True, **{kind: {"colour": "id"}})  # type: ignore[arg-type]
    assert "reference course_id names colour and courses.id" in problems(refs=(ref,))


def test_a_taken_over_column_that_callers_set() -> None:
    ref = Ref("course_id", "courses", "content.write", parent=True, copies={"name": "slug"})
    assert "name is taken over by reference course_id, so callers can't set it" in problems(refs=(ref,))


def test_a_stamp_without_a_column() -> None:
    assert "stamp colour has no column" in problems(stamps=("colour",))


def test_roles_without_a_delegation_rule() -> None:
    changed = dto(ThingCreate, role_id=(str, Field(description="d.")))
    assert "role_id gives a role without a delegation rule" in problems(interface=interface(create=changed))


def test_a_delegation_rule_that_names_no_column() -> None:
    assert "the delegation rule names colour" in problems(delegation=Delegation(ScopeKind.COURSE, "colour"))


# --- personal data and commands ---------------------------------------------------------------


@pytest.mark.parametrize("column", ["user_id", "nickname"])
def test_personal_data_without_a_rule(column: str) -> None:
    personal = {name: rule for name, rule in GOOD.personal.items() if name != column}
    assert f"{column} is personal and has no rule for export and erasure" in problems(personal=personal)


def test_personal_data_kept_without_a_reason() -> None:
    kept = {**GOOD.personal, "nickname": Personal(Erasure.KEEP)}
    assert "nickname is kept when its person is erased, but no reason is stated" in problems(personal=kept)


def test_personal_data_that_cant_be_cleared() -> None:
    cleared = {**GOOD.personal, "secret": Personal(Erasure.CLEAR)}
    assert "secret is to be cleared when its person is erased, but it can't be empty" in problems(
        personal=cleared
    )


def test_a_personal_rule_for_nothing() -> None:
    assert "names colour, which has no column" in problems(
        personal={**GOOD.personal, "colour": Personal(Erasure.CLEAR)}
    )


def command(**changes: Any) -> Command:
    values = {"name": "shine", "summary": "x", "input": None, "output": None, "action": "content.write"}
    return Command(**{**values, "handler": "x:y", **changes})


def test_commands_with_the_same_name() -> None:
    assert "two operations are called shine" in problems(commands=(command(), command()))
    assert "two operations are called archive" in problems(commands=(command(name="archive"),))


def test_a_command_without_a_rule() -> None:
    assert "command shine needs audit.read, but no rule" in problems(commands=(command(action="audit.read"),))


def test_a_collection_command_with_an_unknown_action() -> None:
    assert "command shine needs the unknown action x.fly" in problems(
        commands=(command(action="x.fly", collection=True),)
    )


def test_all_gaps_are_told_at_once() -> None:
    with pytest.raises(ConfigurationError) as caught:
        start(dataclasses.replace(GOOD, refs=(), personal={}, sort=("colour",)))
    found = caught.value.details["problems"]
    assert isinstance(found, list)
    assert len(found) == 5
