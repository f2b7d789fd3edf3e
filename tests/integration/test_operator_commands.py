"""The operator's commands on a real deployment: ``config``, ``db``, ``doctor`` and ``x``."""

import asyncio
import json
import os
import stat
import sys
import tomllib
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, cast

import click
import pytest
from computor_cli.main import main
from sqlalchemy import create_engine, text

from computor_core.cli import extensions
from computor_core.errors import ConfigurationError, PluginError
from computor_core.plugin_api import CommandRegistration, PluginMeta, Principal, StepRegistration, hookimpl
from computor_core.plugin_api.services import OpenApplication
from computor_core.plugins.discovery import InstalledPlugin
from computor_core.security.keys import load_keys
from computor_core.settings import assembly, load_settings

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Call ``computor`` in an empty folder; returns exit status, output and errors."""
    monkeypatch.chdir(tmp_path)

    def call(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        status = main(list(words))
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return call


def execute(tmp_path: Path, statement: str) -> None:
    engine = create_engine(f"sqlite:///{tmp_path / 'var' / 'computor.db'}")
    with engine.begin() as connection:
        connection.execute(text(statement))
    engine.dispose()


# --- config ---------------------------------------------------------------------------------------


def test_the_template_is_a_settings_file_that_is_sound(run: Run, tmp_path: Path) -> None:
    status, out, _ = run("config", "template")
    assert status == 0
    assert "[storage.instances.default]" in out
    tomllib.loads(out)
    (tmp_path / "computor.toml").write_text(out)
    assert run("config", "check") == (0, "the settings are sound\n", "")


def test_the_schema_is_json(run: Run) -> None:
    status, out, _ = run("config", "schema")
    assert status == 0
    assert {"data_dir", "database", "plugins", "storage"} <= json.loads(out)["properties"].keys()


def test_wrong_settings_end_with_78_and_everything_that_is_wrong(run: Run, tmp_path: Path) -> None:
    (tmp_path / "computor.toml").write_text(
        "[server]\nport = 'x'\nhots = 'y'\n[storage.instances.default]\ntype = 'local'\ncolour = 'red'\n"
        "[plugins]\nenabled = ['storage_local', 'nobody']\n"
    )
    status, out, err = run("config", "check")
    assert (status, out) == (78, "")
    assert err.startswith("error [plugin]: 1 plugin problem:")
    for expected in ("server.port", "did you mean 'host'?", "storage.instances.default.colour", "nobody"):
        assert expected in err
    assert "Traceback" not in err
    status, out, err = run("config", "check", "--json")
    assert (status, err) == (78, "")
    report = json.loads(out)
    assert {item["path"] for item in report["settings"]} == {
        "server.port",
        "server.hots",
        "storage.instances.default.colour",
    }
    assert [item["plugin"] for item in report["plugins"]] == ["nobody"]


@pytest.mark.usefixtures("lenient")
def test_what_a_deployment_does_without_is_told(run: Run, tmp_path: Path) -> None:
    (tmp_path / "computor.toml").write_text('[plugins]\nenabled = ["auth_local", "git_local"]\n')
    status, out, _ = run("config", "check")
    assert status == 0
    assert [line.partition(";")[0] for line in out.splitlines()] == [
        "warning: no storage instance: nothing can be handed in, and no example can be imported",
        "warning: no runner instance: no submission is tested",
        "the settings are sound",
    ]
    assert len(json.loads(run("config", "check", "--json")[1])["warnings"]) == 2
    assert "warning  instances: no storage instance" in run("doctor")[1]


def test_a_missing_settings_file_ends_with_78(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMPUTOR_CONFIG", "not-there.toml")
    status, _, err = run("config", "check")
    assert status == 78
    assert "not-there.toml can't be read: No such file or directory" in err


def test_load_settings_tells_core_and_plugin_problems_in_one_go(tmp_path: Path) -> None:
    file = tmp_path / "computor.toml"
    file.write_text(
        "[server]\nport = 'x'\n[plugins]\nenabled = ['storage_local', 'nobody']\n"
        "[storage.instances.default]\ntype = 'local'\ncolour = 'red'\n"
    )
    with pytest.raises(PluginError) as caught:
        load_settings(file, {})
    for expected in ("server.port", "storage.instances.default.colour", "nobody"):
        assert expected in caught.value.message
    file.write_text("[server]\nport = 'x'\n")
    with pytest.raises(ConfigurationError, match=r"1 setting is wrong") as wrong:
        load_settings(file, {})
    assert not isinstance(wrong.value, PluginError)
    assert load_settings(file, {"COMPUTOR_SERVER__PORT": "1"}).server.port == 1


# --- plugins --------------------------------------------------------------------------------------


def test_people_see_plugins_in_columns(run: Run) -> None:
    status, out, _ = run("plugins", "list")
    assert status == 0
    head, core, *_ = out.splitlines()
    assert head.split() == ["NAME", "STATE", "VERSION", "DISTRIBUTION", "SUMMARY", "OR", "REASON"]
    assert core.split()[:2] == ["core", "active"]
    assert core.index("active") == head.index("STATE")


def test_people_see_everything_that_a_plugin_registers(run: Run) -> None:
    status, out, _ = run("plugins", "show", "core")
    assert status == 0
    for expected in (
        "distribution: computor-core",
        "  courses: ",
        "  course.read: See a course",
        "  course:_tutor: ",
        "  submission.test@1: computor_core.submission_workflow",
        "  inprocess: ",
        "  submission.prepare: computor_core.submission_workflow.steps:prepare",
    ):
        assert expected in out
    assert "  git: asgi, access own, at /git" in run("plugins", "show", "git_local")[1]
    assert "  computor_auth_local.migrations" in run("plugins", "show", "auth_local")[1]


def test_people_see_problems_and_hints_of_a_plugin(run: Run, tmp_path: Path) -> None:
    (tmp_path / "computor.toml").write_text("[plugins]\nenabled = ['storage_lokal']\n[server]\nprot = 1\n")
    _, out, _ = run("plugins", "show", "storage_lokal")
    assert "state:        missing" in out
    assert "hint: did you mean 'storage_local'?" in out
    status, out, _ = run("plugins", "check")
    assert status == 1
    assert "storage_lokal: missing: it is enabled, and no distribution offers it" in out
    assert "server.prot: there is no such setting" in out
    assert out.endswith("1 plugins active, 2 problems\n")


def test_a_sound_deployment_has_nothing_to_report(run: Run) -> None:
    assert run("plugins", "check") == (0, "5 plugins active, 0 problems\n", "")


class Gappy:
    meta: ClassVar[PluginMeta] = PluginMeta(name="greeter", summary="Has a step that no workflow declares")

    @hookimpl
    def computor_workflows(self) -> list[StepRegistration]:
        return [StepRegistration("greeter.idle", "json:dumps")]


@pytest.mark.usefixtures("greeter")
def test_registrations_that_dont_fit_together_are_reported(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = types.SimpleNamespace(load=lambda: Gappy)
    found = InstalledPlugin("greeter", "m:Gappy", "dist-g", "1.0", ("computor-core<1",), cast("Any", entry))
    monkeypatch.setattr(assembly, "scan", lambda: (found,))
    status, out, _ = run("plugins", "check", "--json")
    assert status == 1
    messages = [item["message"] for item in json.loads(out)["problems"] if item["plugin"] == "greeter"]
    assert messages == [
        "step greeter.idle (json:dumps) is declared by no installed workflow",
        "the step 'greeter.idle' can't be used: json:dumps isn't async def",
    ]
    said = run("plugins", "check")[1]
    assert [message for message in messages if f"greeter (dist-g): failed: {message}" not in said] == []


def test_hook_calls_are_traced_on_demand(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMPUTOR_TRACE_PLUGINS", "1")
    _, _, err = run("plugins", "check")
    assert "hook computor_storage_backends: asking storage_local" in err


# --- db ---------------------------------------------------------------------------------------------


def test_upgrade_shows_what_it_did_and_current_where_it_stands(run: Run, tmp_path: Path) -> None:
    assert run("db", "pending")[0] == 1
    status, out, _ = run("db", "upgrade")
    assert status == 0
    assert out.splitlines()[:2] == ["core: applied 0001", "auth_local: applied 0001"]
    assert run("db", "upgrade")[1] == "nothing was pending\n"
    status, out, _ = run("db", "current", "--json")
    assert [(item["lineage"], item["pending"]) for item in json.loads(out)["lineages"]] == [
        ("core", []),
        ("auth_local", []),
    ]
    assert "up to date" in run("db", "current")[1]
    assert run("db", "pending") == (0, "", "")
    assert stat.S_IMODE((tmp_path / "var").stat().st_mode) == 0o700


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (("current",), 0, "1 pending"),
        (("pending",), 1, "core: 0001"),
        (("check",), 78, "there is no database"),
        (("downgrade", "base", "--yes"), 78, "there is no database"),
        (("revision", "-m", "Nothing"), 78, "there is no database"),
        (("upgrade", "--plugin", "nobody"), 2, "'nobody' has no migrations"),
        (("pending", "--plugin", "nobody"), 2, "'nobody' has no migrations"),
    ],
)
def test_looking_at_what_isnt_there_makes_nothing(
    run: Run, tmp_path: Path, words: tuple[str, ...], status: int, says: str
) -> None:
    found, out, err = run("db", *words)
    assert (found, says in out + err) == (status, True), out + err
    assert list(tmp_path.iterdir()) == []


def test_a_plugins_lineage_goes_down_and_up_alone(run: Run) -> None:
    run("db", "upgrade")
    status, out, _ = run("db", "downgrade", "--plugin", "auth_local", "base", "--yes")
    assert (status, out) == (0, "auth_local: took back 0001\n")
    assert json.loads(run("db", "pending", "--json")[1]) == {"pending": {"core": [], "auth_local": ["0001"]}}
    assert run("db", "pending")[1] == "auth_local: 0001\n"
    assert json.loads(run("db", "upgrade", "--plugin", "auth_local", "--json")[1]) == {
        "applied": [{"lineage": "auth_local", "revision": "0001"}]
    }


def test_going_down_is_asked_for_first(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    import io

    run("db", "upgrade")
    monkeypatch.setattr(sys, "stdin", io.StringIO("n\n"))
    assert run("db", "downgrade", "--plugin", "auth_local", "base")[0] == 130
    assert run("db", "pending")[0] == 0


def test_core_isnt_taken_from_under_a_plugin(run: Run) -> None:
    run("db", "upgrade")
    status, _, err = run("db", "downgrade", "base", "--yes")
    assert status == 1
    assert "hint: run computor db downgrade --plugin auth_local base first" in err


def test_check_tells_how_the_tables_differ(run: Run, tmp_path: Path) -> None:
    run("db", "upgrade")
    assert run("db", "check") == (0, "", "")
    execute(tmp_path, "ALTER TABLE example DROP COLUMN title")
    status, out, _ = run("db", "check")
    assert status == 1
    assert out.startswith("core: add_column")
    assert json.loads(run("db", "check", "--json")[1])["differences"]["auth_local"] == []


def test_a_newer_database_is_refused_with_78(run: Run, tmp_path: Path) -> None:
    run("db", "upgrade")
    execute(tmp_path, "UPDATE alembic_version SET version_num = '9999'")
    for words in (["upgrade"], ["pending"], ["downgrade", "base", "--yes"]):
        status, out, err = run("db", *words)
        assert (status, out) == (78, ""), words
        assert err.startswith("error [schema_version]: the database is newer than the installed code")
    assert "newer than the installed code" in run("db", "current")[1]


def test_an_unknown_lineage_is_a_usage_error(run: Run) -> None:
    status, _, err = run("db", "current", "--plugin", "nobody")
    assert status == 2
    assert "lineages here: core, auth_local" in err


def test_a_running_host_keeps_the_database_from_being_migrated(run: Run, tmp_path: Path) -> None:
    from computor_core.db.engine import Database
    from computor_core.db.host_lock import host_lock

    run("db", "upgrade")
    with host_lock(Database(f"sqlite+aiosqlite:///{tmp_path / 'var' / 'computor.db'}")):
        status, _, err = run("db", "upgrade")
    assert status == 78
    assert "in use by another host" in err


def test_one_lineage_can_be_migrated_while_another_plugin_is_broken(run: Run, tmp_path: Path) -> None:
    (tmp_path / "computor.toml").write_text("[plugins]\nenabled = ['nobody', 'auth_local']\n")
    assert run("db", "upgrade")[0] == 78
    assert run("db", "upgrade", "--plugin", "core")[0] == 0
    status, _, err = run("db", "upgrade", "--plugin", "nobody")
    assert status == 2
    assert "plugin 'nobody' can't be used" in err


def test_a_revision_is_written_for_what_the_code_has_more(run: Run, tmp_path: Path) -> None:
    run("db", "upgrade")
    status, _, err = run("db", "revision", "-m", "Nothing", "--plugin", "storage_local")
    assert status == 2
    assert "'storage_local' has no migrations" in err


def test_a_data_folder_that_is_a_file_is_one_clear_error(run: Run, tmp_path: Path) -> None:
    (tmp_path / "var").write_text("")
    status, _, err = run("db", "upgrade")
    assert status == 78
    assert "data folder" in err
    assert "Traceback" not in err


# --- doctor -------------------------------------------------------------------------------------------


@pytest.fixture
def lenient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Machines that allow no isolation pass these tests, too."""
    monkeypatch.setenv("COMPUTOR_RUNNER__MINIMUM_ISOLATION", "auto")


