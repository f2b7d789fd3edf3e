"""Validating one section with one model, variables included."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from computor_core.settings.problems import Path, Problems
from computor_core.settings.sources import Sources

M = TypeVar("M", bound=BaseModel)


def validate(
    model: type[M], values: Mapping[str, Any], base: Path, sources: Sources, problems: Problems
) -> M | None:
    """Check a section.

    A variable's value is text. Where the model wants something else (a list, a number in strict
    mode), the text is read as JSON; so a password that looks like JSON stays a password.

    Args:
        model: The section's model.
        values: The section as written.
        base: Where the section stands.
        sources: Where its values come from.
        problems: Takes everything that is wrong.

    Returns:
        The settings, or None when something is wrong.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        first = error
    reread, changed = _read_as_json(values, base, sources, first)
    if changed:
        try:
            return model.model_validate(reread)
        except ValidationError as error:
            first = error
    problems.add_validation(first, model, base)
    return None


def _read_as_json(
    values: Mapping[str, Any], base: Path, sources: Sources, error: ValidationError
) -> tuple[Mapping[str, Any], bool]:
    wrong = {tuple(str(part) for part in item["loc"]) for item in error.errors(include_url=False)}
    changed = False
    tree = _copy(values)
    for path in sources.variables:
        inside = path[len(base) :]
        if path[: len(base)] != base or not any(loc[: len(inside)] == inside for loc in wrong):
            continue
        table: Any = tree
        for key in inside[:-1]:
            table = table[key]
        try:
            table[inside[-1]] = json.loads(table[inside[-1]])
        except json.JSONDecodeError:
            continue  # not JSON: the model's own message about the text stands
        changed = True
    return tree, changed


def _copy(tree: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _copy(value) if isinstance(value, dict) else value for key, value in tree.items()}
