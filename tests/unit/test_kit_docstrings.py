"""The module that each suite's docstring shows runs as shown, in a folder without settings of its own."""

import importlib
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

# One test of each suite that uses its fixtures; the suites themselves run elsewhere.
ONE_TEST = {
    "auth": "test_the_right_password_proves_its_user",
    "bus": "test_a_listener_hears_what_is_published",
    "cache": "test_what_is_set_can_be_got",
    "engine": "test_a_run_completes_with_its_definitions_output",
    "git": "test_ensuring_again_changes_nothing",
    "storage": "test_put_returns_digest_and_size",
}


def shown(suite: str) -> str:
    """The first code block of a suite's docstring."""
    text = importlib.import_module(f"computor_core.testing.{suite}").__doc__ or ""
    block: list[str] = []
    for line in text.partition("::\n")[2].splitlines():
        if line and not line.startswith("    "):
            break
        block.append(line)
    return textwrap.dedent("\n".join(block))


@pytest.mark.parametrize("suite", ONE_TEST)
def test_the_module_in_a_suites_docstring_runs_as_shown(suite: str, tmp_path: Path) -> None:
    (tmp_path / "test_mine.py").write_text(shown(suite))
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", ONE_TEST[suite]],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "1 passed" in run.stdout
