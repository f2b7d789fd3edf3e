"""Bringing the tables ``role`` and ``role_action`` to what the installed code registers.

Roles of core and plugins are locked: after every migration they are exactly as registered, so an
action that was taken out of a role is gone, and a role of an absent plugin contains nothing.
Custom roles (``builtin`` false) are left alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, insert, select, update

from computor_core.access.epoch import bump_holders
from computor_core.model import Role, RoleAction

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from computor_core.access.vocabulary import Vocabulary

CORE = "core"
_FIELDS = ("scope", "name", "title", "rank", "builtin", "plugin")


def _wanted(vocabulary: Vocabulary, owners: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    return {
        role.id: {
            "scope": role.scope.value,
            "name": role.name,
            "title": role.title,
            "rank": role.rank,
            "builtin": True,
            "plugin": None if owners.get(role.id, CORE) == CORE else owners[role.id],
        }
        for role in vocabulary.registered.values()
    }


async def _present(connection: AsyncConnection) -> tuple[dict[str, dict[str, Any]], dict[str, set[str]]]:
    rows = await connection.execute(select(Role.id, *(getattr(Role, name) for name in _FIELDS)))
    roles = {row.id: {name: getattr(row, name) for name in _FIELDS} for row in rows}
    actions: dict[str, set[str]] = {role_id: set() for role_id in roles}
    for role_id, action in await connection.execute(select(RoleAction.role_id, RoleAction.action)):
        actions[role_id].add(action)
    return roles, actions


async def roles_in_sync(
    connection: AsyncConnection, vocabulary: Vocabulary, owners: Mapping[str, str] | None = None
) -> bool:
    """Whether the tables say what the installed code registers; a host refuses to start otherwise.

    Args:
        connection: Where to read.
        vocabulary: The registered roles.
        owners: Name of the plugin that registered a role, by role id; absent ones are core's.
    """
    roles, actions = await _present(connection)
    wanted = _wanted(vocabulary, owners or {})
    if any(roles.get(role_id) != fields for role_id, fields in wanted.items()):
        return False
    return all(
        actions[role_id] == set(vocabulary.actions_of(role_id))
        if role_id in wanted
        else not (fields["builtin"] and actions[role_id])
        for role_id, fields in roles.items()
    )


async def sync_roles(
    connection: AsyncConnection, vocabulary: Vocabulary, owners: Mapping[str, str] | None = None
) -> list[str]:
    """Write the registered roles and what they contain; repeating it changes nothing.

    Holders of a role whose actions changed get a new epoch, so cached principals end.

    Args:
        connection: A connection in a transaction.
        vocabulary: The registered roles.
        owners: Name of the plugin that registered a role, by role id; absent ones are core's.

    Returns:
        Ids of the roles whose actions changed.
    """
    roles, actions = await _present(connection)
    wanted = _wanted(vocabulary, owners or {})
    for role_id, fields in wanted.items():
        if role_id not in roles:
            await connection.execute(insert(Role).values(id=role_id, **fields))
        elif roles[role_id] != fields:
            await connection.execute(update(Role).where(Role.id == role_id).values(**fields))
    changed = []
    builtin = wanted.keys() | {role_id for role_id, fields in roles.items() if fields["builtin"]}
    for role_id in sorted(builtin):
        target = set(vocabulary.actions_of(role_id)) if role_id in wanted else set()
        if await _write_actions(connection, role_id, actions.get(role_id, set()), target):
            changed.append(role_id)
    for role_id in changed:
        await bump_holders(connection, role_id)
    return changed


async def _write_actions(
    connection: AsyncConnection, role_id: str, present: set[str], target: set[str]
) -> bool:
    if gone := present - target:
        await connection.execute(
            delete(RoleAction).where(RoleAction.role_id == role_id, RoleAction.action.in_(sorted(gone)))
        )
    if new := target - present:
        await connection.execute(
            insert(RoleAction), [{"role_id": role_id, "action": action} for action in sorted(new)]
        )
    return present != target
