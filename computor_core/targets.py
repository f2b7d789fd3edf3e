"""Import strings: how registrations name code without loading it."""

from __future__ import annotations

import importlib


def load_target(target: str) -> object:
    """What an import string ``"package.module:attribute"`` names.

    Raises:
        ValueError: The string is malformed.
        ImportError: The module can't be imported.
        AttributeError: It has no such attribute.
    """
    module, _, attribute = target.partition(":")
    if not module or not attribute:
        raise ValueError(f"{target!r} isn't of the form 'package.module:attribute'")
    value: object = importlib.import_module(module)
    for part in attribute.split("."):
        value = getattr(value, part)
    return value
