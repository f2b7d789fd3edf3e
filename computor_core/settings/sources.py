"""Where settings come from: ``computor.toml`` and the environment, which goes before it."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any

from computor_core.errors import ConfigurationError
from computor_core.settings.problems import Path

PREFIX = "COMPUTOR_"
FILE_VARIABLE = "COMPUTOR_CONFIG"
"""Names the settings file; without it ``./computor.toml`` is read where there is one."""

_NOT_SETTINGS = frozenset({FILE_VARIABLE, "COMPUTOR_FAILPOINT", "COMPUTOR_REQUIRE_SERVICES"})
_NOT_SETTINGS_PREFIXES = ("COMPUTOR_TEST_", "COMPUTOR_CLIENT_")
_ALIASES: dict[str, Path] = {"COMPUTOR_TRACE_PLUGINS": ("plugins", "trace")}


@dataclass(slots=True)
class Sources:
    """The settings as written, merged.

    Attributes:
        tree: Nested tables; values from variables are text.
        origins: The file or variable behind each path that is a value.
        variables: Paths whose value is the text of a variable.
    """

    tree: dict[str, Any] = field(default_factory=dict)
    origins: dict[Path, str] = field(default_factory=dict)
    variables: set[Path] = field(default_factory=set)

    def origin(self, path: Path) -> str:
        """Where the value at a path comes from, or the nearest value above or below it; else ""."""
        for end in range(len(path), 0, -1):
            if path[:end] in self.origins:
                return self.origins[path[:end]]
        below = (origin for known, origin in self.origins.items() if known[: len(path)] == path)
        return next(below, "")


def read_sources(file: FilePath | None = None, environment: Mapping[str, str] | None = None) -> Sources:
    """Read the settings file and the ``COMPUTOR_…`` variables.

    Args:
        file: The settings file, or None for ``$COMPUTOR_CONFIG``, else ``./computor.toml``.
        environment: The variables, or None for the process's own.

    Raises:
        ConfigurationError: The file is named and missing, unreadable or no TOML, or two variables
            contradict each other.
    """
    environment = os.environ if environment is None else environment
    named = file or (FilePath(environment[FILE_VARIABLE]) if environment.get(FILE_VARIABLE) else None)
    sources = Sources()
    path = named or FilePath("computor.toml")
    if named is not None or path.exists():
        sources.tree = _read_file(path)
        _note_origins(sources, sources.tree, (), str(path))
    for variable in sorted(environment):  # so that a section comes before the keys below it
        target = _path_of(variable)
        if target is not None:
            _set(sources, target, variable, environment[variable])
    return sources


def _read_file(path: FilePath) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(
            f"the settings file {path} can't be read: {error.strerror or error}",
            hint=f"{FILE_VARIABLE} names the file; without it ./computor.toml is read where there is one",
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"the settings file {path} is no valid TOML: {error}") from error


def _note_origins(sources: Sources, tree: Mapping[str, Any], base: Path, origin: str) -> None:
    for key, value in tree.items():
        if isinstance(value, dict) and value:
            _note_origins(sources, value, (*base, key), origin)
        else:
            sources.origins[*base, key] = origin


def _path_of(variable: str) -> Path | None:
    if variable in _ALIASES:
        return _ALIASES[variable]
    if not variable.startswith(PREFIX) or variable in _NOT_SETTINGS:
        return None
    if variable.startswith(_NOT_SETTINGS_PREFIXES):
        return None
    return tuple(variable.removeprefix(PREFIX).lower().split("__"))


def _set(sources: Sources, path: Path, variable: str, text: str) -> None:
    table = sources.tree
    for depth, key in enumerate(path[:-1], start=1):
        inner = table.setdefault(key, {})
        if not isinstance(inner, dict):
            where = ".".join(path[:depth])
            raise ConfigurationError(
                f"the variable {variable} sets a key below {where}, and {where} is a value "
                f"(from {sources.origin(path[:depth])})"
            )
        table = inner
    for known in [known for known in sources.origins if known[: len(path)] == path]:
        del sources.origins[known]
    table[path[-1]] = text
    sources.origins[path] = variable
    sources.variables.add(path)
