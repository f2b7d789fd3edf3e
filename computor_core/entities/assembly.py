"""From registrations to the access engine and the entity services."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from computor_core.access.engine import AccessEngine
from computor_core.entities.binding import check_entities, load_entities
from computor_core.entities.service import EntityServices

if TYPE_CHECKING:
    from computor_core.clock import Clock
    from computor_core.plugin_api.access import AccessRuleRegistration
    from computor_core.plugin_api.entities import EntityRegistration
    from computor_core.plugin_api.registrations import ActionRegistration, RoleRegistration


def assemble(
    *,
    entities: Sequence[EntityRegistration],
    actions: Iterable[ActionRegistration],
    roles: Iterable[RoleRegistration],
    rules: Iterable[AccessRuleRegistration],
    clock: Clock | None = None,
) -> tuple[AccessEngine, EntityServices]:
    """Load all entities, compile all rules and refuse every gap.

    Args:
        entities: Of core and plugins.
        actions: Of core and plugins.
        roles: Of core and plugins.
        rules: Those that stand apart from an entity; the entities' own are added.
        clock: The application's clock.

    Raises:
        ConfigurationError: Something is missing or doesn't fit; everything wrong of a kind is
            listed at once.
    """
    bound = load_entities(entities)
    access = AccessEngine(
        actions=actions,
        roles=roles,
        rules=[*rules, *(rule for entity in entities for rule in entity.rules)],
        tables={endpoint: entity.table for endpoint, entity in bound.items()},
        read_actions={
            endpoint: entity.read_action
            for endpoint, entity in bound.items()
            if entity.read_action is not None
        },
        clock=clock,
    )
    check_entities(bound, access.vocabulary.actions, ((rule.endpoint, rule.action) for rule in access.rules))
    return access, EntityServices(bound, access)
