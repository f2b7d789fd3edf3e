"""What a plugin says of itself."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Stability(StrEnum):
    """How firmly an author stands by an interface."""

    EXPERIMENTAL = "experimental"
    STABLE = "stable"
    DEPRECATED = "deprecated"


@dataclass(frozen=True, slots=True)
class PluginMeta:
    """A plugin's identity; its version is read from the distribution, never repeated here.

    Attributes:
        name: The entry point's name, ``[a-z][a-z0-9_]*``; prefixes actions, routes and tables.
        summary: One line for lists.
        settings: ``"module:Class"`` of a pydantic model (``extra="forbid"``), or None.
        requires: Names of plugins that must be enabled and come first.
        conflicts: Names of plugins that must not be enabled beside it.
        table_prefix: Prefix of the plugin's tables, ``"<name>_"`` by default.
        stability: How firmly the author stands by the plugin.
    """

    name: str
    summary: str
    settings: str | None = None
    requires: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()
    table_prefix: str = ""
    stability: Stability = Stability.STABLE
