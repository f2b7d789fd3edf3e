"""Reads ``targets.toml``, the one place that says what is mutated and which tests must notice."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.mutants.errors import MutantsError

TARGETS_FILE = Path(__file__).with_name("targets.toml")

_REGISTRATIONS = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


@dataclass(frozen=True, slots=True)
class CodeTarget:
    """Files whose functions are mutated.

    Attributes:
        name: What the command line calls it.
        files: Patterns of paths from the tree's root, as ``fnmatch`` reads them.
        tests: Paths of the tests that must notice, perhaps with ``::Class``.
        noticed: Percentage of the mutants of each module that must be noticed.
    """

    name: str
    files: tuple[str, ...]
    tests: tuple[str, ...]
    noticed: int


@dataclass(frozen=True, slots=True)
class RowTarget:
    """A function that returns registrations, from which rows are taken.

    Attributes:
        name: What the command line calls it.
        registrations: ``"module:function"``; it takes nothing and returns dataclasses.
        rows: The collections whose elements are taken out, as dotted attributes from a
            registration; ``""`` stands for the registrations themselves.
        tests: Paths of the tests that must notice, perhaps with ``::Class``.
        noticed: Percentage of the mutants that must be noticed.
    """

    name: str
    registrations: str
    rows: tuple[str, ...]
    tests: tuple[str, ...]
    noticed: int


Target = CodeTarget | RowTarget


def read_targets(path: Path = TARGETS_FILE) -> tuple[Target, ...]:
    """Read and check the targets, code before rows, in the order of the file.

    Raises:
        MutantsError: The file can't be read, an entry is malformed or a name stands twice.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        noticed = table.pop("noticed")
        targets: tuple[Target, ...] = (
            *(_code(entry, int(noticed["code"])) for entry in table.pop("code", [])),
            *(_rows(entry, int(noticed["rows"])) for entry in table.pop("rows", [])),
        )
    except KeyError as error:
        raise MutantsError(f"{path.name}: entry {error} is missing") from error
    except (OSError, TypeError, ValueError) as error:
        raise MutantsError(f"{path.name}: {error}") from error
    if table:
        raise MutantsError(f"{path.name}: unknown entry {', '.join(sorted(table))}")
    names = [target.name for target in targets]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise MutantsError(f"{path.name}: named twice: {', '.join(twice)}")
    return targets


def choose(targets: Sequence[Target], names: Sequence[str]) -> tuple[Target, ...]:
    """The targets of these names in the order of the file, all without names.

    Raises:
        MutantsError: A name is unknown.
    """
    unknown = sorted(set(names) - {target.name for target in targets})
    if unknown:
        known = ", ".join(target.name for target in targets)
        raise MutantsError(f"no target is called {', '.join(unknown)}; there are: {known}")
    return tuple(target for target in targets if not names or target.name in names)


def _code(entry: Mapping[str, Any], noticed: int) -> CodeTarget:
    _only(entry, {"name", "files", "tests"})
    return CodeTarget(str(entry["name"]), _texts(entry, "files"), _texts(entry, "tests"), noticed)


def _rows(entry: Mapping[str, Any], noticed: int) -> RowTarget:
    _only(entry, {"name", "registrations", "rows", "tests"})
    registrations = str(entry["registrations"])
    if not _REGISTRATIONS.fullmatch(registrations):
        raise ValueError(f"registrations must be of the form 'module:function', not {registrations!r}")
    return RowTarget(
        str(entry["name"]), registrations, _texts(entry, "rows"), _texts(entry, "tests"), noticed
    )


def _only(entry: Mapping[str, Any], known: set[str]) -> None:
    unknown = sorted(set(entry) - known)
    if unknown:
        raise ValueError(f"target {entry.get('name')!r} has an unknown entry: {', '.join(unknown)}")


def _texts(entry: Mapping[str, Any], key: str) -> tuple[str, ...]:
    value = entry[key]
    if not isinstance(value, list) or not value or not all(isinstance(item, str) for item in value):
        raise TypeError(f"{key} of target {entry['name']!r} must be a list of texts, not {value!r}")
    return tuple(value)
