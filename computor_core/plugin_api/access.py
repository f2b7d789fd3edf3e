"""The vocabulary of access rules: pure data that names columns and endpoints, never models.

A *rule* says which rows of an entity an action reaches, as a list of named *branches*; a row is
reached when one branch holds for it and no *deny* condition does. A branch is a conjunction of
*terms* (how the caller relates to the row) and *conditions* (what the row must be like)::

    AccessRuleRegistration(
        endpoint="artifacts",
        action="submission.read",
        branches=(
            branch("staff", scope_of(ScopeKind.COURSE, "course_id")),
            branch("own", via("submission_group_id", "submission-group-members",
                              target="submission_group_id", only=("own",))),
        ),
    )

Every branch becomes SQL of its own: a check joins them with OR, a list asks each that the caller
can have and merges, and an explanation names the one that held. The first term of a branch is
where its list starts, so it should be the one that selects few rows. What no rule reaches is
denied.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from computor_core.plugin_api.principal import ScopeKind

__all__ = [
    "AccessRuleRegistration",
    "Branch",
    "Comparison",
    "Condition",
    "Everyone",
    "Inside",
    "Own",
    "ScopeKind",
    "ScopeOf",
    "SqlCondition",
    "Term",
    "Via",
    "branch",
    "everyone",
    "inside",
    "own",
    "scope_of",
    "sql",
    "via",
    "where",
]

Scalar = str | int | bool
"""A constant that a condition compares with."""


@dataclass(frozen=True, slots=True)
class ScopeOf:
    """The caller holds an action at the row's scope, by a role there or above it.

    Attributes:
        scope: The level that ``column`` names.
        column: Column with the scope's id (``"course_id"``; ``"id"`` on the scope's own table);
            ``""`` at the global level.
        action: The action to hold; ``""`` stands for the action of the rule.
    """

    scope: ScopeKind
    column: str
    action: str = ""


@dataclass(frozen=True, slots=True)
class Inside:
    """The caller holds an action somewhere below the row's scope: what members see upward.

    Attributes:
        scope: ``ORGANIZATION`` (a family or course directly in it) or ``FAMILY`` (a course in it).
        column: Column with the scope's id.
        action: The action to hold there; ``""`` stands for the action of the rule.
    """

    scope: ScopeKind
    column: str
    action: str = ""


@dataclass(frozen=True, slots=True)
class Own:
    """The row belongs to the caller.

    Attributes:
        column: Column with a user's id.
    """

    column: str


@dataclass(frozen=True, slots=True)
class Via:
    """The row hangs on a row of another entity that the caller reaches.

    Attributes:
        column: Column of this row.
        endpoint: The other entity.
        action: The action whose rule on the other entity counts; ``""``: the action of this rule.
        target: Column of the other entity that ``column`` equals.
        only: Names of the other rule's branches that count; empty: all.
    """

    column: str
    endpoint: str
    action: str = ""
    target: str = "id"
    only: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Everyone:
    """Any live, signed-in caller.

    Attributes:
        anonymous: Also callers who aren't signed in.
    """

    anonymous: bool = False


Term = ScopeOf | Inside | Own | Via | Everyone
"""How the caller relates to the row."""


class Comparison(StrEnum):
    """How a condition compares a column."""

    EQUAL = "equal"
    NOT_EQUAL = "not_equal"
    ONE_OF = "one_of"
    NULL = "null"
    NOT_NULL = "not_null"
    PAST = "past"
    """An instant that isn't after the start of the request; null never is."""


@dataclass(frozen=True, slots=True)
class Condition:
    """What a column of the row must be like.

    Attributes:
        column: The column.
        comparison: How it is compared.
        values: The constants: one, or several for ``ONE_OF``; none for the others.
    """

    column: str
    comparison: Comparison
    values: tuple[Scalar, ...] = ()


@dataclass(frozen=True, slots=True)
class SqlCondition:
    """A condition that needs SQL of its own.

    Attributes:
        target: ``"module:function"``; ``(table: FromClause, caller: Caller) -> ColumnElement[bool]``
            with :class:`computor_core.plugin_api.db.Caller`. It is imported when the rules are
            compiled, never when they are registered.
    """

    target: str


@dataclass(frozen=True, slots=True)
class Branch:
    """One way to reach a row; all terms and conditions must hold.

    Attributes:
        name: What ``explain`` calls it; unique in its rule.
        terms: At least one; the first starts the list.
        conditions: What the row must be like.
    """

    name: str
    terms: tuple[Term, ...]
    conditions: tuple[Condition | SqlCondition, ...] = ()


@dataclass(frozen=True, slots=True)
class AccessRuleRegistration:
    """Which rows of an entity an action reaches.

    Several registrations for the same endpoint and action add up: their branches and their
    deny conditions are joined, so a plugin can widen a rule by a branch or narrow it by a deny.

    Attributes:
        endpoint: The entity.
        action: The action.
        branches: The ways to reach a row.
        deny: Conditions under which the action is refused whatever branch holds.
    """

    endpoint: str
    action: str
    branches: tuple[Branch, ...] = ()
    deny: tuple[Condition | SqlCondition, ...] = ()


def scope_of(scope: ScopeKind, column: str = "", action: str = "") -> ScopeOf:
    """The caller holds ``action`` at the row's scope, by a role there or above it."""
    return ScopeOf(scope, column, action)


def inside(scope: ScopeKind, column: str, action: str = "") -> Inside:
    """The caller holds ``action`` somewhere below the row's scope."""
    return Inside(scope, column, action)


def own(column: str) -> Own:
    """The row's ``column`` is the caller's user id."""
    return Own(column)


def via(
    column: str, endpoint: str, action: str = "", *, target: str = "id", only: tuple[str, ...] = ()
) -> Via:
    """The row's ``column`` is the ``target`` of a row of ``endpoint`` that the caller reaches."""
    return Via(column, endpoint, action, target, only)


def everyone(*, anonymous: bool = False) -> Everyone:
    """Any live, signed-in caller, or anybody at all."""
    return Everyone(anonymous)


def where(column: str, comparison: Comparison, *values: Scalar) -> Condition:
    """The row's ``column`` compares so."""
    return Condition(column, comparison, values)


def sql(target: str) -> SqlCondition:
    """A condition written as SQL in the function that ``target`` names."""
    return SqlCondition(target)


def branch(name: str, *parts: Term | Condition | SqlCondition) -> Branch:
    """A named branch from its terms and conditions, in any order among the two kinds."""
    return Branch(
        name,
        tuple(part for part in parts if not isinstance(part, Condition | SqlCondition)),
        tuple(part for part in parts if isinstance(part, Condition | SqlCondition)),
    )
