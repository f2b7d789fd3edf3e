"""Binding: interface, model and access of an entity brought together, and every gap refused."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from sqlalchemy import Table

from computor_core.entities.column_types import misfits
from computor_core.entities.dto_fields import FilterField, filter_fields, readable_actions, required_actions
from computor_core.errors import ConfigurationError
from computor_core.interfaces import Archived
from computor_core.plugin_api.entities import EntityBehavior, EntityRegistration, Erasure, Operation, Ref
from computor_core.targets import load_target, raised, require_call

if TYPE_CHECKING:
    from pydantic import BaseModel

_ENDPOINT = re.compile(r"(x/[a-z][a-z0-9_]*/)?[a-z][a-z0-9]*(-[a-z0-9]+)*")
_BOOKKEEPING = frozenset({"created_by", "updated_by"})
"""References to users that every entity has; they are kept as evidence of who changed what and
are emptied by the database when the user's row goes."""

_STAMPED = frozenset({"id", "version", "created_at", "updated_at", *_BOOKKEEPING})
"""Columns that creating a row fills by itself."""
_BEHAVIOR = ("inputs", "before_create", "before_update", "after_update", "before_delete")


@dataclass(frozen=True, eq=False)
class BoundEntity:
    """An entity ready for use.

    Attributes:
        registration: What was registered.
        model: The mapped class.
        table: Its table.
        behavior: What it does beyond the generic, or None.
    """

    registration: EntityRegistration
    model: type[Any]
    table: Table
    behavior: EntityBehavior | None

    @property
    def endpoint(self) -> str:
        """The entity's name."""
        return self.registration.endpoint

    @cached_property
    def get_columns(self) -> tuple[str, ...]:
        """Columns of the get DTO."""
        return tuple(self.registration.interface.get.model_fields)

    @cached_property
    def list_columns(self) -> tuple[str, ...]:
        """Columns of the list DTO."""
        return tuple(self.registration.interface.list.model_fields)

    @cached_property
    def requires(self) -> Mapping[str, str]:
        """Columns whose value needs an action of its own."""
        return readable_actions(self.registration.interface)

    @cached_property
    def write_requires(self) -> Mapping[str, str]:
        """Fields of the update DTO that need an action of their own."""
        return required_actions(self.registration.interface.update)

    @cached_property
    def filters(self) -> Mapping[str, FilterField]:
        """Filters of lists."""
        return filter_fields(self.registration.interface.query)

    @cached_property
    def sortable(self) -> frozenset[str]:
        """Columns that lists may be sorted by."""
        return frozenset({"id", *self.registration.sort})

    @cached_property
    def inputs(self) -> frozenset[str]:
        """DTO fields without a column, consumed by the behavior."""
        return self.behavior.inputs if self.behavior is not None else frozenset()

    @property
    def read_action(self) -> str | None:
        """The action that reading needs; None when the entity can't be read."""
        access = self.registration.access
        return access.get(Operation.GET) or access.get(Operation.LIST)

    def has(self, column: str) -> bool:
        """Whether the table has a column."""
        return column in self.table.c


def load_entities(registrations: Iterable[EntityRegistration]) -> dict[str, BoundEntity]:
    """Load the models and behaviors of all entities.

    Raises:
        ConfigurationError: One can't be loaded, or two entities share an endpoint; everything
            wrong is listed.
    """
    bound: dict[str, BoundEntity] = {}
    problems: list[str] = []
    for registration in registrations:
        endpoint = registration.endpoint
        if endpoint in bound:
            problems.append(f"{endpoint}: two entities have this endpoint")
            continue
        try:
            bound[endpoint] = _load(registration)
        except (AttributeError, ValueError, TypeError) as error:
            problems.append(f"{endpoint}: {error}")
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a plugin's own code: reported by name
            problems.append(f"{endpoint}: {raised(error)}")
    _refuse(problems)
    return bound


