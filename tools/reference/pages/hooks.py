"""The page of hooks."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from computor_core.plugin_api.hookspecs import HOOK_NAMES, ComputorHooks
from tools.reference.docstrings import docstring_of
from tools.reference.inventory import Inventory
from tools.reference.markdown import block, code, heading, page, prose, table
from tools.reference.shapes import signature_text

FILE = "hooks.md"
TITLE = "Hooks"
SUMMARY = "What a plugin can register: every hook with its signature."

_SECTIONS = ("Purpose", "When", "Returns")
_LAST = ("Since", "Stability")


def render(inventory: Inventory) -> str:
    """The page."""
    intro = (
        "Hooks are called once for each plugin while the application is built. A plugin is a class "
        "named by an entry point of the group `computor.plugins`; it marks the hooks that it "
        "implements with `hookimpl`. What they return is described in [Registrations](registrations.md)."
    )
    rows = [[f"[`{name}`](#{name})", prose(docstring_of(_hook(name)).summary)] for name in HOOK_NAMES]
    return page(TITLE, intro, table(["Hook", "Purpose"], rows), *[_section(name) for name in HOOK_NAMES])


def _section(name: str) -> str:
    own = docstring_of(_hook(name))
    parts = [
        heading(2, code(name)),
        block(signature_text(_hook(name)), "python"),
        prose(own.summary),
        *[f"**{section}**: {prose(own.sections[section])}" for section in _SECTIONS],
        "**Example**:",
        block(own.sections["Example"], "pycon"),
        " · ".join(f"**{section}**: {prose(own.sections[section])}" for section in _LAST),
    ]
    return "\n\n".join(parts)


def _hook(name: str) -> Callable[..., object]:
    return cast("Callable[..., object]", getattr(ComputorHooks, name))
