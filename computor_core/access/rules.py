"""Access rules compiled: the registered branches of each (entity, action) as arms of SQL."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, Select, and_, false, not_, or_, select

from computor_core.access.conditions import Test, compile_condition
from computor_core.access.reach import Need, Reach, kept, reaches
from computor_core.errors import ConfigurationError
from computor_core.plugin_api.access import AccessRuleRegistration, Branch, Condition, SqlCondition, Term, Via

if TYPE_CHECKING:
    from sqlalchemy.sql.selectable import FromClause

    from computor_core.access.caller import Caller


@dataclass(frozen=True, slots=True)
class Arm:
    """One way through a branch: a level for each of its terms, and its conditions.

    Attributes:
        branch: The branch's name.
        driver: Where a list starts.
        others: The remaining terms' ways; all must hold.
        conditions: What the row must be like.
    """

    branch: str
    driver: Reach
    others: tuple[Reach, ...] = ()
    conditions: tuple[Test, ...] = ()

    @property
    def needs(self) -> frozenset[Need]:
        """What the caller's grants must contain for any row."""
        return self.driver.needs.union(*(reach.needs for reach in self.others))

    @property
    def actions(self) -> frozenset[str]:
        """The actions that a token must be allowed to use."""
        return self.driver.actions.union(*(reach.actions for reach in self.others))

    @property
    def anonymous(self) -> bool:
        """Whether it can hold for callers who aren't signed in."""
        return all(reach.anonymous for reach in (self.driver, *self.others))

    @property
    def covers_all(self) -> bool:
        """Whether it reaches every row once the caller has what it needs."""
        return self.driver.column is None and not self.others and not self.conditions

    def filters(self, table: FromClause, caller: Caller) -> tuple[ColumnElement[bool], ...]:
        """What remains to be asked about a row that the driver led to."""
        asked = [reach.test(table, caller) for reach in self.others]
        asked += [condition(table, caller) for condition in self.conditions]
        return tuple(asked)

    def test(self, table: FromClause, caller: Caller) -> ColumnElement[bool]:
        """Whether the arm reaches a row."""
        return and_(self.driver.test(table, caller), *self.filters(table, caller))


@dataclass(frozen=True, slots=True)
class Rule:
    """All arms of an action on an entity, and when it is refused nevertheless."""

    endpoint: str
    action: str
    arms: tuple[Arm, ...]
    deny: tuple[Test, ...] = ()

    def allowed(
        self, table: FromClause, caller: Caller, arms: Iterable[Arm] | None = None
    ) -> ColumnElement[bool]:
        """Whether the action reaches a row, by these arms (all by default)."""
        chosen = self.arms if arms is None else tuple(arms)
        if not chosen:
            return false()
        return and_(or_(*(arm.test(table, caller) for arm in chosen)), *self.denials(table, caller))

    def denials(self, table: FromClause, caller: Caller) -> tuple[ColumnElement[bool], ...]:
        """That no deny condition holds; an unknown one (null) counts as holding."""
        return tuple(not_(condition(table, caller)) for condition in self.deny)


_Key = tuple[str, str]
_Step = tuple[str, str, str]


