"""Renders DTOs: what goes over the wire, field by field."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from computor_core.interfaces import EntityInterface, Filter, ListQuery, Requires
from tools.reference.docstrings import docstring_of
from tools.reference.markdown import code, codes, prose, table
from tools.reference.schemas import Property, Words, described


def dto_text(model: type[BaseModel]) -> str:
    """The fields of a DTO and of the models inside it."""
    own = _rows(properties(model).values())
    return "\n\n".join([own, *nested_texts([model])])


def properties(model: type[BaseModel]) -> dict[str, Property]:
    """The fields of a model by name, with a docstring's text where a field has none of its own."""
    texts = described(model)
    return {
        item.name: Property(item.name, item.type, item.required, item.text or texts.get(item.name, ""))
        for item in Words.of(model).properties()
    }


def nested_texts(models: Iterable[type[BaseModel]]) -> list[str]:
    """The models inside of some, each once."""
    found: dict[str, None] = {}
    for model in models:
        words = Words.of(model)
        for name, schema in words.models():
            found[f"{code(name)}:\n\n{_rows(words.properties(schema))}"] = None
    return list(found)


def fields_text(interface: type[EntityInterface]) -> str:
    """One row for each field of any of an entity's DTOs, and the models inside them."""
    models = [interface.create, interface.get, interface.list, interface.update]
    columns = [properties(model) if model else {} for model in models]
    create, get, listed, update = columns
    rows = []
    for name in dict.fromkeys([*get, *create, *update, *listed]):
        text = next(column[name].text for column in (get, create, update, listed) if name in column)
        # What comes in says more of its type than what goes out.
        kind = next(column[name].type for column in (create, update, get, listed) if name in column)
        rows.append(
            [
                code(name),
                kind,
                ("needed" if create[name].required else "yes") if name in create else "",
                *["yes" if name in column else "" for column in (get, listed, update)],
                codes(_required_actions(models, name)),
                prose(text),
            ]
        )
    head = ["Field", "Type", "Create", "Get", "List", "Update", "Needs", "Meaning"]
    return "\n\n".join([table(head, rows), *nested_texts(model for model in models if model)])


def query_text(query: type[ListQuery]) -> str:
    """The parameters of a list that are the entity's own; for the root of all queries, its own."""
    common = set() if query is ListQuery else set(ListQuery.model_fields)
    rows = [
        [code(item.name), _comparison(query.model_fields[item.name]), item.type, prose(item.text)]
        for item in properties(query).values()
        if item.name not in common
    ]
    return table(["Parameter", "Compares", "Type", "Meaning"], rows)


def _rows(found: Iterable[Property]) -> str:
    rows = [[code(item.name), item.type, "yes" if item.required else "", prose(item.text)] for item in found]
    return table(["Field", "Type", "Needed", "Meaning"], rows)


def _required_actions(models: Iterable[type[BaseModel] | None], name: str) -> list[str]:
    fields = [model.model_fields[name] for model in models if model and name in model.model_fields]
    return sorted({mark.action for field in fields for mark in field.metadata if isinstance(mark, Requires)})


def _comparison(field: FieldInfo) -> str:
    marks = [mark for mark in field.metadata if isinstance(mark, Filter)]
    return "; ".join(prose(docstring_of(type(mark)).summary.rstrip(".")) for mark in marks)
