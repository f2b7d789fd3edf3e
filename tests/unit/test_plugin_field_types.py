"""Registrations whose fields hold something else than they declare: told by name, whatever it is."""

from typing import Any, cast

import pytest

from computor_core.interfaces import EntityInterface
from computor_core.plugin_api import (
    ActionAxis,
    ActionRegistration,
    CommandRegistration,
    EventHandlerRegistration,
    PluginMeta,
    RoleRegistration,
    ScopeKind,
    StorageBackendRegistration,
)
from computor_core.plugin_api.entities import EntityRegistration, Ref
from computor_core.plugins.loader import Loader
from computor_core.plugins.report import PluginState
from tests.plugin_stand_ins import installed, load, plugin, state

COMMAND = CommandRegistration("go", "a:b", "s")
WRONG: Any = print
BARE = type("Bare", (EntityInterface,), {})
NOTES = type(
    "Notes", (EntityInterface,), {"endpoint": "x/odd/notes", "get": None, "list": None, "query": None}
)


def entity(interface: Any = NOTES, model: Any = "a.b:C", access: Any = (), **others: Any) -> dict[str, Any]:
    return {"entities": [EntityRegistration(interface, model, "s", access or {}, **others)]}


@pytest.mark.parametrize(
    ("hooks", "says"),
    [
        (
            {"storage_backends": [StorageBackendRegistration("s", factory=WRONG, summary="s")]},
            "StorageBackendRegistration.factory is <built-in function print> (builtin_function_or_method)",
        ),
        (
            entity(model=Loader),
            "EntityRegistration.model is the class Loader, where str is expected",
        ),
        (
            entity(BARE),
            "the interface Bare says no endpoint, get, list, query",
        ),
        (
            entity(access={"list": "odd:a.b"}),
            "where Mapping[Operation, str] is expected",
        ),
        (
            entity(refs=Ref("a", "b")),
            "where tuple[Ref, ...] is expected",
        ),
        (
            {"actions": [ActionRegistration(cast("Any", None), "s", ActionAxis.CONTENT)]},
            "ActionRegistration.name is None (NoneType), where str is expected",
        ),
        (
            {"roles": [RoleRegistration("odd_x", ScopeKind.COURSE, "t", cast("Any", ["course.read"]))]},
            "RoleRegistration.actions is ['course.read'] (list), where frozenset[str] is expected",
        ),
        (
            {"event_handlers": [EventHandlerRegistration("x.y", "a:b", cast("Any", "after"), "odd.x")]},
            "EventHandlerRegistration.timing is 'after' (str), where HandlerTiming is expected",
        ),
    ],
)
def test_a_field_of_the_wrong_type_is_told_by_its_name(hooks: dict[str, Any], says: str) -> None:
    good = installed("good", plugin("good", commands=[COMMAND]))
    found = load(installed("odd", plugin("odd", **hooks)), good)
    (problem,) = found.problems
    assert (problem.plugin, problem.distribution) == ("odd", "dist-odd")
    assert says in problem.message
    assert problem.hint
    assert state(found, "good") is PluginState.ACTIVE


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"requires": "auth_local"}, "PluginMeta.requires is 'auth_local' (str)"),
        ({"settings": Loader}, "PluginMeta.settings is the class Loader, where str | None is expected"),
    ],
)
def test_meta_of_the_wrong_type_is_one_problem(changes: dict[str, Any], says: str) -> None:
    odd = type("Odd", (), {"meta": PluginMeta(**{"name": "odd", "summary": "s", **changes})})
    (problem,) = load(installed("odd", odd)).problems
    assert says in problem.message
