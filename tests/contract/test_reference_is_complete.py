"""Everything that somebody can name appears on its page.

What there is is found here by other means than the generator's: in the sources' text and syntax
trees, in the models, in what the command line itself lists.
"""

from __future__ import annotations

import ast
import dataclasses
import importlib.metadata
import re
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import get_args

import click
import pytest
from click.testing import CliRunner
from pydantic import BaseModel

from computor_core import plugin_api
from computor_core.catalogue import actions, entities, roles
from computor_core.plugin_api import access as access_api
from computor_core.plugin_api import entities as entities_api
from computor_core.plugin_api.hookspecs import HOOK_NAMES
from computor_core.plugin_api.providers.auth import AuthCapability, AuthProvider
from computor_core.plugin_api.providers.bus import BusCapability, EventBus
from computor_core.plugin_api.providers.cache import Cache, CacheCapability
from computor_core.plugin_api.providers.engine import EngineCapability, WorkflowEngine
from computor_core.plugin_api.providers.git import GitCapability, GitHost
from computor_core.plugin_api.providers.runner import Isolation, TestRunner
from computor_core.plugin_api.providers.storage import StorageBackend, StorageCapability
from computor_core.settings import Settings
from computor_core.targets import load_target

ROOT = Path(__file__).parents[2]
SOURCES = sorted(
    file
    for folder in ("computor_core", "plugins", "hosts", "clients")
    for file in (ROOT / folder).rglob("*.py")
    if "tests" not in file.parts
)
PLUGINS = sorted(
    entry.name
    for file in (ROOT / "plugins").glob("*/pyproject.toml")
    for entry in importlib.metadata.distribution(
        f"computor-{file.parent.name.replace('_', '-')}"
    ).entry_points
    if entry.group == "computor.plugins"
)


def page(name: str) -> str:
    return (ROOT / "docs" / "reference" / f"{name}.md").read_text(encoding="utf-8")


def section(text: str, title: str) -> str:
    """The part of a page under a heading, up to the next one of its level."""
    match = re.search(rf"^(#+) {re.escape(title)}$", text, re.MULTILINE)
    assert match, f"no heading {title!r}"
    rest = text[match.end() :]
    following = re.search(rf"^#{{1,{len(match[1])}}} ", rest, re.MULTILINE)
    return rest[: following.start()] if following else rest


def classes() -> Iterator[tuple[Path, ast.ClassDef]]:
    for file in SOURCES:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                yield file, node


def assigned(node: ast.ClassDef) -> dict[str, object]:
    """Constants that a class body assigns."""
    found: dict[str, object] = {}
    for statement in node.body:
        target = statement.targets[0] if isinstance(statement, ast.Assign) else None
        if isinstance(statement, ast.AnnAssign):
            target = statement.target
        if isinstance(target, ast.Name) and isinstance(statement.value, ast.Constant):
            found[target.id] = statement.value.value
    return found


def annotated(node: ast.ClassDef) -> Iterator[tuple[str, str]]:
    """Annotated names of a class body with their annotations."""
    for statement in node.body:
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            yield statement.target.id, ast.unparse(statement.annotation)


def plugin_objects() -> list[object]:
    group = importlib.metadata.entry_points(group="computor.plugins")
    return [entry.load()() for entry in group if entry.name in PLUGINS]


class TestHooks:
    def test_every_hook_has_its_exact_signature_and_its_docstring(self):
        text = page("hooks")
        tree = ast.parse((ROOT / "computor_core/plugin_api/hookspecs.py").read_text(encoding="utf-8"))
        found = [
            node
            for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef)
            and any(isinstance(mark, ast.Name) and mark.id == "hookspec" for mark in node.decorator_list)
        ]
        assert len(found) == len(HOOK_NAMES) == 20
        for node in found:
            own = section(text, f"`{node.name}`")
            assert f"def {node.name}({ast.unparse(node.args)}) -> {ast.unparse(node.returns)}\n" in own
            for part in ("Purpose", "When", "Returns", "Example", "Since", "Stability"):
                assert f"**{part}**: " in own or f"**{part}**:\n" in own, (node.name, part)
            example = re.search(r"Example:\n(.*?)\n\n", ast.get_docstring(node) + "\n\n", re.DOTALL)
            for line in example[1].splitlines():
                assert line.strip() in own


