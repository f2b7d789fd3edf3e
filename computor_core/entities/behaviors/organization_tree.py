"""The tree of organizations: paths made from the parent's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from computor_core.entities.behaviors.plain import PlainBehavior
from computor_core.entities.json_values import refuse
from computor_core.errors import NotFoundError
from computor_core.model import Organization

if TYPE_CHECKING:
    from computor_core.db.unit_of_work import UnitOfWork

MAX_PATH = 512
"""Most characters of a path, as the column has it."""


class OrganizationTree(PlainBehavior):
    """Derives ``path`` from the parent and the slug."""

    inputs = frozenset({"slug"})

    async def before_create(self, work: UnitOfWork, values: dict[str, Any]) -> None:
        """Place a new organization.

        Raises:
            NotFoundError: The parent went meanwhile.
            InvalidError: The path gets too long.
        """
        slug = values.pop("slug")
        path = slug
        if values.get("parent_id") is not None:
            parent = await work.connection.scalar(
                select(Organization.path).where(Organization.id == values["parent_id"])
            )
            if parent is None:
                raise NotFoundError("the parent isn't there")
            path = f"{parent}.{slug}"
        if len(path) > MAX_PATH:
            raise refuse("slug", "too_long", f"the path would exceed {MAX_PATH} characters")
        values["path"] = path
