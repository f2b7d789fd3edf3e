"""Plugins' sections and instances: checked with the plugin's own models, all problems at once."""

import json
import sys
import tempfile
import tomllib
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, cast

import pytest
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from computor_core.errors import ConfigurationError, PluginError
from computor_core.plugin_api import (
    AuthProviderRegistration,
    CacheRegistration,
    EventBusRegistration,
    PluginMeta,
    StorageBackendRegistration,
    WorkflowEngineRegistration,
    hookimpl,
)
from computor_core.plugins.discovery import InstalledPlugin
from computor_core.settings import Settings
from computor_core.settings.assembly import Assembly, assemble
from computor_core.settings.composition import check_core, load_model
from computor_core.settings.instances import default_instance
from computor_core.settings.reference import described_attributes, json_schema, template, toml_value
from computor_core.settings.sources import read_sources

MODULE = "test_settings_composition_models"


class AtticSettings(BaseModel):
    """Settings of the plugin.

    Attributes:
        greeting: What it says
            when it opens.
        strict: Whether it minds.
    """

    model_config = ConfigDict(extra="forbid")
    greeting: str = "hello"
    strict: bool = False


class Shelf(BaseModel):
    """A nested model, so that the schema has definitions."""

    model_config = ConfigDict(extra="forbid")
    height: int = 3


class BoxSettings(BaseModel):
    """Settings of an instance."""

    model_config = ConfigDict(extra="forbid")
    root: str = Field(description="Where the boxes stand.")
    size: int = Field(3, ge=1)
    key: SecretStr = SecretStr("")
    shelf: Shelf = Shelf()


class LaxSettings(BaseModel):
    """A model that takes any key."""


class Core:
    meta: ClassVar[PluginMeta] = PluginMeta(name="core", summary="Core")

    @hookimpl
    def computor_workflow_engines(self) -> list[Any]:
        return [WorkflowEngineRegistration(type="inprocess", factory="a:b", summary="s")]

    @hookimpl
    def computor_caches(self) -> list[Any]:
        return [CacheRegistration(type="memory", factory="a:b", summary="s")]

    @hookimpl
    def computor_event_buses(self) -> list[Any]:
        return [EventBusRegistration(type="memory", factory="a:b", summary="s")]


class Attic:
    meta: ClassVar[PluginMeta] = PluginMeta(name="attic", summary="Boxes", settings=f"{MODULE}:AtticSettings")

    @hookimpl
    def computor_storage_backends(self) -> list[Any]:
        return [
            StorageBackendRegistration(
                type="attic", factory="a:b", summary="Boxes in the attic", settings=f"{MODULE}:BoxSettings"
            ),
            StorageBackendRegistration(type="bare", factory="a:b", summary="Without settings"),
        ]


class AuthLocal:
    meta: ClassVar[PluginMeta] = PluginMeta(name="auth_local", summary="Passwords")

    @hookimpl
    def computor_auth_providers(self) -> list[Any]:
        return [AuthProviderRegistration(type="local", factory="a:b", summary="s")]


@pytest.fixture(autouse=True)
def models() -> Iterator[None]:
    module = types.ModuleType(MODULE)
    for model in (AtticSettings, BoxSettings, LaxSettings):
        setattr(module, model.__name__, model)
    sys.modules[MODULE] = module
    yield
    del sys.modules[MODULE]


def installed(name: str, plugin: type) -> InstalledPlugin:
    entry = types.SimpleNamespace(load=lambda: plugin)
    return InstalledPlugin(
        name, "m:Plugin", f"dist-{name}", "1.0", ("computor-core>=0.1,<0.2",), cast("Any", entry)
    )


INSTALLED = (installed("attic", Attic), installed("auth_local", AuthLocal))


def composed(text: str, **variables: str) -> Assembly:
    with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
        file.write(text)
        file.flush()
        settings, problems = check_core(read_sources(Path(file.name), variables))
    assert problems == []
    return assemble(settings, installed=INSTALLED, builtin=Core())


def told(assembly: Assembly) -> dict[str, str]:
    return {problem.path: problem.message for problem in assembly.configuration.problems}


ATTIC = "[plugins]\nenabled = ['attic']\n"


def test_a_plugins_section_is_checked_with_its_own_model() -> None:
    assembly = composed(f"{ATTIC}[plugins.attic]\ngreeting = 'hi'\n")
    assert told(assembly) == {}
    assert assembly.configuration.plugins["attic"] == AtticSettings(greeting="hi")


def test_a_plugin_without_a_section_gets_its_defaults() -> None:
    assert composed(ATTIC).configuration.plugins["attic"] == AtticSettings()


def test_a_variable_reaches_a_plugins_section() -> None:
    assembly = composed(ATTIC, COMPUTOR_PLUGINS__ATTIC__STRICT="true")
    assert assembly.configuration.plugins["attic"] == AtticSettings(strict=True)