class TestRegistrations:
    def test_every_registration_has_every_field(self):
        text = page("registrations")
        named = [getattr(plugin_api, name) for name in plugin_api.__all__ if name.endswith("Registration")]
        found = [*named, plugin_api.PluginMeta]
        found += [getattr(entities_api, name) for name in entities_api.__all__]
        found += list(get_args(access_api.Term))
        found += [access_api.AccessRuleRegistration, access_api.Branch, access_api.Condition]
        for cls in found:
            own = section(text, f"`{cls.__name__}`")
            if "__dataclass_fields__" in vars(cls):
                for field in dataclasses.fields(cls):
                    assert f"| `{field.name}` |" in own, (cls, field.name)
            if issubclass(cls, Enum):
                for member in cls:
                    assert f"| `{member.value}` |" in own, (cls, member)

    def test_access_rules_come_with_the_functions_that_build_them(self):
        text = page("registrations")
        for name in access_api.__all__:
            if name.islower():
                assert f"def {name}(" in section(text, f"`{name}`")


@pytest.mark.parametrize(
    ("contract", "capabilities"),
    [
        (AuthProvider, AuthCapability),
        (StorageBackend, StorageCapability),
        (GitHost, GitCapability),
        (TestRunner, Isolation),
        (WorkflowEngine, EngineCapability),
        (Cache, CacheCapability),
        (EventBus, BusCapability),
    ],
)
def test_every_provider_contract_has_its_methods_and_capabilities(contract, capabilities):
    text = page("providers")
    own = section(text, f"`{contract.__name__}`")
    for name, value in vars(contract).items():
        if callable(value) and not name.startswith("_"):
            assert re.search(rf"^(async )?def {name}\(", own, re.MULTILINE), name
    listed = section(text, f"`{capabilities.__name__}`")
    for capability in capabilities:
        assert f"| `{capability.value}` |" in listed


class TestEvents:
    def test_every_declared_event_is_there_with_its_fields(self):
        text = page("events")
        found = {
            values["name"]: node
            for _, node in classes()
            if isinstance((values := assigned(node)).get("name"), str)
            and any(isinstance(base, ast.Name) and base.id == "Event" for base in node.bases)
        }
        assert "submission.received" in found
        for name, node in found.items():
            own = section(text, f"`{name}`")
            for field, annotation in annotated(node):
                if "ClassVar" not in annotation:
                    assert f"| `{field}` |" in own, (name, field)


def leaves(model: type[BaseModel], *path: str) -> Iterator[str]:
    """Paths of a model's settings; sections below it are followed, instances and lists are not."""
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from leaves(inner, *path, name)
        elif name != "instances":
            yield ".".join((*path, name))


class TestSettings:
    def test_every_setting_of_core_is_there_in_both_spellings(self):
        text = page("settings")
        found = list(leaves(Settings))
        assert {"data_dir", "database.url", "plugins.enabled", "runner.minimum_isolation"} <= set(found)
        for path in found:
            variable = f"COMPUTOR_{path.replace('.', '__').upper()}"
            assert f"| `{path}` | `{variable}` |" in text

    def test_every_setting_of_every_plugin_and_provider_type_is_there(self):
        text = page("settings")
        seen = set()
        for plugin in plugin_objects():
            meta = plugin.meta
            if meta.settings:
                for path in leaves(load_target(meta.settings), "plugins", meta.name):
                    assert f"| `{path}" in text, path
                    seen.add(path)
            for hook in [name for name in dir(plugin) if name in HOOK_NAMES]:
                for item in getattr(plugin, hook)():
                    if getattr(item, "seam", "") and item.settings:
                        for path in leaves(load_target(item.settings), item.seam, "instances", "<name>"):
                            assert f"| `{path}" in text, path
                            seen.add(path)
        assert "storage.instances.<name>.reserve_bytes" in seen

    def test_no_setting_is_left_without_a_meaning(self):
        rows = re.findall(r"^\| `([a-z][\w.<>\[\]-]*)` \|(.*)\|$", page("settings"), re.MULTILINE)
        assert len(rows) > 30
        assert [name for name, rest in rows if not re.split(r"(?<!\\)\|", rest)[-1].strip()] == []