class RuleBook:
    """All rules of the application.

    Args:
        registrations: The rules of core and plugins; those for the same entity and action add up.
        tables: The table of each entity.

    Raises:
        ConfigurationError: A rule names an unknown entity, column, branch or target, repeats the
            name of a branch, has a branch without a term, or a branch depends on itself. All
            problems are listed at once.
    """

    def __init__(
        self, registrations: Iterable[AccessRuleRegistration], tables: Mapping[str, FromClause]
    ) -> None:
        self._tables = tables
        self._branches: dict[_Key, dict[str, Branch]] = {}
        self._denials: dict[_Key, list[Condition | SqlCondition]] = {}
        self._arms: dict[_Step, tuple[Arm, ...]] = {}
        self._rules: dict[_Key, Rule] = {}
        problems = set(self._register(registrations))
        for key in self._branches:
            try:
                self._rules[key] = self._compile(key)
            except ConfigurationError as error:
                problems.add(error.message)
        if problems:
            raise ConfigurationError(
                "access rules are broken: " + "; ".join(sorted(problems)),
                details={"problems": sorted(problems)},
            )

    def __iter__(self) -> Iterator[Rule]:
        return iter(self._rules.values())

    def get(self, endpoint: str, action: str) -> Rule | None:
        """The rule of an action on an entity; None when nothing is registered, which denies."""
        return self._rules.get((endpoint, action))

    def _register(self, registrations: Iterable[AccessRuleRegistration]) -> Iterator[str]:
        for registration in registrations:
            key = (registration.endpoint, registration.action)
            branches = self._branches.setdefault(key, {})
            for branch in registration.branches:
                if branch.name in branches:
                    yield f"the rule for {_what(key)} has two branches {branch.name!r}"
                branches[branch.name] = branch
            self._denials.setdefault(key, []).extend(registration.deny)

    def _compile(self, key: _Key) -> Rule:
        if key[0] not in self._tables:
            raise ConfigurationError(f"the rule for {_what(key)} names an unknown entity")
        arms = [arm for name in self._branches[key] for arm in self._branch((*key, name), ())]
        return Rule(*key, tuple(arms), self._deny(key))

    def _deny(self, key: _Key) -> tuple[Test, ...]:
        return tuple(self._condition(item, key) for item in self._denials[key])

    def _branch(self, step: _Step, path: tuple[_Step, ...]) -> tuple[Arm, ...]:
        known = self._arms.get(step)
        if known is not None:
            return known
        key, branch = step[:2], self._branches[step[:2]][step[2]]
        if step in path:
            raise ConfigurationError(f"branch {branch.name!r} of the rule for {_what(key)} depends on itself")
        if not branch.terms:
            raise ConfigurationError(
                f"branch {branch.name!r} of the rule for {_what(key)} doesn't say who the caller is"
            )
        conditions = tuple(self._condition(item, key) for item in branch.conditions)
        alternatives = [self._reaches(term, key, (*path, step)) for term in branch.terms]
        arms = tuple(Arm(branch.name, ways[0], ways[1:], conditions) for ways in product(*alternatives))
        self._arms[step] = arms
        return arms

    def _reaches(self, term: Term, key: _Key, path: tuple[_Step, ...]) -> tuple[Reach, ...]:
        column = getattr(term, "column", "")
        if column:
            self._require_column(key[0], column, key)
        if not isinstance(term, Via):
            return reaches(term, key[1])
        self._require_column(term.endpoint, term.target, key)
        other = (term.endpoint, term.action or key[1])
        if other not in self._branches:
            raise ConfigurationError(
                f"the rule for {_what(key)} refers to {_what(other)}, for which there is none"
            )
        unknown = set(term.only) - self._branches[other].keys()
        if unknown:
            raise ConfigurationError(
                f"the rule for {_what(key)} names branch {min(unknown)!r} of the rule for {_what(other)},"
                " which has none of that name"
            )
        deny, table = self._deny(other), self._tables[term.endpoint]
        return tuple(
            _via(term, Rule(*other, (), deny), arm, table)
            for name in term.only or self._branches[other]
            for arm in self._branch((*other, name), path)
        )

    def _condition(self, item: Condition | SqlCondition, key: _Key) -> Test:
        if isinstance(item, Condition):
            self._require_column(key[0], item.column, key)
        try:
            return compile_condition(item)
        except (ImportError, AttributeError, ValueError) as error:
            raise ConfigurationError(f"the rule for {_what(key)}: {error}") from error

    def _require_column(self, endpoint: str, column: str, key: _Key) -> None:
        table = self._tables.get(endpoint)
        if table is None or column not in table.c:
            raise ConfigurationError(
                f"the rule for {_what(key)} names {endpoint}.{column}, which isn't there"
            )


def _what(key: _Key) -> str:
    return f"{key[1]} on {key[0]}"


def _via(term: Via, rule: Rule, arm: Arm, table: FromClause) -> Reach:
    """The reach of a row that hangs on a row of another entity, by one arm of that one's rule."""
    # Made once: columns of an alias cost more than the rest of a statement. The two are never
    # in each other's scope, since every subquery names what it correlates to.
    target_of_keys, target = table.alias(), table.alias()

    def keys(caller: Caller) -> Select[Any]:
        target = target_of_keys
        found = select(target.c[term.target].label("k"))
        if arm.driver.column is None:
            found = found.where(arm.driver.test(target, caller))
        elif arm.driver.keys is None:
            found = found.where(target.c[arm.driver.column] == caller.user)
        else:
            start = arm.driver.keys(caller).subquery()
            found = found.join_from(start, target, target.c[arm.driver.column] == start.c.k)
        return found.where(*arm.filters(target, caller), *rule.denials(target, caller))

    def test(row: FromClause, caller: Caller) -> ColumnElement[bool]:
        return (
            select(1)
            .select_from(target)
            .where(
                target.c[term.target] == row.c[term.column],
                arm.test(target, caller),
                *rule.denials(target, caller),
            )
            .correlate(row, *caller.froms)
            .exists()
        )

    return Reach(arm.needs, arm.actions, term.column, kept(keys), test, arm.anonymous)
