"""What became of each plugin, for start-up errors and for ``computor plugins``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from computor_core.errors import PluginError


class PluginState(StrEnum):
    """What became of a plugin."""

    DISABLED = "disabled"
    MISSING = "missing"
    INCOMPATIBLE = "incompatible"
    FAILED = "failed"
    CONFLICT = "conflict"
    ACTIVE = "active"


@dataclass(frozen=True, slots=True)
class PluginRecord:
    """A plugin as lists show it.

    Attributes:
        name: Name of the entry point, or the name in ``plugins.enabled`` that nothing offers.
        state: What became of it.
        reason: Why, one sentence; "" for an active plugin.
        distribution: The distribution it comes from; "" when none is installed.
        version: The distribution's version; "" as above.
        summary: The plugin's own line; "" unless it was imported.
        warnings: What works and should be mended.
    """

    name: str
    state: PluginState
    reason: str = ""
    distribution: str = ""
    version: str = ""
    summary: str = ""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PluginProblem:
    """One thing that is wrong with one plugin.

    Attributes:
        plugin: Name of the plugin.
        distribution: The distribution it comes from; "" when none is installed.
        state: The state that follows from it.
        message: One sentence.
        hint: What to do.
    """

    plugin: str
    distribution: str
    state: PluginState
    message: str
    hint: str = ""

    def line(self) -> str:
        """The problem on one line, the hint on a second."""
        origin = f" ({self.distribution})" if self.distribution else ""
        text = f"{self.plugin}{origin}: {self.state.value}: {self.message}"
        return f"{text}\n    hint: {self.hint}" if self.hint else text

    def facts(self) -> dict[str, object]:
        """The problem for a program."""
        return {
            "plugin": self.plugin,
            "distribution": self.distribution,
            "state": self.state.value,
            "message": self.message,
            "hint": self.hint,
        }


def plugin_error(problems: Sequence[PluginProblem]) -> PluginError:
    """One error that lists every problem."""
    lines = "\n".join(f"  {problem.line()}" for problem in problems)
    count = "1 plugin problem" if len(problems) == 1 else f"{len(problems)} plugin problems"
    return PluginError(
        f"{count}:\n{lines}",
        hint="`computor plugins check` lists them again; the setting plugins.enabled says what is loaded",
        details={"problems": [problem.facts() for problem in problems]},
    )
