"""Changing rows: create, update, archive and delete, with events, audit and epochs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import CursorResult, Executable, Select, bindparam, delete, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from computor_core.access import delegation, epoch
from computor_core.access.statements import StatementCache
from computor_core.db.types import new_id
from computor_core.db.violations import translate
from computor_core.entities.json_values import json_value, refuse
from computor_core.entities.reading import EntityReader, live_or_nothing
from computor_core.entities.references import References
from computor_core.errors import ConflictError, FieldProblem, ForbiddenError, PreconditionFailedError
from computor_core.plugin_api.entities import Operation
from computor_core.plugin_api.events import EntityArchived, EntityCreated, EntityDeleted, EntityUpdated

if TYPE_CHECKING:
    from computor_core.access.engine import AccessEngine
    from computor_core.access.selection import Selection
    from computor_core.db.unit_of_work import UnitOfWork
    from computor_core.entities.binding import BoundEntity
    from computor_core.interfaces import CreateDto, UpdateDto

_HOUSEKEEPING = frozenset({"updated_at", "updated_by", "version"})


class EntityWriter:
    """Changes the rows of one entity.

    Args:
        entity: The entity.
        entities: All entities, for references.
        access: Decides what each caller reaches.
        reader: Reads the entity's rows.
    """

    def __init__(
        self,
        entity: BoundEntity,
        entities: Mapping[str, BoundEntity],
        access: AccessEngine,
        reader: EntityReader,
    ) -> None:
        self._entity = entity
        self._access = access
        self._reader = reader
        self._references = References(entity, entities, access)
        self._statements: StatementCache[Select[Any]] = StatementCache(256)

    # --- create ---------------------------------------------------------------------------

    async def create(self, work: UnitOfWork, body: CreateDto) -> dict[str, Any]:
        """Create a row."""
        await work.session.flush()
        entity, registration = self._entity, self._entity.registration
        values: dict[str, Any] = {name: getattr(body, name) for name in type(body).model_fields}
        await self._references.for_new(work, values)
        values.update(dict.fromkeys(registration.stamps, work.principal.user_id))
        await self._require_delegable(work, values, values.get(self._role_field))
        if entity.behavior is not None:
            await entity.behavior.before_create(work, values)
        values.setdefault("id", new_id())
        for name, value in self._stamps(work, created=True).items():
            values.setdefault(name, value)
        await self._execute(work, insert(entity.table).values(values))
        await self._bump(work, values)
        await self._tell(work, registration.access[Operation.CREATE], values["id"], None, values)
        work.emit(EntityCreated(**self._about(values), entity=entity.endpoint, row_id=str(values["id"])))
        return await self._reader.created(work, values["id"])

    def _stamps(self, work: UnitOfWork, *, created: bool) -> dict[str, Any]:
        stamps: dict[str, Any] = {"updated_at": work.now, "updated_by": work.principal.user_id}
        if created:
            stamps |= {"created_at": work.now, "created_by": work.principal.user_id, "version": 1}
        return {name: value for name, value in stamps.items() if self._entity.has(name)}

    # --- update and archive ---------------------------------------------------------------

    async def update(
        self, work: UnitOfWork, row_id: UUID | str, body: UpdateDto, *, if_match: int | None
    ) -> dict[str, Any]:
        """Change the fields that were sent; values that are the same change nothing."""
        action = self._entity.registration.access[Operation.UPDATE]
        values = body.changes()
        self._require_no_nulls(values)
        row = await self._current(work, row_id, action, if_match)
        for field in sorted(values.keys() & self._entity.write_requires.keys()):
            if not row[_may(self._entity.write_requires[field])]:
                raise ForbiddenError(
                    f"setting {field} isn't allowed here",
                    fields=[
                        FieldProblem(field, "forbidden", "it needs more rights than the rest of the row")
                    ],
                )
        changed = {
            name: value for name, value in values.items() if name in self._entity.inputs or row[name] != value
        }
        return await self._apply(work, row, changed, action)

    async def archive(
        self, work: UnitOfWork, row_id: UUID | str, *, archived: bool, if_match: int | None
    ) -> dict[str, Any]:
        """Archive a row or bring it back; doing either twice changes nothing."""
        action = self._entity.registration.access[Operation.ARCHIVE]
        row = await self._current(work, row_id, action, if_match)
        if (row["archived_at"] is not None) == archived:
            return await self._apply(work, row, {}, action)
        answer = await self._apply(
            work, row, {"archived_at": work.now if archived else None}, action, announce=False
        )
        work.emit(
            EntityArchived(
                **self._about(row), entity=self._entity.endpoint, row_id=str(row["id"]), archived=archived
            )
        )
        return answer

    async def _apply(
        self,
        work: UnitOfWork,
        row: Mapping[str, Any],
        values: dict[str, Any],
        action: str,
        *,
        announce: bool = True,
    ) -> dict[str, Any]:
        entity = self._entity
        if values:
            await self._references.for_change(work, row, values)
            await self._require_role_change(work, row, values)
            if entity.behavior is not None:
                await entity.behavior.before_update(work, row, values)
        values = {name: value for name, value in values.items() if row[name] != value}
        if not values:
            return self._answer(row, {})
        values |= self._stamps(work, created=False)
        values["version"] = row["version"] + 1
        await self._write(work, row, values)
        if entity.behavior is not None:
            await entity.behavior.after_update(work, row, values)
        await self._bump(work, row, values)
        await self._tell(work, action, row["id"], row, values)
        if announce:
            work.emit(
                EntityUpdated(
                    **self._about(row),
                    entity=entity.endpoint,
                    row_id=str(row["id"]),
                    fields=sorted(values.keys() - _HOUSEKEEPING),
                )
            )
        return self._answer(row, values)

    async def _write(self, work: UnitOfWork, row: Mapping[str, Any], values: Mapping[str, Any]) -> None:
        table = self._entity.table
        statement = update(table).where(table.c.id == row["id"], table.c.version == row["version"])
        result = await self._execute(work, statement.values(values))
        if result.rowcount != 1:
            raise ConflictError(
                "the row was changed by somebody else meanwhile", hint="read it and try again"
            )

    # --- delete ---------------------------------------------------------------------------

    async def delete(self, work: UnitOfWork, row_id: UUID | str, *, if_match: int | None) -> None:
        """Delete a row."""
        entity = self._entity
        action = entity.registration.access[Operation.DELETE]
        row = await self._current(work, row_id, action, if_match)
        await self._require_role_change(work, row, {self._role_field: None})
        if entity.behavior is not None:
            await entity.behavior.before_delete(work, row)
        await self._bump(work, row)
        if entity.model in epoch.SCOPES:
            await epoch.bump_members(work.connection, entity.model, row["id"])
        statement = delete(entity.table).where(entity.table.c.id == row["id"])
        if entity.has("version"):
            statement = statement.where(entity.table.c.version == row["version"])
        result = await self._execute(work, statement)
        if result.rowcount != 1:
            raise ConflictError(
                "the row was changed by somebody else meanwhile", hint="read it and try again"
            )
        await self._tell(work, action, row["id"], row, None)
        work.emit(EntityDeleted(**self._about(row), entity=entity.endpoint, row_id=str(row["id"])))

    # --- the row as it is -----------------------------------------------------------------

    async def _current(
        self, work: UnitOfWork, row_id: UUID | str, action: str, if_match: int | None
    ) -> dict[str, Any]:
        """The row with all its columns and what the caller may do with it.

        Raises:
            NotFoundError: No such row, or none that the caller can see.
            ForbiddenError: It can be seen, but not changed so.
            PreconditionFailedError: ``if_match`` isn't its version.
            StalePrincipalError: The caller isn't live.
        """
        await work.session.flush()
        entity, principal = self._entity, work.principal
        needed = {action, *entity.requires.values(), *entity.write_requires.values()}
        selections = {name: self._access.select(principal, name, entity.endpoint) for name in sorted(needed)}
        readable = self._access.select(principal, entity.read_action or "", entity.endpoint)
        key = (action, readable, tuple(selections.items()))
        statement = self._statements.get(key, lambda: self._statement(action, readable, selections))
        row = dict(await self._reader.fetch(work, statement, row_id))
        if not row[_may(action)]:
            raise ForbiddenError(f"{action} isn't allowed here", details={"action": action})
        if if_match is not None and row.get("version") != if_match:
            raise PreconditionFailedError(
                "the row has another version by now", details={"version": row.get("version")}
            )
        return row

    def _statement(self, action: str, readable: Selection, selections: dict[str, Selection]) -> Select[Any]:
        table = self._entity.table
        found = select(
            *table.c,
            *(selection.allowed(table).label(_may(name)) for name, selection in selections.items()),
        ).where(
            table.c.id == bindparam("row_id", type_=table.c.id.type),
            or_(readable.allowed(table), selections[action].allowed(table)),
        )
        return live_or_nothing(readable, found)

    def _answer(self, row: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
        """The get DTO after the change, with what the caller may see of it."""
        requires = self._entity.requires
        shown = {
            name: None if name in requires and not row[_may(requires[name])] else {**row, **values}[name]
            for name in self._entity.get_columns
        }
        return self._reader.encode(shown, self._entity.get_columns)

    def _require_no_nulls(self, values: Mapping[str, Any]) -> None:
        for name, value in values.items():
            if value is None and name not in self._entity.inputs and not self._entity.table.c[name].nullable:
                raise refuse(name, "not_null", "it can't be empty")

    # --- roles ----------------------------------------------------------------------------

    @property
    def _role_field(self) -> str:
        rule = self._entity.registration.delegation
        return rule.field if rule is not None else ""

    async def _require_delegable(
        self, work: UnitOfWork, row: Mapping[str, Any], *role_ids: str | None
    ) -> None:
        rule = self._entity.registration.delegation
        given = [role_id for role_id in role_ids if role_id is not None]
        if rule is None or not given:
            return
        scope_id = row[rule.scope_field] if rule.scope_field else None
        await delegation.require_delegable(work, given, rule.scope, scope_id, field=rule.field)

    async def _require_role_change(
        self, work: UnitOfWork, row: Mapping[str, Any], values: Mapping[str, Any]
    ) -> None:
        """Require that the caller may take the old role away and give the new one."""
        rule = self._entity.registration.delegation
        if rule is None or rule.field not in values:
            return
        await self._require_delegable(work, row, row[rule.field], values[rule.field])
        if rule.keep_one and row[rule.field] == rule.keep_one:
            await delegation.require_other_holder(
                work,
                rule.keep_one,
                rule.scope,
                row[rule.scope_field] if rule.scope_field else None,
                except_user=row["user_id"],
            )

    async def _bump(self, work: UnitOfWork, *rows: Mapping[str, Any]) -> None:
        if self._entity.model in epoch.MEMBERSHIPS:
            await epoch.bump(work, [row["user_id"] for row in rows if "user_id" in row])

    # --- telling --------------------------------------------------------------------------

    async def _execute(self, work: UnitOfWork, statement: Executable) -> CursorResult[Any]:
        try:
            result: CursorResult[Any] = await work.connection.execute(statement)
        except IntegrityError as error:
            interface = self._entity.registration.interface
            known = {*interface.get.model_fields, *self._entity.inputs}
            raise translate(error, self._entity.table, known) from error
        return result

    async def _tell(
        self,
        work: UnitOfWork,
        action: str,
        row_id: UUID | str,
        before: Mapping[str, Any] | None,
        after: Mapping[str, Any] | None,
    ) -> None:
        """Write the change into the audit trail: what is told of the row over the API, no secrets."""
        told = set(self._entity.get_columns) - _HOUSEKEEPING
        if before is not None and after is not None:
            told &= after.keys()
        work.audit(
            action,
            self._entity.endpoint,
            row_id,
            before=None if before is None else _json(before, told),
            after=None if after is None else _json(after, told),
            course_id=self._about(before or after or {}).get("course_id"),
        )

    def _about(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """The course and the user that an event concerns."""
        course = row.get("id") if self._entity.table.name == "course" else row.get("course_id")
        user = row.get("id") if self._entity.table.name == "user" else row.get("user_id")
        return {"course_id": course, "user_id": user}


def _may(action: str) -> str:
    return f"may_{action}"


def _json(row: Mapping[str, Any], names: set[str]) -> dict[str, Any]:
    return {name: json_value(row[name]) for name in sorted(names) if name in row}
