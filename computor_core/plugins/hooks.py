"""The typed facade over pluggy: one method per hook, and the only file that calls hooks.

Each call asks one plugin, so that a failure has a name and the others are not affected, and
consumes what comes, so that a lazy generator fails here and not later.
"""

from __future__ import annotations

import difflib
import inspect
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import pluggy

from computor_core.plugin_api.access import AccessRuleRegistration
from computor_core.plugin_api.entities import EntityRegistration
from computor_core.plugin_api.hookspecs import HOOK_NAMES, ComputorHooks
from computor_core.plugin_api.markers import PROJECT
from computor_core.plugin_api.registrations import (
    ActionRegistration,
    AuthProviderRegistration,
    CacheRegistration,
    CommandRegistration,
    EventBusRegistration,
    EventHandlerRegistration,
    ExampleFormatRegistration,
    GitHostRegistration,
    LifespanRegistration,
    MigrationRegistration,
    NotifierRegistration,
    ReportParserRegistration,
    RoleRegistration,
    RouterRegistration,
    StepRegistration,
    StorageBackendRegistration,
    TestRunnerRegistration,
    WorkflowEngineRegistration,
    WorkflowRegistration,
)

if TYPE_CHECKING:
    from pluggy import HookImpl, Result

T = TypeVar("T")


class HookProblem(Exception):  # noqa: N818 - turned into a PluginProblem by the loader, never shown
    """A plugin's hooks can't be used; the text says why."""


