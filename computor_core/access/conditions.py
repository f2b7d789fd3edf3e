"""Row conditions as SQL."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import ColumnElement

from computor_core.plugin_api.access import Comparison, Condition, SqlCondition
from computor_core.targets import load_target

if TYPE_CHECKING:
    from sqlalchemy.sql.selectable import FromClause

    from computor_core.access.caller import Caller

Test = Callable[["FromClause", "Caller"], ColumnElement[bool]]
"""A question about one row of a table."""


def compile_condition(condition: Condition | SqlCondition) -> Test:
    """The test that a condition stands for; SQL conditions are imported now."""
    if isinstance(condition, SqlCondition):
        return cast("Test", load_target(condition.target))

    def test(table: FromClause, caller: Caller) -> ColumnElement[bool]:
        return _compare(table.c[condition.column], condition, caller)

    return test


def _compare(column: ColumnElement[Any], condition: Condition, caller: Caller) -> ColumnElement[bool]:
    match condition.comparison:
        case Comparison.EQUAL:
            return column == condition.values[0]
        case Comparison.NOT_EQUAL:
            return column != condition.values[0]
        case Comparison.ONE_OF:
            return column.in_(condition.values)
        case Comparison.NULL:
            return column.is_(None)
        case Comparison.NOT_NULL:
            return column.is_not(None)
        case Comparison.PAST:
            return column <= caller.now