@pytest.mark.usefixtures("lenient")
def test_doctor_finds_a_migrated_deployment_well(run: Run, tmp_path: Path) -> None:
    run("db", "upgrade")
    status, out, err = run("doctor", "--json")
    report = json.loads(out)
    assert (status, report["ok"], err) == (0, True, ""), [c for c in report["checks"] if c["verdict"] != "ok"]
    checks = {check["name"]: check for check in report["checks"]}
    assert checks["database"]["facts"]["journal"] == "wal"
    assert checks["database"]["facts"]["lineage core"] == "0001"
    assert checks["data folder"]["facts"]["mode"] == "0700"
    assert checks["storage instance default"]["facts"]["round trip"] == "written, read and deleted"
    assert checks["runner instance default"]["facts"]["isolation"]
    assert checks["plugin core"]["verdict"] == "ok"
    blobs = [path for path in (tmp_path / "var" / "storage").rglob("*") if path.is_file()]
    assert [path.name for path in blobs if len(path.name) >= 62] == [], "the test blob is gone"


@pytest.mark.usefixtures("lenient")
def test_doctor_reports_everything_that_ails_at_once(run: Run, tmp_path: Path) -> None:
    (tmp_path / "computor.toml").write_text(
        "[plugins]\nenabled = ['storage_local', 'nobody']\n[server]\nprot = 1\n"
        "[storage.instances.bad]\ntype = 'local'\nfolder = 3\n"
    )
    status, out, _ = run("doctor")
    assert status == 1
    for expected in (
        "failed   setting server.prot: there is no such setting",
        "failed   setting storage.instances.bad.folder",
        "failed   plugin nobody",
        "failed   database: there is no database",
        "hint: run computor db upgrade",
    ):
        assert expected in out
    left = [path.name for path in (tmp_path / "var").rglob("*") if not path.is_dir()]
    assert left == [], "looking makes folders, and neither a database nor keys"


