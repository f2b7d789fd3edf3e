"""Renders functions and classes: signatures, fields of dataclasses, members of enumerations."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Iterator
from enum import Enum
from types import ModuleType
from typing import Any

from tools.reference.docstrings import Docstring, attribute_texts, docstring_of
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


def constants(module: ModuleType) -> list[tuple[str, object]]:
    """The constants that a module defines and that are numbers or texts, in its order."""
    return [
        (name, value)
        for name, value in vars(module).items()
        if name.isupper() and not name.startswith("_") and isinstance(value, int | float | str)
    ]


def module_text(module: ModuleType, level: int) -> str:
    """Everything public of a module: its docstring, constants and classes."""
    parts = [prose(docstring_of(module).text)]
    found = constants(module)
    parts.append(table(["Constant", "Value"], [[code(name), code(repr(value))] for name, value in found]))
    parts += [class_text(cls, level) for cls in public_classes(module)]
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
    parts += [_method(function, level + 1) for function in methods(cls)]
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


def methods(cls: type) -> list[Callable[..., Any]]:
    """The public methods and properties that a class itself defines, as functions, in its order."""
    found: list[Callable[..., Any]] = []
    for name, value in vars(cls).items():
        if isinstance(value, property) and value.fget is not None:
            function: object = value.fget
        else:
            function = value.__func__ if isinstance(value, staticmethod | classmethod) else value
        if inspect.isfunction(function) and not name.startswith("_"):
            found.append(function)
    return found


def _method(function: Callable[..., Any], level: int) -> str:
    own = docstring_of(function)
    parts = [heading(level, code(function.__name__)), block(signature_text(function), "python")]
    return "\n\n".join([*parts, *_prose_of(own)])


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
