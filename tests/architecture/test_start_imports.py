"""What a start doesn't import: the reason why it is quick."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = ("alembic", "anyio", "fastapi", "pydantic", "sqlalchemy", "starlette", "temporalio", "uvicorn")


def modules_after(code: str) -> set[str]:
    """The modules that a fresh interpreter holds after some code."""
    report = f"{code}\nimport json, sys\nsys.stderr.write('\\n' + json.dumps(sorted(sys.modules)))"
    result = subprocess.run(
        [sys.executable, "-c", report], capture_output=True, text=True, check=True, cwd=ROOT
    )
    loaded: list[str] = json.loads(result.stderr.splitlines()[-1])
    return set(loaded)


@pytest.mark.parametrize(
    "code",
    [
        "import computor_core",
        "import computor_core.plugin_api",
        "from computor_core.plugin_api import PluginMeta, hookimpl, StorageBackendRegistration",
        "import computor_core.plugin_api.hookspecs, computor_core.plugin_api.entities",
        "import computor_core.plugin_api.access, computor_core.plugin_api.workflows",
        "import computor_core.plugin_api.providers.storage, computor_core.plugin_api.errors",
    ],
)
def test_the_plugin_surface_is_light(code: str) -> None:
    assert modules_after(code) & set(HEAVY) == set()


def test_the_interfaces_bring_pydantic_alone() -> None:
    heavy = set(HEAVY) - {"pydantic"}
    assert modules_after("import computor_core.interfaces") & heavy == set()


@pytest.mark.parametrize("words", [["--help"], [], ["--version"], ["no-such-command"]])
def test_the_shell_imports_no_command_plugin_or_library(words: list[str]) -> None:
    loaded = modules_after(f"from computor_cli.main import main\nmain({words!r})")
    assert loaded & {*HEAVY, "click", "pluggy", "rich", "importlib_metadata"} == set()
    assert [
        name for name in loaded if name.startswith("computor_") and not name.startswith("computor_cli")
    ] == []


@pytest.mark.parametrize("plugin", sorted(path.parent.name for path in ROOT.glob("plugins/*/computor_*")))
def test_importing_a_plugin_brings_no_sdk(plugin: str) -> None:
    module = f"computor_{plugin}.plugin"
    loaded = modules_after(f"import {module}\nplugin = {module}.Plugin()")
    assert loaded & {*HEAVY, "gitlab", "minio", "redis", "docker"} == set()


def sources() -> list[Path]:
    folders = ("computor_core", "plugins", "hosts", "clients")
    return [
        path
        for folder in folders
        for path in (ROOT / folder).rglob("*.py")
        if "tests" not in path.relative_to(ROOT).parts
    ]


def variables_read(path: Path) -> set[str]:
    """The environment variables that a file reads by name."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        key: ast.expr | None = None
        if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load):
            key = node.slice if ast.unparse(node.value).endswith("environ") else None
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("environ.get", "getenv")):
            key = node.args[0]
        if key is not None:
            found.add(key.value if isinstance(key, ast.Constant) else ast.unparse(key))
    return found


def test_plugins_and_core_read_no_setting_from_the_environment() -> None:
    """Settings are composed in one place; PATH is for finding programs."""
    read = {str(path.relative_to(ROOT)): variables_read(path) - {"PATH"} for path in sources()}
    assert {name: found for name, found in read.items() if found} == {
        "computor_core/failpoints.py": {"COMPUTOR_FAILPOINT"}
    }


def test_hooks_are_called_in_one_file() -> None:
    callers = {
        str(path.relative_to(ROOT))
        for path in sources()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr in {"subset_hook_caller", "hook"}
    }
    assert callers == {"computor_core/plugins/hooks.py"}