class Hooks:
    """The hooks of one application.

    Args:
        trace: Print every hook call and its outcome to standard error.
    """

    def __init__(self, *, trace: bool = False) -> None:
        self._manager = pluggy.PluginManager(PROJECT)
        self._manager.add_hookspecs(ComputorHooks)
        if trace:
            self._manager.add_hookcall_monitoring(_trace_before, _trace_after)

    def register(self, name: str, plugin: object) -> None:
        """Take a plugin in.

        Raises:
            HookProblem: It implements an unknown hook, forgot a marker, uses a wrapper or asks
                for an argument that the hook doesn't have.
        """
        problem = self._unknown_hook(plugin)
        if problem:
            raise HookProblem(problem)
        try:
            self._manager.register(plugin, name)
            self._manager.check_pending()
        except (pluggy.PluginValidationError, ValueError, TypeError) as error:
            if self._manager.has_plugin(name):
                self._manager.unregister(name=name)
            raise HookProblem(" ".join(str(error).split())) from error

    def unregister(self, name: str) -> None:
        """Let a plugin go again, if it was taken in."""
        if self._manager.has_plugin(name):
            self._manager.unregister(name=name)

    def _unknown_hook(self, plugin: object) -> str | None:
        for attribute in dir(type(plugin)):
            options = self._manager.parse_hookimpl_opts(plugin, attribute)
            name = (options and options["specname"]) or attribute
            if options is None:
                if attribute in HOOK_NAMES:
                    return f"{attribute} isn't marked with hookimpl"
                if attribute.startswith("computor_"):
                    return f"{attribute} is no hook of Computor{_did_you_mean(attribute)}"
            elif name not in HOOK_NAMES:
                return f"{name} is no hook of Computor{_did_you_mean(name)}"
            elif options["wrapper"] or options["hookwrapper"]:
                return f"{name} is a wrapper; hooks only register"
            elif inspect.iscoroutinefunction(getattr(type(plugin), attribute)):
                return f"{name} is async; hooks only register"
        return None

    def _ask(self, hook: str, plugin: str, *kinds: type[T]) -> tuple[T, ...]:
        others = [other for name, other in self._manager.list_name_plugin() if name != plugin]
        try:
            results = self._manager.subset_hook_caller(hook, others)()
            items = [item for result in results for item in _iterate(result)]
        except (Exception, SystemExit) as error:  # a plugin's own code: reported with its name
            raise HookProblem(f"{hook} raised {type(error).__name__}: {error}") from error
        taken: list[T] = []
        for item in items:
            if not isinstance(item, kinds):
                expected = " or ".join(kind.__name__ for kind in kinds)
                raise HookProblem(f"{hook} returned {type(item).__name__} where {expected} is expected")
            taken.append(item)
        return tuple(taken)

    def entities(self, plugin: str) -> tuple[EntityRegistration, ...]:
        """What ``computor_entities`` of a plugin returns."""
        return self._ask("computor_entities", plugin, EntityRegistration)

    def migrations(self, plugin: str) -> tuple[MigrationRegistration, ...]:
        """What ``computor_migrations`` of a plugin returns."""
        return self._ask("computor_migrations", plugin, MigrationRegistration)

    def actions(self, plugin: str) -> tuple[ActionRegistration, ...]:
        """What ``computor_actions`` of a plugin returns."""
        return self._ask("computor_actions", plugin, ActionRegistration)

    def roles(self, plugin: str) -> tuple[RoleRegistration, ...]:
        """What ``computor_roles`` of a plugin returns."""
        return self._ask("computor_roles", plugin, RoleRegistration)

    def access_rules(self, plugin: str) -> tuple[AccessRuleRegistration, ...]:
        """What ``computor_access_rules`` of a plugin returns."""
        return self._ask("computor_access_rules", plugin, AccessRuleRegistration)

    def auth_providers(self, plugin: str) -> tuple[AuthProviderRegistration, ...]:
        """What ``computor_auth_providers`` of a plugin returns."""
        return self._ask("computor_auth_providers", plugin, AuthProviderRegistration)

    def storage_backends(self, plugin: str) -> tuple[StorageBackendRegistration, ...]:
        """What ``computor_storage_backends`` of a plugin returns."""
        return self._ask("computor_storage_backends", plugin, StorageBackendRegistration)

    def git_hosts(self, plugin: str) -> tuple[GitHostRegistration, ...]:
        """What ``computor_git_hosts`` of a plugin returns."""
        return self._ask("computor_git_hosts", plugin, GitHostRegistration)

    def test_runners(self, plugin: str) -> tuple[TestRunnerRegistration, ...]:
        """What ``computor_test_runners`` of a plugin returns."""
        return self._ask("computor_test_runners", plugin, TestRunnerRegistration)

    def workflow_engines(self, plugin: str) -> tuple[WorkflowEngineRegistration, ...]:
        """What ``computor_workflow_engines`` of a plugin returns."""
        return self._ask("computor_workflow_engines", plugin, WorkflowEngineRegistration)

    def caches(self, plugin: str) -> tuple[CacheRegistration, ...]:
        """What ``computor_caches`` of a plugin returns."""
        return self._ask("computor_caches", plugin, CacheRegistration)

    def event_buses(self, plugin: str) -> tuple[EventBusRegistration, ...]:
        """What ``computor_event_buses`` of a plugin returns."""
        return self._ask("computor_event_buses", plugin, EventBusRegistration)

    def workflows(self, plugin: str) -> tuple[WorkflowRegistration | StepRegistration, ...]:
        """What ``computor_workflows`` of a plugin returns."""
        kinds: tuple[type[WorkflowRegistration | StepRegistration], ...]
        kinds = (WorkflowRegistration, StepRegistration)
        return self._ask("computor_workflows", plugin, *kinds)

    def report_parsers(self, plugin: str) -> tuple[ReportParserRegistration, ...]:
        """What ``computor_report_parsers`` of a plugin returns."""
        return self._ask("computor_report_parsers", plugin, ReportParserRegistration)

    def example_formats(self, plugin: str) -> tuple[ExampleFormatRegistration, ...]:
        """What ``computor_example_formats`` of a plugin returns."""
        return self._ask("computor_example_formats", plugin, ExampleFormatRegistration)

    def notifiers(self, plugin: str) -> tuple[NotifierRegistration, ...]:
        """What ``computor_notifiers`` of a plugin returns."""
        return self._ask("computor_notifiers", plugin, NotifierRegistration)

    def event_handlers(self, plugin: str) -> tuple[EventHandlerRegistration, ...]:
        """What ``computor_event_handlers`` of a plugin returns."""
        return self._ask("computor_event_handlers", plugin, EventHandlerRegistration)

    def routers(self, plugin: str) -> tuple[RouterRegistration, ...]:
        """What ``computor_routers`` of a plugin returns."""
        return self._ask("computor_routers", plugin, RouterRegistration)

    def commands(self, plugin: str) -> tuple[CommandRegistration, ...]:
        """What ``computor_commands`` of a plugin returns."""
        return self._ask("computor_commands", plugin, CommandRegistration)

    def lifespan(self, plugin: str) -> tuple[LifespanRegistration, ...]:
        """What ``computor_lifespan`` of a plugin returns."""
        return self._ask("computor_lifespan", plugin, LifespanRegistration)


def _iterate(result: object) -> Iterable[object]:
    if isinstance(result, Iterable) and not isinstance(result, str | bytes | Mapping):
        return result
    raise TypeError(f"an iterable of registrations is expected, not {type(result).__name__}")


def _did_you_mean(name: str) -> str:
    close = difflib.get_close_matches(name, HOOK_NAMES, n=1)
    return f"; did you mean {close[0]}?" if close else ""


def _trace_before(hook: str, implementations: Sequence[HookImpl], _arguments: Mapping[str, Any]) -> None:
    names = ", ".join(item.plugin_name for item in implementations) or "nobody"
    print(f"hook {hook}: asking {names}", file=sys.stderr)


def _trace_after(
    outcome: Result[Any], hook: str, _implementations: Sequence[HookImpl], _arguments: Mapping[str, Any]
) -> None:
    said = f"raised {outcome.exception!r}" if outcome.exception else f"returned {outcome.get_result()!r}"
    print(f"hook {hook}: {said}", file=sys.stderr)
