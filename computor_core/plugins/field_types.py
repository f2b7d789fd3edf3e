"""Whether the fields of a registration hold what they are declared to hold.

A registration is a frozen dataclass, and Python checks no field when one is built. A list where a
frozenset is declared, a class where an import string is, would fail far from its author, in a
traceback that names nobody.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Iterator, Mapping
from typing import Any

from computor_core.plugin_api import access, entities
from computor_core.plugin_api.principal import ScopeKind


def mistyped(item: Any) -> Iterator[str]:  # noqa: ANN401 - any dataclass
    """The fields of a registration that hold something else, one sentence each; parts included.

    Args:
        item: An instance of one of the dataclasses of :mod:`computor_core.plugin_api`.
    """
    kind = type(item).__name__
    for name, hint in _hints(type(item)).items():
        value = getattr(item, name)
        if not _fits(value, hint):
            yield f"{kind}.{name} is {_shown(value)}, where {_named(hint)} is expected"
            continue
        held = tuple(value.values()) if isinstance(value, Mapping) else value
        for part in held if isinstance(held, tuple) else (held,):
            if dataclasses.is_dataclass(part) and not isinstance(part, type):
                yield from (f"{kind}.{name}: {problem}" for problem in mistyped(part))


def _hints(kind: type[Any]) -> dict[str, Any]:
    """The types of a dataclass's fields, those that are imported for type checkers alone included."""
    from computor_core.interfaces import Dto, EntityInterface  # here: a start without entities needs none

    known = {
        "AccessRuleRegistration": access.AccessRuleRegistration,
        "Dto": Dto,
        "EntityInterface": EntityInterface,
        "Mapping": Mapping,
        "ScopeKind": ScopeKind,
        "Ref": entities.Ref,
    }
    hints = typing.get_type_hints(kind, localns=known)
    return {field.name: hints[field.name] for field in dataclasses.fields(kind)}


def _fits(value: object, hint: Any) -> bool:  # noqa: ANN401 - any annotation
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return True
    if origin in {types.UnionType, typing.Union}:
        return any(_fits(value, part) for part in arguments)
    if origin is type:
        return isinstance(value, type) and issubclass(value, arguments[0])
    if origin is tuple:
        return isinstance(value, tuple) and all(_fits(part, arguments[0]) for part in value)
    if origin is frozenset:
        return isinstance(value, frozenset) and all(_fits(part, arguments[0]) for part in value)
    if origin is not None and issubclass(origin, Mapping):
        return isinstance(value, Mapping) and all(
            _fits(key, arguments[0]) and _fits(part, arguments[1]) for key, part in value.items()
        )
    return isinstance(value, hint if origin is None else origin)


def _named(hint: Any) -> str:  # noqa: ANN401 - any annotation
    if typing.get_origin(hint) is None and isinstance(hint, type):
        return hint.__name__
    text = str(hint).replace("typing.", "").replace("collections.abc.", "")
    return text.replace(f"{access.__name__}.", "").replace(f"{entities.__name__}.", "")


def _shown(value: object) -> str:
    if isinstance(value, type):
        return f"the class {value.__name__}"
    return f"{value!r:.60} ({type(value).__name__})"
