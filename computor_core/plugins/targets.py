"""What import strings of registrations lead to: loaded and looked at before anything is served.

The factories of providers and the commands of the shell aren't imported, since they bring SDKs;
that their module is there and names them is all that is asked.
"""

from __future__ import annotations

import difflib
import importlib.util
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from computor_core.errors import ComputorError, ConfigurationError
from computor_core.migrations.lineage import lineages
from computor_core.plugin_api.events import event_names, event_type
from computor_core.plugins.registries import SEAMS
from computor_core.settings.composition import load_model
from computor_core.targets import load_target, raised, require_call

if TYPE_CHECKING:
    from computor_core.plugins.registries import Registries


def broken_targets(own: Registries) -> Iterator[str]:
    """What is wrong with the targets of one plugin's registrations, one sentence each.

    Args:
        own: What the plugin registered.
    """
    for handler in (item.registration for item in own.event_handlers.values()):
        yield from _call(f"event handler {handler.name!r}", handler.target, 2, is_async=True)
    for step in (item.registration for item in own.steps.values()):
        yield from _call(f"step {step.name!r}", step.target, 2, is_async=True)
    for entity in (item.registration for item in own.entities.values()):
        for command in entity.commands:
            label = f"handler of command {command.name!r} of {entity.endpoint}"
            yield from _call(label, command.handler, 4, ("request_id",), is_async=True)
    for lifespan in (item.registration for item in own.lifespan):
        yield from _call("lifespan", lifespan.target, 1)
    for notifier in (item.registration for item in own.notifiers.values()):
        yield from _call(f"notifier {notifier.name!r}", notifier.target, 1, is_async=True)
    for parser in (item.registration for item in own.report_parsers.values()):
        yield from _call(f"parser of report format {parser.format!r}", parser.target, 1)
    for example in (item.registration for item in own.example_formats.values()):
        yield from _call(f"example format {example.name!r}", example.target, 0)
    yield from _migrations(own)
    yield from _unloaded(own)


def unknown_events(own: Registries) -> Iterator[str]:
    """Handlers of events that nobody declares."""
    for handler in (item.registration for item in own.event_handlers.values()):
        if event_type(handler.event) is None:
            close = difflib.get_close_matches(handler.event, event_names(), n=1)
            meant = f"did you mean {close[0]!r}?" if close else "import its class where the handler is"
            yield f"event handler {handler.name!r} waits for the unknown event {handler.event!r}; {meant}"


def _call(
    label: str, target: str, count: int, named: tuple[str, ...] = (), *, is_async: bool = False
) -> Iterator[str]:
    try:
        require_call(load_target(target), target, count, named, is_async=is_async)
    except TypeError as error:
        yield f"the {label} can't be used: {error}"
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a plugin's own code: reported by name
        yield f"the {label} can't be loaded: {raised(error)}"


def _migrations(own: Registries) -> Iterator[str]:
    try:
        lineages(own)
    except ComputorError as error:
        yield error.message
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a plugin's own code: reported by name
        yield f"its migrations can't be found: {raised(error)}"


def _unloaded(own: Registries) -> Iterator[str]:
    for seam in SEAMS:
        for provider in (item.registration for item in own.provider_types(seam).values()):
            yield from _named(f"factory of {seam} type {provider.type!r}", provider.factory)
            if provider.settings is not None:
                try:
                    load_model(provider.settings)
                except ConfigurationError as error:
                    yield f"{error.message}; {error.hint}" if error.hint else error.message
    for command in (item.registration for item in own.commands.values()):
        yield from _named(f"command {command.name!r}", command.target)


def _named(label: str, target: str) -> Iterator[str]:
    """Whether a target's module is there and its source has the name at all."""
    module, _, attribute = target.partition(":")
    name = attribute.partition(".")[0]
    if module in sys.modules:
        if not hasattr(sys.modules[module], name):
            yield f"the {label} is {target!r}, and {module} names no {name}"
        return
    try:
        spec = importlib.util.find_spec(module)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - the package above it is a plugin's own code
        yield f"the {label} can't be found: {raised(error)}"
        return
    if spec is None:
        yield f"the {label} is {target!r}, and there is no module {module}"
    elif spec.origin is not None and spec.origin.endswith(".py"):
        source = Path(spec.origin).read_text(encoding="utf-8")
        # A star import or a module's __getattr__ may bring the name unseen.
        if not re.search(rf"\b{name}\b|import \*|\b__getattr__\b", source):
            yield f"the {label} is {target!r}, and {module} names no {name}"
