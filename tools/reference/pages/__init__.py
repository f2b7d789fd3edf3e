"""The pages, one module each with ``FILE``, ``TITLE``, ``SUMMARY`` and ``render``."""

from __future__ import annotations

from typing import Protocol

from tools.reference.inventory import Inventory
from tools.reference.pages import (
    actions,
    commands,
    entities,
    errors,
    events,
    failpoints,
    hooks,
    index,
    providers,
    registrations,
    roles,
    settings,
)


class Page(Protocol):
    """A module that renders a page.

    Attributes:
        FILE: Name of its file.
        TITLE: Its title.
        SUMMARY: What is there, one line.
    """

    FILE: str
    TITLE: str
    SUMMARY: str

    def render(self, inventory: Inventory) -> str:
        """The whole page."""
        ...


PAGES: tuple[Page, ...] = (
    hooks,
    registrations,
    providers,
    events,
    settings,
    errors,
    actions,
    roles,
    commands,
    entities,
    failpoints,
)
"""All pages but the first, in its order."""


def render_all(inventory: Inventory) -> dict[str, str]:
    """The text of every page by file name."""
    listed = [(page.FILE, page.TITLE, page.SUMMARY) for page in PAGES]
    return {index.FILE: index.render(listed), **{page.FILE: page.render(inventory) for page in PAGES}}
