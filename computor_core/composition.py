"""From registries to the parts that are built of them alone, without database or providers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from computor_core.entities.assembly import assemble
from computor_core.errors import ConfigurationError
from computor_core.plugins.report import PluginProblem, PluginState
from computor_core.plugins.rules import CORE_PLUGIN
from computor_core.plugins.targets import broken_targets, unknown_events
from computor_core.targets import raised
from computor_core.workflows.registry import WorkflowRegistry

if TYPE_CHECKING:
    from computor_core.access.engine import AccessEngine
    from computor_core.clock import Clock
    from computor_core.entities.service import EntityServices
    from computor_core.plugins.loader import ActivePlugin, PluginSet
    from computor_core.plugins.registries import Registries


@dataclass(frozen=True, slots=True)
class Composition:
    """What stands on the registries alone.

    Attributes:
        access: Decides who may do what.
        entities: The service of each entity, by endpoint.
        workflows: The loaded definitions, and the steps' implementations by name.
    """

    access: AccessEngine
    entities: EntityServices
    workflows: WorkflowRegistry


def compose(registries: Registries, clock: Clock | None = None) -> Composition:
    """Bring the registrations of all plugins together.

    Raises:
        ConfigurationError: A registration has a gap; everything wrong of a kind is listed.
    """
    access, entities = assemble(
        entities=[item.registration for item in registries.entities.values()],
        actions=[item.registration for item in registries.actions.values()],
        roles=[item.registration for item in registries.roles.values()],
        rules=[item.registration for item in registries.access_rules],
        clock=clock,
    )
    workflows = WorkflowRegistry(
        [item.registration for item in registries.workflows.values()],
        [item.registration for item in registries.steps.values()],
    )
    return Composition(access, entities, workflows)


def examine(plugins: PluginSet, clock: Clock | None = None) -> tuple[Composition | None, PluginSet]:
    """Compose what the plugins registered, and load what they name but their providers and commands.

    Returns:
        The composition of the plugins that are sound (None when core isn't), and the set once
        every mistake is known, each with its plugin's name.
    """
    composition, sound = _composed(plugins, clock)
    broken = []
    for plugin in plugins.active:
        if plugin.name != CORE_PLUGIN:
            own = plugins.registries.only({plugin.name})
            broken += [_problem(plugin, reason) for reason in broken_targets(own)]
    # An event is known once the module that declares it is imported, and by now all are.
    for plugin in plugins.active:
        own = plugins.registries.only({plugin.name})
        broken += [_problem(plugin, reason) for reason in unknown_events(own)]
    if broken:
        composition, sound = _composed(sound.without(broken), clock)
    return composition, sound


def _composed(plugins: PluginSet, clock: Clock | None) -> tuple[Composition | None, PluginSet]:
    while True:
        try:
            return compose(plugins.registries, clock), plugins
        except (Exception, SystemExit):  # noqa: BLE001 - told below, with the names of those who caused it
            culprits = _culprits(plugins)
        plugins = plugins.without(culprits)
        if any(problem.plugin == CORE_PLUGIN for problem in culprits):
            return None, plugins


def _culprits(plugins: PluginSet) -> list[PluginProblem]:
    """Who keeps the registrations from working together, found by adding one plugin after the other.

    A plugin counts as sound once it composes with those that do already, whatever its place in
    the order; what is wrong with the others is told against the sound ones.
    """
    sound: list[str] = []
    waiting = list(plugins.active)
    while True:
        told: list[PluginProblem] = []
        refused: list[ActivePlugin] = []
        for plugin in waiting:
            problems = _alone(plugin, plugins.registries.only({*sound, plugin.name}))
            if not problems:
                sound.append(plugin.name)
            elif plugin.name == CORE_PLUGIN:
                return problems
            else:
                told += problems
                refused.append(plugin)
        if len(refused) == len(waiting):
            return told
        waiting = refused


def _alone(plugin: ActivePlugin, registries: Registries) -> list[PluginProblem]:
    try:
        compose(registries)
    except ConfigurationError as error:
        listed = error.details.get("problems")
        reasons = [str(reason) for reason in listed] if isinstance(listed, list) else [error.message]
        return [_problem(plugin, reason) for reason in reasons]
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a plugin's own code: reported by name
        return [_problem(plugin, f"what it registers can't be composed: {raised(error)}")]
    return []


def _problem(plugin: ActivePlugin, reason: str) -> PluginProblem:
    hint = f"mend or update {plugin.distribution}, or take {plugin.name!r} out of plugins.enabled"
    return PluginProblem(plugin.name, plugin.distribution, PluginState.FAILED, reason, hint)
