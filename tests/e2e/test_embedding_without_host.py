"""``docs/howto/embed.md``: the core in an environment that has no web framework."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.e2e.plugin_wheels import ROOT, Environment
from tests.plugin_sites import build_wheels

PAGE = (ROOT / "docs/howto/embed.md").read_text()
WEB = ("fastapi", "starlette", "uvicorn")
MEMBERS = [ROOT, *(ROOT / "plugins" / name for name in ("auth_local", "storage_local", "git_local"))]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    folder = tmp_path_factory.mktemp("embedding")
    return Environment.make(folder, build_wheels(folder / "wheels", MEMBERS), without=WEB)


@pytest.mark.parametrize("library", WEB)
def test_the_environment_has_no_web_framework(environment: Environment, library: str) -> None:
    done = environment.run("python", "-c", f"import {library}")
    assert f"No module named '{library}'" in done.stderr


def test_the_page_s_service_prints_what_the_page_says(environment: Environment) -> None:
    code = re.search(r'^```python title="service.py"\n(.*?)^```$', PAGE, re.S | re.M)
    printed = re.search(r"^```text\n(.*?)^```$", PAGE, re.S | re.M)
    assert code is not None
    assert printed is not None
    script: Path = environment.deployment / "service.py"
    script.write_text(code[1])
    assert environment.must("python", "-W", "error::RuntimeWarning", str(script)) == printed[1]
