"""The installed workflow definitions and step implementations."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, cast

from computor_core.errors import NotFoundError, PluginError
from computor_core.plugin_api.registrations import StepRegistration, WorkflowRegistration
from computor_core.plugin_api.workflows import Settlement, Step, StepImplementation, WorkflowDefinition
from computor_core.targets import load_target, raised, require_call
from computor_core.workflows.import_rule import check_definition_module

__all__ = ["WorkflowRegistry"]


class WorkflowRegistry:
    """Definitions by ``(name, version)`` and implementations by step name; frozen once built.

    Definitions load at once, implementations, which may bring an SDK, on first use or by
    :meth:`load_steps`.

    Args:
        workflows: Registered definitions.
        steps: Registered implementations.

    Raises:
        PluginError: Something is missing, doubled, malformed or breaks the import rule; its
            ``details["problems"]`` lists everything at once.
    """

    def __init__(self, workflows: Iterable[WorkflowRegistration], steps: Iterable[StepRegistration]) -> None:
        problems: list[str] = []
        self._targets: dict[tuple[str, int], str] = {}
        self._definitions: dict[tuple[str, int], WorkflowDefinition[Any, Any]] = {}
        self._declared: dict[tuple[str, int], dict[str, Step[Any, Any]]] = {}
        self._step_targets: dict[str, str] = {}
        self._implementations: dict[str, StepImplementation] = {}
        self._latest: dict[str, int] = {}
        for registration in workflows:
            self._add_workflow(registration, problems)
        all_known = not problems  # a definition that can't be loaded may be what declares a step
        for step in steps:
            self._add_step(step, problems)
        _refuse(problems + self._gaps(all_known=all_known))

    @property
    def targets(self) -> Mapping[tuple[str, int], str]:
        """Import string of each definition, by name and version."""
        return MappingProxyType(self._targets)

    def latest(self, workflow: str) -> int:
        """The newest version of a workflow.

        Raises:
            NotFoundError: No installed plugin registers it.
        """
        try:
            return self._latest[workflow]
        except KeyError:
            raise NotFoundError(f"no installed plugin registers the workflow {workflow!r}") from None

    def definition(self, workflow: str, version: int) -> WorkflowDefinition[Any, Any]:
        """A definition.

        Raises:
            NotFoundError: It isn't installed.
        """
        try:
            return self._definitions[workflow, version]
        except KeyError:
            raise NotFoundError(f"the workflow {workflow}@{version} isn't installed") from None

    def declaration(self, workflow: str, version: int, step: str) -> Step[Any, Any]:
        """A step as the module of a definition declares it.

        Raises:
            NotFoundError: The definition isn't installed or its module knows no such step.
        """
        self.definition(workflow, version)
        try:
            return self._declared[workflow, version][step]
        except KeyError:
            raise NotFoundError(f"the module of {workflow}@{version} declares no step {step!r}") from None

    def implementation(self, step: str) -> StepImplementation:
        """A step's implementation, loaded on first use.

        Raises:
            NotFoundError: No installed plugin implements it.
            PluginError: Its target can't be loaded.
        """
        loaded = self._implementations.get(step)
        if loaded is None:
            target = self._step_targets.get(step)
            if target is None:
                raise NotFoundError(f"no installed plugin implements the step {step!r}")
            loaded = self._implementations[step] = _load_step(step, target)
        return loaded

    def load_steps(self) -> None:
        """Load every implementation, so that a broken one shows before any work is accepted.

        Raises:
            PluginError: Some can't be loaded; ``details["problems"]`` lists all.
        """
        problems: list[str] = []
        for step in self._step_targets:
            try:
                self.implementation(step)
            except PluginError as error:
                problems.append(error.message)
        _refuse(problems)

    def _add_workflow(self, registration: WorkflowRegistration, problems: list[str]) -> None:
        key = (registration.name, registration.version)
        label = f"workflow {registration.name}@{registration.version}"
        if key in self._targets:
            problems.append(f"{label} is registered by {self._targets[key]} and by {registration.target}")
            return
        module = registration.target.partition(":")[0]
        try:
            violations = check_definition_module(module)
        except (OSError, SyntaxError, ValueError, ImportError) as error:
            problems.append(f"{label}: {raised(error)}")
            return
        if violations:
            problems += [f"{label}: {violation}" for violation in violations]
            return
        try:
            definition = load_target(registration.target)
            if not isinstance(definition, WorkflowDefinition):
                raise TypeError(f"{registration.target} is no workflow definition")
            _ = definition.input_type, definition.output_type
            require_call(definition.function, registration.target, 2, is_async=True)
            if not isinstance(definition.finalizer, Step):
                raise TypeError("its finalizer is no step")
            if definition.finalizer.input_type is not Settlement:
                raise TypeError(f"its finalizer {definition.finalizer.name} doesn't take a Settlement")
        except (AttributeError, TypeError, ValueError) as error:
            problems.append(f"{label}: {error}")
            return
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a plugin's own code: reported by name
            problems.append(f"{label}: {raised(error)}")
            return
        if (definition.name, definition.version) != key:
            problems.append(f"{label}: {registration.target} is {definition.key}")
            return
        declared = {
            value.name: value for value in vars(sys.modules[module]).values() if isinstance(value, Step)
        }
        declared[definition.finalizer.name] = definition.finalizer
        self._targets[key] = registration.target
        self._definitions[key] = definition
        self._declared[key] = declared
        self._latest[definition.name] = max(self._latest.get(definition.name, 0), definition.version)

    def _add_step(self, registration: StepRegistration, problems: list[str]) -> None:
        other = self._step_targets.setdefault(registration.name, registration.target)
        if other != registration.target:
            problems.append(
                f"step {registration.name} is implemented by {other} and by {registration.target}"
            )

    def _gaps(self, *, all_known: bool) -> list[str]:
        problems: list[str] = []
        needed: dict[str, str] = {}
        for (name, version), declared in self._declared.items():
            for step in declared.values():
                needed.setdefault(step.name, f"{name}@{version}")
                try:
                    _ = step.input_type, step.output_type
                except TypeError as error:
                    problems.append(str(error))
        problems += [
            f"step {step} of workflow {workflow} has no implementation"
            for step, workflow in needed.items()
            if step not in self._step_targets
        ]
        problems += [
            f"step {step} ({target}) is declared by no installed workflow"
            for step, target in self._step_targets.items()
            if all_known and step not in needed
        ]
        return problems


def _load_step(step: str, target: str) -> StepImplementation:
    try:
        implementation = load_target(target)
        require_call(implementation, target, 2, is_async=True)
    except TypeError as error:
        raise PluginError(f"step {step}: {error}") from error
    except (Exception, SystemExit) as error:
        raise PluginError(f"step {step}: {raised(error)}") from error
    return cast("StepImplementation", implementation)


def _refuse(problems: list[str]) -> None:
    if problems:
        raise PluginError(
            "the registered workflows have problems: " + "; ".join(problems), details={"problems": problems}
        )
