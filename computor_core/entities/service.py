"""The generic service of an entity: everything that its registration derives."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

from pydantic import BaseModel

from computor_core.entities.changing import EntityWriter
from computor_core.entities.dto_fields import required_actions
from computor_core.entities.page import Page
from computor_core.entities.reading import EntityReader
from computor_core.targets import load_target

if TYPE_CHECKING:
    from computor_core.access.engine import AccessEngine
    from computor_core.db.unit_of_work import ReadUnit, UnitOfWork
    from computor_core.entities.binding import BoundEntity
    from computor_core.interfaces import CreateDto, ListQuery, UpdateDto
    from computor_core.plugin_api.entities import Command, EntityRegistration
    from computor_core.plugin_api.principal import Principal


class EntityService:
    """Reads and changes the rows of one entity, for whoever the unit's principal is.

    Every method raises ``StalePrincipalError`` (an ``AuthenticationError``; re-resolve the
    principal once and repeat) when the principal's credential or grants are no longer what they
    were, ``NotFoundError`` for a row that isn't there or can't be seen, ``ForbiddenError`` for a
    visible one that refuses the action. A changing method's event, audit record and changed
    grant epochs are part of the unit's transaction.

    Args:
        entity: The entity.
        entities: All entities, for references.
        access: Decides what each caller reaches.
    """

    def __init__(
        self, entity: BoundEntity, entities: Mapping[str, BoundEntity], access: AccessEngine
    ) -> None:
        self.registration: EntityRegistration = entity.registration
        self._access = access
        self._reader = EntityReader(entity, access)
        self._writer = EntityWriter(entity, entities, access, self._reader)

    @property
    def endpoint(self) -> str:
        """The entity's name."""
        return self.registration.endpoint

    async def get(
        self, work: ReadUnit, row_id: UUID | str, *, fields: Sequence[str] | None = None
    ) -> dict[str, Any]:
        """One row as JSON values.

        Args:
            work: A unit.
            row_id: The row.
            fields: Fields of the get DTO to answer with, all by default; ``id`` and ``version``
                are always there.

        Raises:
            NotFoundError: No such row, or none that the principal can see.
            InvalidError: A field isn't one of the DTO.
        """
        return await self._reader.get(work, row_id, fields=fields)

    async def list(
        self,
        work: ReadUnit,
        *,
        filters: Mapping[str, Any] | None = None,
        sort: Sequence[str] = (),
        limit: int = 50,
        cursor: str | None = None,
        with_total: bool = False,
        fields: Sequence[str] | None = None,
    ) -> Page:
        """A page of the rows that the principal can see.

        Args:
            work: A unit.
            filters: Values by field of the query DTO, as Python values; None counts as absent.
            sort: Declared sort fields, ``-`` before one for descending; ``id`` comes last.
            limit: Most rows, 1 to 200.
            cursor: ``next_cursor`` of the page before, for the same filters and sorting.
            with_total: Whether to count all matching rows, with a second query.
            fields: Fields of the list DTO to answer with, all by default; ``id`` is always there.

        Raises:
            InvalidError: A filter, sort field, field, limit or cursor doesn't fit.
        """
        return await self._reader.page(
            work,
            filters=filters or {},
            sort=sort,
            limit=limit,
            cursor=cursor,
            with_total=with_total,
            fields=fields,
        )

    async def query(self, work: ReadUnit, query: ListQuery) -> Page:
        """A page for a validated query DTO."""
        return await self.list(
            work,
            filters=query.filters(),
            sort=_names(query.sort),
            limit=query.limit,
            cursor=query.cursor,
            with_total=query.total,
            fields=_names(query.fields) or None,
        )

    async def create(self, work: UnitOfWork, body: CreateDto) -> dict[str, Any]:
        """Create a row and return it as the get DTO's JSON values.

        Raises:
            NotFoundError: A referred row isn't there, or the principal can't see it.
            ForbiddenError: It can, but lacks the action there, or an action of the role it gives.
            InvalidError: The values break a rule.
            ConflictError: A unique rule is broken; ``fields`` names what.
        """
        return await self._writer.create(work, body)

    async def update(
        self, work: UnitOfWork, row_id: UUID | str, body: UpdateDto, *, if_match: int | None = None
    ) -> dict[str, Any]:
        """Change the fields that were sent and return the row as the get DTO's JSON values.

        Args:
            work: A write unit.
            row_id: The row.
            body: The changes; sent values that are the same leave the version as it is.
            if_match: The version that the caller saw, or None.

        Raises:
            PreconditionFailedError: ``if_match`` isn't the row's version.
            InvalidError: The values break a rule.
            ConflictError: A unique rule is broken, or the row was changed meanwhile.
        """
        return await self._writer.update(work, row_id, body, if_match=if_match)

    async def archive(
        self, work: UnitOfWork, row_id: UUID | str, *, if_match: int | None = None
    ) -> dict[str, Any]:
        """Archive a row; archiving an archived one changes nothing."""
        return await self._writer.archive(work, row_id, archived=True, if_match=if_match)

    async def unarchive(
        self, work: UnitOfWork, row_id: UUID | str, *, if_match: int | None = None
    ) -> dict[str, Any]:
        """Bring an archived row back.

        Raises:
            ConflictError: Another row took what must be unique meanwhile.
        """
        return await self._writer.archive(work, row_id, archived=False, if_match=if_match)

    async def delete(self, work: UnitOfWork, row_id: UUID | str, *, if_match: int | None = None) -> None:
        """Delete a row.

        Raises:
            ConflictError: Other rows refer to it, or it is the last of what must be there.
        """
        await self._writer.delete(work, row_id, if_match=if_match)

    async def command(
        self,
        app: Any,  # noqa: ANN401 - the composition root lies above this layer
        principal: Principal,
        command: Command,
        row_id: UUID | str | None,
        body: BaseModel | None,
        *,
        request_id: str = "",
    ) -> dict[str, Any] | None:
        """Run a business operation; its action on the row is checked first, in a read unit.

        The handler opens units of its own, since it may call providers in between, and checks
        again in the one that it writes with.

        Args:
            app: The application (``Computor``).
            principal: The caller.
            command: One of the registration's commands.
            row_id: The row; None for a collection command.
            body: The input.
            request_id: For logs and the audit trail.

        Raises:
            NotFoundError: No such row, or none that the principal can see.
            ForbiddenError: The action isn't allowed on the row.
        """
        if not command.collection and row_id is not None:
            async with app.read(principal, request_id=request_id) as work:
                await self._access.require(work, command.action, self.endpoint, row_id)
        handler: Any = load_target(command.handler)
        output = await handler(app, principal, row_id, body, request_id=request_id)
        if not isinstance(output, BaseModel):
            return output  # type: ignore[no-any-return]
        told = output.model_dump(mode="json")
        required = required_actions(type(output))
        if required:
            # As reading does: what a field needs of its own, a command's caller needs too.
            told_of = row_id or getattr(output, "id", None)
            async with app.read(principal, request_id=request_id) as work:
                for action in sorted(set(required.values())):
                    allowed = told_of is not None and await self._access.allowed(
                        work, action, self.endpoint, told_of
                    )
                    if not allowed:
                        told |= {field: None for field, needed in required.items() if needed == action}
        return told


class EntityServices(Mapping[str, EntityService]):
    """The service of every entity, by endpoint.

    Args:
        entities: All entities.
        access: Decides what each caller reaches.
    """

    def __init__(self, entities: Mapping[str, BoundEntity], access: AccessEngine) -> None:
        self.bound = entities
        self._services = {
            endpoint: EntityService(entity, entities, access) for endpoint, entity in entities.items()
        }

    def __getitem__(self, endpoint: str) -> EntityService:
        return self._services[endpoint]

    def __iter__(self) -> Iterator[str]:
        return iter(self._services)

    def __len__(self) -> int:
        return len(self._services)


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]