def test_unknown_keys_of_plugins_and_instances_are_told_together() -> None:
    assembly = composed(
        f"{ATTIC}[plugins.attic]\ngreting = 'hi'\n[plugins.atic]\n"
        "[storage.instances.default]\ntype = 'attic'\nsize = 0\nroott = '/x'\n"
        "[storage.instances.other]\ntype = 'bare'\nroot = '/x'\n"
        "[storage.instances.third]\ntype = 'atic'\n"
        "[cache.instances.c]\ntype = 'memroy'\n"
    )
    assert told(assembly) == {
        "plugins.attic.greting": "there is no such setting",
        "plugins.atic": "no plugin of that name is installed",
        "storage.instances.default.size": "Input should be greater than or equal to 1",
        "storage.instances.default.roott": "there is no such setting",
        "storage.instances.default.root": "this setting is needed and isn't given",
        "storage.instances.other.root": "there is no such setting; the type 'bare' has none",
        "storage.instances.third.type": "no enabled plugin registers the storage type 'atic'",
        "cache.instances.c.type": "no enabled plugin registers the cache type 'memroy'",
    }
    hints = {problem.path: problem.hint for problem in assembly.configuration.problems}
    assert hints["plugins.attic.greting"] == "did you mean 'greeting'?"
    assert hints["plugins.atic"] == "did you mean 'attic'?"
    assert hints["storage.instances.third.type"] == "did you mean 'attic'?"
    with pytest.raises(ConfigurationError, match="8 settings are wrong") as caught:
        assembly.require_sound()
    assert caught.value.exit_status == 78


def test_the_section_of_a_plugin_that_isnt_enabled_is_left_alone() -> None:
    assembly = composed("[plugins]\nenabled = []\n[plugins.attic]\nwhatever = 1\n")
    assert told(assembly) == {}


def test_settings_for_a_plugin_that_has_none_are_refused() -> None:
    assembly = composed("[plugins]\nenabled = ['auth_local']\n[plugins.auth_local]\nx = 1\n")
    assert told(assembly) == {"plugins.auth_local": "this plugin has no settings"}


def test_without_any_settings_the_embedded_plugins_that_are_installed_serve() -> None:
    assembly = composed("")
    assert [item.name for item in assembly.plugins.active] == ["core", "auth_local"]
    found = [
        (item.seam, item.name, item.provider.registration.type) for item in assembly.configuration.instances
    ]
    assert found == [
        ("auth", "default", "local"),
        ("engine", "default", "inprocess"),
        ("cache", "default", "memory"),
        ("bus", "default", "memory"),
    ]


def test_instances_open_in_the_order_of_seams_whatever_the_file_says() -> None:
    assembly = composed(
        "[plugins]\nenabled = ['attic', 'auth_local']\n[bus.instances.b]\ntype = 'memory'\n"
        "[storage.instances.z]\ntype = 'bare'\n[storage.instances.a]\ntype = 'bare'\n"
        "[storage]\ndefault = 'a'\n"
    )
    assert [item.seam for item in assembly.configuration.instances] == [
        "auth",
        "storage",
        "storage",
        "engine",
        "cache",
        "bus",
    ]


@pytest.mark.parametrize(
    ("text", "default"),
    [
        ("[storage.instances.s3]\ntype = 'bare'\n", "s3"),
        ("[storage.instances.a]\ntype = 'bare'\n[storage.instances.default]\ntype = 'bare'\n", "default"),
        ("[storage]\ndefault = 'a'\ninstances = {a = {type = 'bare'}, default = {type = 'bare'}}\n", "a"),
    ],
)
def test_which_instance_is_the_default(text: str, default: str) -> None:
    assembly = composed(ATTIC + text)
    assert told(assembly) == {}
    names = list(assembly.settings.storage.instances)
    assert default_instance(assembly.settings, "storage", names) == default


@pytest.mark.parametrize(
    "text",
    [
        "[storage.instances.a]\ntype = 'bare'\n[storage.instances.b]\ntype = 'bare'\n",
        "[storage]\ndefault = 'x'\n[storage.instances.a]\ntype = 'bare'\n",
        "[storage]\ndefault = 'x'\n",
    ],
)
def test_an_unsettled_default_is_told(text: str) -> None:
    assert told(composed(ATTIC + text)) == {"storage.default": "must name one of the instances"}


def test_what_a_broken_plugin_would_have_brought_isnt_a_second_problem() -> None:
    assembly = composed("[plugins]\nenabled = ['storage_s3']\n[storage.instances.default]\ntype = 's3'\n")
    assert told(assembly) == {}
    with pytest.raises(PluginError, match="1 plugin problem"):
        assembly.require_sound()


def test_plugin_and_setting_problems_come_in_one_error() -> None:
    assembly = composed("[plugins]\nenabled = ['attic', 'nobody']\n[plugins.attic]\nx = 1\n")
    with pytest.raises(PluginError) as caught:
        assembly.require_sound()
    assert "nobody" in caught.value.message
    assert "plugins.attic.x" in caught.value.message
    assert caught.value.details.keys() == {"problems", "settings"}


