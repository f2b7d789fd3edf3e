"""A behavior that does nothing, to build others on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from computor_core.db.unit_of_work import UnitOfWork


class PlainBehavior:
    """Implements :class:`~computor_core.plugin_api.entities.EntityBehavior` without any effect."""

    inputs: frozenset[str] = frozenset()

    async def before_create(self, work: UnitOfWork, values: dict[str, Any]) -> None:
        """Leave the new row as it is."""

    async def before_update(self, work: UnitOfWork, row: Mapping[str, Any], values: dict[str, Any]) -> None:
        """Leave the change as it is."""

    async def after_update(self, work: UnitOfWork, row: Mapping[str, Any], values: Mapping[str, Any]) -> None:
        """Carry nothing on."""

    async def before_delete(self, work: UnitOfWork, row: Mapping[str, Any]) -> None:
        """Refuse nothing."""
