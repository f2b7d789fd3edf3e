"""The page of provider contracts."""

from __future__ import annotations

from tools.reference.inventory import Inventory
from tools.reference.markdown import code, codes, heading, page, prose, table
from tools.reference.shapes import module_text

FILE = "providers.md"
TITLE = "Provider contracts"
SUMMARY = "The classes that providers subclass: methods, capabilities, requests and answers."

_PACKAGE = "computor_core.plugin_api.providers"


def render(inventory: Inventory) -> str:
    """The page."""
    intro = (
        "A provider subclasses the contract class of its seam and is made by the factory that the "
        "plugin registers for its type. All methods are async unless they say otherwise."
    )
    names = [name for name in inventory.modules if name.startswith(f"{_PACKAGE}.")]
    # What all contracts share comes first.
    names.sort(key=lambda name: (not name.endswith(".base"), name))
    parts = []
    for name in names:
        short = name.removeprefix("computor_core.")
        parts += [heading(2, code(short)), module_text(inventory.modules[name], 3)]
    return page(TITLE, intro, _types(inventory), *parts)


def _types(inventory: Inventory) -> str:
    registries = inventory.registries
    rows = []
    for seam in ("auth", "storage", "git", "runner", "engine", "cache", "bus"):
        for type_name, registered in sorted(registries.provider_types(seam).items()):
            registration = registered.registration
            rows.append(
                [
                    code(seam),
                    code(type_name),
                    code(registered.plugin),
                    codes(sorted(registration.capabilities)),
                    prose(registration.summary),
                ]
            )
    return table(["Seam", "Type", "Plugin", "Capabilities", "What it is"], rows)
