"""Renders functions and classes: signatures, fields of dataclasses, members of enumerations."""

from __future__ import annotations

import ast
import dataclasses
import inspect
from collections.abc import Callable, Iterator
from enum import Enum
from types import ModuleType
from typing import Any

from tools.reference.docstrings import Docstring, assigned_names, attribute_texts, docstring_of
from tools.reference.markdown import block, code, heading, prose, table

WIDTH = 100
"""Signatures longer than this get a line for each parameter."""


class _Verbatim:
    """Stands for an annotation and shows as the text that was written."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


def annotation_text(annotation: object) -> str:
    """An annotation as it is written in the source."""
    return annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)


def signature_text(function: Callable[..., Any]) -> str:
    """A function's signature as it is written in the source: ``async def put(self, …) -> None``."""
    signature = inspect.signature(function)
    parameters = [_verbatim_parameter(item) for item in signature.parameters.values()]
    returned = signature.return_annotation
    if returned is not inspect.Signature.empty:
        returned = _Verbatim(annotation_text(returned))
    kind = "async def" if inspect.iscoroutinefunction(function) else "def"
    head = f"{kind} {function.__name__}"
    text = f"{head}{signature.replace(parameters=parameters, return_annotation=returned)}"
    if len(text) <= WIDTH:
        return text
    lines = "".join(f"    {line},\n" for line in _parameter_lines(parameters))
    return f"{head}(\n{lines})" + (f" -> {returned!r}" if isinstance(returned, _Verbatim) else "")


def _verbatim_parameter(parameter: inspect.Parameter) -> inspect.Parameter:
    if parameter.annotation is inspect.Parameter.empty:
        return parameter
    return parameter.replace(annotation=_Verbatim(annotation_text(parameter.annotation)))


def _parameter_lines(parameters: list[inspect.Parameter]) -> Iterator[str]:
    named = False
    for parameter in parameters:
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY and not named:
            yield "*"
        named = named or parameter.kind in {inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.VAR_POSITIONAL}
        yield str(parameter)


def default_text(field: dataclasses.Field[Any]) -> str:
    """The default of a dataclass's field, "" where it must be given."""
    if field.default is not dataclasses.MISSING:
        return value_text(field.default)
    if field.default_factory is not dataclasses.MISSING:
        return value_text(field.default_factory())
    return ""


def value_text(value: object) -> str:
    """A value as it is written in the source."""
    if isinstance(value, Enum):
        return f"{type(value).__name__}.{value.name}"
    return repr(value)


def public_classes(module: ModuleType) -> list[type]:
    """The public classes that a module defines, in its order."""
    return [
        value
        for name, value in vars(module).items()
        if isinstance(value, type) and value.__module__ == module.__name__ and not name.startswith("_")
    ]


def public_functions(module: ModuleType) -> list[Callable[..., Any]]:
    """The public functions that a module defines, in its order."""
    return [
        value
        for name, value in vars(module).items()
        if inspect.isfunction(value) and value.__module__ == module.__name__ and not name.startswith("_")
    ]


def constants(module: ModuleType) -> list[tuple[str, object]]:
    """The public numbers and texts that a module defines as constants, in its order."""
    return [
        (name, value)
        for statement in ast.parse(inspect.getsource(module)).body
        for name in assigned_names(statement)
        if name.isupper() and isinstance(value := getattr(module, name), int | float | str)
    ]


def module_text(module: ModuleType, level: int) -> str:
    """Everything public of a module: its docstring, constants, classes and functions."""
    parts = [_paragraphs(docstring_of(module).text)]
    found = constants(module)
    parts.append(table(["Constant", "Value"], [[code(name), code(repr(value))] for name, value in found]))
    parts += [class_text(cls, level) for cls in public_classes(module)]
    parts += [_function(function, level) for function in public_functions(module)]
    return "\n\n".join(part for part in parts if part)


def class_text(cls: type, level: int) -> str:
    """A class under a heading: its docstring, then fields, members or methods."""
    own = docstring_of(cls)
    parts = [heading(level, code(cls.__name__)), *_prose_of(own)]
    if issubclass(cls, Enum):
        parts.append(_members(cls))
    elif _is_own_dataclass(cls):
        parts.append(fields_table(cls))
    elif dataclasses.is_dataclass(cls):
        base = next(base for base in cls.__mro__[1:] if _is_own_dataclass(base))
        parts.append(f"Fields as in {code(base.__name__)}.")
    seam = vars(cls).get("seam")
    parts += [f"Seam: {code(seam)}."] if seam else []
    parts += [_function(function, level + 1, decorator) for decorator, function in methods(cls)]
    return "\n\n".join(part for part in parts if part)


def fields_table(cls: type) -> str:
    """The fields of a dataclass."""
    texts: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        if dataclasses.is_dataclass(base):
            texts |= attribute_texts(base)
    rows = [
        [
            code(field.name),
            code(annotation_text(field.type)),
            code(default_text(field)),
            prose(texts.get(field.name, "")),
        ]
        for field in dataclasses.fields(cls)
        if not field.name.startswith("_")
    ]
    return table(["Field", "Type", "Default", "Meaning"], rows)


def methods(cls: type) -> list[tuple[str, Callable[..., Any]]]:
    """The public methods and properties that a class itself defines, each after its decorator."""
    found: list[tuple[str, Callable[..., Any]]] = []
    for name, value in vars(cls).items():
        decorator, function = "", value
        if isinstance(value, property):
            decorator, function = "@property", value.fget
        elif isinstance(value, staticmethod | classmethod):
            decorator, function = f"@{type(value).__name__}", value.__func__
        if inspect.isfunction(function) and not name.startswith("_"):
            found.append((decorator, function))
    return found


def _function(function: Callable[..., Any], level: int, decorator: str = "") -> str:
    own = docstring_of(function)
    signature = "\n".join(line for line in (decorator, signature_text(function)) if line)
    parts = [heading(level, code(function.__name__)), block(signature, "python"), *_prose_of(own)]
    return "\n\n".join(part for part in parts if part)


def _prose_of(own: Docstring) -> Iterator[str]:
    if own.text:
        yield _paragraphs(own.text)
    rows = [[code(name), prose(text)] for name, text in own.entries("Args").items()]
    yield table(["Argument", "Meaning"], rows)
    for section in ("Returns", "Yields"):
        if section in own.sections:
            yield f"{section}: {prose(' '.join(own.sections[section].split()))}"
    rows = [[code(name), prose(text)] for name, text in own.entries("Raises").items()]
    yield table(["Raises", "When"], rows)


def _paragraphs(text: str) -> str:
    """Prose, in which an indented paragraph after one that ends with ``::`` is code."""
    parts: list[str] = []
    for paragraph in text.split("\n\n"):
        if paragraph.startswith("    "):
            parts.append(block(inspect.cleandoc(paragraph), "python"))
        else:
            parts.append(prose(paragraph.removesuffix(":") if paragraph.endswith("::") else paragraph))
    return "\n\n".join(parts)


def _members(cls: type[Enum]) -> str:
    texts = attribute_texts(cls)
    rows = [[code(item.value), prose(texts.get(item.name, ""))] for item in cls]
    return table(["Value", "Meaning"], rows)


def _is_own_dataclass(cls: type) -> bool:
    return "__dataclass_fields__" in cls.__dict__
