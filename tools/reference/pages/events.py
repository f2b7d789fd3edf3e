"""The page of events."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from computor_core.plugin_api.events import Event, event_type
from tools.reference.docstrings import attribute_texts, docstring_of
from tools.reference.inventory import Inventory
from tools.reference.markdown import code, heading, page, prose, table
from tools.reference.shapes import annotation_text

FILE = "events.md"
TITLE = "Events"
SUMMARY = "What is told after it happened, or inside the transaction."


def render(inventory: Inventory) -> str:
    """The page."""
    common = table(["Field", "Type", "Meaning"], _fields(Event))
    intro = f"{prose(docstring_of(inventory.modules[Event.__module__]).text)}\n\nEvery event has:\n\n{common}"
    own = {event for event in known_events(Event) if event.__module__ in inventory.modules}
    events = sorted(own, key=lambda event: event.name)
    index = table(
        ["Event", "When"], [[code(event.name), prose(docstring_of(event).summary)] for event in events]
    )
    return page(TITLE, intro, index, *[_section(event) for event in events], _handlers(inventory))


def known_events(root: type[Event]) -> Iterator[type[Event]]:
    """All declared events; a dataclass with slots exists twice, and the registered one counts."""
    for event in root.__subclasses__():
        if event.name and event_type(event.name) is event:
            yield event
        yield from known_events(event)


def _section(event: type[Event]) -> str:
    shared = {field.name for field in dataclasses.fields(Event)}
    parts = [
        heading(2, code(event.name)),
        f"{code(event.__module__ + '.' + event.__name__)}: {prose(docstring_of(event).text)}",
        table(
            ["Field", "Type", "Meaning"], [row for row in _fields(event) if row[0].strip("`") not in shared]
        ),
    ]
    return "\n\n".join(part for part in parts if part)


def _fields(event: type[Event]) -> list[list[str]]:
    texts = attribute_texts(event)
    return [
        [code(field.name), code(annotation_text(field.type)), prose(texts.get(field.name, ""))]
        for field in dataclasses.fields(event)
    ]


def _handlers(inventory: Inventory) -> str:
    rows = [
        [code(item.event), code(name), code(item.timing.value), code(registered.plugin)]
        for name, registered in sorted(inventory.registries.event_handlers.items())
        for item in [registered.registration]
    ]
    listed = table(["Event", "Handler", "When it runs", "Plugin"], rows)
    return f"{heading(2, 'Registered handlers')}\n\n{listed}" if listed else ""
