"""``computor plugins`` with broken plugins installed: everything wrong is told in one go."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.plugin_sites import install, run_computor

BROKEN = ("broken_import", "wrong_bound", "twin_one", "twin_two", "lonely", "undeclared")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install(tmp_path_factory.mktemp("site"), *BROKEN)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("deployment")
    (folder / "computor.toml").write_text(f"[plugins]\nenabled = {json.dumps([*BROKEN, 'not_there'])}\n")
    return folder


@pytest.fixture(scope="module")
def report(site: Path, folder: Path) -> dict[str, Any]:
    """The one report that all these tests read, from one run of the command."""
    result = run_computor("plugins", "check", "--json", cwd=folder, site=site)
    assert result.returncode == 1, result.stderr
    loaded: dict[str, Any] = json.loads(result.stdout)
    return loaded


def problem(report: dict[str, Any], plugin: str) -> dict[str, Any]:
    (found,) = [item for item in report["problems"] if item["plugin"] == plugin]
    return found


def test_every_broken_plugin_is_in_the_one_report(report: dict[str, Any]) -> None:
    assert report["ok"] is False
    assert {item["plugin"]: item["state"] for item in report["problems"]} == {
        "broken_import": "failed",
        "wrong_bound": "incompatible",
        "twin_two": "conflict",
        "lonely": "missing",
        "undeclared": "missing",
        "not_there": "missing",
    }


def test_a_plugin_that_fails_to_import_says_where(report: dict[str, Any]) -> None:
    found = problem(report, "broken_import")
    assert "No module named 'a_module_that_nobody_installed'" in found["message"]
    assert "computor_example_broken_import/__init__.py, line 3" in found["message"]
    assert found["distribution"] == "computor-example-broken-import"


def test_a_wrong_version_bound_says_what_is_installed(report: dict[str, Any]) -> None:
    assert "computor-core<100,>=99" in problem(report, "wrong_bound")["message"]


def test_two_plugins_with_one_type_are_told_apart_by_distribution(report: dict[str, Any]) -> None:
    message = problem(report, "twin_two")["message"]
    assert "storage type 'twin'" in message
    assert "computor-example-twin-one" in message
    assert "computor-example-twin-two" in message


def test_a_missing_requirement_names_what_is_required(report: dict[str, Any]) -> None:
    assert "requires plugin 'companion'" in problem(report, "lonely")["message"]
    assert "a-distribution-that-nobody-published>=3" in problem(report, "undeclared")["message"]


def test_every_problem_comes_with_a_hint(report: dict[str, Any]) -> None:
    assert [item["plugin"] for item in report["problems"] if not item["hint"]] == []


def test_people_see_the_same_problems(site: Path, folder: Path, report: dict[str, Any]) -> None:
    result = run_computor("plugins", "check", cwd=folder, site=site)
    assert result.returncode == 1
    for item in report["problems"]:
        assert item["message"] in result.stdout


def test_the_list_works_with_broken_plugins(site: Path, folder: Path) -> None:
    result = run_computor("plugins", "list", "--json", cwd=folder, site=site)
    assert result.returncode == 0, result.stderr
    states = {item["name"]: item["state"] for item in json.loads(result.stdout)["plugins"]}
    assert states["core"] == "active"
    assert states["twin_one"] == "active"
    assert states["storage_local"] == "disabled"


def test_show_tells_what_a_plugin_registers_and_what_is_wrong(site: Path, folder: Path) -> None:
    shown = run_computor("plugins", "show", "twin_one", "--json", cwd=folder, site=site)
    assert json.loads(shown.stdout)["registrations"] == {"storage_backends": ["twin: Twin one"]}
    broken = run_computor("plugins", "show", "broken_import", "--json", cwd=folder, site=site)
    assert json.loads(broken.stdout)["problems"][0]["state"] == "failed"
    unknown = run_computor("plugins", "show", "nobody", cwd=folder, site=site)
    assert unknown.returncode == 2
    assert "error [usage]: no plugin 'nobody'" in unknown.stderr


def test_what_isnt_enabled_isnt_imported_and_is_no_problem(site: Path, tmp_path: Path) -> None:
    (tmp_path / "computor.toml").write_text("[plugins]\nenabled = []\n")
    result = run_computor("plugins", "check", "--json", cwd=tmp_path, site=site)
    assert result.returncode == 0, result.stdout
    states = {item["name"]: item["state"] for item in json.loads(result.stdout)["plugins"]}
    assert {states[name] for name in BROKEN} == {"disabled"}


def test_a_start_with_broken_plugins_is_refused_with_the_whole_list(site: Path, folder: Path) -> None:
    result = run_computor("db", "upgrade", cwd=folder, site=site)
    assert result.returncode == 78
    assert "6 plugin problems" in result.stderr
    for name in ("broken_import", "wrong_bound", "twin_two", "lonely", "undeclared", "not_there"):
        assert name in result.stderr
    assert not (folder / "var").exists(), "nothing may be made before everything is known to be sound"
