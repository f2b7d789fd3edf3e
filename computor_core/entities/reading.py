"""Reading rows: just the DTO's columns, in one statement that also proves the caller live."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import RowMapping, Select, bindparam, literal_column, select, true

from computor_core.access.caller import guard
from computor_core.access.errors import StalePrincipalError
from computor_core.access.row_ids import row_id_of
from computor_core.access.statements import StatementCache
from computor_core.entities import cursors, filtering
from computor_core.entities.json_values import Convert, from_json, json_value, refuse, to_json
from computor_core.entities.listing import ListBuilder, ListShape, cursor_parameter, masked, sort_label
from computor_core.entities.page import Page
from computor_core.errors import NotFoundError

if TYPE_CHECKING:
    from computor_core.access.engine import AccessEngine
    from computor_core.access.selection import Selection
    from computor_core.db.unit_of_work import ReadUnit
    from computor_core.entities.binding import BoundEntity

MAX_LIMIT = 200
"""Most rows that a page can have."""


def live_or_nothing(selection: Selection, found: Select[Any]) -> Select[Any]:
    """Give the row, a row of nulls when there is none, and no row at all when the caller isn't live."""
    live: Select[Any] = select(literal_column("1").label("live")).where(guard(selection.credential))
    row = found.subquery("found")
    return select(row).select_from(live.subquery("live").outerjoin(row, true()))


def stale() -> StalePrincipalError:
    """The error for a caller that isn't live."""
    return StalePrincipalError("the sign-in is no longer valid")


