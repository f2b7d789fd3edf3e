"""From an entity's registration to its HTTP operations."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from starlette.requests import Request

from computor_core.plugin_api.entities import Command, EntityRegistration, Operation
from computor_fastapi_host.bodies import Answer
from computor_fastapi_host.entity_routes import handlers

if TYPE_CHECKING:
    from computor_core.app import Computor

__all__ = ["PREFIX", "EntityOperation", "entity_operations"]

PREFIX = "/api/v1"

Handler = Callable[[Request, "UUID | str | None"], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class EntityOperation:
    """One HTTP operation of an entity.

    Attributes:
        registration: The entity.
        name: ``"list"``, ``"create"``, …, or a command's name.
        method: HTTP method.
        tail: Path segments after the endpoint; ``"{id}"`` stands for the row.
        action: The action that it needs.
        status: HTTP status of success.
        handler: Carries it out.
        command: The command, for one that is.
    """

    registration: EntityRegistration
    name: str
    method: str
    tail: tuple[str, ...]
    action: str
    status: int
    handler: Handler
    command: Command | None = None

    @property
    def path(self) -> str:
        """The path with ``{id}`` for the row."""
        return "/".join((PREFIX, self.registration.endpoint, *self.tail))

    @property
    def operation_id(self) -> str:
        """Its unique name in the documents and in generated clients (``"courses_list"``)."""
        return f"{self.registration.endpoint}_{self.name}".replace("-", "_").replace("/", "_")


def entity_operations(app: Computor) -> Iterator[EntityOperation]:
    """Every HTTP operation of every entity."""
    for endpoint, registered in app.registries.entities.items():
        service = app.entities[endpoint]
        registration = registered.registration
        for operation, action in registration.access.items():
            for name, method, tail, status, make in _SHAPES[operation]:
                yield EntityOperation(registration, name, method, tail, action, status, make(service, action))
        for command in registration.commands:
            tail = (command.name,) if command.collection else ("{id}", command.name)
            handler = handlers.run_command(service, command)
            yield EntityOperation(
                registration, command.name, "POST", tail, command.action, command.status, handler, command
            )


_ROW = ("{id}",)
_SHAPES = {
    Operation.LIST: (("list", "GET", (), 200, handlers.list_rows),),
    Operation.CREATE: (("create", "POST", (), 201, handlers.create_row),),
    Operation.GET: (("get", "GET", _ROW, 200, handlers.get_row),),
    Operation.UPDATE: (("update", "PATCH", _ROW, 200, handlers.update_row),),
    Operation.DELETE: (("delete", "DELETE", _ROW, 204, handlers.delete_row),),
    Operation.ARCHIVE: (
        ("archive", "POST", (*_ROW, "archive"), 200, handlers.archive_row),
        ("unarchive", "POST", (*_ROW, "unarchive"), 200, handlers.unarchive_row),
    ),
}
