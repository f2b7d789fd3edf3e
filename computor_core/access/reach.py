"""Terms of the rule vocabulary compiled: how the caller relates to a row, as SQL in two forms.

Each term becomes one *reach* per level at which the needed role can be held. A reach can be asked
about one row (``test``), or it can say which values of a column lead to rows (``keys``), which is
where a list starts, so that neither database system has to look at rows of others.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, Label, Select, select, true

from computor_core.access.caller import CALLER
from computor_core.access.scopes import LEVELS, holds_globally, ids_above, scope_ids
from computor_core.plugin_api.access import Everyone, Inside, Own, ScopeOf, Term
from computor_core.plugin_api.principal import ScopeKind

if TYPE_CHECKING:
    from sqlalchemy.sql.selectable import FromClause

    from computor_core.access.caller import Caller

Need = tuple[ScopeKind, str]
"""A level and an action: the caller must hold the action by some role of that level."""


@dataclass(frozen=True, slots=True)
class Reach:
    """One way in which a term can hold.

    Attributes:
        needs: What the caller's grants must contain for it to hold for any row at all.
        actions: All actions that a token must be allowed to use for it.
        column: Column whose values ``keys`` selects; None when every row is reached.
        keys: Selects those values, column ``k``; None: the value is the caller's user id.
        test: The question about one row of the given table.
        anonymous: Whether it can hold for callers who aren't signed in.
    """

    needs: frozenset[Need]
    actions: frozenset[str]
    column: str | None
    keys: Callable[[Caller], Select[Any]] | None
    test: Callable[[FromClause, Caller], ColumnElement[bool]]
    anonymous: bool = False


def reaches(term: Term, action: str) -> tuple[Reach, ...]:
    """Compile a term that stands on its own (everything but ``via``).

    Args:
        term: The term.
        action: Action of the rule.
    """
    if isinstance(term, ScopeOf):
        return tuple(_scope(term, term.action or action, level) for level in LEVELS[term.scope])
    if isinstance(term, Inside):
        return tuple(_inside(term, term.action or action, level) for level in _levels_below(term.scope))
    if isinstance(term, Own):
        return (_own(term.column),)
    if isinstance(term, Everyone):
        return (Reach(frozenset(), frozenset(), None, None, _every_row, term.anonymous),)
    raise TypeError(f"{term!r} depends on another rule")


def _every_row(table: FromClause, caller: Caller) -> ColumnElement[bool]:
    return true()


def kept(build: Callable[[Caller], Select[Any]]) -> Callable[[Caller], Select[Any]]:
    """The selection for the caller of requests, built once; it is part of many statements."""
    built: list[Select[Any]] = []

    def keys(caller: Caller) -> Select[Any]:
        if caller is not CALLER:
            return build(caller)
        if not built:
            built.append(build(caller))
        return built[0]

    return keys


def _own(column: str) -> Reach:
    def test(table: FromClause, caller: Caller) -> ColumnElement[bool]:
        return caller.user == table.c[column]

    return Reach(frozenset(), frozenset(), column, None, test)


def _scope(term: ScopeOf, action: str, level: ScopeKind) -> Reach:
    needs, actions = frozenset({(level, action)}), frozenset({action})
    if level is ScopeKind.GLOBAL:
        return Reach(needs, actions, None, None, lambda _table, caller: holds_globally(action, caller))

    keys = kept(lambda caller: scope_ids(term.scope, level, action, caller))
    return Reach(needs, actions, term.column, keys, by_keys(term.column, keys))


def _levels_below(scope: ScopeKind) -> tuple[ScopeKind, ...]:
    return (ScopeKind.COURSE, ScopeKind.FAMILY) if scope is ScopeKind.ORGANIZATION else (ScopeKind.COURSE,)


def _inside(term: Inside, action: str, level: ScopeKind) -> Reach:
    keys = kept(lambda caller: ids_above(term.scope, level, action, caller))
    needs, actions = frozenset({(level, action)}), frozenset({action})
    return Reach(needs, actions, term.column, keys, by_keys(term.column, keys))


def by_keys(
    column: str, keys: Callable[[Caller], Select[Any]]
) -> Callable[[FromClause, Caller], ColumnElement[bool]]:
    """Turn a selection of keys into the question whether a row's column is among them."""

    def test(table: FromClause, caller: Caller) -> ColumnElement[bool]:
        found = keys(caller)
        (key,) = found.selected_columns
        # Correlated, so that one row costs an index probe, however many keys there are.
        return (
            select(1)
            .select_from(*found.get_final_froms())
            .where(*_criteria(found), _unlabelled(key) == table.c[column])
            .correlate(table, *caller.froms)
            .exists()
        )

    return test


def _criteria(found: Select[Any]) -> tuple[ColumnElement[bool], ...]:
    clause = found.whereclause
    return () if clause is None else (clause,)


def _unlabelled(column: ColumnElement[Any]) -> ColumnElement[Any]:
    return column.element if isinstance(column, Label) else column
