"""``computor x``: plugins' commands are found by registration and loaded when they are invoked."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType

import click
import pytest
from click.testing import CliRunner, Result

from computor_core.app import Computor
from computor_core.cli import extensions
from computor_core.errors import ComputorError, PluginError
from computor_core.plugin_api import CommandRegistration
from computor_core.plugins.loader import PluginSet
from computor_core.plugins.registries import Registered, Registries
from computor_core.plugins.report import PluginProblem, PluginState

NO_COMMAND = "not a command"


@click.command()
@click.pass_obj
def opened(obj: object) -> None:
    """Say what the context holds."""
    click.echo("opens the application" if obj is extensions.open_application else repr(obj))


@pytest.fixture(autouse=True)
def plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plugin with commands, sound and broken, and a plugin that can't be used."""
    targets = {
        "opened": "tests.unit.test_cli_extensions:opened",
        "odd": "tests.unit.test_cli_extensions:NO_COMMAND",
        "gone": "a_module_that_nobody_installed:command",
    }
    commands = {
        ("notes", name): Registered(
            "notes", "computor-notes", CommandRegistration(name, target, f"Is {name}")
        )
        for name, target in targets.items()
    }
    problem = PluginProblem("broken", "computor-broken", PluginState.FAILED, "it fell over", "pick it up")
    found = PluginSet((), (), (problem,), Registries(commands=MappingProxyType(commands)))
    monkeypatch.setattr(extensions, "_plugins", lambda: found)


def run(*words: str) -> Result:
    return CliRunner().invoke(extensions.x, list(words))


def test_help_lists_plugins_and_their_commands_without_loading_them() -> None:
    assert "notes  Commands of the plugin notes." in run("--help").output
    shown = run("notes", "--help").output
    assert [line.split() for line in shown.partition("Commands:\n")[2].splitlines()] == [
        ["gone", "Is", "gone"],
        ["odd", "Is", "odd"],
        ["opened", "Is", "opened"],
    ]


def test_a_command_can_open_the_application() -> None:
    result = run("notes", "opened")
    assert (result.exit_code, result.output) == (0, "opens the application\n")


def test_what_it_opens_is_the_deployments_application(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMPUTOR_DATA_DIR", f"{tmp_path}/elsewhere")
    monkeypatch.setenv("COMPUTOR_PLUGINS__ENABLED", "[]")
    application = extensions.open_application()
    assert isinstance(application, Computor)
    assert str(application.settings.data_dir) == f"{tmp_path}/elsewhere"


@pytest.mark.parametrize(
    ("name", "told"),
    [("odd", "is a str, not a click command"), ("gone", "No module named 'a_module_that_nobody_installed'")],
)
def test_a_command_that_is_none_says_whose_it_is(name: str, told: str) -> None:
    error = run("notes", name).exception
    assert isinstance(error, PluginError)
    assert f"the command {name!r} of plugin notes (computor-notes)" in error.message
    assert told in error.message


def test_a_plugin_that_cannot_be_used_says_why() -> None:
    error = run("broken", "anything").exception
    assert isinstance(error, ComputorError)
    assert "broken (computor-broken): failed: it fell over" in error.message


def test_a_plugin_or_command_that_is_not_there_is_wrong_usage() -> None:
    for words in (("nobody", "export"), ("notes", "nothing")):
        result = run(*words)
        assert result.exit_code == 2
        assert "No such command" in result.output
