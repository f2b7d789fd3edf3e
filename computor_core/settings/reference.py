"""What can be set: a commented settings file, and the JSON Schema of all settings."""

from __future__ import annotations

import inspect
import json
import re
import textwrap
from collections.abc import Collection, Iterator
from datetime import timedelta
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from computor_core.plugins.registries import SEAMS
from computor_core.settings.composition import load_model
from computor_core.settings.model import Settings

if TYPE_CHECKING:
    from computor_core.settings.assembly import Assembly

_HEAD = """\
# Settings of Computor. Every line that is commented out shows a default.
#
# A variable goes before this file: COMPUTOR_SERVER__PORT=9000 is port in [server]; lists and
# tables are given as JSON. $COMPUTOR_CONFIG names the file, else ./computor.toml is read.
"""


def template(assembly: Assembly) -> str:
    """A settings file (TOML) with every setting, its meaning and its default.

    The sections of the enabled plugins and one instance of each type that they register are there, too.
    """
    lines = [_HEAD]
    for name, field in Settings.model_fields.items():
        if not _is_section(field):
            lines += [*_setting(name, field), ""]
    for name, field in Settings.model_fields.items():
        if _is_section(field):
            lines += _section(name, field)
            lines += _plugin_sections(assembly) if name == "plugins" else []
            lines += _instances(name, assembly) if name in SEAMS else []
    return "\n".join(lines).rstrip() + "\n"


def json_schema(assembly: Assembly) -> dict[str, Any]:
    """JSON Schema (2020-12) of the settings, those of the enabled plugins included."""
    schema = Settings.model_json_schema()
    definitions: dict[str, Any] = schema.setdefault("$defs", {})
    plugins = definitions["PluginsSettings"].setdefault("properties", {})
    for plugin in assembly.plugins.active:
        if plugin.meta.settings:
            plugins[plugin.name] = _schema_of(plugin.meta.settings, plugin.name, definitions)
    for seam in SEAMS:
        types = assembly.plugins.registries.provider_types(seam)
        variants = []
        for type_name, registered in types.items():
            target = registered.registration.settings
            variant = _schema_of(target, f"{seam}.{type_name}", definitions)
            variant["properties"] = {"type": {"const": type_name}, **variant.get("properties", {})}
            variants.append({**variant, "required": ["type", *variant.get("required", [])]})
        section = dict(definitions["RunnerSettings" if seam == "runner" else "SeamSettings"])
        instances = {"type": "object", "additionalProperties": {"oneOf": variants}} if variants else {}
        section["properties"] = {**section["properties"], "instances": instances}
        schema["properties"][seam] = section
    return schema


def _schema_of(target: str | None, prefix: str, definitions: dict[str, Any]) -> dict[str, Any]:
    """A model's schema; what it refers to moves to the root, under names that can't meet another's."""
    if target is None:
        return {"type": "object", "additionalProperties": False}
    schema = load_model(target).model_json_schema(ref_template=f"#/$defs/{prefix}.{{model}}")
    definitions.update({f"{prefix}.{name}": inner for name, inner in schema.pop("$defs", {}).items()})
    return schema


def _is_section(field: FieldInfo) -> bool:
    return isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)


def _section(name: str, field: FieldInfo) -> Iterator[str]:
    yield f"[{name}]"
    yield from _comment(field.description or "")
    yield from _settings(field.annotation, without=("instances",))
    yield ""


def _plugin_sections(assembly: Assembly) -> Iterator[str]:
    for plugin in assembly.plugins.active:
        if plugin.meta.settings:
            yield f"[plugins.{plugin.name}]"
            yield from _comment(plugin.meta.summary)
            yield from _settings(load_model(plugin.meta.settings))
            yield ""


def _instances(seam: str, assembly: Assembly) -> Iterator[str]:
    for number, registered in enumerate(assembly.plugins.registries.provider_types(seam).values()):
        registration = registered.registration
        name = "default" if number == 0 else registration.type
        yield f"# [{seam}.instances.{name}]"
        yield from _comment(f"{registration.summary} (plugin {registered.plugin})")
        yield f"# type = {json.dumps(registration.type)}"
        if registration.settings:
            yield from _settings(load_model(registration.settings))
        yield ""


def _settings(model: object, *, without: Collection[str] = ()) -> Iterator[str]:
    if isinstance(model, type) and issubclass(model, BaseModel):
        documented = described_attributes(model.__doc__ or "")
        for key, field in model.model_fields.items():
            if key not in without:
                yield from _setting(key, field, documented.get(key, ""))


def described_attributes(docstring: str) -> dict[str, str]:
    """The texts of a docstring's ``Attributes:`` section (Google style), by name."""
    found: dict[str, str] = {}
    names: list[str] = []
    _, _, section = inspect.cleandoc(docstring).partition("Attributes:\n")
    for line in section.splitlines():
        if line and not line.startswith(" "):
            break
        head = re.match(r"    (\w+(?:, \w+)*): (.*)", line)
        if head:
            names = head[1].split(", ")
            found.update(dict.fromkeys(names, head[2]))
        else:
            found.update({name: f"{found[name]} {line.strip()}".strip() for name in names})
    return found


def _setting(key: str, field: FieldInfo, documented: str = "") -> Iterator[str]:
    yield from _comment(field.description or documented)
    default = field.get_default(call_default_factory=True, validated_data={})
    text = "" if field.is_required() else toml_value(default)
    yield f"# {key} ={f' {text}' if text else ''}" + ("   (needed)" if field.is_required() else "")


def toml_value(value: object) -> str:
    """A default as TOML; "" for None and for what has no short form."""
    match value:
        case bool():
            return "true" if value else "false"
        case Enum():
            return toml_value(value.value)
        case int() | float():
            return repr(value)
        case str() | Path():
            return json.dumps(str(value), ensure_ascii=False)
        case timedelta():
            return repr(value.total_seconds())
        case SecretStr():
            return ""
        case list() | tuple() | set() | frozenset():
            parts = [toml_value(item) for item in value]
            return f"[{', '.join(parts)}]" if all(parts) else ""
        case _:
            return ""


def _comment(text: str) -> list[str]:
    return [f"# {line}" for line in textwrap.wrap(text, 96)]
