"""Rows that core itself needs: content kinds, and the registered roles with their actions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import insert, select

from computor_core.access import role_sync
from computor_core.access.vocabulary import Vocabulary
from computor_core.model import CourseContentKind

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from computor_core.plugins.registries import Registries

CONTENT_KINDS = (
    {"id": "unit", "title": "Unit", "has_children": True, "submittable": False},
    {"id": "assignment", "title": "Assignment", "has_children": False, "submittable": True},
)
"""The kinds of nodes in a course's content tree."""


async def seed_content_kinds(connection: AsyncConnection) -> None:
    """Write the content kinds that aren't there."""
    present = set(await connection.scalars(select(CourseContentKind.id)))
    missing = [dict(kind) for kind in CONTENT_KINDS if kind["id"] not in present]
    if missing:
        await connection.execute(insert(CourseContentKind), missing)


async def sync_roles(connection: AsyncConnection, registries: Registries) -> list[str]:
    """Make the built-in roles and their actions what the code registers.

    Returns:
        Ids of the roles whose actions changed.
    """
    return await role_sync.sync_roles(connection, _vocabulary(registries), _owners(registries))


async def roles_in_sync(connection: AsyncConnection, registries: Registries) -> bool:
    """Whether the roles in the database are the registered ones; changes nothing."""
    return await role_sync.roles_in_sync(connection, _vocabulary(registries), _owners(registries))


def _vocabulary(registries: Registries) -> Vocabulary:
    actions = (item.registration for item in registries.actions.values())
    roles = (item.registration for item in registries.roles.values())
    return Vocabulary(actions, roles)


def _owners(registries: Registries) -> dict[str, str]:
    return {role_id: item.plugin for role_id, item in registries.roles.items()}