class TestErrors:
    def test_every_code_in_the_sources_is_there_with_its_number(self):
        text = page("errors")
        found = {
            values["code"]: values["internal_code"]
            for _, node in classes()
            if {"code", "internal_code"} <= set(values := assigned(node))
        }
        assert {"not_found", "unsafe_archive", "plugin"} <= set(found)
        for code, number in found.items():
            assert f"| `{code}` | {number} | {str(number)[:3]} |" in text, code

    def test_numbers_are_used_once(self):
        numbers = re.findall(r"^\| `\w+` \| (\d{5}) \|", page("errors"), re.MULTILINE)
        assert len(numbers) == len(set(numbers))


class TestAccess:
    def test_every_action_is_there_with_the_roles_that_contain_it(self):
        text = page("actions")
        listed = roles.registrations()
        for action in actions.registrations():
            row = next(line for line in text.splitlines() if line.startswith(f"| `{action.name}` | "))
            for role in listed:
                assert (f"`{role.id}`" in row) == (action.name in role.actions), (action.name, role.id)

    def test_every_role_is_there_with_its_actions(self):
        text = page("roles")
        for role in roles.registrations():
            own = section(text, f"`{role.id}`")
            assert set(re.findall(r"`([a-z_]+\.[a-z_]+)`", own)) == set(role.actions)


class TestCommands:
    def test_every_command_that_the_command_line_lists_is_there(self):
        text = page("commands")
        found = []
        for entry in importlib.metadata.entry_points(group="computor.commands"):
            if entry.dist.name.startswith("computor-"):
                found += list(self.words(("computor", entry.name), entry.load()))
        assert "computor db upgrade" in found
        for words in found:
            assert f"Usage: {words}" in section(text, f"`{words}`")

    def words(self, path: tuple[str, ...], command: click.Command) -> Iterator[str]:
        yield " ".join(path)
        if isinstance(command, click.Group) and path[-1] != "x":
            shown = CliRunner().invoke(command, ["--help"], terminal_width=200).output
            _, _, listed = shown.partition("Commands:\n")
            for name in re.findall(r"^  ([a-z][\w-]*)", listed, re.MULTILINE):
                yield from self.words((*path, name), command.get_command(click.Context(command), name))


class TestEntities:
    def test_every_entity_has_its_operations_fields_filters_and_commands(self):
        text = page("entities")
        found = entities.registrations()
        assert found
        for entity in found:
            own = section(text, f"`{entity.endpoint}`")
            for operation, action in entity.access.items():
                assert re.search(rf"^\| {operation.value} \| .*`{re.escape(action)}`", own, re.MULTILINE)
            interface = entity.interface
            for dto in (interface.create, interface.get, interface.list, interface.update):
                for field in dto.model_fields if dto else ():
                    assert f"| `{field}` |" in own, (entity.endpoint, field)
            if "list" in {operation.value for operation in entity.access}:
                for field in interface.query.model_fields:
                    assert f"| `{field}` |" in text, (entity.endpoint, field)
            for command in entity.commands:
                shown = re.search(rf"^### `{re.escape(command.name)}` \(`POST (.*?)`\)", own, re.MULTILINE)
                assert shown, (entity.endpoint, command.name)
                assert ("{id}" in shown[1]) != command.collection
            for ref in entity.refs:
                assert f"| `{ref.field}` | `{ref.endpoint}` |" in own
            for name in entity.personal:
                assert f"| `{name}` |" in own


def test_every_failpoint_in_the_sources_is_there():
    text = page("failpoints")
    names = {
        name
        for file in SOURCES
        if file.name != "failpoints.py"
        for name in re.findall(r"failpoint\(\s*f?\"([^\"]+)\"\s*\)", file.read_text(encoding="utf-8"))
    }
    assert {"submission.before_commit", "outbox.before_dispatch"} <= names
    for name in names:
        assert f"| `{name}` |" in text
