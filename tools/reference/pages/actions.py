"""The page of actions."""

from __future__ import annotations

from computor_core.plugin_api.registrations import ActionAxis
from tools.reference.inventory import Inventory
from tools.reference.markdown import code, codes, heading, page, prose, table

FILE = "actions.md"
TITLE = "Actions"
SUMMARY = "The access vocabulary: every action, the roles that contain it and the rows it reaches."

_AXES = {
    ActionAxis.CONTENT: "Course content",
    ActionAxis.STUDENT_DATA: "Student data",
    ActionAxis.ADMINISTRATION: "Administration",
}


def render(inventory: Inventory) -> str:
    """The page."""
    intro = (
        "An action is allowed where a role that contains it is held (see [Roles](roles.md)) and a rule "
        "reaches the row. What no rule reaches is denied. API tokens only ever narrow this."
    )
    parts = []
    for axis, title in _AXES.items():
        listed = _axis(inventory, axis)
        parts += [heading(2, title), listed] if listed else []
    return page(TITLE, intro, *parts, heading(2, "Rows that an action reaches"), _rules(inventory))


def _axis(inventory: Inventory, axis: ActionAxis) -> str:
    rows = []
    for name, registered in sorted(inventory.registries.actions.items()):
        if registered.registration.axis is axis:
            roles = [
                role_id
                for role_id, role in sorted(inventory.registries.roles.items())
                if name in role.registration.actions
            ]
            rows.append(
                [
                    code(name),
                    prose(registered.registration.summary),
                    codes(roles) or "none",
                    registered.plugin,
                ]
            )
    return table(["Action", "What it lets somebody do", "Roles", "Plugin"], rows)


def _rules(inventory: Inventory) -> str:
    registries = inventory.registries
    rules = [registered.registration for registered in registries.access_rules]
    rules += [rule for registered in registries.entities.values() for rule in registered.registration.rules]
    found: dict[tuple[str, str], tuple[list[str], int]] = {}
    for rule in rules:
        names, denies = found.get((rule.action, rule.endpoint), ([], 0))
        found[rule.action, rule.endpoint] = (
            [*names, *[branch.name for branch in rule.branches]],
            denies + len(rule.deny),
        )
    rows = [
        [code(action), code(endpoint), codes(names), "yes" if denies else ""]
        for (action, endpoint), (names, denies) in sorted(found.items())
    ]
    return table(["Action", "Entity", "Branches", "Refused under a condition"], rows)