def _load(registration: EntityRegistration) -> BoundEntity:
    model: Any = load_target(registration.model)
    table = getattr(model, "__table__", None)
    if not isinstance(table, Table):
        raise TypeError(f"{registration.model} isn't a mapped class")
    if registration.behavior is None:
        return BoundEntity(registration, model, table, None)
    kind: Any = load_target(registration.behavior)
    require_call(kind, registration.behavior, 0)
    behavior = kind()
    missing = [name for name in _BEHAVIOR if not hasattr(behavior, name)]
    if missing:
        raise TypeError(f"{registration.behavior} is no EntityBehavior: it has no {', '.join(missing)}")
    return BoundEntity(registration, model, table, behavior)


def check_entities(
    entities: Mapping[str, BoundEntity], actions: Iterable[str], rules: Iterable[tuple[str, str]]
) -> None:
    """Refuse gaps: whatever an entity leaves unsaid stops the start of the application.

    Args:
        entities: All entities.
        actions: Names of the registered actions.
        rules: ``(endpoint, action)`` of every access rule.

    Raises:
        ConfigurationError: Something is missing or doesn't fit; everything wrong is listed.
    """
    known_actions, known_rules = frozenset(actions), frozenset(rules)
    problems: list[str] = []
    for entity in entities.values():
        found = _Check(entity, entities, known_actions, known_rules).problems()
        problems += [f"{entity.endpoint}: {problem}" for problem in found]
    _refuse(problems)


def _refuse(problems: list[str]) -> None:
    if problems:
        raise ConfigurationError(
            "entities are incomplete: " + "; ".join(problems), details={"problems": problems}
        )


