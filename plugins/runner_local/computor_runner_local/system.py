"""What a sandbox sees of the machine: programs and libraries, nothing else."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from computor_runner_local.launcher.request import SystemView

_PATH = ("/usr/local/bin", "/usr/bin", "/bin")


def system_view(paths: Sequence[str], etc: Path) -> SystemView:
    """The read-only file system of every sandbox.

    Args:
        paths: Host directories to show; links among them (``/bin`` → ``usr/bin``) stay links.
        etc: The directory that they see as ``/etc``.
    """
    binds: dict[str, str] = {}
    links: dict[str, str] = {}
    for path in (*paths, *_interpreter(paths)):
        if Path(path).is_symlink():
            links[path] = str(Path(path).readlink())
        elif Path(path).exists():
            binds[path] = path
    return SystemView(binds={**binds, "/etc": str(etc)}, links=links, bubblewrap=_bubblewrap())


def search_path(paths: Sequence[str]) -> str:
    """PATH inside a sandbox."""
    return ":".join((*(f"{prefix}/bin" for prefix in _interpreter(paths)), *_PATH))


def _interpreter(paths: Sequence[str]) -> tuple[str, ...]:
    """The installation of the running Python, when the system's paths have no ``python3``."""
    if shutil.which("python3", path=":".join(_PATH)):
        return ()
    prefix = sys.base_prefix
    return () if any(prefix == path or prefix.startswith(f"{path}/") for path in paths) else (prefix,)


def _bubblewrap() -> tuple[str, ...]:
    """The program bubblewrap with the options that its version knows, empty when it isn't installed."""
    program = shutil.which("bwrap", path="/usr/local/bin:/usr/bin:/bin")
    if program is None:
        return ()
    help_text = subprocess.run([program, "--help"], capture_output=True, text=True, check=False).stdout
    return (program, "--disable-userns") if "--disable-userns" in help_text else (program,)
