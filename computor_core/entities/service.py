"""The generic service of an entity: everything that its registration derives (being built)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

from computor_core.entities.page import Page

if TYPE_CHECKING:
    from computor_core.db.unit_of_work import ReadUnit, UnitOfWork
    from computor_core.interfaces import Dto, ListQuery
    from computor_core.plugin_api.entities import Command, EntityRegistration
    from computor_core.plugin_api.principal import Principal


class EntityService:
    """Reads and changes the rows of one entity, for whoever the unit's principal is.

    Every method raises ``StalePrincipalError`` (an ``AuthenticationError``; re-resolve the
    principal once and repeat) when the principal's credential or grants are no longer what they
    were, ``NotFoundError`` for a row that isn't there or can't be seen, ``ForbiddenError`` for a
    visible one that refuses the action.
    """

    registration: EntityRegistration

    async def get(
        self, work: ReadUnit, row_id: UUID | str, *, fields: Sequence[str] | None = None
    ) -> dict[str, Any]:
        """One row as JSON values (the get DTO's fields, or those named)."""
        raise NotImplementedError

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
        """A page of the rows that the principal can see."""
        raise NotImplementedError

    async def query(self, work: ReadUnit, query: ListQuery) -> Page:
        """A page for a validated query DTO."""
        raise NotImplementedError

    async def create(self, work: UnitOfWork, body: Dto) -> dict[str, Any]:
        """Create a row; returns the get DTO's JSON values."""
        raise NotImplementedError

    async def update(
        self, work: UnitOfWork, row_id: UUID | str, body: Dto, *, if_match: int | None = None
    ) -> dict[str, Any]:
        """Change the fields that were sent (``body.model_fields_set``)."""
        raise NotImplementedError

    async def archive(
        self, work: UnitOfWork, row_id: UUID | str, *, if_match: int | None = None
    ) -> dict[str, Any]:
        """Archive a row; archiving an archived one changes nothing."""
        raise NotImplementedError

    async def unarchive(
        self, work: UnitOfWork, row_id: UUID | str, *, if_match: int | None = None
    ) -> dict[str, Any]:
        """Bring an archived row back."""
        raise NotImplementedError

    async def delete(self, work: UnitOfWork, row_id: UUID | str, *, if_match: int | None = None) -> None:
        """Delete a row."""
        raise NotImplementedError

    async def command(
        self, app: Any, principal: Principal, command: Command, row_id: UUID | str | None, body: Dto | None
    ) -> dict[str, Any] | None:
        """Run a business operation: checks its action on the row first (in a read unit)."""
        raise NotImplementedError