def test_degrading_goes_on_without_the_broken_plugin_but_not_with_wrong_settings() -> None:
    degrade = "[plugins]\nenabled = ['attic', 'nobody']\non_error = 'degrade'\n"
    composed(degrade).require_sound()
    with pytest.raises(ConfigurationError, match=r"plugins\.attic\.x"):
        composed(f"{degrade}[plugins.attic]\nx = 1\n").require_sound()


class BrokenCore:
    meta: ClassVar[PluginMeta] = PluginMeta(name="core", summary="Core")

    @hookimpl
    def computor_caches(self) -> list[Any]:
        raise LookupError("gone")


def test_nothing_goes_on_without_core() -> None:
    settings = Settings.model_validate({"plugins": {"on_error": "degrade", "enabled": []}})
    with pytest.raises(PluginError, match="computor_caches raised LookupError"):
        assemble(settings, installed=(), builtin=BrokenCore()).require_sound()


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("surely.not.there:Model", "can't be imported"),
        (f"{MODULE}:Missing", "can't be imported"),
        ("pathlib:Path", "is no pydantic model"),
        (f"{MODULE}:LaxSettings", "doesn't refuse unknown keys"),
    ],
)
def test_a_settings_model_must_be_one_that_refuses_unknown_keys(target: str, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        load_model(target)


# --- reference ------------------------------------------------------------------------------------------


def test_the_template_is_toml_that_changes_nothing(tmp_path: Path) -> None:
    text = template(composed(ATTIC))
    file = tmp_path / "computor.toml"
    file.write_text(text)
    settings, problems = check_core(read_sources(file, {}))
    assert problems == []
    assert settings.model_dump() == Settings.model_validate({"plugins": {"attic": {}}}).model_dump()


def test_the_template_with_every_line_in_force_is_accepted_too(tmp_path: Path) -> None:
    """Every default that the template shows can be given as it is shown."""
    shown = [line.removeprefix("# ") for line in template(composed(ATTIC)).splitlines()]
    given = [line for line in shown if " = " in line and not line.endswith("(needed)")]
    lines = [line for line in shown if line.startswith("[") or line in given]
    tree = tomllib.loads("\n".join(lines))
    assert tree["storage"]["instances"]["default"] == {"type": "attic", "size": 3}
    tree.pop("storage")
    settings = Settings.model_validate({key: value for key, value in tree.items() if key != "plugins"})
    assert settings.server.port == 8000


def test_the_template_says_what_each_setting_means() -> None:
    text = template(composed(ATTIC))
    for expected in (
        "# TCP port; 0 takes a free one.\n# port = 8000",
        "[plugins.attic]",
        '# What it says when it opens.\n# greeting = "hello"',
        "# Where the boxes stand.\n# root =   (needed)",
        '# Boxes in the attic (plugin attic)\n# type = "attic"',
        "# [storage.instances.bare]",
    ):
        assert expected in text


def test_every_core_setting_has_a_meaning() -> None:
    for name, field in Settings.model_fields.items():
        assert field.description, name
        section = field.annotation
        if isinstance(section, type) and issubclass(section, BaseModel):
            assert [key for key, inner in section.model_fields.items() if not inner.description] == [], name


def test_the_schema_has_core_plugins_and_instances_and_its_references_lead_somewhere() -> None:
    schema = json_schema(composed(ATTIC))
    plugins = schema["$defs"]["PluginsSettings"]["properties"]
    assert plugins["attic"]["properties"].keys() == {"greeting", "strict"}
    variants = schema["properties"]["storage"]["properties"]["instances"]["additionalProperties"]["oneOf"]
    assert [variant["properties"]["type"] for variant in variants] == [{"const": "attic"}, {"const": "bare"}]
    assert variants[0]["required"] == ["type", "root"]
    text = json.dumps(schema)
    for reference in set(_references(schema)):
        assert reference.removeprefix("#/$defs/") in schema["$defs"], reference
    assert "storage.attic.Shelf" in text


def _references(tree: Any) -> Iterator[str]:
    if isinstance(tree, dict):
        if isinstance(tree.get("$ref"), str):
            yield tree["$ref"]
        for value in tree.values():
            yield from _references(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from _references(value)


def test_attributes_of_a_docstring_are_read_with_their_continuations() -> None:
    found = described_attributes(
        "Head.\n\nAttributes:\n    one, two: Both.\n    three: Long\n        text.\n\nRaises:\n    x: No.\n"
    )
    assert found == {"one": "Both.", "two": "Both.", "three": "Long text."}
    assert described_attributes("No attributes here.") == {}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        (3, "3"),
        (1.5, "1.5"),
        ('a"b', '"a\\"b"'),
        (None, ""),
        (["a", 1], '["a", 1]'),
        ([None], ""),
    ],
)
def test_defaults_are_shown_as_toml(value: object, text: str) -> None:
    assert toml_value(value) == text
