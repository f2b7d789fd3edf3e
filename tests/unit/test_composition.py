"""Composing what plugins register: whoever is at fault is named, and nobody else is."""

from typing import Any, ClassVar

import pytest

from computor_core.builtin import CorePlugin
from computor_core.composition import examine
from computor_core.errors import PluginError
from computor_core.plugin_api import (
    ActionAxis,
    ActionRegistration,
    PluginMeta,
    RoleRegistration,
    ScopeKind,
    hookimpl,
)
from computor_core.plugins.loader import Loader, PluginSet
from computor_core.plugins.report import PluginState
from computor_core.settings import Settings
from computor_core.settings.assembly import assemble
from tests.plugin_stand_ins import installed, plugin, state

WORDS = {"actions": [ActionRegistration("words:note.read", "s", ActionAxis.CONTENT)]}


def role(name: str, action: str) -> dict[str, Any]:
    return {"roles": [RoleRegistration(name, ScopeKind.COURSE, "t", frozenset({action}))]}


READER = plugin("reader", **role("reader_all", "words:note.read"))
BROKEN = plugin("broken", **role("broken_all", "nope:note.read"))
CHILD = plugin("child", requires=("broken",))
GRANDCHILD = plugin("grandchild", requires=("child",))


def loaded(**plugins: type) -> PluginSet:
    items = [installed(name, kind) for name, kind in plugins.items()]
    return Loader(core_version="0.1.0").load(list(plugins), items, builtin=CorePlugin())


def told(found: PluginSet) -> list[tuple[str, str]]:
    return [(problem.plugin, problem.message) for problem in found.problems]


def test_sound_plugins_compose() -> None:
    whole = loaded(words=plugin("words", **WORDS), reader=READER)
    composition, found = examine(whole)
    assert found is whole
    assert composition is not None
    assert "words:note.read" in composition.access.vocabulary.actions


def test_the_one_at_fault_is_named_whatever_the_order() -> None:
    composition, found = examine(loaded(reader=READER, broken=BROKEN, words=plugin("words", **WORDS)))
    assert told(found) == [("broken", "role course:broken_all contains the unknown action nope:note.read")]
    assert state(found, "broken") is PluginState.FAILED
    assert [item.name for item in found.active] == ["core", "reader", "words"]
    assert composition is not None
    assert "course:broken_all" not in composition.access.vocabulary.registered
    assert "course:broken_all" not in found.registries.roles


def test_what_requires_a_broken_plugin_goes_with_it() -> None:
    _, found = examine(loaded(broken=BROKEN, child=CHILD, grandchild=GRANDCHILD))
    assert [name for name, _ in told(found)] == ["broken", "child", "grandchild"]
    assert "requires plugin 'child', which is missing" in found.problems[2].message
    assert [item.name for item in found.active] == ["core"]


class BrokenCore(CorePlugin):
    meta: ClassVar[PluginMeta] = PluginMeta(name="core", summary="s")

    @hookimpl
    def computor_roles(self) -> list[RoleRegistration]:
        return role("_odd", "nope.read")["roles"]  # type: ignore[no-any-return]


def test_nothing_composes_without_core() -> None:
    composition, found = examine(Loader(core_version="0.1.0").load([], [], builtin=BrokenCore()))
    assert composition is None
    assert {name for name, _ in told(found)} == {"core"}


@pytest.mark.parametrize("on_error", ["fail", "degrade"])
def test_a_deployment_may_do_without_a_plugin_that_doesnt_compose(on_error: str) -> None:
    settings = Settings.model_validate({"plugins": {"on_error": on_error, "enabled": ["words", "broken"]}})
    items = (installed("words", plugin("words", **WORDS)), installed("broken", BROKEN))
    assembly = assemble(settings, installed=items, composed=True)
    if on_error == "fail":
        with pytest.raises(PluginError, match=r"broken \(dist-broken\): failed: role course:broken_all"):
            assembly.require_sound()
    else:
        assembly.require_sound()
        assert assembly.composition is not None
        assert [item.name for item in assembly.plugins.active] == ["core", "words"]
