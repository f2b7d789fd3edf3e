"""The application's actions and roles in memory."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

from computor_core.errors import ConfigurationError
from computor_core.plugin_api.principal import ScopeKind

if TYPE_CHECKING:
    from computor_core.access.reach import Need
    from computor_core.plugin_api.registrations import ActionRegistration, RoleRegistration

ADMIN = "_admin"
"""The one role that contains every action, those of plugins too. It is this exact id."""

_log = logging.getLogger(__name__)


def scope_of_role(role_id: str) -> ScopeKind:
    """The level that a role is held at, from its id (``"course:_tutor"``; no prefix: global)."""
    scope, colon, _ = role_id.partition(":")
    return ScopeKind(scope) if colon else ScopeKind.GLOBAL


class Vocabulary:
    """Which actions there are and which role contains which.

    Args:
        actions: Of core and plugins.
        roles: Of core and plugins; custom roles are learned when a principal that holds one is
            loaded.

    Attributes:
        actions: The registered actions, by name.
        registered: The registered roles, by id.
        holders: Ids of the roles that contain an action, by action.

    Raises:
        ConfigurationError: A role contains an unknown action.
    """

    def __init__(self, actions: Iterable[ActionRegistration], roles: Iterable[RoleRegistration]) -> None:
        self.actions: Mapping[str, ActionRegistration] = {action.name: action for action in actions}
        self.registered: Mapping[str, RoleRegistration] = {role.id: role for role in roles}
        unknown = sorted(
            f"role {role.id} contains the unknown action {action}"
            for role in self.registered.values()
            for action in role.actions - self.actions.keys()
        )
        if unknown:
            raise ConfigurationError("; ".join(unknown), details={"problems": unknown})
        self._contains: dict[str, frozenset[str]] = {
            role.id: frozenset(self.actions) if role.id == ADMIN else role.actions
            for role in self.registered.values()
        }
        self.holders: Mapping[str, frozenset[str]] = {}
        self._index()
        self._warned: set[str] = set()
        self.holding = lru_cache(maxsize=4096)(self._holding)

    def _index(self) -> None:
        self.holders = {
            action: frozenset(role for role, actions in self._contains.items() if action in actions)
            for action in self.actions
        }

    def knows_action(self, action: str) -> bool:
        """Whether the action is registered; an unknown one is logged once and must be denied."""
        if action in self.actions:
            return True
        if action not in self._warned:
            self._warned.add(action)
            _log.warning("unknown action denied", extra={"action": action})
        return False

    def actions_of(self, role_id: str) -> frozenset[str]:
        """The actions that a role contains; empty for an unknown role."""
        return self._contains.get(role_id, frozenset())

    def roles_with(self, action: str) -> frozenset[str]:
        """Ids of the roles that contain an action."""
        return self.holders.get(action, frozenset())

    def learn(self, contents: Mapping[str, frozenset[str]]) -> None:
        """Take over what custom roles contain, as just read from the database.

        Actions that aren't registered are left out: nothing denied by the vocabulary comes back
        through a role.
        """
        changed = False
        for role_id, actions in contents.items():
            known = actions & self.actions.keys()
            if role_id not in self.registered and self._contains.get(role_id) != known:
                self._contains[role_id] = known
                changed = True
        if changed:
            self._index()
            self.holding.cache_clear()

    def _holding(self, role_ids: frozenset[str]) -> frozenset[Need]:
        """Every (level, action) that somebody with these roles holds somewhere."""
        return frozenset(
            (scope_of_role(role_id), action)
            for role_id in role_ids
            for action in self._contains.get(role_id, ())
        )
