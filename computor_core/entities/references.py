"""Reference rules: what a row may refer to, and what it takes over from there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sqlalchemy import Select, bindparam, select

from computor_core.access.statements import StatementCache
from computor_core.entities.json_values import refuse
from computor_core.entities.reading import live_or_nothing, stale
from computor_core.errors import FieldProblem, ForbiddenError, NotFoundError
from computor_core.plugin_api.entities import Operation
from computor_core.plugin_api.principal import ScopeKind

if TYPE_CHECKING:
    from computor_core.access.engine import AccessEngine
    from computor_core.access.selection import Selection
    from computor_core.db.unit_of_work import ReadUnit
    from computor_core.entities.binding import BoundEntity
    from computor_core.plugin_api.entities import Ref


class References:
    """Checks the references of one entity's rows.

    Args:
        entity: The entity.
        entities: All entities, for the targets.
        access: Decides what each caller reaches.
    """

    def __init__(
        self, entity: BoundEntity, entities: Mapping[str, BoundEntity], access: AccessEngine
    ) -> None:
        self._entity = entity
        self._entities = entities
        self._access = access
        self._refs = {ref.field: ref for ref in entity.registration.refs}
        self._statements: StatementCache[Select[Any]] = StatementCache(256)

    async def for_new(self, work: ReadUnit, values: dict[str, Any]) -> None:
        """Check a new row's references and take over what its targets give, in place.

        The parent's rule, or the caller's global roles where there is no parent, decides whether
        the row may be created.

        Raises:
            NotFoundError: A target isn't there, or the caller can't see it.
            ForbiddenError: The caller sees it, but lacks the action on it.
            InvalidError: A target belongs elsewhere.
            StalePrincipalError: The caller isn't live.
        """
        registration = self._entity.registration
        parents = [ref.field for ref in self._refs.values() if ref.parent]
        given = [field for field in parents if values.get(field) is not None]
        if len(given) > 1:
            raise refuse(given[1], "second_parent", f"the row lies below {given[0]} already")
        if not given and not registration.create_at_root:
            raise refuse(parents[0], "missing", f"one of {', '.join(parents)} is needed")
        if not given:
            await self._access.require_at(work, registration.access[Operation.CREATE], ScopeKind.GLOBAL, None)
        ordered = sorted(self._refs.values(), key=lambda ref: not ref.parent)
        targets = [
            (ref, await self._target(work, ref, values[ref.field]))
            for ref in ordered
            if values.get(ref.field) is not None
        ]
        for ref, target in targets:
            values.update({own: target[theirs] for own, theirs in ref.copies.items()})
        for ref, target in targets:
            self._require_same(ref, target, values)

    async def for_change(self, work: ReadUnit, row: Mapping[str, Any], values: dict[str, Any]) -> None:
        """Check the references that an update changes, old and new target, in place.

        Raises:
            As for :meth:`for_new`.
        """
        for field in sorted(values.keys() & self._refs.keys()):
            ref = self._refs[field]
            if row[field] is not None:
                await self._target(work, ref, row[field])
            if values[field] is None:
                continue
            target = await self._target(work, ref, values[field])
            values.update({own: target[theirs] for own, theirs in ref.copies.items()})
            self._require_same(ref, target, {**row, **values})

    def _require_same(self, ref: Ref, target: Mapping[str, Any], values: Mapping[str, Any]) -> None:
        for own, theirs in ref.same.items():
            if own in values and values[own] != target[theirs]:
                raise refuse(ref.field, "elsewhere", f"it belongs to another {own.removesuffix('_id')}")

    async def _target(self, work: ReadUnit, ref: Ref, target_id: Any) -> Mapping[str, Any]:  # noqa: ANN401
        target = self._entities[ref.endpoint]
        action = ref.action or self._entity.registration.access.get(Operation.CREATE, "")
        allowed = self._access.select(work.principal, action, ref.endpoint)
        readable = self._access.select(work.principal, target.read_action or "", ref.endpoint)
        statement = self._statements.get(
            (ref.field, allowed, readable), lambda: _statement(target, ref, allowed, readable)
        )
        values = self._access.parameters(work.principal, work.now) | {"row_id": target_id}
        row = (await work.connection.execute(statement, values)).mappings().one_or_none()
        if row is None:
            raise stale()
        if row["ref_allowed"]:
            return {name.removeprefix("ref_column_"): value for name, value in row.items()}
        if row["ref_readable"]:
            raise ForbiddenError(
                f"{action} isn't allowed on what {ref.field} names",
                details={"action": action, "field": ref.field},
            )
        raise NotFoundError(
            f"what {ref.field} names isn't there",
            details={"entity": ref.endpoint},
            fields=[FieldProblem(ref.field, "not_found", "there is no such row")],
        )


def _statement(target: BoundEntity, ref: Ref, allowed: Selection, readable: Selection) -> Select[Any]:
    table = target.table
    names = sorted({*ref.same.values(), *ref.copies.values()})
    found = select(
        allowed.allowed(table).label("ref_allowed"),
        readable.allowed(table).label("ref_readable"),
        *(table.c[name].label(f"ref_column_{name}") for name in names),
    ).where(table.c.id == bindparam("row_id", type_=table.c.id.type))
    return live_or_nothing(readable, found)