@pytest.mark.usefixtures("lenient")
def test_doctor_warns_of_a_folder_that_others_may_enter(run: Run, tmp_path: Path) -> None:
    run("db", "upgrade")
    (tmp_path / "var").chmod(0o755)
    status, out, _ = run("doctor")
    assert status == 0
    assert "warning  data folder: other users may enter it" in out


@pytest.mark.usefixtures("lenient")
def test_doctor_examines_the_keys_and_makes_none(run: Run, tmp_path: Path) -> None:
    run("db", "upgrade")
    keys = tmp_path / "var" / "keys"
    assert "ok       keys: the first start makes what isn't there" in run("doctor")[1]
    assert not keys.exists()
    load_keys(tmp_path / "var", None, None)
    assert "ok       keys" in run("doctor")[1]
    (keys / "signing.pem").chmod(0o666)
    status, out, _ = run("doctor")
    assert status == 1
    assert f"failed   keys: the key file {keys / 'signing.pem'} is open to every user" in out
    elsewhere = tmp_path / "elsewhere.keys"
    (tmp_path / "computor.toml").write_text(f"[security]\nmaster_key_file = '{elsewhere}'\n")
    assert f"failed   keys: not there: {elsewhere}" in run("doctor")[1]


@pytest.mark.usefixtures("lenient")
def test_doctor_opens_no_database_that_it_cant_write(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("db", "upgrade")
    file = tmp_path / "var" / "computor.db"
    real = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: path != file and real(path, mode))
    status, out, _ = run("doctor")
    assert status == 1
    assert "failed   database: the database can't be written" in out
    assert not list(file.parent.glob("computor.db-*")), "journals would have the database's rights"