@dataclass(frozen=True, slots=True)
class _Check:
    """The start-up check of one entity."""

    entity: BoundEntity
    entities: Mapping[str, BoundEntity]
    actions: frozenset[str]
    rules: frozenset[tuple[str, str]]

    def problems(self) -> Iterator[str]:
        if not _ENDPOINT.fullmatch(self.entity.endpoint):
            yield "the endpoint isn't plural kebab-case (a plugin's: x/<plugin>/<plural>)"
        yield from self._access()
        yield from self._dtos()
        yield from self._columns()
        yield from self._filters_and_sorting()
        yield from self._refs()
        yield from self._delegation()
        yield from self._personal()
        yield from self._commands()

    # --- access ---------------------------------------------------------------------------

    def _rule(self, action: str, why: str, endpoint: str | None = None) -> Iterator[str]:
        if action not in self.actions:
            yield f"{why} needs the unknown action {action}"
        elif (endpoint or self.entity.endpoint, action) not in self.rules:
            where = endpoint or self.entity.endpoint
            yield f"{why} needs {action}, but no rule says which rows of {where} it reaches"

    def _access(self) -> Iterator[str]:
        registration = self.entity.registration
        access = registration.access
        if not access:
            yield "no operation is exposed, so it isn't an entity of the API"
        for operation, action in access.items():
            if operation is Operation.CREATE and not registration.create_at_root:
                # Creating is decided at the parent, whose rule the references name.
                if action not in self.actions:
                    yield f"create needs the unknown action {action}"
            else:
                yield from self._rule(action, operation.value)
        if (
            Operation.GET in access
            and Operation.LIST in access
            and access[Operation.GET] != access[Operation.LIST]
        ):
            yield "get and list need different actions, so they could disagree"
        for field, action in {**self.entity.requires, **self.entity.write_requires}.items():
            yield from self._rule(action, f"field {field}")
        changes = {Operation.UPDATE, Operation.ARCHIVE, Operation.DELETE} & access.keys()
        if changes and self.entity.read_action is None:
            yield "rows can be changed but not read"
        if {Operation.UPDATE, Operation.ARCHIVE} & access.keys() and not self.entity.has("version"):
            yield "rows can be changed but have no version"
        if Operation.ARCHIVE in access and not self.entity.has("archived_at"):
            yield "archive is exposed but there is no column archived_at"

    # --- DTOs -----------------------------------------------------------------------------

    def _dtos(self) -> Iterator[str]:
        interface, access = self.entity.registration.interface, self.entity.registration.access
        for kind, model in (("get", interface.get), ("list", interface.list)):
            for field in model.model_fields:
                if not self.entity.has(field):
                    yield f"field {field} of the {kind} DTO has no column"
                if not model.model_fields[field].description:
                    yield f"field {field} of the {kind} DTO isn't documented"
        if "id" not in interface.list.model_fields or "id" not in interface.get.model_fields:
            yield "a DTO has no id"
        listed_only = set(interface.list.model_fields) - set(interface.get.model_fields)
        if listed_only:
            yield f"the list DTO has fields that the get DTO lacks: {', '.join(sorted(listed_only))}"
        for field, action in required_actions(interface.get).items():
            if field in interface.list.model_fields and required_actions(interface.list).get(field) != action:
                yield f"field {field} needs {action} in the get DTO but not in the list DTO"
        for operation, dto in ((Operation.CREATE, interface.create), (Operation.UPDATE, interface.update)):
            if (dto is None) != (operation not in access):
                yield f"{operation.value} is exposed without a DTO, or has a DTO without being exposed"
            if dto is not None:
                yield from self._body(operation.value, dto)

    def _columns(self) -> Iterator[str]:
        interface, table = self.entity.registration.interface, self.entity.table
        for kind, dto in (("get", interface.get), ("list", interface.list)):
            yield from misfits(kind, dto, table, read=True)
        if interface.update is not None:
            yield from misfits("update", interface.update, table, read=False)
        if interface.create is not None:
            yield from misfits("create", interface.create, table, read=False)
            if self.entity.behavior is None:  # a behavior may fill any
                yield from self._unfilled(interface.create)

    def _unfilled(self, create: type[BaseModel]) -> Iterator[str]:
        """Columns that no creation could fill."""
        registration = self.entity.registration
        filled = {*create.model_fields, *registration.stamps, *_STAMPED}
        filled |= {own for ref in registration.refs for own in ref.copies}
        for column in self.entity.table.c:
            has_default = (
                column.default is not None
                or column.server_default is not None
                or column is self.entity.table.autoincrement_column
            )
            if column.name not in filled and not column.nullable and not has_default:
                yield f"column {column.name} can't be null, and nothing fills it when a row is created"

    def _body(self, kind: str, dto: type[BaseModel]) -> Iterator[str]:
        for field, info in dto.model_fields.items():
            if not self.entity.has(field) and field not in self.entity.inputs:
                yield f"field {field} of the {kind} DTO has no column and no behavior consumes it"
            if field in {"id", "version", "created_at", "updated_at", *_BOOKKEEPING, "archived_at"}:
                yield f"field {field} of the {kind} DTO isn't for callers to set"
            if not info.description:
                yield f"field {field} of the {kind} DTO isn't documented"

    def _filters_and_sorting(self) -> Iterator[str]:
        query = self.entity.registration.interface.query
        for name in query.model_fields:
            if name not in query.COMMON and name not in self.entity.filters:
                yield f"field {name} of the query DTO doesn't say what it filters by"
        for item in self.entity.filters.values():
            if not self.entity.has(item.column):
                yield f"filter {item.name} looks at {item.column}, which has no column"
        if self.entity.has("archived_at") and not any(
            isinstance(item.marker, Archived) for item in self.entity.filters.values()
        ):
            yield "rows can be archived but lists can't filter by it"
        for column in self.entity.registration.sort:
            if not self.entity.has(column):
                yield f"sort field {column} has no column"
            elif self.entity.table.c[column].nullable:
                yield f"sort field {column} can be null, so pages would lose rows"

    # --- references -----------------------------------------------------------------------

    def _settable(self) -> set[str]:
        interface = self.entity.registration.interface
        bodies = (interface.create, interface.update)
        return {field for dto in bodies if dto is not None for field in dto.model_fields}

    def _refs(self) -> Iterator[str]:
        registration = self.entity.registration
        ruled = {ref.field for ref in registration.refs}
        if registration.delegation is not None:
            ruled.add(registration.delegation.field)
        for field in sorted(self._settable() - ruled):
            if self.entity.has(field) and self.entity.table.c[field].foreign_keys:
                yield f"{field} refers to another entity without a reference rule"
        for ref in registration.refs:
            yield from self._ref(ref)
        parents = [ref for ref in registration.refs if ref.parent]
        if Operation.CREATE in registration.access and not parents and not registration.create_at_root:
            yield "create has neither a parent reference nor create_at_root"
        for column in registration.stamps:
            if not self.entity.has(column):
                yield f"stamp {column} has no column"

    def _ref(self, ref: Ref) -> Iterator[str]:
        target = self.entities.get(ref.endpoint)
        if target is None:
            yield f"reference {ref.field} goes to the unknown entity {ref.endpoint}"
            return
        if not self.entity.has(ref.field):
            yield f"reference {ref.field} has no column"
        create = self.entity.registration.access.get(Operation.CREATE, "")
        yield from self._rule(ref.action or create, f"reference {ref.field}", ref.endpoint)
        if target.read_action is None:
            yield f"reference {ref.field} goes to {ref.endpoint}, which can't be read"
        for own, theirs in (*ref.same.items(), *ref.copies.items()):
            if not self.entity.has(own) or not target.has(theirs):
                yield f"reference {ref.field} names {own} and {ref.endpoint}.{theirs}: not both are there"
        for own in ref.copies:
            if own in self._settable():
                yield f"{own} is taken over by reference {ref.field}, so callers can't set it"

    def _delegation(self) -> Iterator[str]:
        delegation = self.entity.registration.delegation
        if delegation is None:
            for field in sorted(self._settable()):
                keys = self.entity.table.c[field].foreign_keys if self.entity.has(field) else ()
                if any(key.target_fullname == "role.id" for key in keys):
                    yield f"{field} gives a role without a delegation rule"
            return
        for column in (delegation.field, delegation.scope_field):
            if column and not self.entity.has(column):
                yield f"the delegation rule names {column}, which has no column"

    # --- the rest -------------------------------------------------------------------------

    def _personal(self) -> Iterator[str]:
        registration = self.entity.registration
        for name in sorted(personal_columns(self.entity.table) - registration.personal.keys()):
            yield f"{name} is personal and has no rule for export and erasure"
        for name, rule in registration.personal.items():
            if not self.entity.has(name):
                yield f"the rule for personal data names {name}, which has no column"
            elif rule.erasure is Erasure.KEEP and not rule.reason:
                yield f"{name} is kept when its person is erased, but no reason is stated"
            elif (
                rule.erasure is Erasure.CLEAR
                and not self.entity.table.c[name].nullable
                and not _clearable(self.entity.table, name)
            ):
                yield f"{name} is to be cleared when its person is erased, but it can't be empty"

    def _commands(self) -> Iterator[str]:
        names: set[str] = set()
        for command in self.entity.registration.commands:
            if command.name in names or command.name in {"archive", "unarchive"}:
                yield f"two operations are called {command.name}"
            names.add(command.name)
            if command.collection:
                if command.action not in self.actions:
                    yield f"command {command.name} needs the unknown action {command.action}"
            else:
                yield from self._rule(command.action, f"command {command.name}")


def personal_columns(table: Table) -> frozenset[str]:
    """Columns that say something about a person.

    Those that refer to a user or a course member, whoever made or changed the row aside, and
    those that the model marks with ``info={"personal": True}``.
    """
    referring = {
        column.name
        for column in table.c
        for key in column.foreign_keys
        if key.target_fullname in {"user.id", "course_member.id"}
    }
    marked = {column.name for column in table.c if column.info.get("personal")}
    return frozenset((referring | marked) - _BOOKKEEPING)


def _clearable(table: Table, name: str) -> bool:
    """Whether a NOT NULL column has an empty value: text does."""
    return table.c[name].type.python_type is str
