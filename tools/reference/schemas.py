"""Puts JSON Schemas, as pydantic makes them of models, into words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from tools.reference.docstrings import attribute_texts
from tools.reference.markdown import code, codes

Schema = Mapping[str, Any]

_FORMATS = {
    "date-time": "instant (RFC 3339)",
    "duration": "duration (ISO 8601)",
    "email": "e-mail address",
    "password": "secret text",
    "path": "path",
    "uuid": "UUID",
}
_SIZE = r"^\s*(\d*\.?\d+)\s*(\w+)?"
"""Pattern by which pydantic's schema of a ``ByteSize`` can be told."""
_BOUNDS = {
    "minimum": "at least {}",
    "exclusiveMinimum": "more than {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "less than {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minItems": "at least {} entries",
    "maxItems": "at most {} entries",
    # What pydantic leaves of the bounds of a ByteSize.
    "ge": "at least {}",
    "gt": "more than {}",
    "le": "at most {}",
    "lt": "less than {}",
}


@dataclass(frozen=True, slots=True)
class Property:
    """A field of a model.

    Attributes:
        name: Its name.
        type: Its type in words.
        required: Whether it must be given.
        text: What it means.
    """

    name: str
    type: str
    required: bool
    text: str


@dataclass(frozen=True, slots=True)
class Words:
    """The schema of a model and of what it refers to."""

    root: Schema

    @classmethod
    def of(cls, model: type[BaseModel]) -> Words:
        """The words for a model."""
        return cls(model.model_json_schema())

    def properties(self, schema: Schema | None = None) -> Iterator[Property]:
        """The fields of a model, the root's own without an argument."""
        schema = self.root if schema is None else schema
        required = set(schema.get("required", ()))
        for name, inner in schema.get("properties", {}).items():
            yield Property(name, self.type(inner), name in required, str(inner.get("description", "")))

    def models(self) -> Iterator[tuple[str, Schema]]:
        """The models that the root refers to, by name, sorted."""
        for name, schema in sorted(self.root.get("$defs", {}).items()):
            if "properties" in schema:
                yield name, schema

    def type(self, schema: Schema) -> str:
        """A type in words."""
        if "$ref" in schema:
            return self._reference(str(schema["$ref"]).rpartition("/")[2])
        if "allOf" in schema and len(schema["allOf"]) == 1:
            return self.type(schema["allOf"][0])
        alternatives = schema.get("anyOf", schema.get("oneOf"))
        if alternatives is not None:
            return self._alternatives(alternatives, _bounds(schema))
        if "const" in schema:
            return code(schema["const"])
        if "enum" in schema:
            return codes(schema["enum"])
        return self._plain(schema)

    def _reference(self, name: str) -> str:
        schema = self.root["$defs"][name]
        return code(name) if "properties" in schema else self.type(schema)

    def _alternatives(self, schemas: list[Schema], bounds: str) -> str:
        kinds = {schema.get("type"): schema for schema in schemas}
        if {"number", "string"} <= set(kinds):
            # A Decimal: a number, or the text of one so that no digit is lost.
            null = ["null"] if "null" in kinds else []
            return " or ".join([f"decimal{_bounds(kinds['number'])}", *null])
        if any(schema.get("pattern") == _SIZE for schema in schemas):
            return f'bytes, or a text with a unit such as `"100MiB"`{bounds}'
        return " or ".join(dict.fromkeys(self.type(schema) for schema in schemas))

    def _plain(self, schema: Schema) -> str:
        kind = schema.get("type")
        if kind == "string":
            text = _FORMATS.get(str(schema.get("format", "")), "text")
            pattern = schema.get("pattern")
            return f"{text}{_bounds(schema)}{f' matching {code(pattern)}' if pattern else ''}"
        if kind == "array":
            if "prefixItems" in schema:
                return f"list of {', '.join(self.type(item) for item in schema['prefixItems'])}"
            return f"list of {self.type(schema.get('items', {}))}{_bounds(schema)}"
        if kind == "object":
            inner = schema.get("additionalProperties")
            return f"table of {self.type(inner)}" if isinstance(inner, Mapping) else "table"
        named = {"boolean": "true or false", "null": "null", None: "any JSON value"}
        return f"{named.get(kind, kind)}{_bounds(schema)}"


def described(model: type[BaseModel]) -> dict[str, str]:
    """What a model's docstring says of its fields; used where a field has no description."""
    texts: dict[str, str] = {}
    for base in reversed(model.__mro__):
        if base is not BaseModel and issubclass(base, BaseModel):
            texts |= attribute_texts(base)
    return texts


def _bounds(schema: Schema) -> str:
    found = [text.format(_number(schema[key])) for key, text in _BOUNDS.items() if key in schema]
    return f", {', '.join(found)}" if found else ""


def _number(value: float) -> str:
    return f"{value:g}" if isinstance(value, float) and value.is_integer() else str(value)
