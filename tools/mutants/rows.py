"""Row mutants as data: every copy of some registrations that lacks one row.

A path names collections: ``"actions"`` is the collection ``actions`` of each registration,
``"rules.branches"`` the collection ``branches`` of each element of ``rules``, ``""`` the
registrations themselves. A ``+`` at the end leaves alone the collections that would become empty.
Collections are tuples, lists, sets and mappings; what holds them are dataclasses, copied with
:func:`dataclasses.replace`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, cast

_NAMES = ("id", "name", "field", "column", "type", "endpoint", "action")
"""Attributes that a row goes by: the first of them, then ``endpoint`` and ``action``."""


def without_one(registrations: Sequence[object], path: str) -> Iterator[tuple[str, list[object]]]:
    """Every copy of the registrations that lacks one row.

    Args:
        registrations: The dataclasses, which stay as they are.
        path: Names the collections that lose a row.

    Yields:
        The row's name and the registrations without it; rows of sets come sorted.

    Raises:
        ValueError: The path names no collection.
    """
    names, _, rest = path.partition("+")
    if rest:
        raise ValueError(f"path {path!r} has something after the +")
    steps = names.split(".") if names else []
    for label, smaller in _without(list(registrations), steps, path):
        yield label, cast("list[object]", smaller)


def _without(collection: object, steps: list[str], path: str) -> Iterator[tuple[str, object]]:
    elements = _elements(collection, path)
    if not steps and path.endswith("+") and len(elements) == 1:
        return
    for position, (label, element) in enumerate(elements):
        if not steps:
            yield label, _rebuilt(collection, position, None)
            continue
        inner = getattr(element, steps[0], None)
        if inner is None or not dataclasses.is_dataclass(element) or isinstance(element, type):
            raise ValueError(f"{label} has no {steps[0]!r} (path {path!r})")
        for inner_label, smaller in _without(inner, steps[1:], path):
            changed = dataclasses.replace(element, **{steps[0]: smaller})
            yield f"{label} / {inner_label}", _rebuilt(collection, position, changed)


def _elements(collection: object, path: str) -> list[tuple[str, object]]:
    if isinstance(collection, Mapping):
        return [(_label(key, index), value) for index, (key, value) in enumerate(collection.items())]
    if isinstance(collection, AbstractSet):
        return [(_label(item, index), item) for index, item in enumerate(sorted(collection, key=str))]
    if isinstance(collection, tuple | list):
        return [(_label(item, index), item) for index, item in enumerate(collection)]
    raise ValueError(f"path {path!r} ends at {type(collection).__name__}, which is no collection")


def _rebuilt(collection: object, position: int, changed: object | None) -> object:
    """The collection with the element at a position changed, or without it."""
    if isinstance(collection, Mapping):
        items = list(collection.items())
        items[position : position + 1] = [] if changed is None else [(items[position][0], changed)]
        return dict(items)
    values: list[Any]
    if isinstance(collection, AbstractSet):
        values = sorted(collection, key=str)
    else:
        values = list(cast("Sequence[Any]", collection))
    values[position : position + 1] = [] if changed is None else [changed]
    return type(collection)(values)  # type: ignore[call-arg]


def _label(row: object, index: int) -> str:
    if isinstance(row, str):
        return str(row)
    named = [str(value) for name in _NAMES if (value := getattr(row, name, None))]
    also = [str(value) for name in _NAMES[-2:] if (value := getattr(row, name, None))]
    return " ".join(dict.fromkeys([*named[:1], *also])) or f"{type(row).__name__} {index + 1}"
