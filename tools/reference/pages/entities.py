"""The page of entities."""

from __future__ import annotations

from computor_core.interfaces import ListQuery
from computor_core.plugin_api.entities import Command, EntityRegistration, Operation
from tools.reference.dtos import dto_text, fields_text, query_text
from tools.reference.inventory import Inventory
from tools.reference.markdown import code, codes, heading, page, prose, table

FILE = "entities.md"
TITLE = "Entities"
SUMMARY = "Every entity endpoint: operations, actions, filters, references, commands and fields."

_ROUTES = {
    Operation.LIST: ("GET {path}",),
    Operation.GET: ("GET {path}/{{id}}",),
    Operation.CREATE: ("POST {path}",),
    Operation.UPDATE: ("PATCH {path}/{{id}}",),
    Operation.ARCHIVE: ("POST {path}/{{id}}/archive", "POST {path}/{{id}}/unarchive"),
    Operation.DELETE: ("DELETE {path}/{{id}}",),
}


def render(inventory: Inventory) -> str:
    """The page."""
    intro = (
        "An operation that isn't listed isn't exposed. Which rows an action reaches is in "
        "[Actions](actions.md). A field that needs an action is null for callers who lack it, and only "
        "they may filter, sort by or set it. Decimals are answered as text."
    )
    entities = sorted(inventory.registries.entities.items())
    index = table(
        ["Endpoint", "What it is", "Plugin"],
        [
            [
                f"[`{endpoint}`](#{endpoint.replace('/', '')})",
                prose(item.registration.summary),
                code(item.plugin),
            ]
            for endpoint, item in entities
        ],
    )
    common = f"{heading(2, 'What every list understands')}\n\n{query_text(ListQuery)}"
    return page(TITLE, intro, index, common, *[_section(item.registration) for _, item in entities])


def _section(entity: EntityRegistration) -> str:
    path = f"/api/v1/{entity.endpoint}"
    operations = [
        [operation.value, codes(route.format(path=path) for route in routes), code(entity.access[operation])]
        for operation, routes in _ROUTES.items()
        if operation in entity.access
    ]
    parts = [
        heading(2, code(entity.endpoint)),
        prose(entity.summary),
        table(["Operation", "Request", "Action"], operations),
        fields_text(entity.interface),
    ]
    if Operation.LIST in entity.access:
        parts.append(f"Sorted by: {codes(sorted({*entity.sort, 'id'}))}.")
        parts.append(query_text(entity.interface.query))
    parts += [_refs(entity), _delegation(entity), _personal(entity)]
    parts += [_command(path, command) for command in sorted(entity.commands, key=lambda item: item.name)]
    return "\n\n".join(part for part in parts if part)


def _refs(entity: EntityRegistration) -> str:
    rows = [
        [
            code(ref.field),
            code(ref.endpoint),
            code(ref.action) or "that of the operation",
            "yes" if ref.parent else "",
            codes(f"{own} = {target}" for own, target in sorted(ref.same.items())),
            codes(f"{own} = {target}" for own, target in sorted(ref.copies.items())),
        ]
        for ref in sorted(entity.refs, key=lambda ref: (ref.field, ref.endpoint))
    ]
    head = ["Reference", "To", "Needs there", "Parent", "Must agree", "Taken over"]
    return table(head, rows)


def _delegation(entity: EntityRegistration) -> str:
    if entity.delegation is None:
        return ""
    rule = entity.delegation
    text = (
        f"{code(rule.field)} gives a role at the {rule.scope.value} level: giving, changing and taking it "
        "away need every action that the role contains."
    )
    return f"{text} The last {code(rule.keep_one)} stays." if rule.keep_one else text


def _personal(entity: EntityRegistration) -> str:
    rows = [
        [
            code(name),
            personal.erasure.value.replace("_", " "),
            "yes" if personal.export else "no",
            prose(personal.reason),
        ]
        for name, personal in sorted(entity.personal.items())
    ]
    return table(["Personal field", "When its person is erased", "In the export", "Why"], rows)


def _command(path: str, command: Command) -> str:
    route = f"POST {path}/{command.name}" if command.collection else f"POST {path}/{{id}}/{command.name}"
    parts = [
        heading(3, f"{code(command.name)} ({code(route)})"),
        f"{prose(command.summary.rstrip('.'))}. Action: {code(command.action)}. Answers {command.status}.",
    ]
    for title, model in (("Input", command.input), ("Output", command.output)):
        if model is not None:
            parts += [f"{title} {code(model.__name__)}:", dto_text(model)]
    return "\n\n".join(part for part in parts if part)
