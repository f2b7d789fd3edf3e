"""What the hooks return: frozen dataclasses, one kind per hook.

A *target* is an import string ``"package.module:attribute"``. Registering loads none, so that it
costs no SDK, model or framework import; an application's start loads those that it needs later,
and factories and commands load when they are needed. Entities and access rules have modules of
their own: :mod:`computor_core.plugin_api.entities` and :mod:`computor_core.plugin_api.access`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from computor_core.plugin_api.principal import ScopeKind


@dataclass(frozen=True, slots=True)
class MigrationRegistration:
    """A plugin's alembic lineage, with a version table of its own.

    Attributes:
        package: Importable package that holds the ``versions`` folder (``"computor_x.migrations"``).
        models: Import string of the module that maps the plugin's tables, for the drift check.
        after_core: Core revision that must be applied first, or None.
    """

    package: str
    models: str
    after_core: str | None = None


class ActionAxis(StrEnum):
    """What an action is about; roles are built along these axes."""

    CONTENT = "content"
    STUDENT_DATA = "student_data"
    ADMINISTRATION = "administration"


@dataclass(frozen=True, slots=True)
class ActionRegistration:
    """An action of the access vocabulary.

    Attributes:
        name: ``"grade.write"`` in core, ``"<plugin>:<noun>.<verb>"`` in a plugin.
        summary: What it lets somebody do, one line; shown in docs and OpenAPI.
        axis: What it is about.
    """

    name: str
    summary: str
    axis: ActionAxis


@dataclass(frozen=True, slots=True)
class RoleRegistration:
    """A named set of actions at a scope.

    Attributes:
        name: ``"_tutor"`` in core, ``"<plugin>_<name>"`` in a plugin.
        scope: Where it is held.
        title: For people.
        actions: The actions it contains, at its scope and below.
        rank: Order among roles of a scope, higher is stronger; for display alone.
    """

    name: str
    scope: ScopeKind
    title: str
    actions: frozenset[str]
    rank: int = 0

    @property
    def id(self) -> str:
        """The role's id: the name alone at the global scope, else ``"<scope>:<name>"``."""
        return self.name if self.scope.value == "global" else f"{self.scope.value}:{self.name}"


@dataclass(frozen=True, slots=True)
class ProviderRegistration:
    """A provider type; instances of it are named in the settings.

    Attributes:
        type: Name of the type (``"minio"``), unique per seam over all plugins.
        factory: Target ``(settings, AppContext) -> AbstractAsyncContextManager[Provider]``.
        summary: One line for lists.
        settings: Target of the instance's pydantic settings model, or None for no settings.
        capabilities: Names of the declared capabilities, for lists before anything is loaded.
    """

    seam: ClassVar[str] = ""
    type: str
    factory: str
    summary: str
    settings: str | None = None
    capabilities: frozenset[str] = field(default_factory=frozenset)


class AuthProviderRegistration(ProviderRegistration):
    """A type of authentication provider."""

    seam = "auth"


class StorageBackendRegistration(ProviderRegistration):
    """A type of object storage."""

    seam = "storage"


class GitHostRegistration(ProviderRegistration):
    """A type of git host."""

    seam = "git"


class TestRunnerRegistration(ProviderRegistration):
    """A type of test runner."""

    __test__ = False
    seam = "runner"


class WorkflowEngineRegistration(ProviderRegistration):
    """A type of workflow engine."""

    seam = "engine"


class CacheRegistration(ProviderRegistration):
    """A type of cache."""

    seam = "cache"


class EventBusRegistration(ProviderRegistration):
    """A type of event bus."""

    seam = "bus"


@dataclass(frozen=True, slots=True)
class WorkflowRegistration:
    """A version of a workflow: where its definition is.

    The definition module imports nothing but DTOs and ``plugin_api.workflows``.

    Attributes:
        name: ``"submission.test"`` in core, ``"<plugin>.<name>"`` in a plugin; runs keep it.
        version: 1 or more; new runs take the highest.
        target: The definition.
    """

    name: str
    version: int
    target: str


@dataclass(frozen=True, slots=True)
class StepRegistration:
    """The implementation of a step: ``async def (StepContext, request) -> output``.

    Attributes:
        name: As the definition declares it: ``"submission.prepare"`` in core,
            ``"<plugin>.<name>"`` in a plugin.
        target: The implementation.
    """

    name: str
    target: str


@dataclass(frozen=True, slots=True)
class ReportParserRegistration:
    """A parser for a test report format: ``(bytes) -> list[CaseResult]`` (experimental)."""

    format: str
    target: str
    summary: str


@dataclass(frozen=True, slots=True)
class ExampleFormatRegistration:
    """A format in which examples come; target of an ``ExampleFormat`` subclass (experimental)."""

    name: str
    target: str
    summary: str


@dataclass(frozen=True, slots=True)
class NotifierRegistration:
    """A channel for notifications: target ``async def (Notification) -> None`` (experimental)."""

    name: str
    target: str
    summary: str


class HandlerTiming(StrEnum):
    """When an event handler runs."""

    IN_TRANSACTION = "in_transaction"
    AFTER_COMMIT = "after_commit"


@dataclass(frozen=True, slots=True)
class EventHandlerRegistration:
    """A reaction to a typed event.

    In the transaction: ``async def (event, UnitOfWork) -> None``; may veto by raising a
    ``ComputorError`` and fails closed. After commit: ``async def (event, AppContext) -> None``;
    runs in ``seq`` order, is isolated and fails open.

    Attributes:
        event: Name of the event (``"submission.received"``).
        target: The handler.
        timing: When it runs.
        name: Stable name of the handler, ``"<plugin>.<name>"``; the cursor of an ordered handler is
            kept under it.
    """

    event: str
    target: str
    timing: HandlerTiming
    name: str


@dataclass(frozen=True, slots=True)
class RouterRegistration:
    """HTTP routes of a plugin.

    Attributes:
        name: Unique within the plugin.
        target: ``(AppContext) -> APIRouter`` (kind ``router``) or ``(AppContext) -> ASGI app``
            (kind ``asgi``). It builds and does nothing else: ``plugins check`` calls it, too, and
            the context's services answer once the application has started.
        access: How callers are let in: ``"session"`` (a signed-in principal is required before
            the route runs), ``"public"`` (stated openly, listed by ``plugins show``) or ``"own"``
            (the ASGI app authenticates by itself; git clients do).
        kind: ``"router"`` or ``"asgi"``.
        mount: For ``asgi``: a top-level path such as ``"/git"``, checked for conflicts. Routers
            always live under ``/api/v1/x/<plugin>/``.
    """

    name: str
    target: str
    access: str
    kind: str = "router"
    mount: str | None = None


@dataclass(frozen=True, slots=True)
class CommandRegistration:
    """A CLI command, shown as ``computor x <plugin> <name>`` and loaded when it is invoked.

    Attributes:
        name: Unique within the plugin.
        target: A click command. Its ``pass_obj`` gives an
            :data:`~computor_core.plugin_api.services.OpenApplication`; opening the application
            starts nothing that runs in the background, so it may be open beside a running host.
        summary: One line for lists.
    """

    name: str
    target: str
    summary: str


@dataclass(frozen=True, slots=True)
class LifespanRegistration:
    """Start and stop: target ``(AppContext) -> AbstractAsyncContextManager[None]``."""

    target: str
