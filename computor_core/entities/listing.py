"""The SQL of lists: one keyset-limited SELECT per branch that the caller can have, merged.

A list starts from the keys that the caller reaches (courses of memberships, own groups, the own
user id) and takes at most a page of rows for each, by index; it never looks at the rows of others.
An OR of the branches in one WHERE would make either database system scan the table. Shapes, tried
with EXPLAIN on both (``tests/integration/test_list_plans.py``):

PostgreSQL takes the rows of each key in a LATERAL subquery. A coarse key (a course's id) is compared
as a range and leads the ordering (``(course_id, id) > (k, :id) AND course_id <= k ORDER BY course_id,
id``), which only the index over both can serve; with a plain equality the planner may walk the
primary key and filter, which is a scan of everything for a course at its far end. Fine keys (a
group's id) are compared by equality, whose estimates are right; a range's would make the planner
read the keys in parallel. Limits are literals, since the generic plan can't see a bound one.

SQLite has no LATERAL: the rows of each key are found by ``id IN (SELECT … LIMIT n)``, correlated to
the key, and CROSS JOIN keeps the key in the outer loop. Where a filter is more selective than the
key, a unary plus keeps the coarse index from being used; the planner has no statistics.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    ColumnElement,
    Join,
    Select,
    Subquery,
    UnaryExpression,
    and_,
    bindparam,
    case,
    func,
    literal_column,
    null,
    or_,
    select,
    true,
    tuple_,
    type_coerce,
    union,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.operators import custom_op

from computor_core.access.caller import CALLER, guard
from computor_core.entities.filtering import condition, filter_parameter
from computor_core.interfaces import Equals, OneOf

if TYPE_CHECKING:
    from sqlalchemy import Table
    from sqlalchemy.sql.compiler import FromLinter, SQLCompiler
    from sqlalchemy.sql.selectable import FromClause

    from computor_core.access.rules import Arm
    from computor_core.access.selection import Selection
    from computor_core.entities.binding import BoundEntity

SCOPE_COLUMNS = frozenset({"course_id", "course_family_id", "organization_id"})
"""Columns whose values have many rows each."""

_UNARY_PLUS: custom_op[Any] = custom_op("+")


class _CrossJoin(Join):
    """A join whose left side stays the outer loop: SQLite's planner takes CROSS JOIN as an order."""

    inherit_cache = True


@compiles(_CrossJoin)
def _compile_cross_join(
    join: _CrossJoin,
    compiler: SQLCompiler,
    asfrom: bool = False,
    from_linter: FromLinter | None = None,
    **options: Any,  # noqa: ANN401 - whatever the compiler hands on
) -> str:
    if from_linter is not None:
        from_linter.edges.update(itertools.product(join.left._from_objects, join.right._from_objects))
    left = compiler.process(join.left, asfrom=True, from_linter=from_linter, **options)
    right = compiler.process(join.right, asfrom=True, from_linter=from_linter, **options)
    on = compiler.process(join.onclause, from_linter=from_linter, **options)  # type: ignore[arg-type]
    return f"{left} CROSS JOIN {right} ON {on}"


@dataclass(frozen=True, slots=True)
class ListShape:
    """What decides the text of a list's statement; equal shapes share it.

    Attributes:
        selection: The branches that the caller can have.
        fields: Columns to answer with.
        filters: Active filters, with the variant that their value decides.
        sort: Columns to sort by, true for descending; the last is ``id``.
        after: Whether it continues after a cursor.
        limit: Most rows.
        requires: What counts for the columns that need an action of their own.
    """

    selection: Selection
    fields: tuple[str, ...]
    filters: tuple[tuple[str, str], ...]
    sort: tuple[tuple[str, bool], ...]
    after: bool
    limit: int
    requires: tuple[tuple[str, Selection], ...] = ()


def masked(table: FromClause, name: str, requires: dict[str, Selection]) -> ColumnElement[Any]:
    """A column's value, or null where the caller lacks the action that it needs."""
    column, needed = table.c[name], requires.get(name)
    if needed is None or needed.unlimited:
        return column.label(name)
    if needed.empty:
        return type_coerce(null(), column.type).label(name)
    return case((needed.allowed(table), column), else_=null()).label(name)


def cursor_parameter(position: int) -> str:
    """Name of the parameter with a sort value of the cursor."""
    return f"cursor_{position}"


