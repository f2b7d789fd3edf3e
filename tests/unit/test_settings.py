"""Settings: file and variables compose, everything wrong is told at once, secrets stay secret."""

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from computor_core.errors import ConfigurationError
from computor_core.settings import Settings
from computor_core.settings.composition import check_core
from computor_core.settings.model import Settings as SettingsModel
from computor_core.settings.problems import SettingProblem
from computor_core.settings.sources import read_sources


def read(tmp_path: Path, text: str = "", **variables: str) -> tuple[SettingsModel, list[SettingProblem]]:
    file = tmp_path / "computor.toml"
    file.write_text(text)
    return check_core(read_sources(None, {"COMPUTOR_CONFIG": str(file), **variables}))


def test_without_file_and_variables_everything_has_a_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    settings, problems = check_core(read_sources(None, {}))
    assert problems == []
    assert settings.data_dir == tmp_path / "var"
    assert settings.database_url == f"sqlite+aiosqlite:///{tmp_path}/var/computor.db"
    assert settings.public_url == "http://127.0.0.1:8000"
    assert settings.runner.minimum_isolation == "namespaces"


def test_the_file_in_the_working_directory_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "computor.toml").write_text("[server]\nport = 9001\n")
    assert check_core(read_sources(None, {}))[0].server.port == 9001


def test_the_named_file_goes_before_the_one_in_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "computor.toml").write_text("[server]\nport = 9001\n")
    (tmp_path / "other.toml").write_text("[server]\nport = 9002\n")
    assert check_core(read_sources(None, {"COMPUTOR_CONFIG": "other.toml"}))[0].server.port == 9002


def test_a_variable_goes_before_the_file(tmp_path: Path) -> None:
    settings, problems = read(tmp_path, "[server]\nport = 9001\nhost = '::1'\n", COMPUTOR_SERVER__PORT="9003")
    assert problems == []
    assert (settings.server.port, settings.server.host) == (9003, "::1")


def test_lists_and_tables_in_variables_are_json(tmp_path: Path) -> None:
    settings, problems = read(
        tmp_path,
        COMPUTOR_PLUGINS__ENABLED='["b", "a"]',
        COMPUTOR_STORAGE__INSTANCES__DEFAULT='{"type": "local", "root": "/x"}',
    )
    assert problems == []
    assert settings.plugins.enabled == ["b", "a"]
    assert settings.storage.instances["default"].options == {"root": "/x"}


def test_a_variable_may_replace_a_whole_table_of_the_file(tmp_path: Path) -> None:
    settings, problems = read(tmp_path, "[server]\nport = 9001\n", COMPUTOR_SERVER='{"host": "::1"}')
    assert problems == []
    assert (settings.server.host, settings.server.port) == ("::1", 8000)


@pytest.mark.parametrize("password", ["[1]", "{}", "null", "12", '"quoted"'])
def test_a_secret_that_looks_like_json_stays_as_it_is(tmp_path: Path, password: str) -> None:
    settings, problems = read(tmp_path, COMPUTOR_DATABASE__URL=password)
    assert problems == []
    assert settings.database_url == password


def test_variables_of_tests_and_clients_are_no_settings(tmp_path: Path) -> None:
    names = (
        "COMPUTOR_TEST_REDIS_URL",
        "COMPUTOR_CLIENT_TOKEN",
        "COMPUTOR_FAILPOINT",
        "COMPUTOR_REQUIRE_SERVICES",
    )
    assert read(tmp_path, **dict.fromkeys(names, "x"))[1] == []


def test_tracing_has_a_short_variable(tmp_path: Path) -> None:
    assert read(tmp_path, COMPUTOR_TRACE_PLUGINS="1")[0].plugins.trace


def test_everything_wrong_is_told_at_once_with_source_and_hint(tmp_path: Path) -> None:
    text = (
        "[server]\nport = 99999\nhots = 'x'\n[sever]\n[plugins]\non_error = 'explode'\nenabled = ['a', 'a']\n"
    )
    _, problems = read(tmp_path, text, COMPUTOR_DATABASE__POOL_SIZE="many", COMPUTOR_DATABSE__URL="x")
    file = str(tmp_path / "computor.toml")
    told = {problem.path: (problem.source, problem.hint) for problem in problems}
    assert told == {
        "server.port": (file, ""),
        "server.hots": (file, "did you mean 'host'?"),
        "sever": (file, "did you mean 'server'?"),
        "plugins.on_error": (file, ""),
        "plugins.enabled": (file, ""),
        "database.pool_size": ("COMPUTOR_DATABASE__POOL_SIZE", ""),
        "databse": ("COMPUTOR_DATABSE__URL", "did you mean 'database'?"),
    }


