"""The page of roles."""

from __future__ import annotations

from computor_core.plugin_api.principal import ScopeKind
from computor_core.plugin_api.registrations import RoleRegistration
from tools.reference.inventory import Inventory
from tools.reference.markdown import code, codes, heading, page, table

FILE = "roles.md"
TITLE = "Roles"
SUMMARY = "Every role with the actions that it contains."

_SCOPES = {
    ScopeKind.GLOBAL: "Global",
    ScopeKind.ORGANIZATION: "Organization",
    ScopeKind.FAMILY: "Course family",
    ScopeKind.COURSE: "Course",
}


def render(inventory: Inventory) -> str:
    """The page."""
    intro = (
        "A role is a named set of [actions](actions.md), held at a scope and valid there and below. "
        "Nobody grants a role with an action that they lack at that scope."
    )
    parts = []
    for scope, title in _SCOPES.items():
        roles = [
            (registered.plugin, registered.registration)
            for registered in inventory.registries.roles.values()
            if registered.registration.scope is scope
        ]
        roles.sort(key=lambda item: (-item[1].rank, item[1].id))
        if roles:
            parts.append(heading(2, title))
            parts += [_section(inventory, plugin, role) for plugin, role in roles]
    return page(TITLE, intro, *parts)


def _section(inventory: Inventory, plugin: str, role: RoleRegistration) -> str:
    actions = inventory.registries.actions
    rows = []
    for axis in sorted({actions[name].registration.axis for name in role.actions}):
        names = sorted(name for name in role.actions if actions[name].registration.axis is axis)
        rows.append([axis.value.replace("_", " "), codes(names)])
    title = f"{role.title}; plugin {code(plugin)}." if plugin != "core" else f"{role.title}."
    return "\n\n".join([heading(3, code(role.id)), title, table(["Axis", "Actions"], rows)])
