"""What a plugin's wheel takes from Computor, read from its source without importing it."""

from __future__ import annotations

import ast
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

PUBLIC = ("computor_core.plugin_api", "computor_core.interfaces", "computor_core.testing")
"""What a plugin may import, with everything below."""

_NAME = re.compile(r"computor_\w+(\.\w+)*(:[\w.]+)?")


def private_uses(wheel: Path) -> list[str]:
    """Every use of something that isn't public and isn't the wheel's own, one line each."""
    found: list[str] = []
    with zipfile.ZipFile(wheel) as archive:
        files = [name for name in archive.namelist() if name.endswith(".py")]
        own = {name.partition("/")[0] for name in files}
        for name in files:
            used = sorted(set(names_in(archive.read(name).decode())))
            found += [f"{name}: {item}" for item in used if not _allowed(item, own)]
    return found


def names_in(source: str) -> Iterator[str]:
    """Dotted names of Computor's modules that a module imports or names in an import string."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if _NAME.fullmatch(alias.name))
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield from (
                f"{node.module}.{alias.name}" for alias in node.names if _NAME.fullmatch(node.module or "")
            )
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and _NAME.fullmatch(node.value):
            yield node.value


def _allowed(name: str, own: set[str]) -> bool:
    module = name.partition(":")[0]
    return module.partition(".")[0] in own or any(f"{module}.".startswith(f"{part}.") for part in PUBLIC)
