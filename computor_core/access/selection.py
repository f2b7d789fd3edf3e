"""What of a rule counts for one caller."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import ColumnElement, false, true

from computor_core.access.caller import CALLER, Credential

if TYPE_CHECKING:
    from sqlalchemy.sql.selectable import FromClause

    from computor_core.access.rules import Arm, Rule


@dataclass(frozen=True, eq=False, slots=True)
class Selection:
    """The arms of a rule that a kind of caller can have.

    Callers with the same roles share one selection, so it serves as the key of what is built
    from it.

    Attributes:
        action: The action.
        rule: The rule; None when there is none, which denies.
        arms: The arms that can hold.
        credential: What the caller's liveness hangs on.
        unlimited: Whether rules don't apply at all (system callers).
    """

    action: str
    rule: Rule | None
    arms: tuple[Arm, ...]
    credential: Credential
    unlimited: bool = False

    @property
    def empty(self) -> bool:
        """Whether no row can be reached."""
        return not self.unlimited and not self.arms

    def allowed(self, table: FromClause) -> ColumnElement[bool]:
        """Whether the action reaches a row of the table; the caller's liveness isn't part of it."""
        if self.unlimited:
            return true()
        if self.rule is None or not self.arms:
            return false()
        return self.rule.allowed(table, CALLER, self.arms)

    def denials(self, table: FromClause) -> tuple[ColumnElement[bool], ...]:
        """That no deny condition holds."""
        return () if self.unlimited or self.rule is None else self.rule.denials(table, CALLER)