@pytest.mark.usefixtures("lenient")
@pytest.mark.parametrize("below", ["spool", "storage/default"])
def test_doctor_finds_a_folder_below_that_cant_be_written(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, below: str
) -> None:
    run("db", "upgrade")
    refused = tmp_path / "var" / below
    real = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: path != refused and real(path, mode))
    status, out, _ = run("doctor")
    assert status == 1
    assert f"the data folder {refused} can't be written to" in out


def test_doctor_fails_where_the_isolation_that_is_demanded_cant_be_had(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMPUTOR_RUNNER__MINIMUM_ISOLATION", "container")
    run("db", "upgrade")
    status, out, _ = run("doctor")
    assert status == 1
    assert "runner.minimum_isolation demands container" in out


# --- x ------------------------------------------------------------------------------------------------


@click.command()
@click.argument("name")
def greet(name: str) -> None:
    """Greet."""
    click.echo(f"hello {name}")


class Greeter:
    meta: ClassVar[PluginMeta] = PluginMeta(name="greeter", summary="Greets")

    @hookimpl
    def computor_commands(self) -> list[CommandRegistration]:
        return [
            CommandRegistration("greet", "test_operator_commands_greeter:greet", "Greet somebody"),
            CommandRegistration("broken", "surely.not.there:command", "Can't be imported"),
            CommandRegistration("wrong", "json:dumps", "No command"),
        ]


@pytest.fixture
def greeter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """The plugin, installed and enabled; its commands' module."""
    module = types.ModuleType("test_operator_commands_greeter")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    entry = types.SimpleNamespace(load=lambda: Greeter)
    found = InstalledPlugin(
        "greeter", "m:Greeter", "dist-greeter", "1.0", ("computor-core<1",), cast("Any", entry)
    )
    monkeypatch.setattr(assembly, "scan", lambda: (found,))
    (tmp_path / "computor.toml").write_text("[plugins]\nenabled = ['greeter']\n")
    extensions._plugins.cache_clear()
    return module


def test_a_plugins_command_is_imported_when_it_is_invoked(run: Run, greeter: types.ModuleType) -> None:
    status, out, _ = run("x", "--help")
    assert status == 0
    assert "greeter  Commands of the plugin greeter." in out
    status, out, _ = run("x", "greeter", "--help")
    assert status == 0
    assert "greet   Greet somebody" in out
    assert "broken  Can't be imported" in out
    greeter.greet = greet  # type: ignore[attr-defined]
    assert run("x", "greeter", "greet", "Ada") == (0, "hello Ada\n", "")


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (("greeter", "broken"), 78, "the command 'broken' of plugin greeter (dist-greeter) can't be loaded"),
        (("greeter", "wrong"), 78, "is a function, not a click command"),
        (("greeter", "nothing"), 2, "No such command 'nothing'"),
        (("nobody",), 2, "No such command 'nobody'"),
    ],
)
@pytest.mark.usefixtures("greeter")
def test_a_command_that_cant_run_says_why(run: Run, words: tuple[str, ...], status: int, says: str) -> None:
    found, _, err = run("x", *words)
    assert found == status
    assert says in err


