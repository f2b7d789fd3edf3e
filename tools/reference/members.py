"""The workspace's own distributions: which they are, and all their modules."""

from __future__ import annotations

import importlib
import importlib.metadata
import pkgutil
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from tools.reference.errors import PagesError

_RUN_WHEN_IMPORTED = frozenset({"__main__", "env", "versions"})
"""Last names of entry points, and of alembic's environments and revisions."""

_OF_THE_SANDBOX = frozenset({"computor_core.assessment.harness"})
"""Files that are mounted into jobs and find each other on an import path of their own."""


@dataclass(frozen=True, slots=True)
class Member:
    """A distribution of the workspace.

    Attributes:
        name: Name of the distribution.
        folder: Its folder.
        packages: Its import packages.
    """

    name: str
    folder: Path
    packages: tuple[str, ...]


def read_members(root: Path) -> tuple[Member, ...]:
    """The distributions that the root's ``pyproject.toml`` names, core first, then by folder.

    Raises:
        PagesError: One isn't installed.
    """
    patterns = _project(root)["tool"]["uv"]["workspace"]["members"]
    folders = [root, *sorted(folder for pattern in patterns for folder in root.glob(pattern))]
    members = tuple(_member(folder) for folder in folders if (folder / "pyproject.toml").exists())
    for member in members:
        try:
            importlib.metadata.version(member.name)
        except importlib.metadata.PackageNotFoundError as error:
            raise PagesError(f"{member.name} isn't installed; `make lint` installs everything") from error
    return members


def import_all(members: Sequence[Member]) -> dict[str, ModuleType]:
    """Import every module of the members, so that all classes are known.

    Left out are ``__main__`` modules and alembic's environments and revisions, which run when
    they are imported, and the files that are mounted into test jobs.

    Returns:
        The modules by name, sorted.

    Raises:
        PagesError: A module can't be imported.
    """
    found: dict[str, ModuleType] = {}
    for member in members:
        for package in member.packages:
            for name in [package, *_names_below(package)]:
                found[name] = _import(name)
    return dict(sorted(found.items()))


def _names_below(package: str) -> Iterator[str]:
    for info in pkgutil.iter_modules(_import(package).__path__, f"{package}."):
        last = info.name.rpartition(".")[2]
        if last in _RUN_WHEN_IMPORTED or info.name in _OF_THE_SANDBOX:
            continue
        yield info.name
        if info.ispkg:
            yield from _names_below(info.name)


def _import(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except Exception as error:
        raise PagesError(f"{name} can't be imported: {type(error).__name__}: {error}") from error


def _member(folder: Path) -> Member:
    project = _project(folder)
    packages = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    return Member(project["project"]["name"], folder, tuple(packages))


def _project(folder: Path) -> dict[str, Any]:
    return tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))
