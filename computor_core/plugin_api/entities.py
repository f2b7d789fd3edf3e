"""How an entity is declared: one registration, from which everything else is derived.

The interface (:class:`computor_core.interfaces.EntityInterface`) says what goes over the wire,
the registration binds it to a table and says who may do what. Routes, OpenAPI, clients, CLI,
filters, events, audit and the access matrix come from it; a gap stops the application's start.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from computor_core.interfaces import Dto, EntityInterface
    from computor_core.plugin_api.access import AccessRuleRegistration
    from computor_core.plugin_api.db import UnitOfWork
    from computor_core.plugin_api.principal import ScopeKind

__all__ = [
    "Command",
    "Delegation",
    "EntityBehavior",
    "EntityRegistration",
    "Erasure",
    "Operation",
    "Personal",
    "Ref",
]


class Operation(StrEnum):
    """What the generic service can do with an entity; nothing is exposed unless listed."""

    CREATE = "create"
    GET = "get"
    LIST = "list"
    UPDATE = "update"
    ARCHIVE = "archive"
    """Archive and bring back."""
    DELETE = "delete"


class Erasure(StrEnum):
    """What happens to a personal field when its person is erased."""

    CLEAR = "clear"
    """The value is emptied, the row stays."""
    DELETE_ROW = "delete_row"
    """The row goes."""
    KEEP = "keep"
    """The value stays, for the stated reason."""


@dataclass(frozen=True, slots=True)
class Personal:
    """How a personal field is treated.

    That every personal field says so is checked at start; the export and the erasure that go by it
    aren't built yet.

    Attributes:
        erasure: What happens when its person is erased.
        export: Whether it is part of the person's data export.
        reason: Why it is kept; mandatory for ``KEEP``.
    """

    erasure: Erasure
    export: bool = True
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Ref:
    """The rule of a foreign key that callers set.

    Attributes:
        field: Field of the create or update DTO that holds the target's id.
        endpoint: The target's entity.
        action: The action needed on the target; ``""``: the action of the operation itself.
            A target that the caller can't read answers 404, one that is readable but refuses the
            action 403. An update that changes the field needs it on the old target, too.
        parent: Whether the row lives below the target, so that creating it is allowed by the
            action on the target alone. Of several parents exactly one is given.
        same: Columns that must agree: the row's column → the target's column.
        copies: Columns that the row takes over from the target: the row's → the target's. They
            aren't part of the create DTO.
    """

    field: str
    endpoint: str
    action: str = ""
    parent: bool = False
    same: Mapping[str, str] = dataclasses.field(default_factory=dict)
    copies: Mapping[str, str] = dataclasses.field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Delegation:
    """The rule of a column that gives somebody a role: nobody gives what they lack.

    Giving, changing and taking away a role each need every action that the role contains, at
    that scope.

    Attributes:
        scope: The level that the role is held at.
        scope_field: Column with the scope's id; ``""`` at the global level.
        field: Column with the role's id.
        keep_one: Id of the role whose last holder at a scope can't be removed, or ``""``.
    """

    scope: ScopeKind
    scope_field: str = ""
    field: str = "role_id"
    keep_one: str = ""


@dataclass(frozen=True, slots=True)
class Command:
    """A business operation on an entity, beside the generic ones.

    Attributes:
        name: ``"publish"``; the path is ``/<endpoint>/{id}/<name>``, or ``/<endpoint>/<name>``.
        summary: One line for docs, OpenAPI and CLI.
        input: DTO of the body, or None for an empty one.
        output: DTO of the answer, or None for 204.
        action: The action needed on the row. For a collection command the handler requires it
            where it belongs, and the action documents it.
        handler: ``"module:function"``; ``async def (app: Application, principal: Principal, row_id:
            UUID | None, input: Dto | None, *, request_id: str) -> Dto | dict | None``, with
            :class:`computor_core.plugin_api.services.Application`. It opens units of work itself,
            and requires its action in the one that it writes with.
        collection: Whether it works without a row.
        status: HTTP status of success: 200, 201, 202 or 204.
    """

    name: str
    summary: str
    input: type[Dto] | None
    output: type[Dto] | None
    action: str
    handler: str
    collection: bool = False
    status: int = 200


class EntityBehavior(Protocol):
    """What an entity does beyond the generic: derived columns, tree rules, side conditions.

    The class is named by import string in the registration and instantiated once, without
    arguments. ``inputs`` names the DTO fields that have no column and are consumed here.
    """

    inputs: frozenset[str]

    async def before_create(self, work: UnitOfWork, values: dict[str, Any]) -> None:
        """Complete the column values of a new row, in place; inputs must be removed.

        Raises:
            ComputorError: The row must not be.
        """
        ...

    async def before_update(self, work: UnitOfWork, row: Mapping[str, Any], values: dict[str, Any]) -> None:
        """Complete the changed column values, in place, given all column values of the row before."""
        ...

    async def after_update(self, work: UnitOfWork, row: Mapping[str, Any], values: Mapping[str, Any]) -> None:
        """Carry the change on to other rows (a subtree's paths), given the row before."""
        ...

    async def before_delete(self, work: UnitOfWork, row: Mapping[str, Any]) -> None:
        """Refuse, or clear the way."""
        ...


@dataclass(frozen=True, slots=True)
class EntityRegistration:
    """An entity.

    Attributes:
        interface: Its contract.
        model: ``"module:Class"`` of the mapped class; loaded when the application starts.
        summary: One line for docs and OpenAPI.
        access: The exposed operations, each with the action it needs; the access rules say which
            rows the action reaches. Get and list need the same action.
        rules: The access rules that come with the entity; more may be registered apart.
        refs: The rule of every foreign key that the create or update DTO can set.
        personal: The rule of every personal column.
        commands: The business operations.
        sort: Columns that lists may be sorted by, all NOT NULL; ``id`` always is one.
        delegation: The rule of the column that gives a role, where there is one.
        behavior: ``"module:Class"`` of an :class:`EntityBehavior`, or None.
        create_at_root: Whether a row may be created without a parent by those who hold the
            action globally.
        stamps: Columns that are set to the caller's user id on creation.
    """

    interface: type[EntityInterface]
    model: str
    summary: str
    access: Mapping[Operation, str]
    rules: tuple[AccessRuleRegistration, ...] = ()
    refs: tuple[Ref, ...] = ()
    personal: Mapping[str, Personal] = dataclasses.field(default_factory=dict)
    commands: tuple[Command, ...] = ()
    sort: tuple[str, ...] = ()
    delegation: Delegation | None = None
    behavior: str | None = None
    create_at_root: bool = False
    stamps: tuple[str, ...] = ()

    @property
    def endpoint(self) -> str:
        """The interface's endpoint."""
        return self.interface.endpoint

    @property
    def operations(self) -> frozenset[Operation]:
        """The exposed operations."""
        return frozenset(self.access)
