"""From registries to the parts that are built of them alone, without database or providers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from computor_core.entities.assembly import assemble
from computor_core.errors import ConfigurationError
from computor_core.workflows.registry import WorkflowRegistry

if TYPE_CHECKING:
    from computor_core.access.engine import AccessEngine
    from computor_core.clock import Clock
    from computor_core.entities.service import EntityServices
    from computor_core.plugins.registries import Registries


def compose_entities(
    registries: Registries, clock: Clock | None = None
) -> tuple[AccessEngine, EntityServices]:
    """The access engine and the service of every entity.

    Raises:
        ConfigurationError: A registration has a gap; everything wrong of a kind is listed.
    """
    return assemble(
        entities=[item.registration for item in registries.entities.values()],
        actions=[item.registration for item in registries.actions.values()],
        roles=[item.registration for item in registries.roles.values()],
        rules=[item.registration for item in registries.access_rules],
        clock=clock,
    )


def compose_workflows(registries: Registries) -> WorkflowRegistry:
    """The loaded definitions and the steps' implementations by name.

    Raises:
        PluginError: A definition or step has a problem; all are listed.
    """
    return WorkflowRegistry(
        [item.registration for item in registries.workflows.values()],
        [item.registration for item in registries.steps.values()],
    )


def composition_problems(registries: Registries) -> list[str]:
    """What keeps the registrations from working together, one text for each part that doesn't."""
    problems = []
    for compose in (compose_entities, lambda given: compose_workflows(given).load_steps()):
        try:
            compose(registries)
        except ConfigurationError as error:
            problems.append(error.message)
    return problems
