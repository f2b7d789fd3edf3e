"""The ``computor`` shell: commands are found by entry point, loaded when invoked, errors explained."""

import importlib.metadata
import json
import sys
import types
from dataclasses import dataclass
from typing import Any

import click
import pytest
from computor_cli import main as shell

from computor_core.errors import ConfigurationError, NotFoundError, UsageError


@dataclass
class Entry:
    """Stands in for an entry point."""

    name: str
    value: Any = None
    owner: str = "computor-x"
    loaded: bool = False

    @property
    def dist(self) -> Any:
        return types.SimpleNamespace(name=self.owner)

    def load(self) -> Any:
        self.loaded = True
        if isinstance(self.value, Exception):
            raise self.value
        return self.value


def command(body: Any) -> click.Command:
    return click.command()(click.option("--json", "as_json", is_flag=True)(lambda as_json: body()))


def failing(error: Exception) -> click.Command:
    def body() -> None:
        raise error

    return command(body)


@pytest.fixture
def entries(monkeypatch: pytest.MonkeyPatch) -> list[Entry]:
    offered: list[Entry] = []
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda **_: offered)
    return offered


def test_help_lists_commands_by_distribution_and_loads_none(
    entries: list[Entry], capsys: pytest.CaptureFixture[str]
) -> None:
    entries += [Entry("serve", owner="computor-host"), Entry("db"), Entry("config")]
    assert shell.main(["--help"]) == 0
    said = capsys.readouterr().out
    assert "computor-host  serve" in said
    assert "computor-x     config  db" in said
    assert not any(entry.loaded for entry in entries)


def test_no_command_is_a_usage_error_with_the_same_text(
    entries: list[Entry], capsys: pytest.CaptureFixture[str]
) -> None:
    assert shell.main([]) == 2
    assert "Usage: computor COMMAND" in capsys.readouterr().err


def test_without_any_command_the_help_says_what_to_install(
    entries: list[Entry], capsys: pytest.CaptureFixture[str]
) -> None:
    shell.main(["--help"])
    assert "install computor-core" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["serv"], "did you mean 'serve'?"),
        (["frobnicate"], "computor --help lists the commands"),
        (["--colour"], "there is no option '--colour'"),
    ],
)
def test_an_unknown_word_is_a_usage_error_with_a_hint(
    entries: list[Entry], capsys: pytest.CaptureFixture[str], words: list[str], says: str
) -> None:
    entries.append(Entry("serve"))
    assert shell.main(words) == 2
    assert says in capsys.readouterr().err


def test_a_command_offered_twice_names_both_distributions(
    entries: list[Entry], capsys: pytest.CaptureFixture[str]
) -> None:
    entries += [Entry("serve", owner="one"), Entry("serve", owner="two")]
    assert shell.main(["serve"]) == 2
    assert "offered by one and two" in capsys.readouterr().err


def test_only_the_invoked_command_is_loaded(entries: list[Entry]) -> None:
    ran = []
    entries += [Entry("go", command(lambda: ran.append(True))), Entry("idle")]
    assert shell.main(["go"]) == 0
    assert ran == [True]
    assert [entry.loaded for entry in entries] == [True, False]


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ConfigurationError("bad", hint="mend it"), 78),
        (UsageError("bad", hint="mend it"), 2),
        (NotFoundError("bad"), 1),
    ],
)
def test_an_error_that_explains_itself_is_one_block_with_its_status(
    entries: list[Entry], capsys: pytest.CaptureFixture[str], error: Any, status: int
) -> None:
    entries.append(Entry("go", failing(error)))
    assert shell.main(["go"]) == status
    said = capsys.readouterr().err
    assert said.startswith(f"error [{error.code}]: bad\n")
    assert "Traceback" not in said
    assert ("hint: mend it" in said) == (error.hint is not None)


def test_with_json_the_error_is_json_on_standard_output(
    entries: list[Entry], capsys: pytest.CaptureFixture[str]
) -> None:
    entries.append(Entry("go", failing(ConfigurationError("bad", hint="mend it", details={"port": 1}))))
    assert shell.main(["go", "--json"]) == 78
    captured = capsys.readouterr()
    assert captured.err == ""
    assert json.loads(captured.out)["error"] == {
        "code": "configuration",
        "message": "bad",
        "hint": "mend it",
        "details": {"port": 1},
    }


def test_a_defect_keeps_its_traceback(entries: list[Entry]) -> None:
    entries.append(Entry("go", failing(ZeroDivisionError("oops"))))
    with pytest.raises(ZeroDivisionError):
        shell.main(["go"])


def test_a_command_that_cant_be_imported_says_what_to_install(
    entries: list[Entry], capsys: pytest.CaptureFixture[str]
) -> None:
    entries.append(Entry("go", ImportError("No module named 'uvicorn'")))
    assert shell.main(["go"]) == 78
    said = capsys.readouterr().err
    assert "error [configuration]" in said
    assert "No module named 'uvicorn'" in said


def test_wrong_options_of_a_command_are_usage_errors(
    entries: list[Entry], capsys: pytest.CaptureFixture[str]
) -> None:
    entries.append(Entry("go", command(lambda: None)))
    assert shell.main(["go", "--nope"]) == 2
    assert capsys.readouterr().err == (
        "error [usage]: No such option '--nope'.\nhint: computor go --help says what it takes\n"
    )
    assert shell.main(["go", "--nope", "--json"]) == 2
    captured = capsys.readouterr()
    assert captured.err == ""
    assert json.loads(captured.out)["error"]["code"] == "usage"


def test_a_group_without_a_word_shows_its_help(
    entries: list[Entry], capsys: pytest.CaptureFixture[str]
) -> None:
    entries.append(Entry("group", click.Group("group", commands=[click.Command("one")])))
    assert shell.main(["group"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("Usage: computor group")
    assert "error [" not in said


def test_a_commands_own_exit_status_is_the_shells(entries: list[Entry]) -> None:
    def body() -> None:
        click.get_current_context().exit(1)

    entries.append(Entry("go", command(body)))
    assert shell.main(["go"]) == 1


@pytest.mark.parametrize("error", [KeyboardInterrupt(), click.Abort()])
def test_an_interrupt_isnt_an_error(
    entries: list[Entry], capsys: pytest.CaptureFixture[str], error: BaseException
) -> None:
    def body() -> None:
        raise error

    entries.append(Entry("go", command(body)))
    assert shell.main(["go"]) == 130
    assert "interrupted" in capsys.readouterr().err


def test_an_interrupt_while_a_command_is_imported_isnt_an_error_either(
    entries: list[Entry], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = Entry("go")

    def load() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(entry, "load", load)
    entries.append(entry)
    assert shell.main(["go"]) == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_the_version_is_the_distributions(capsys: pytest.CaptureFixture[str]) -> None:
    assert shell.main(["--version"]) == 0
    assert capsys.readouterr().out.strip() == f"computor {importlib.metadata.version('computor-cli')}"


def test_the_arguments_default_to_the_processs_own(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["computor", "--help"])
    assert shell.main() == 0
    assert "computor-core" in capsys.readouterr().out
