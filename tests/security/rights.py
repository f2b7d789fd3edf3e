"""Reads ``rights.yaml``; imports nothing of the system under test."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

FILE = Path(__file__).with_name("rights.yaml")
EVERYTHING = "*"


@cache
def _document() -> dict[str, Any]:
    return yaml.safe_load(FILE.read_text(encoding="utf-8"))


def holds(role_id: str, action: str) -> bool:
    """Whether a role contains an action."""
    contained = _document()["holds"].get(role_id, [])
    return action in contained or EVERYTHING in contained


def roles() -> dict[str, frozenset[str]]:
    """What each role contains; ``*`` for everything."""
    return {role: frozenset(contained) for role, contained in _document()["holds"].items()}


def asked_at(endpoint: str) -> frozenset[str]:
    """The actions that are asked at the rows of a scope."""
    if endpoint == "courses":
        return roles()["course:_owner"]
    return frozenset(_document()["asked_at"][endpoint])


@dataclass(frozen=True)
class Expectation:
    """What an operation on a row gives each persona: the rest gets 404."""

    row: str
    operation: str
    allow: frozenset[str]
    refuse: frozenset[str]

    @property
    def endpoint(self) -> str:
        return self.row.partition(" ")[0]

    def outcome(self, persona: str) -> str:
        if persona in self.allow:
            return "allowed"
        return "refused" if persona in self.refuse else "hidden"


def expectations() -> Iterator[Expectation]:
    """The whole matrix."""
    groups = _document()["groups"]

    def people(names: list[str]) -> frozenset[str]:
        return frozenset(person for name in names for person in groups.get(name, [name]))

    for row, operations in _document()["matrix"].items():
        for operation, who in operations.items():
            yield Expectation(row, operation, people(who.get("allow", [])), people(who.get("refuse", [])))