def test_a_plugins_command_opens_the_deployments_application(
    run: Run, greeter: types.ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    @hookimpl
    def computor_commands(_plugin: object) -> list[CommandRegistration]:
        return [CommandRegistration("greet", "test_operator_commands_greeter:greet", "Greet somebody")]

    # An application doesn't start with a plugin whose other commands lead nowhere.
    monkeypatch.setattr(Greeter, "computor_commands", computor_commands)

    @click.command()
    @click.pass_obj
    def where(open_application: OpenApplication) -> None:
        async def look() -> None:
            async with open_application() as app, app.read(Principal.system("greeter")) as work:
                click.echo(f"{app.context('greeter').plugin} {work.principal.name}")

        asyncio.run(look())

    greeter.greet = where  # type: ignore[attr-defined]
    assert "there is no database" in run("x", "greeter", "greet")[2]
    assert run("db", "upgrade")[0] == 0
    assert run("x", "greeter", "greet") == (0, "greeter greeter\n", "")


@pytest.mark.usefixtures("greeter")
def test_commands_of_a_plugin_that_cant_be_used_say_why(run: Run, tmp_path: Path) -> None:
    (tmp_path / "computor.toml").write_text("[plugins]\nenabled = ['greeter', 'farewell']\n")
    status, _, err = run("x", "farewell", "wave")
    assert status == 78
    assert "farewell: missing: it is enabled, and no distribution offers it" in err
    assert run("x", "greeter", "--help")[0] == 0
