"""Provider bindings: the scope must be there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import exists, select

from computor_core.entities.behaviors.plain import PlainBehavior
from computor_core.entities.json_values import refuse
from computor_core.model import Course, CourseFamily, Organization

if TYPE_CHECKING:
    from computor_core.db.unit_of_work import UnitOfWork

_MODELS: dict[str, type[Course | CourseFamily | Organization]] = {
    "organization": Organization,
    "family": CourseFamily,
    "course": Course,
}


class ProviderBindings(PlainBehavior):
    """Checks that a binding's scope is one."""

    async def before_create(self, work: UnitOfWork, values: dict[str, Any]) -> None:
        """Refuse a binding of nothing.

        Raises:
            InvalidError: The key doesn't fit the level, or there is no such scope.
        """
        scope, key = values["scope"], values["scope_key"]
        if (scope == "global") != (key == ""):
            raise refuse("scope_key", "does_not_fit", "empty at the global level, an id at all others")
        if key:
            model = _MODELS[scope]
            if not await work.connection.scalar(select(exists().where(model.id == UUID(key)))):
                raise refuse("scope_key", "not_found", f"there is no such {scope}")
