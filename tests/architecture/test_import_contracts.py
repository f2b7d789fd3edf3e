"""Every import contract holds, and catches the violation that it is there for."""

import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

PLANTS = {
    "surface": ("computor_core/schedule/engine.py", "import sqlalchemy"),
    "light-surface": ("computor_core/plugin_api/registrations.py", "import pydantic"),
    "interfaces": ("computor_core/interfaces/base.py", "import computor_core.db.types"),
    "layers": ("computor_core/model/users.py", "import computor_core.services.blobs"),
    "pure-logic": ("computor_core/assessment/judge.py", "from computor_core.model import User"),
    "definitions": ("computor_core/submission_workflow/definition.py", "import computor_core.clock"),
    "core": ("computor_core/services/blobs.py", "import computor_storage_local.provider"),
    "plugins": ("plugins/storage_local/computor_storage_local/provider.py", "import computor_core.db.types"),
    "independence": (
        "plugins/git_local/computor_git_local/host.py",
        "import computor_storage_local.provider",
    ),
    "host": ("hosts/fastapi_host/computor_fastapi_host/errors.py", "import computor_auth_local.provider"),
    "shell": ("clients/cli/computor_cli/main.py", "import computor_core.errors"),
    "metadata": ("computor_core/plugins/discovery.py", "import importlib_metadata"),
    "pluggy": ("computor_core/plugins/loader.py", "import pluggy"),
}
"""For each contract a file and the line that breaks it."""

PACKAGES = ("computor_core", "clients/cli/computor_cli", "hosts/fastapi_host/computor_fastapi_host")


def contracts() -> list[dict[str, object]]:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    found: list[dict[str, object]] = settings["tool"]["importlinter"]["contracts"]
    return found


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of every package of the workspace, with the contracts."""
    copy = tmp_path_factory.mktemp("tree")
    packages = [*PACKAGES, *(str(found.relative_to(ROOT)) for found in ROOT.glob("plugins/*/computor_*"))]
    for package in packages:
        shutil.copytree(ROOT / package, copy / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", copy)
    return copy


def lint(tree: Path, *options: str) -> subprocess.CompletedProcess[str]:
    roots = [tree, *tree.glob("plugins/*"), tree / "clients/cli", tree / "hosts/fastapi_host"]
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as run; run()"]
    return subprocess.run(
        [*command, "--no-logo", *options],
        cwd=tree,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(map(str, roots)), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )


@contextmanager
def planted(file: Path, line: str) -> Iterator[None]:
    original = file.read_text()
    file.write_text(f"{original}\n{line}\n")
    try:
        yield
    finally:
        file.write_text(original)


def test_all_contracts_hold(tree: Path) -> None:
    result = lint(tree)
    assert result.returncode == 0, result.stdout + result.stderr
    assert f"{len(contracts())} kept, 0 broken" in result.stdout


def test_every_contract_has_a_planted_violation() -> None:
    assert {contract["id"] for contract in contracts()} == set(PLANTS)


@pytest.mark.parametrize("contract", PLANTS)
def test_the_contract_catches_its_violation(tree: Path, contract: str) -> None:
    name, line = PLANTS[contract]
    with planted(tree / name, line):
        result = lint(tree, "--contract", contract)
    assert result.returncode == 1, result.stdout + result.stderr
    assert "0 kept, 1 broken" in result.stdout
    assert Path(name).stem in result.stdout.partition("Broken contracts")[2]


def test_the_list_of_cores_private_parts_is_complete() -> None:
    """A new part of core is private to plugins unless it is named here."""
    public = {"interfaces", "plugin_api", "testing"}
    folder = ROOT / "computor_core"
    parts = {path.stem for path in folder.glob("*.py")} | {
        path.parent.name for path in folder.glob("*/__init__.py")
    }
    private = {f"computor_core.{part}" for part in parts - public - {"__init__"}}
    (contract,) = [item for item in contracts() if item["id"] == "plugins"]
    listed = contract["forbidden_modules"]
    assert isinstance(listed, list)
    assert {name for name in listed if name.startswith("computor_core.")} == private


def test_every_member_of_the_workspace_is_under_contract() -> None:
    packages = {path.parent.name for path in ROOT.glob("plugins/*/computor_*/__init__.py")}
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    assert packages <= set(settings["root_packages"])
    for contract in contracts():
        if contract["id"] == "plugins":
            assert set(contract["source_modules"]) == packages  # type: ignore[call-overload]
        if contract["id"] == "independence":
            assert set(contract["modules"]) == packages  # type: ignore[call-overload]