def sort_label(position: int) -> str:
    """Name of the result column with a sort value."""
    return f"sort_{position}"


@dataclass(frozen=True, slots=True)
class _Anchor:
    """What pins the rows of a branch to a key.

    Attributes:
        column: The row's column.
        key: What it equals.
        ranged: Whether that is said as a range, which leads the ordering.
        implies: The filter that the key fulfils already, or "".
    """

    column: ColumnElement[Any]
    key: ColumnElement[Any]
    ranged: bool = False
    implies: str = ""


class ListBuilder:
    """Builds the statements of one list.

    Args:
        entity: The entity.
        shape: What is wanted.
        sqlite: Whether for SQLite; else for PostgreSQL.
    """

    def __init__(self, entity: BoundEntity, shape: ListShape, *, sqlite: bool) -> None:
        self._entity = entity
        self._table: Table = entity.table
        self._shape = shape
        self._sqlite = sqlite
        self._requires = dict(shape.requires)
        self._limit: ColumnElement[Any] = literal_column(str(int(shape.limit)))
        self._exact = {
            entity.filters[name].column: name
            for name, _ in shape.filters
            if isinstance(entity.filters[name].marker, Equals | OneOf)
        }

    # --- the whole ------------------------------------------------------------------------

    def page(self) -> Select[Any]:
        """The page: the columns asked for and the raw sort values.

        No row at all means that the caller isn't live; one row of nulls is an empty page.
        """
        arms = self._arms()
        found = self._arm(arms[0], keys_only=False) if len(arms) == 1 else self._merge(arms)
        page = found.subquery("page")
        live: Select[Any] = select(literal_column("1").label("live"))
        live = live.where(guard(self._shape.selection.credential))
        joined = live.subquery("live").outerjoin(page, true())
        order = [self._directed(page.c[sort_label(i)], i) for i in range(len(self._shape.sort))]
        return select(page).select_from(joined).order_by(*order)

    def total(self) -> Select[Any]:
        """The number of all rows that match, once each; no row means that the caller isn't live."""
        parts = [self._all_ids(arm) for arm in self._arms()]
        # One UNION member would keep duplicates of a key that several drivers yield.
        ids = (union(*parts) if len(parts) > 1 else parts[0].distinct()).subquery("matching")
        count = select(func.count()).select_from(ids).scalar_subquery()
        return select(count).where(guard(self._shape.selection.credential))

    def _arms(self) -> list[Arm | None]:
        selection = self._shape.selection
        return [None] if selection.unlimited else list(selection.arms)

    def _merge(self, arms: list[Arm | None]) -> Select[Any]:
        """Pages of the branches merged by id, then the columns of the rows that are left."""
        parts = []
        for number, arm in enumerate(arms):
            part = self._arm(arm, keys_only=True).subquery(f"branch_{number}")
            parts.append(select(*part.c))
        merged = union(*parts)
        order = [
            self._directed(merged.selected_columns[sort_label(i)], i) for i in range(len(self._shape.sort))
        ]
        keys = merged.order_by(*order).limit(self._limit).subquery("keys")
        row = self._table.alias("row")
        last = sort_label(len(self._shape.sort) - 1)
        columns = [masked(row, name, self._requires) for name in self._shape.fields]
        return select(*columns, *keys.c).select_from(self._ordered_join(keys, row, row.c.id == keys.c[last]))

    # --- one branch -----------------------------------------------------------------------

    def _columns(self, table: FromClause, *, keys_only: bool) -> list[ColumnElement[Any]]:
        sort: list[ColumnElement[Any]] = [
            table.c[name].label(sort_label(i)) for i, (name, _) in enumerate(self._shape.sort)
        ]
        if keys_only:
            return sort
        return [*(masked(table, name, self._requires) for name in self._shape.fields), *sort]

    def _arm(self, arm: Arm | None, *, keys_only: bool) -> Select[Any]:
        row = self._table.alias("row")
        if arm is None or arm.driver.column is None:
            return self._from_table(row, arm, self._filter_anchor(row), keys_only=keys_only)
        if arm.driver.keys is None:
            mine = _Anchor(row.c[arm.driver.column], CALLER.user)
            return self._from_table(row, arm, mine, keys_only=keys_only)
        driver = self._driver(arm, arm.driver.column)
        if arm.driver.column == "id":
            joined = self._ordered_join(driver, row, row.c.id == driver.c.k)
            found = select(*self._columns(row, keys_only=keys_only)).select_from(joined)
            return self._limited(found.where(*self._conditions(row, arm), *self._after(row)), row)
        if self._sqlite:
            return self._per_key_sqlite(row, arm, driver, keys_only=keys_only)
        return self._per_key_lateral(row, arm, driver, keys_only=keys_only)

    def _from_table(
        self, row: FromClause, arm: Arm | None, anchor: _Anchor | None, *, keys_only: bool
    ) -> Select[Any]:
        found = select(*self._columns(row, keys_only=keys_only)).where(
            *self._conditions(row, arm, anchor), *self._after(row, anchor)
        )
        return self._limited(found, row, anchor)

    def _per_key_lateral(
        self, row: FromClause, arm: Arm, driver: Subquery, *, keys_only: bool
    ) -> Select[Any]:
        column = str(arm.driver.column)
        ranged = column in SCOPE_COLUMNS
        anchor = _Anchor(row.c[column], driver.c.k, ranged, self._exact.get(column, ""))
        rows = select(*self._columns(row, keys_only=keys_only)).where(
            *self._conditions(row, arm, anchor), *self._after(row, anchor)
        )
        each = self._limited(rows, row, anchor).correlate(driver).lateral("each")
        order = [self._directed(each.c[sort_label(i)], i) for i in range(len(self._shape.sort))]
        return select(*each.c).select_from(driver.join(each, true())).order_by(*order).limit(self._limit)

    def _per_key_sqlite(self, row: FromClause, arm: Arm, driver: Subquery, *, keys_only: bool) -> Select[Any]:
        column, inner = str(arm.driver.column), self._table.alias("inner_row")
        coarse = column in SCOPE_COLUMNS and bool(self._indexed_filters() - SCOPE_COLUMNS)
        pinned = self._unindexed(inner.c[column]) if coarse else inner.c[column]
        anchor = _Anchor(pinned, driver.c.k, implies=self._exact.get(column, ""))
        ids = select(inner.c.id).where(*self._conditions(inner, arm, anchor), *self._after(inner, anchor))
        ids = self._limited(ids, inner).correlate(driver)
        joined = self._ordered_join(driver, row, row.c.id.in_(ids))
        return self._limited(select(*self._columns(row, keys_only=keys_only)).select_from(joined), row)

    def _all_ids(self, arm: Arm | None) -> Select[Any]:
        row = self._table.alias("row")
        found = select(row.c.id).where(*self._conditions(row, arm))
        if arm is None or arm.driver.column is None:
            return found
        if arm.driver.keys is None:
            return found.where(row.c[arm.driver.column] == CALLER.user)
        driver = self._driver(arm, arm.driver.column)
        return found.select_from(self._ordered_join(driver, row, row.c[arm.driver.column] == driver.c.k))

    # --- parts ----------------------------------------------------------------------------

    def _driver(self, arm: Arm, column: str) -> Subquery:
        """The keys that the caller reaches, once each, and only those that a filter leaves."""
        if arm.driver.keys is None:
            raise TypeError("the arm has no keys to start from")
        keys = arm.driver.keys(CALLER)
        name = self._exact.get(column)
        if name is not None:
            found = keys.subquery("reached")
            keys = select(found.c.k).where(
                condition(self._entity.filters[name], dict(self._shape.filters)[name], found.c.k)
            )
        return keys.distinct().subquery("driver")

    def _conditions(
        self, row: FromClause, arm: Arm | None, anchor: _Anchor | None = None
    ) -> list[ColumnElement[bool]]:
        selection = self._shape.selection
        asked: list[ColumnElement[bool]] = []
        for name, variant in self._shape.filters:
            item = self._entity.filters[name]
            column: ColumnElement[Any] = row.c[item.column]
            if self._sqlite and self._keeps_off(arm, item.column):
                column = self._unindexed(column)
            if anchor is None or anchor.implies != name:
                # Beside a range, the same as an equality would let the planner walk the primary key.
                asked.append(condition(item, variant, column))
            needed = self._requires.get(item.column)
            if needed is not None:
                asked.append(needed.allowed(row))
        asked += [self._requires[name].allowed(row) for name, _ in self._shape.sort if name in self._requires]
        if arm is not None:
            if arm.driver.column is None:
                asked.append(arm.driver.test(row, CALLER))
            asked += arm.filters(row, CALLER)
        return [*asked, *selection.denials(row)]

    def _keeps_off(self, arm: Arm | None, column: str) -> bool:
        """Whether a coarse filter must not tempt SQLite away from the arm's finer key."""
        own_key = arm is not None and arm.driver.column not in {None, *SCOPE_COLUMNS}
        return own_key and column in SCOPE_COLUMNS

    def _after(self, row: FromClause, anchor: _Anchor | None = None) -> list[ColumnElement[bool]]:
        """That the row has the key and comes after the cursor."""
        columns: list[ColumnElement[Any]] = [row.c[name] for name, _ in self._shape.sort]
        values: list[ColumnElement[Any]] = [
            bindparam(cursor_parameter(i), type_=column.type) for i, column in enumerate(columns)
        ]
        directions = {descending for _, descending in self._shape.sort}
        found: list[ColumnElement[bool]] = []
        if anchor is not None and anchor.ranged:
            if self._shape.after and len(directions) == 1:
                # One row comparison bounds the scan of the index over (anchor, sort columns).
                own, given = tuple_(anchor.column, *columns), tuple_(anchor.key, *values)
                if True in directions:
                    return [own < given, anchor.column >= anchor.key]
                return [own > given, anchor.column <= anchor.key]
            found += [anchor.column >= anchor.key, anchor.column <= anchor.key]
        elif anchor is not None:
            found.append(anchor.column == anchor.key)
        if not self._shape.after:
            return found
        if len(directions) == 1:
            own, given = tuple_(*columns), tuple_(*values)
            return [*found, own < given if True in directions else own > given]
        return [*found, self._after_mixed(columns, values)]

    def _after_mixed(
        self, columns: list[ColumnElement[Any]], values: list[ColumnElement[Any]]
    ) -> ColumnElement[bool]:
        steps = []
        for i, (_, descending) in enumerate(self._shape.sort):
            same = [columns[j] == values[j] for j in range(i)]
            steps.append(and_(*same, columns[i] < values[i] if descending else columns[i] > values[i]))
        return or_(*steps)

    def _limited(self, found: Select[Any], row: FromClause, anchor: _Anchor | None = None) -> Select[Any]:
        order = [self._directed(row.c[name], i) for i, (name, _) in enumerate(self._shape.sort)]
        if anchor is not None and anchor.ranged:
            order.insert(0, self._directed(anchor.column, 0))
        return found.order_by(*order).limit(self._limit)

    def _directed(self, column: ColumnElement[Any], position: int) -> ColumnElement[Any]:
        return column.desc() if self._shape.sort[position][1] else column.asc()

    def _filter_anchor(self, row: FromClause) -> _Anchor | None:
        """A filter to start from where the caller reaches every row anyway: the finest one."""
        usable = sorted(
            (
                column
                for column in self._indexed_filters() - {"id"}
                if isinstance(self._entity.filters[self._exact[column]].marker, Equals)
            ),
            key=lambda column: (column in SCOPE_COLUMNS, column),
        )
        if not usable or self._sqlite:
            return None
        column, name = usable[0], self._exact[usable[0]]
        key = filter_parameter(self._entity.filters[name], self._table.c[column].type)
        return _Anchor(row.c[column], key, column in SCOPE_COLUMNS, name)

    def _indexed_filters(self) -> frozenset[str]:
        leading = {index.columns[0].name for index in self._table.indexes if len(index.columns)}
        for constraint in self._table.constraints:
            columns = list(getattr(constraint, "columns", ()))
            if columns and constraint.__visit_name__ in {"unique_constraint", "primary_key_constraint"}:
                leading.add(columns[0].name)
        return frozenset(self._exact) & leading

    def _ordered_join(self, outer: FromClause, inner: FromClause, on: ColumnElement[bool]) -> FromClause:
        return _CrossJoin(outer, inner, on) if self._sqlite else outer.join(inner, on)

    @staticmethod
    def _unindexed(column: ColumnElement[Any]) -> ColumnElement[Any]:
        return UnaryExpression(column, operator=_UNARY_PLUS, type_=column.type)