class EntityReader:
    """Reads the rows of one entity.

    Args:
        entity: The entity.
        access: Decides what each caller reaches.
    """

    def __init__(self, entity: BoundEntity, access: AccessEngine) -> None:
        self._entity = entity
        self._access = access
        self._rows: StatementCache[Select[Any]] = StatementCache(256)
        self._pages: StatementCache[Select[Any]] = StatementCache(1024)
        self._totals: StatementCache[Select[Any]] = StatementCache(256)
        self._converts: dict[str, Convert | None] = {
            column.name: to_json(column.type) for column in entity.table.c
        }

    # --- one row --------------------------------------------------------------------------

    async def get(
        self, work: ReadUnit, row_id: UUID | str, *, fields: Sequence[str] | None = None
    ) -> dict[str, Any]:
        """One row of the get DTO, as JSON values; ``id`` and ``version`` are always there.

        Raises:
            NotFoundError: No such row, or none that the caller can see.
            InvalidError: A field isn't one of the DTO.
            StalePrincipalError: The caller isn't live.
        """
        names = self._fields(fields, self._entity.get_columns, always=("id", "version"))
        readable = self._readable(work)
        requires = self.selections(work, names)
        key = (names, readable, tuple(requires.items()), True)
        statement = self._rows.get(key, lambda: self._row(names, readable, requires, only_readable=True))
        return await self._one(work, statement, row_id, names)

    async def created(self, work: ReadUnit, row_id: UUID | str) -> dict[str, Any]:
        """A row that the caller just made, whether or not its roles let it read such rows."""
        names, readable = self._entity.get_columns, self._readable(work)
        requires = self.selections(work, names)
        key = (names, readable, tuple(requires.items()), False)
        statement = self._rows.get(key, lambda: self._row(names, readable, requires, only_readable=False))
        return await self._one(work, statement, row_id, names)

    def _row(
        self,
        names: tuple[str, ...],
        readable: Selection,
        requires: dict[str, Selection],
        *,
        only_readable: bool,
    ) -> Select[Any]:
        table = self._entity.table
        found = select(*(masked(table, name, requires) for name in names)).where(
            table.c.id == bindparam("row_id", type_=table.c.id.type)
        )
        if not only_readable:
            # The unit proved the caller live before the change, which may itself have moved the
            # caller's epoch on (enrolling oneself).
            return found
        return live_or_nothing(readable, found.where(readable.allowed(table)))

    async def _one(
        self, work: ReadUnit, statement: Select[Any], row_id: UUID | str, names: Sequence[str]
    ) -> dict[str, Any]:
        row = await self.fetch(work, statement, row_id)
        return self.encode(row, names)

    async def fetch(self, work: ReadUnit, statement: Select[Any], row_id: UUID | str) -> RowMapping:
        """The one row of a statement with the parameter ``row_id``.

        Raises:
            NotFoundError: There is none.
            StalePrincipalError: The caller isn't live.
        """
        try:
            key = row_id_of(self._entity.table.c.id.type, row_id)
        except ValueError as error:
            raise self.not_found() from error
        values = self._access.parameters(work.principal, work.now) | {"row_id": key}
        row: RowMapping | None = (await work.connection.execute(statement, values)).mappings().one_or_none()
        if row is None:
            raise stale()
        if row["id"] is None:
            raise self.not_found()
        return row

    def not_found(self) -> NotFoundError:
        """The same for an absent row and for one that the caller can't see."""
        return NotFoundError("there is no such row", details={"entity": self._entity.endpoint})

    # --- pages ----------------------------------------------------------------------------

    async def page(
        self,
        work: ReadUnit,
        *,
        filters: Mapping[str, Any],
        sort: Sequence[str],
        limit: int,
        cursor: str | None,
        with_total: bool,
        fields: Sequence[str] | None,
    ) -> Page:
        """A page of the rows that the caller can see.

        Raises:
            InvalidError: A filter, sort field, field, limit or cursor doesn't fit.
            StalePrincipalError: The caller isn't live.
        """
        if not 1 <= limit <= MAX_LIMIT:
            raise refuse("limit", "out_of_range", f"between 1 and {MAX_LIMIT}")
        active = {name: value for name, value in filters.items() if value is not None}
        for name in active.keys() - self._entity.filters.keys():
            raise refuse(name, "unknown_filter", "lists of this entity have no such filter")
        order = self._order(sort)
        bound_to = cursors.fingerprint(
            self._entity.endpoint, active, [f"{name}{'-' if down else '+'}" for name, down in order]
        )
        names = self._fields(fields, self._entity.list_columns, always=("id",))
        shape = self._shape(work, names, active, order, after=cursor is not None, limit=limit + 1)
        values = self._access.parameters(work.principal, work.now)
        values |= filtering.parameters(self._entity.filters, active)
        if shape.selection.empty:
            if not await self._access.still_valid(work):
                raise stale()
            return Page([], limit, None, 0 if with_total else None)
        if cursor is not None:
            values |= self._position(cursor, bound_to, order)
        sqlite = work.is_sqlite
        statement = self._pages.get(
            (shape, sqlite), lambda: ListBuilder(self._entity, shape, sqlite=sqlite).page()
        )
        rows = (await work.connection.execute(statement, values)).mappings().all()
        if not rows:
            raise stale()
        rows = [row for row in rows if row["id"] is not None]
        more = len(rows) > limit
        rows = rows[:limit]
        last = [json_value(rows[-1][sort_label(i)]) for i in range(len(order))] if more else None
        return Page(
            [self.encode(row, names) for row in rows],
            limit,
            cursors.encode(bound_to, last) if last is not None else None,
            await self._total(work, shape, values) if with_total else None,
        )

    async def _total(self, work: ReadUnit, shape: ListShape, values: dict[str, Any]) -> int:
        sqlite = work.is_sqlite
        statement = self._totals.get(
            (shape, sqlite), lambda: ListBuilder(self._entity, shape, sqlite=sqlite).total()
        )
        total = await work.connection.scalar(statement, values)
        if total is None:
            raise stale()
        return int(total)

    def _shape(
        self,
        work: ReadUnit,
        names: tuple[str, ...],
        active: Mapping[str, Any],
        order: tuple[tuple[str, bool], ...],
        *,
        after: bool,
        limit: int,
    ) -> ListShape:
        items = self._entity.filters
        looked_at = {*names, *(name for name, _ in order), *(items[name].column for name in active)}
        return ListShape(
            selection=self._readable(work),
            fields=names,
            filters=tuple((name, filtering.variant_of(items[name], active[name])) for name in sorted(active)),
            sort=order,
            after=after,
            limit=limit,
            requires=tuple(sorted(self.selections(work, looked_at).items(), key=lambda item: item[0])),
        )

    def _order(self, sort: Sequence[str]) -> tuple[tuple[str, bool], ...]:
        order: list[tuple[str, bool]] = []
        for item in sort:
            name = item.removeprefix("-")
            if name not in self._entity.sortable:
                raise refuse("sort", "unknown_sort", f"lists can't be sorted by {name!r}")
            if any(name == known for known, _ in order):
                raise refuse("sort", "repeated", f"{name!r} stands twice")
            order.append((name, item.startswith("-")))
            if name == "id":
                return tuple(order)
        # The id makes the order total, in the direction of what comes before it.
        return (*order, ("id", order[-1][1] if order else False))

    def _position(self, cursor: str, bound_to: str, order: tuple[tuple[str, bool], ...]) -> dict[str, Any]:
        found = cursors.decode(cursor, bound_to, len(order))
        table = self._entity.table
        try:
            return {
                cursor_parameter(i): from_json(table.c[name].type, found[i])
                for i, (name, _) in enumerate(order)
            }
        except (ValueError, ArithmeticError) as error:
            raise refuse("cursor", "malformed", "it isn't a cursor of this list") from error

    # --- parts ----------------------------------------------------------------------------

    def _readable(self, work: ReadUnit) -> Selection:
        return self._access.select(work.principal, self._entity.read_action or "", self._entity.endpoint)

    def selections(self, work: ReadUnit, columns: Iterable[str]) -> dict[str, Selection]:
        """What counts for those of the columns that need an action of their own."""
        requires = self._entity.requires
        return {
            column: self._access.select(work.principal, requires[column], self._entity.endpoint)
            for column in columns
            if column in requires
        }

    def _fields(
        self, fields: Sequence[str] | None, known: tuple[str, ...], *, always: tuple[str, ...]
    ) -> tuple[str, ...]:
        if not fields:
            return known
        for name in fields:
            if name not in known:
                raise refuse("fields", "unknown_field", f"there is no field {name!r}")
        wanted = {*fields, *always}
        return tuple(name for name in known if name in wanted)

    def encode(self, row: Mapping[Any, Any], names: Iterable[str]) -> dict[str, Any]:
        """A row as JSON values."""
        converts = self._converts
        encoded: dict[str, Any] = {}
        for name in names:
            value, convert = row[name], converts[name]
            encoded[name] = value if value is None or convert is None else convert(value)
        return encoded
