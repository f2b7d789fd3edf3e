"""The hooks: twenty, synchronous, documented by the fixed template with examples that run."""

import dataclasses
import doctest
import inspect
import re
import typing

import pluggy
import pytest

from computor_core import plugin_api
from computor_core.plugin_api import hookspecs, registrations
from computor_core.plugin_api.hookspecs import HOOK_NAMES, ComputorHooks
from computor_core.plugin_api.markers import PROJECT
from computor_core.plugins.hooks import Hooks
from computor_core.plugins.registries import Registries

SECTIONS = ("Purpose", "When", "Returns", "Example", "Since", "Stability")


def test_there_are_twenty_hooks_and_no_more() -> None:
    assert len(HOOK_NAMES) == 20


def test_pluggy_takes_every_hook() -> None:
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(ComputorHooks)
    assert sorted(vars(manager.hook)) == sorted(HOOK_NAMES)


@pytest.mark.parametrize("name", HOOK_NAMES)
def test_a_hook_is_synchronous_and_asks_for_nothing(name: str) -> None:
    hook = getattr(ComputorHooks, name)
    assert not inspect.iscoroutinefunction(hook)
    assert list(inspect.signature(hook).parameters) == ["self"]


@pytest.mark.parametrize("name", HOOK_NAMES)
def test_a_hook_is_documented_by_the_template(name: str) -> None:
    text = inspect.getdoc(getattr(ComputorHooks, name)) or ""
    found = re.findall(r"^(\w+):", text, flags=re.MULTILINE)
    assert tuple(found) == SECTIONS
    summary = text.splitlines()[0]
    assert summary.startswith("Register ")
    assert summary.endswith(".")
    assert re.search(r"^Since: \d+\.\d+$", text, flags=re.MULTILINE)
    assert re.search(r"^Stability: (stable|experimental|deprecated)$", text, flags=re.MULTILINE)


@pytest.mark.parametrize("name", HOOK_NAMES)
def test_the_example_of_a_hook_runs_and_implements_it(name: str) -> None:
    hook = getattr(ComputorHooks, name)
    example = doctest.DocTestFinder(recurse=False).find(hook, name, globs={})[0]
    assert f"def {name}(self)" in example.docstring  # type: ignore[operator]
    assert "@hookimpl" in example.docstring  # type: ignore[operator]
    assert any(part.want for part in example.examples), "an example shows a result"
    output: list[str] = []
    result = doctest.DocTestRunner().run(example, out=output.append)
    assert result.attempted > 0
    assert result.failed == 0, "".join(output)


def test_the_example_of_the_module_runs() -> None:
    result = doctest.testmod(hookspecs, extraglobs={})
    assert result.attempted > 20
    assert result.failed == 0


@pytest.mark.parametrize("name", HOOK_NAMES)
def test_the_facade_has_a_typed_method_for_the_hook(name: str) -> None:
    method = getattr(Hooks, name.removeprefix("computor_"))
    promised = typing.get_type_hints(method)["return"]
    specified = typing.get_type_hints(
        getattr(ComputorHooks, name), globalns=_names(), localns={"Iterable": typing.Iterable}
    )["return"]
    assert typing.get_args(promised)[0] == typing.get_args(specified)[0]


def _names() -> dict[str, object]:
    from computor_core.plugin_api import access, entities

    return {**vars(registrations), **vars(entities), **vars(access)}


def test_the_registries_have_an_attribute_for_every_hook() -> None:
    kinds = {field.name for field in dataclasses.fields(Registries)}
    assert kinds == {name.removeprefix("computor_") for name in HOOK_NAMES} | {"steps"}


def test_registrations_are_frozen() -> None:
    found = [
        value
        for value in vars(registrations).values()
        if dataclasses.is_dataclass(value) and isinstance(value, type)
    ]
    assert len(found) >= 18
    assert [kind.__name__ for kind in found if not kind.__dataclass_params__.frozen] == []  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", plugin_api.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(plugin_api, name).__module__.startswith(("computor_core.", "pluggy"))


def test_the_lazy_names_and_the_list_agree() -> None:
    assert sorted(plugin_api._EXPORTS) == sorted(plugin_api.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'Nonsense'"):
        _ = plugin_api.Nonsense  # type: ignore[attr-defined]
