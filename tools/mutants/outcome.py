"""What became of the mutants."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one mutant.

    Attributes:
        group: Module or table that it belongs to.
        mutant: Its name, unique in the run.
        noticed: Whether a test failed or ran into the time limit.
        how: ``"killed"``, ``"timeout"``, ``"survived"``, ``"no tests"``, …
        difference: What was changed, as a diff, where asked for.
    """

    group: str
    mutant: str
    noticed: bool
    how: str
    difference: str = ""


@dataclass(frozen=True, slots=True)
class Score:
    """How many mutants of a group were noticed."""

    group: str
    noticed: int
    total: int
    wanted: int

    @property
    def enough(self) -> bool:
        """Whether the wanted percentage was reached; no mutant at all is not enough."""
        return self.total > 0 and self.noticed * 100 >= self.wanted * self.total

    def line(self) -> str:
        """The score on one line."""
        if not self.total:
            return f"{self.group}: no mutants"
        percent = self.noticed * 100 / self.total
        verdict = "" if self.enough else f", wanted {self.wanted} %"
        killed, survived = self.noticed, self.total - self.noticed
        return f"{self.group}: {killed} killed, {survived} survived ({percent:.1f} %{verdict})"


def scores(outcomes: Sequence[Outcome], wanted: int) -> list[Score]:
    """One score for each group, sorted by group."""
    groups: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        groups.setdefault(outcome.group, []).append(outcome)
    return [
        Score(group, sum(outcome.noticed for outcome in members), len(members), wanted)
        for group, members in sorted(groups.items())
    ]
