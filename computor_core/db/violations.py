"""Database constraints that a change broke, as errors that name fields and never SQL."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sqlalchemy import CheckConstraint, Table
from sqlalchemy.exc import IntegrityError
from sqlalchemy.schema import ColumnCollectionConstraint

from computor_core.errors import ComputorError, ConflictError, FieldProblem, InvalidError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

_SQLITE = re.compile(r"^(?P<kind>UNIQUE|CHECK|NOT NULL|FOREIGN KEY) constraint failed(: (?P<what>.*))?$")
_KINDS = {"23505": "UNIQUE", "23503": "FOREIGN KEY", "23514": "CHECK", "23502": "NOT NULL"}


class RowConflictError(ConflictError):
    """A change contradicts rows that are there, perhaps since a moment ago: another try sees them."""


def translate(
    error: IntegrityError, table: Table | None = None, known: Collection[str] = ()
) -> ComputorError:
    """The error to raise instead of a broken constraint.

    Args:
        error: What the database said.
        table: The table that was changed, where that is known.
        known: Fields that the caller knows of; others aren't named.

    Returns:
        ``RowConflictError`` for a unique or foreign key rule and for what the driver doesn't tell,
        ``InvalidError`` for a check or a missing value.
    """
    kind, constraint, columns = _facts(error, table)
    fields = [name for name in columns if name in known]
    if kind == "UNIQUE":
        named = _most_specific(fields)
        return RowConflictError(
            f"there is a row with this {' and '.join(named)} already"
            if named
            else "there is such a row already",
            fields=[FieldProblem(name, "not_unique", "taken already") for name in named],
        )
    if kind == "FOREIGN KEY":
        return RowConflictError(
            "the row refers to one that isn't there, or others refer to it",
            fields=[FieldProblem(name, "reference", "refers to a row that isn't there") for name in fields],
        )
    if kind == "CHECK":
        if table is None:
            return InvalidError("the values break a rule of what is stored")
        rule = constraint.removeprefix(f"ck_{table.name}__")
        fields = [name for name in _columns_of_check(table, constraint) if name in known]
        return InvalidError(
            f"the values break the rule {rule!r}",
            fields=[FieldProblem(name, rule, f"breaks the rule {rule!r}") for name in fields],
        )
    if kind != "NOT NULL":
        return RowConflictError("the change contradicts what is stored")
    return InvalidError(
        "a mandatory value is missing",
        fields=[FieldProblem(name, "missing", "must not be empty") for name in fields],
    )


def _facts(error: IntegrityError, table: Table | None) -> tuple[str, str, list[str]]:
    """Kind of the constraint, its name and its columns, as far as the driver tells."""
    for cause in _causes(error):
        # SQLAlchemy's own error has the state too, but only asyncpg's below it knows the rule.
        if (kind := _KINDS.get(getattr(cause, "sqlstate", None) or "")) and hasattr(cause, "constraint_name"):
            name = cause.constraint_name or ""
            column = getattr(cause, "column_name", None)
            return kind, name, [column] if column else _columns_of(table, name)
    match = _SQLITE.match(str(error.orig))
    if match is None:
        return "", "", []
    what = match["what"] or ""
    if match["kind"] == "CHECK":
        return "CHECK", what, []
    if what.startswith("index "):
        name = what.removeprefix("index ").strip("'")
        return match["kind"], name, _columns_of(table, name)
    columns = [part.strip().rpartition(".")[2] for part in what.split(",") if part.strip()]
    return match["kind"], "", columns


def _causes(error: IntegrityError) -> Iterator[BaseException]:
    cause: BaseException | None = error.orig
    while cause is not None:
        yield cause
        cause = cause.__cause__


def _columns_of(table: Table | None, name: str) -> list[str]:
    if table is None:
        return []
    for rule in table.constraints:
        if isinstance(rule, ColumnCollectionConstraint) and str(rule.name) == name:
            return [column.name for column in rule.columns]
    for index in table.indexes:
        if str(index.name) == name:
            return [column.name for column in index.columns]
    return []


def _columns_of_check(table: Table, name: str) -> list[str]:
    for constraint in table.constraints:
        if isinstance(constraint, CheckConstraint) and str(constraint.name) == name:
            text = str(constraint.sqltext)
            return [column.name for column in table.c if re.search(rf"\b{re.escape(column.name)}\b", text)]
    return []


def _most_specific(fields: list[str]) -> list[str]:
    """What the caller can change: without the scope that the row lies in, unless that is all."""
    own = [name for name in fields if name not in {"course_id", "course_family_id", "organization_id"}]
    return own or fields
