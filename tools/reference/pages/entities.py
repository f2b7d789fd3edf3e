"""The page of entities."""

from __future__ import annotations

import typing
from collections.abc import Iterator

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from computor_core.interfaces import EntityInterface, Filter, ListQuery, Requires
from computor_core.plugin_api.entities import Command, EntityRegistration, Operation
from tools.reference.docstrings import docstring_of
from tools.reference.inventory import Inventory
from tools.reference.markdown import code, codes, heading, page, prose, table
from tools.reference.schemas import Property, Words, described

FILE = "entities.md"
TITLE = "Entities"
SUMMARY = "Every entity endpoint: operations, actions, filters, references, commands and fields."

_ROUTES = {
    Operation.LIST: "GET {path}",
    Operation.GET: "GET {path}/{{id}}",
    Operation.CREATE: "POST {path}",
    Operation.UPDATE: "PATCH {path}/{{id}}",
    Operation.ARCHIVE: "POST {path}/{{id}}/archive, POST {path}/{{id}}/unarchive",
    Operation.DELETE: "DELETE {path}/{{id}}",
}


def render(inventory: Inventory) -> str:
    """The page."""
    intro = (
        "An operation that isn't listed isn't exposed. Which rows an action reaches is in "
        "[Actions](actions.md). A field with an action of its own is null for callers who lack it, and "
        "only they may filter, sort by or set it."
    )
    entities = sorted(inventory.registries.entities.items())
    index = table(
        ["Endpoint", "What it is", "Plugin"],
        [
            [f"[`{endpoint}`](#{_anchor(endpoint)})", prose(item.registration.summary), code(item.plugin)]
            for endpoint, item in entities
        ],
    )
    common = f"{heading(2, 'What every list understands')}\n\n{_query(ListQuery)}"
    return page(TITLE, intro, index, common, *[_section(item.registration) for _, item in entities])


def _anchor(endpoint: str) -> str:
    return endpoint.replace("/", "")


def _section(entity: EntityRegistration) -> str:
    path = f"/api/v1/{entity.endpoint}"
    parts = [
        heading(2, code(entity.endpoint)),
        prose(entity.summary),
        table(
            ["Operation", "Request", "Action"],
            [
                [operation.value, codes(route.format(path=path).split(", ")), code(entity.access[operation])]
                for operation, route in _ROUTES.items()
                if operation in entity.access
            ],
        ),
        _fields(entity.interface),
        f"Sorted by: {codes(sorted({*entity.sort, 'id'}))}." if Operation.LIST in entity.access else "",
        _query(entity.interface.query) if Operation.LIST in entity.access else "",
        _refs(entity),
        _personal(entity),
        *[_command(path, command) for command in sorted(entity.commands, key=lambda item: item.name)],
    ]
    return "\n\n".join(part for part in parts if part)


def _fields(interface: type[EntityInterface]) -> str:
    """One row for each field of any of the DTOs, in the order in which they come up."""
    create, update = interface.create, interface.update
    columns = [
        _properties(create, "validation") if create else {},
        _properties(interface.get, "serialization"),
        _properties(interface.list, "serialization"),
        _properties(update, "validation") if update else {},
    ]
    names = list(dict.fromkeys(name for column in columns for name in (*columns[1], *column)))
    rows = []
    for name in names:
        create_, get, listed, updated = [column.get(name) for column in columns]
        shown = next(item for item in (get, create_, updated, listed) if item is not None)
        rows.append(
            [
                code(name),
                shown.type,
                "" if create_ is None else "needed" if create_.required else "yes",
                "yes" if get else "",
                "yes" if listed else "",
                "yes" if updated else "",
                codes(_required_actions(interface, name)),
                prose(shown.text),
            ]
        )
    head = ["Field", "Type", "Create", "Get", "List", "Update", "Needs", "Meaning"]
    nested = [
        _nested(model, mode)
        for model, mode in (
            (create, "validation"),
            (interface.get, "serialization"),
            (update, "validation"),
        )
        if model is not None
    ]
    return "\n\n".join(part for part in [table(head, rows), *dict.fromkeys(nested)] if part)


def _properties(
    model: type[BaseModel], mode: typing.Literal["validation", "serialization"]
) -> dict[str, Property]:
    texts = described(model)
    return {
        item.name: Property(item.name, item.type, item.required, item.text or texts.get(item.name, ""))
        for item in Words.of(model, mode).properties()
    }


def _nested(model: type[BaseModel], mode: str) -> str:
    words = Words.of(model, "validation" if mode == "validation" else "serialization")
    parts = [
        f"{code(name)}:\n\n{_property_table(words.properties(schema))}" for name, schema in words.models()
    ]
    return "\n\n".join(parts)


def _property_table(properties: Iterator[Property]) -> str:
    rows = [
        [code(item.name), item.type, "needed" if item.required else "", prose(item.text)]
        for item in properties
    ]
    return table(["Field", "Type", "", "Meaning"], rows)


def _required_actions(interface: type[EntityInterface], name: str) -> list[str]:
    models = (interface.get, interface.list, interface.update, interface.create)
    fields = [model.model_fields[name] for model in models if model and name in model.model_fields]
    return sorted({mark.action for field in fields for mark in _marks(field) if isinstance(mark, Requires)})


def _query(query: type[ListQuery]) -> str:
    own = set(query.model_fields) - (set() if query is ListQuery else set(ListQuery.model_fields))
    rows = [
        [code(item.name), _comparison(query.model_fields[item.name]), item.type, prose(item.text)]
        for item in _properties(query, "validation").values()
        if item.name in own
    ]
    return table(["Parameter", "Compares", "Type", "Meaning"], rows)


def _comparison(field: FieldInfo) -> str:
    marks = [mark for mark in _marks(field) if isinstance(mark, Filter)]
    return "; ".join(prose(docstring_of(type(mark)).summary.rstrip(".")) for mark in marks)


def _marks(field: FieldInfo) -> list[object]:
    return list(field.metadata)


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
        for ref in sorted(entity.refs, key=lambda ref: ref.field)
    ]
    head = ["Reference", "To", "Needs there", "Parent", "Must agree", "Taken over"]
    return table(head, rows)


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
    status = 204 if command.output is None else command.status
    parts = [
        heading(3, f"{code(command.name)} ({code(route)})"),
        f"{prose(command.summary)} Action: {code(command.action)}. Answers {status}.",
    ]
    for title, model, mode in (
        ("Input", command.input, "validation"),
        ("Output", command.output, "serialization"),
    ):
        if model is not None:
            way: typing.Literal["validation", "serialization"]
            way = "validation" if mode == "validation" else "serialization"
            parts.append(f"{title} {code(model.__name__)}:")
            parts.append(_property_table(iter(_properties(model, way).values())))
            parts.append(_nested(model, mode))
    return "\n\n".join(part for part in parts if part)
