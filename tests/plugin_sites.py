"""Folders with installed example plugins, put on a process's path instead of an environment of its own.

A wheel is unpacked the way an installer does for a pure Python one: its files and its ``.dist-info``
side by side. The process sees distributions with entry points and metadata, as after pip.
"""

import os
import subprocess
import sys
import zipfile
from collections.abc import Iterable
from pathlib import Path

EXAMPLES = Path(__file__).parent / "example_plugins"

_BUILD = """
import os, sys
from hatchling.build import build_wheel
out, *projects = sys.argv[1:]
for project in projects:
    os.chdir(project)
    build_wheel(out)
"""


def build_wheels(folder: Path, projects: Iterable[Path]) -> list[Path]:
    """Build projects as wheels with hatchling, offline and without touching their folders.

    Args:
        folder: Where the wheels go.
        projects: Folders with a ``pyproject.toml``.

    Returns:
        The wheels.
    """
    folder.mkdir(parents=True)
    command = [sys.executable, "-c", _BUILD, str(folder), *map(str, projects)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return sorted(folder.glob("*.whl"))


def install(site: Path, *names: str) -> Path:
    """Build example plugins as wheels and unpack them.

    Args:
        site: An empty folder.
        names: Folders below ``tests/example_plugins``.

    Returns:
        The folder, for ``PYTHONPATH``.
    """
    for wheel in build_wheels(site / ".wheels", [EXAMPLES / name for name in names]):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(site)
    return site


def run_computor(
    *words: str, cwd: Path, site: Path | None = None, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run the ``computor`` command in a process of its own, with no settings but those given."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COMPUTOR_")}
    environment["PYTHONPATH"] = os.pathsep.join([str(site)] if site else [])
    environment.update(variables)
    return subprocess.run(
        [sys.executable, "-m", "computor_cli", *words],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
