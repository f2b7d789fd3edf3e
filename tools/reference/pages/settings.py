"""The page of settings."""

from __future__ import annotations

import typing
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from computor_core.plugins.registries import SEAMS
from computor_core.settings import Settings
from computor_core.settings.composition import load_model
from tools.reference.docstrings import docstring_of
from tools.reference.inventory import Inventory
from tools.reference.markdown import code, heading, page, prose, table
from tools.reference.schemas import Words, described

FILE = "settings.md"
TITLE = "Settings"
SUMMARY = "Every setting, in the file and as a variable, with type, default and meaning."

_HEAD = ["Setting", "Variable", "Type", "Default", "Meaning"]
_PURE = (list, dict, tuple, set, frozenset)
"""Factories of defaults that are the same everywhere."""


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting.

    Attributes:
        path: Its keys, from the root of the settings.
        type: Its type in words.
        default: Its default as TOML.
        text: What it means.
    """

    path: tuple[str, ...]
    type: str
    default: str
    text: str

    @property
    def variable(self) -> str:
        """Name of the environment variable, "" where a list is on the way."""
        if any(part.endswith("[]") for part in self.path):
            return ""
        return f"COMPUTOR_{'__'.join(self.path).upper()}"


def render(inventory: Inventory) -> str:
    """The page."""
    intro = (
        "Settings come from `computor.toml` (or the file that `$COMPUTOR_CONFIG` names) and from "
        "environment variables, which go before it. In a variable's name `__` stands for a step into a "
        "section; lists and tables are given as JSON. `computor config template` prints the settings of "
        "the plugins that are enabled. `<name>` is a name of your choice for a provider instance."
    )
    parts = [heading(2, "Core"), _table(_core())]
    for name, field in Settings.model_fields.items():
        model = field.annotation
        if isinstance(model, type) and issubclass(model, BaseModel):
            parts += [
                heading(3, code(f"[{name}]")),
                prose(field.description or ""),
                _table(settings_of(model, (name,))),
            ]
    return page(TITLE, intro, *parts, *_plugins(inventory), *_instances(inventory))


def _core() -> Iterator[Setting]:
    for setting in settings_of(Settings, ()):
        if len(setting.path) == 1:
            yield setting


def _plugins(inventory: Inventory) -> Iterator[str]:
    found = [plugin for plugin in inventory.plugins.active if plugin.meta.settings]
    if found:
        yield heading(2, "Plugins")
    for plugin in found:
        model = load_model(str(plugin.meta.settings))
        yield heading(3, code(f"[plugins.{plugin.name}]"))
        yield prose(plugin.meta.summary)
        yield _table(settings_of(model, ("plugins", plugin.name)))


def _instances(inventory: Inventory) -> Iterator[str]:
    yield heading(2, "Provider instances")
    for seam in SEAMS:
        for type_name, registered in sorted(inventory.registries.provider_types(seam).items()):
            registration = registered.registration
            kind = f'type = "{type_name}"'
            yield heading(3, f"{code(f'[{seam}.instances.<name>]')} with {code(kind)}")
            yield f"{prose(registration.summary)} (plugin {code(registered.plugin)})."
            if registration.settings is None:
                yield "It has no settings."
                continue
            model = load_model(registration.settings)
            yield prose(docstring_of(model).body)
            yield _table(settings_of(model, (seam, "instances", "<name>")))


def _table(settings: Iterator[Setting]) -> str:
    return table(
        _HEAD,
        [
            [
                code(".".join(setting.path)),
                code(setting.variable),
                setting.type,
                setting.default,
                prose(setting.text),
            ]
            for setting in settings
        ],
    )


def settings_of(model: type[BaseModel], path: tuple[str, ...]) -> Iterator[Setting]:
    """The settings of a model, those of the sections below it included."""
    words = Words.of(model)
    types = {item.name: item.type for item in words.properties()}
    texts = described(model)
    for name, field in model.model_fields.items():
        here = (*path, name)
        inner, step = _model_in(field.annotation)
        if inner is not None:
            # Instances are described by type, below; here only what all of them have.
            yield from settings_of(
                inner, (*here[:-1], f"{name}{step}") if step == "[]" else (*here, *_named(step))
            )
            continue
        yield Setting(here, types[name], _default(field), field.description or texts.get(name, ""))


def _named(step: str) -> Sequence[str]:
    return (step,) if step else ()


def _model_in(annotation: object) -> tuple[type[BaseModel] | None, str]:
    """The model of a section and the step into it: "", ``[]`` for a list, ``<name>`` for a table."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, ""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in {list, tuple} and arguments:
        return _model_in(arguments[0])[0], "[]"
    if origin is dict:
        return _model_in(arguments[1])[0], "<name>"
    for argument in arguments if origin is not None else ():
        found, step = _model_in(argument)
        if found is not None:
            return found, step
    return None, ""


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "needed"
    if field.default_factory is not None and field.default_factory not in _PURE:
        return "depends on the machine"
    return _toml(field.get_default(call_default_factory=True, validated_data={}))


def _toml(value: object) -> str:
    if value is None or isinstance(value, SecretStr):
        return "none"
    if isinstance(value, Enum):
        return _toml(value.value)
    if isinstance(value, bool):
        return code("true" if value else "false")
    if isinstance(value, str | Path):
        return code(f'"{value}"')
    if isinstance(value, list | tuple | set | frozenset):
        return code(f"[{', '.join(_toml(item).strip('`') for item in value)}]")
    return code(value)
