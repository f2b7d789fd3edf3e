"""The committed reference is what the code says today, on any machine."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tools.reference import cli
from tools.reference.errors import PagesError

ROOT = Path(__file__).parents[2]
COMMITTED = ROOT / "docs" / "reference"


def reference(*arguments: str, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the generator in a process of its own, so that no test's classes are known there."""
    return subprocess.run(
        [sys.executable, "-m", "tools.reference", *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_the_committed_pages_are_what_the_code_says():
    done = reference("--check")
    assert done.returncode == 0, f"run `python -m tools.reference`\n{done.stdout}{done.stderr}"


def test_neither_settings_nor_hash_order_nor_the_folder_change_a_page(tmp_path):
    (tmp_path / "computor.toml").write_text("[server]\nport = 9\n[plugins]\nenabled = []\n")
    done = reference(
        "--check",
        cwd=tmp_path,
        PYTHONHASHSEED="7",
        COMPUTOR_DATA_DIR="/elsewhere",
        COMPUTOR_STORAGE__DEFAULT="other",
        COLUMNS="40",
        TZ="Pacific/Chatham",
    )
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"


@pytest.mark.parametrize(
    ("damage", "shown"),
    [
        (lambda folder: (folder / "errors.md").write_text("# Wrong\n"), "-# Wrong\n"),
        (lambda folder: (folder / "hooks.md").unlink(), "+++ generated/hooks.md\n"),
        (lambda folder: (folder / "left.md").write_text("# From before\n"), "-# From before\n"),
    ],
    ids=["changed", "missing", "left over"],
)
def test_a_page_that_differs_fails_the_check_with_a_diff(tmp_path, monkeypatch, capsys, damage, shown):
    pages = {file.name: file.read_text(encoding="utf-8") for file in COMMITTED.iterdir()}
    monkeypatch.setattr(cli, "take_inventory", lambda _root: None)
    monkeypatch.setattr(cli, "render_all", lambda _inventory: pages)
    folder = tmp_path / "reference"
    shutil.copytree(COMMITTED, folder)
    assert cli.main(["--check", "--folder", str(folder)]) == 0
    damage(folder)
    before = {file.name: file.read_text(encoding="utf-8") for file in folder.iterdir()}
    assert cli.main(["--check", "--folder", str(folder)]) == 1
    captured = capsys.readouterr()
    assert shown in captured.out
    assert "out of date" in captured.err
    assert {file.name: file.read_text(encoding="utf-8") for file in folder.iterdir()} == before
    assert cli.main(["--folder", str(folder)]) == 0
    assert {file.name: file.read_text(encoding="utf-8") for file in folder.iterdir()} == pages


def test_what_cannot_be_generated_is_an_error_with_its_reason(monkeypatch, capsys):
    def broken(_root):
        raise PagesError("computor-x isn't installed")

    monkeypatch.setattr(cli, "take_inventory", broken)
    assert cli.main(["--check"]) == 1
    assert "computor-x isn't installed" in capsys.readouterr().err


def test_no_page_names_this_machine():
    home = str(Path.home())
    for file in COMMITTED.glob("*.md"):
        text = file.read_text()
        assert str(ROOT) not in text, file
        assert " object at 0x" not in text, file
        assert home == "/" or f"{home}/" not in text, file


def test_links_between_pages_lead_somewhere():
    for file in COMMITTED.glob("*.md"):
        for target in re.findall(r"\]\(([^)#]+\.md)", file.read_text()):
            assert (COMMITTED / target).exists(), f"{file.name} links to {target}"