def test_sections_without_a_problem_are_still_read(tmp_path: Path) -> None:
    settings, problems = read(tmp_path, "[server]\nport = -1\n\n[plugins]\nenabled = ['a']\n")
    assert len(problems) == 1
    assert settings.plugins.enabled == ["a"]


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("[storage.instances.Default]\ntype = 'local'\n", "storage.instances.Default"),
        ("[storage.instances.default]\n", "storage.instances.default.type"),
        ("[plugins]\nauth = 3\n", "plugins.auth"),
        ("[plugins]\nenabled = [3]\n", "plugins.enabled.0"),
        ("[server]\npublic_url = 'ftp://x'\n", "server.public_url"),
        ("data_dir = 3\n", "data_dir"),
        ("[runner]\nminimum_isolation = 'prayer'\n", "runner.minimum_isolation"),
    ],
)
def test_malformed_values_are_refused(tmp_path: Path, text: str, path: str) -> None:
    _, problems = read(tmp_path, text)
    assert path in [problem.path for problem in problems]


def test_no_message_repeats_a_value(tmp_path: Path) -> None:
    _, problems = read(tmp_path, COMPUTOR_DATABASE__POOL_SIZE="hunter2", COMPUTOR_SERVER__PORT="hunter2")
    assert len(problems) == 2
    assert "hunter2" not in "".join(problem.line() for problem in problems)


def test_secrets_dont_show_in_the_repr(tmp_path: Path) -> None:
    text = (
        "[database]\nurl = 'postgresql://me:hunter2@h/d'\n"
        "[plugins.auth_x]\nsecret = 'hunter2'\n[storage.instances.s3]\ntype = 's3'\nkey = 'hunter2'\n"
    )
    settings, problems = read(tmp_path, text)
    assert problems == []
    assert "hunter2" not in repr(settings)
    assert "hunter2" not in str(settings)
    assert settings.storage.instances["s3"].options == {"key": "hunter2"}
    assert settings.plugins.sections == {"auth_x": {"secret": "hunter2"}}


def test_an_unreadable_file_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"missing\.toml can't be read: No such file") as caught:
        read_sources(tmp_path / "missing.toml", {})
    assert caught.value.exit_status == 78
    (tmp_path / "bad.toml").write_text("[server\n")
    with pytest.raises(ConfigurationError, match=r"bad\.toml is no valid TOML.*line 1"):
        read_sources(tmp_path / "bad.toml", {})
    (tmp_path / "latin.toml").write_bytes(b"x = '\xe4'")
    with pytest.raises(ConfigurationError, match="no valid TOML"):
        read_sources(tmp_path / "latin.toml", {})


def test_variables_that_contradict_each_other_are_refused(tmp_path: Path) -> None:
    variables = {"COMPUTOR_SERVER": "{}", "COMPUTOR_SERVER__PORT": "1"}
    with pytest.raises(ConfigurationError, match="COMPUTOR_SERVER__PORT sets a key below server"):
        read_sources(None, {**variables, "COMPUTOR_CONFIG": str(_empty(tmp_path))})


def _empty(tmp_path: Path) -> Path:
    file = tmp_path / "empty.toml"
    file.write_text("")
    return file


def test_settings_can_be_built_in_python(tmp_path: Path) -> None:
    values: dict[str, Any] = {"data_dir": tmp_path, "server": {"port": 0}}
    settings = Settings(**values)
    assert settings.server.port == 0
    assert settings.sources.origin(("server", "port")) == ""
    with pytest.raises(ValueError, match="frozen"):
        settings.data_dir = tmp_path / "other"  # type: ignore[misc]


def test_a_database_password_isnt_printed() -> None:
    settings = Settings.model_validate({"database": {"url": "postgresql://u:hunter2@h/d"}})
    assert isinstance(settings.database.url, SecretStr)
    assert "hunter2" not in json.dumps(settings.model_dump(mode="json"))
