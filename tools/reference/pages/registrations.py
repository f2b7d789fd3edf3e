"""The page of registrations: what hooks return."""

from __future__ import annotations

from tools.reference.inventory import Inventory
from tools.reference.markdown import code, heading, page
from tools.reference.shapes import module_text

FILE = "registrations.md"
TITLE = "Registrations"
SUMMARY = "What hooks return: every registration with its fields."

_MODULES = ("meta", "registrations", "entities", "access")


def render(inventory: Inventory) -> str:
    """The page."""
    intro = "Frozen dataclasses of `computor_core.plugin_api`, one module of it after the other."
    parts = []
    for name in _MODULES:
        module = inventory.modules[f"computor_core.plugin_api.{name}"]
        parts += [heading(2, code(f"plugin_api.{name}")), module_text(module, 3)]
    return page(TITLE, intro, *parts)
