"""The libraries that belong to a toolchain, copied to where sandboxes may see them.

``toolchain:python`` holds pytest and what it needs, taken from the host's own environment. They are
copied rather than mounted from there, because that environment also holds the host itself, and may
lie in a home directory that the runner's user can't enter.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

from computor_core.plugin_api.errors import ProviderUnavailableError
from computor_core.plugin_api.providers.toolchains import Toolchain

# Compiled for nothing else than colour: half of all the time that compiling would take.
_UNCOMPILED = re.compile(r"/pygments/(lexers|styles)/")


def versions(toolchain: Toolchain) -> dict[str, str]:
    """Installed version by library of a toolchain; those that aren't installed are left out."""
    found: dict[str, str] = {}
    for name in toolchain.libraries:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def copy_libraries(toolchain: Toolchain, target: Path, interpreter: str | None) -> None:
    """Copy a toolchain's libraries with all that they need, and compile them for its interpreter.

    Args:
        toolchain: Names the libraries.
        target: Directory to make.
        interpreter: Program that will import them, or None to leave them uncompiled.

    Raises:
        ProviderUnavailableError: A library isn't installed beside the runner.
    """
    target.mkdir(mode=0o755)
    for distribution in _closure(toolchain.libraries):
        for file in distribution.files or ():
            if file.suffix != ".py" or ".." in file.parts:
                continue
            goal = target / file
            goal.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(str(distribution.locate_file(file)), goal)
    for path in (target, *target.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    if interpreter is not None:
        subprocess.run(
            [
                *(interpreter, "-I", "-S", "-m", "compileall", "-q", "-x", _UNCOMPILED.pattern),
                *("--invalidation-mode", "unchecked-hash", str(target)),
            ],
            check=False,
            capture_output=True,
        )


def _closure(names: tuple[str, ...]) -> list[metadata.Distribution]:
    found: dict[str, metadata.Distribution] = {}
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        try:
            found[name] = metadata.distribution(name)
        except metadata.PackageNotFoundError as error:
            raise ProviderUnavailableError(
                f"the library {name!r} isn't installed", hint=f"install {name} beside the runner"
            ) from error
        for text in found[name].requires or ():
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                waiting.append(requirement.name)
    return list(found.values())
