"""The twenty hooks of Computor, all synchronous registrations.

A hook is called once for each plugin while the application is built. It returns frozen
dataclasses (or an iterable of them), which core validates, checks for conflicts and freezes into
typed registries; at run time nothing goes through a hook. A plugin implements the hooks that it
needs, as methods marked with ``hookimpl``:

>>> from typing import ClassVar
>>> from computor_core.plugin_api import CommandRegistration, PluginMeta, hookimpl
>>> class Plugin:
...     meta: ClassVar[PluginMeta] = PluginMeta(name="notes", summary="Notes on courses")
...
...     @hookimpl
...     def computor_commands(self):
...         return [CommandRegistration("export", "computor_notes.cli:export", "Write all notes")]
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from computor_core.plugin_api.markers import hookspec

if TYPE_CHECKING:
    from collections.abc import Iterable

    from computor_core.plugin_api.access import AccessRuleRegistration
    from computor_core.plugin_api.entities import EntityRegistration
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


class ComputorHooks(Protocol):
    """Every hook that a plugin may implement; a plugin doesn't subclass this."""

    # --- entities and access --------------------------------------------------------------

    @hookspec
    def computor_entities(self) -> Iterable[EntityRegistration]:
        """Register entities.

        Purpose:
            Bind an entity's interface (DTOs), mapped class, operations, access, references,
            personal fields and commands. Routes, clients, filters, events and audit follow.

        When:
            At start-up, after the plugin is loaded; once per application.

        Returns:
            One ``EntityRegistration`` per entity. Endpoints carry the plugin's name.

        Example:
            >>> from computor_core.plugin_api import hookimpl
            >>> class Plugin:
            ...     @hookimpl
            ...     def computor_entities(self):
            ...         from computor_notes.entities import registrations  # imports the models
            ...         return registrations()
            >>> Plugin.computor_entities.__name__
            'computor_entities'

        Since: 0.1

        Stability: stable
        """

    @hookspec
    def computor_migrations(self) -> Iterable[MigrationRegistration]:
        """Register the plugin's alembic lineage.

        Purpose:
            Let ``computor db`` create and change the plugin's tables, in a lineage with its own
            version table, so that core stays migratable when the plugin is gone.

        When:
            At start-up and for every ``computor db`` command; once per application.

        Returns:
            At most one ``MigrationRegistration``.

        Example:
            >>> from computor_core.plugin_api import MigrationRegistration, hookimpl
            >>> class Plugin:
            ...     @hookimpl
            ...     def computor_migrations(self):
            ...         return [
            ...             MigrationRegistration(
            ...                 package="computor_notes.migrations", models="computor_notes.models"
            ...             )
            ...         ]
            >>> Plugin().computor_migrations()[0].package
            'computor_notes.migrations'

        Since: 0.1

        Stability: stable
        """

    @hookspec
    def computor_actions(self) -> Iterable[ActionRegistration]:
        """Register actions of the access vocabulary.

        Purpose:
            Name what callers may do with the plugin's entities and commands.

        When:
            At start-up; once per application.

        Returns:
            ``ActionRegistration`` objects named ``<plugin>:<noun>.<verb>``.

        Example:
            >>> from computor_core.plugin_api import ActionAxis, ActionRegistration, hookimpl
            >>> class Plugin:
            ...     @hookimpl
            ...     def computor_actions(self):
            ...         return [
            ...             ActionRegistration("notes:note.write", "Write notes", ActionAxis.CONTENT)
            ...         ]
            >>> Plugin().computor_actions()[0].axis.value
            'content'

        Since: 0.1

        Stability: stable
        """

    @hookspec
    def computor_roles(self) -> Iterable[RoleRegistration]:
        """Register roles.

        Purpose:
            Name sets of actions that can be granted at a scope. ``computor db upgrade`` writes
            them to the database.

        When:
            At start-up; once per application.

        Returns:
            ``RoleRegistration`` objects whose names begin with ``<plugin>_``.

        Example:
            >>> from computor_core.plugin_api import RoleRegistration, ScopeKind, hookimpl
            >>> class Plugin:
            ...     @hookimpl
            ...     def computor_roles(self):
            ...         return [
            ...             RoleRegistration(
            ...                 name="notes_editor",
            ...                 scope=ScopeKind.COURSE,
            ...                 title="Notes editor",
            ...                 actions=frozenset({"notes:note.write"}),
            ...             )
            ...         ]
            >>> Plugin().computor_roles()[0].id
            'course:notes_editor'

        Since: 0.1

        Stability: stable
        """

    @hookspec
    def computor_access_rules(self) -> Iterable[AccessRuleRegistration]:
        """Register access rules beyond those that come with an entity.

        Purpose:
            Add a named branch (who else reaches which rows) or a deny predicate to an entity.

        When:
            At start-up, after entities and actions; once per application.

        Returns:
            ``AccessRuleRegistration`` objects, built with ``scope_of``, ``own`` and ``via`` of
            ``computor_core.plugin_api.access``.

        Example:
            >>> from computor_core.plugin_api import hookimpl
            >>> class Plugin:
            ...     @hookimpl
            ...     def computor_access_rules(self):
            ...         from computor_notes.access import rules
            ...         return rules()
            >>> Plugin.computor_access_rules.__name__
            'computor_access_rules'

        Since: 0.1

        Stability: stable
        """

    # --- the four provider seams of the mission ---------------------------------------------

    @hookspec
    def computor_auth_providers(self) -> Iterable[AuthProviderRegistration]:
        """Register types of sign-in.

        Purpose:
            Offer a way to prove an identity; the settings name instances of it under
            ``[auth.instances]``.

        When:
            At start-up; once per application. The factory runs for each instance.

        Returns:
            ``AuthProviderRegistration`` objects with a ``type`` that no other plugin uses.

        Example:
            >>> from computor_core.plugin_api import AuthProviderRegistration, hookimpl
            >>> class Plugin:
            ...     @hookimpl
            ...     def computor_auth_providers(self):
            ...         return [
            ...             AuthProviderRegistration(
            ...                 type="ldap",
            ...                 factory="computor_auth_ldap.provider:open_provider",
            ...                 summary="Directory of the institution",
            ...                 settings="computor_auth_ldap.settings:LdapSettings",
            ...                 capabilities=frozenset({"password"}),
            ...             )
            ...         ]
            >>> Plugin().computor_auth_providers()[0].seam
            'auth'

        Since: 0.1

        Stability: stable
        """

    @hookspec
    def computor_storage_backends(self) -> Iterable[StorageBackendRegistration]:
        """Register types of object storage.

        Purpose:
            Offer a place for blobs; the settings name instances of it under
            ``[storage.instances]``.

        When:
            At start-up; once per application. The factory runs for each instance.

        Returns:
            ``StorageBackendRegistration`` objects with a ``type`` that no other plugin uses.

        Example:
            >>> from computor_core.plugin_api import StorageBackendRegistration, hookimpl
            >>> class Plugin:
            ...     @hookimpl
            ...     def computor_storage_backends(self):
            ...         return [
            ...             StorageBackendRegistration(
            ...                 type="attic",
            ...                 factory="computor_storage_attic.backend:open_backend",
            ...                 summary="Boxes in the attic",
            ...             )
            ...         ]
            >>> Plugin().computor_storage_backends()[0].seam
            'storage'

        Since: 0.1

        Stability: stable
        """

    @hookspec
    def computor_git_hosts(self) -> Iterable[GitHostRegistration]:
        """Register types of git host.

        Purpose:
            Offer a home for templates, references and students' repositories; the settings name
            instances of it under ``[git.instances]``.

        When:
            At start-up; once per application. The factory runs for each instance.

        Returns:
            ``GitHostRegistration`` objects with a ``type`` that no other plugin uses.

        Example:
            >>> from computor_core.plugin_api import GitHostRegistration, hookimpl
            >>> class Plugin:
            ...     @hookimpl
            ...     def computor_git_hosts(self):
            ...         return [
            ...             GitHostRegistration(
            ...                 type="forgejo",
            ...                 factory="computor_git_forgejo.host:open_host",
            ...                 summary="Forgejo server",
            ...             )
            ...         ]
            >>> Plugin().computor_git_hosts()[0].seam
            'git'

        Since: 0.1

        Stability: stable
        """

    @hookspec
    def computor_test_runners(self) -> Iterable[TestRunnerRegistration]:
        """Register types of test runner.

        Purpose:
            Offer a way to run untrusted code under limits; the settings name instances of it
            under ``[runner.instances]``.

        When:
            At start-up; once per application. The factory runs for each instance.

        Returns:
            ``TestRunnerRegistration`` objects with a ``type`` that no other plugin uses.

        Example:
            >>> from computor_core.plugin_api import TestRunnerRegistration, hookimpl
            >>> class Plugin:
            ...     @hookimpl
            ...     def computor_test_runners(self):
            ...         return [
            ...             TestRunnerRegistration(
            ...                 type="firecracker",
            ...                 factory="computor_runner_firecracker.runner:open_runner",
            ...                 summary="One virtual machine per job",
            ...             )
            ...         ]
            >>> Plugin().computor_test_runners()[0].seam
            'runner'

        Since: 0.1

        Stability: stable
        """

    # --- infrastructure -----------------------------------------------------------------------

    @hookspec
    def computor_workflow_engines(self) -> Iterable[WorkflowEngineRegistration]:
        """Register types of workflow engine.

        Purpose:
            Offer a durable executor for workflows; the settings name instances of it under
            ``[engine.instances]``.

        When:
            At start-up; once per application. The factory runs for each instance.

        Returns:
            ``WorkflowEngineRegistration`` objects with a ``type`` that no other plugin uses.

        Example:
            >>> from computor_core.plugin_api import WorkflowEngineRegistration, hookimpl
            >>> class Plugin:
            ...     @hookimpl
            ...     def computor_workflow_engines(self):
            ...         return [
            ...             WorkflowEngineRegistration(
            ...                 type="temporal",
            ...                 factory="computor_engine_temporal.engine:open_engine",
            ...                 summary="Temporal server",
            ...             )
            ...         ]
            >>> Plugin().computor_workflow_engines()[0].seam
            'engine'

        Since: 0.1

        Stability: stable
        """

    @hookspec
    def computor_caches(self) -> Iterable[CacheRegistration]:
        """Register types of cache.

        Purpose:
            Offer a shared, forgetful store for public look-ups and rate limits; the settings
            name instances of it under ``[cache.instances]``.

        When:
            At start-up; once per application. The factory runs for each instance.

        Returns:
            ``CacheRegistration`` objects with a ``type`` that no other plugin uses.

        Example:
            >>> from computor_core.plugin_api import CacheRegistration, hookimpl
            >>> class Plugin:
            ...     @hookimpl
            ...     def computor_caches(self):
            ...         return [
            ...             CacheRegistration(
            ...                 type="redis",
            ...                 factory="computor_cache_redis.cache:open_cache",
            ...                 summary="Redis server",
            ...             )
            ...         ]
            >>> Plugin().computor_caches()[0].seam
            'cache'

        Since: 0.1

        Stability: stable
        """

    @hookspec
    def computor_event_buses(self) -> Iterable[EventBusRegistration]:
        """Register types of event bus.

        Purpose:
            Offer a way to wake the other hosts when there is news; the settings name instances
            of it under ``[bus.instances]``. A bus carries wake-ups, never the events themselves.

        When:
            At start-up; once per application. The factory runs for each instance.

        Returns:
            ``EventBusRegistration`` objects with a ``type`` that no other plugin uses.

        Example:
            >>> from computor_core.plugin_api import EventBusRegistration, hookimpl
            >>> class Plugin:
            ...     @hookimpl
            ...     def computor_event_buses(self):
            ...         return [
            ...             EventBusRegistration(
            ...                 type="nats",
            ...                 factory="computor_bus_nats.bus:open_bus",
            ...                 summary="NATS server",
            ...             )
            ...         ]
            >>> Plugin().computor_event_buses()[0].seam
            'bus'

        Since: 0.1

        Stability: stable
        """

    # --- behaviour ------------------------------------------------------------------------------

    @hookspec
    def computor_workflows(self) -> Iterable[WorkflowRegistration | StepRegistration]:
        """Register workflow definitions and the implementations of steps.

        Purpose:
            Name where a version of a workflow is defined and what carries out its steps. The
            two are apart because a definition module imports nothing but DTOs.

        When:
            At start-up; once per application. Targets load then too, so that a misspelt one is
            found before the first run.

        Returns:
            ``WorkflowRegistration`` and ``StepRegistration`` objects, in any order.

        Example:
            >>> from computor_core.plugin_api import StepRegistration, WorkflowRegistration, hookimpl
            >>> class Plugin:
            ...     @hookimpl
            ...     def computor_workflows(self):
            ...         return [
            ...             WorkflowRegistration("notes.export", 1, "computor_notes.export:export_notes"),
            ...             StepRegistration("notes.write", "computor_notes.steps:write"),
            ...         ]
            >>> [type(item).__name__ for item in Plugin().computor_workflows()]
            ['WorkflowRegistration', 'StepRegistration']

        Since: 0.1

        Stability: stable
        """

    @hookspec
    def computor_report_parsers(self) -> Iterable[ReportParserRegistration]:
        """Register parsers of test reports.

        Purpose:
            Turn a tool's report (JUnit XML, TAP, …) into cases.

        When:
            At start-up; once per application. The target loads then too, so that a misspelt one is
            found before the first report.
            Nothing in core asks for a parser by its format yet: parsers are checked and listed.

        Returns:
            ``ReportParserRegistration`` objects with a ``format`` that no other plugin uses.

        Example:
            >>> from computor_core.plugin_api import ReportParserRegistration, hookimpl
            >>> class Plugin:
            ...     @hookimpl
            ...     def computor_report_parsers(self):
            ...         return [
            ...             ReportParserRegistration("tap", "computor_tap.parser:parse", "TAP version 14")
            ...         ]
            >>> Plugin().computor_report_parsers()[0].format
            'tap'

        Since: 0.1

        Stability: experimental
        """

    @hookspec
    def computor_example_formats(self) -> Iterable[ExampleFormatRegistration]:
        """Register formats of examples.

        Purpose:
            Read exercises as other systems write them.

        When:
            At start-up; once per application. The target loads then too, so that a misspelt one is
            found before the first import.

        Returns:
            ``ExampleFormatRegistration`` objects with a ``name`` that no other plugin uses.

        Example:
            >>> from computor_core.plugin_api import ExampleFormatRegistration, hookimpl
            >>> class Plugin:
            ...     @hookimpl
            ...     def computor_example_formats(self):
            ...         return [
            ...             ExampleFormatRegistration("kattis", "computor_kattis.format:Kattis", "Kattis")
            ...         ]
            >>> Plugin().computor_example_formats()[0].name
            'kattis'

        Since: 0.1

        Stability: experimental
        """

    @hookspec
    def computor_notifiers(self) -> Iterable[NotifierRegistration]:
        """Register channels for notifications.

        Purpose:
            Carry a notification to a person (e-mail, chat, …).

        When:
            At start-up; once per application. The target loads then too, so that a misspelt one is
            found before the first notification.
            Nothing in core notifies anybody yet: channels are checked and listed.

        Returns:
            ``NotifierRegistration`` objects with a ``name`` that no other plugin uses.

        Example:
            >>> from computor_core.plugin_api import NotifierRegistration, hookimpl
            >>> class Plugin:
            ...     @hookimpl
            ...     def computor_notifiers(self):
            ...         return [NotifierRegistration("matrix", "computor_matrix.send:send", "Matrix rooms")]
            >>> Plugin().computor_notifiers()[0].name
            'matrix'

        Since: 0.1

        Stability: experimental
        """

    @hookspec
    def computor_event_handlers(self) -> Iterable[EventHandlerRegistration]:
        """Register reactions to typed events.

        Purpose:
            Take part in a transaction (and veto it), or act after it in the order of ``seq``.

        When:
            At start-up; once per application. Targets load then too, so that a misspelt one is
            found before the first event.

        Returns:
            ``EventHandlerRegistration`` objects, each with a name of its own.

        Example:
            >>> from computor_core.plugin_api import EventHandlerRegistration, HandlerTiming, hookimpl
            >>> class Plugin:
            ...     @hookimpl
            ...     def computor_event_handlers(self):
            ...         return [
            ...             EventHandlerRegistration(
            ...                 event="grade.published",
            ...                 target="computor_notes.handlers:note_grade",
            ...                 timing=HandlerTiming.AFTER_COMMIT,
            ...                 name="notes.note_grade",
            ...             )
            ...         ]
            >>> Plugin().computor_event_handlers()[0].timing.value
            'after_commit'

        Since: 0.1

        Stability: stable
        """

    # --- surfaces ---------------------------------------------------------------------------------

    @hookspec
    def computor_routers(self) -> Iterable[RouterRegistration]:
        """Register HTTP routes.

        Purpose:
            Add routes under ``/api/v1/x/<plugin>/``, or an ASGI application at a path of its own.

        When:
            At start-up; once per application. The target loads when a host mounts it, and never
            without HTTP.

        Returns:
            ``RouterRegistration`` objects; how callers are let in (``access``) must be stated.

        Example:
            >>> from computor_core.plugin_api import RouterRegistration, hookimpl
            >>> class Plugin:
            ...     @hookimpl
            ...     def computor_routers(self):
            ...         return [RouterRegistration("export", "computor_notes.http:router", access="session")]
            >>> Plugin().computor_routers()[0].kind
            'router'

        Since: 0.1

        Stability: stable
        """

    @hookspec
    def computor_commands(self) -> Iterable[CommandRegistration]:
        """Register commands.

        Purpose:
            Add a command, shown as ``computor x <plugin> <name>``.

        When:
            When ``computor x`` runs; once per application. The target, a click command, loads
            when it is invoked.

        Returns:
            ``CommandRegistration`` objects with names unique within the plugin.

        Example:
            >>> from computor_core.plugin_api import CommandRegistration, hookimpl
            >>> class Plugin:
            ...     @hookimpl
            ...     def computor_commands(self):
            ...         return [CommandRegistration("export", "computor_notes.cli:export", "Write all notes")]
            >>> Plugin().computor_commands()[0].summary
            'Write all notes'

        Since: 0.1

        Stability: stable
        """

    @hookspec
    def computor_lifespan(self) -> Iterable[LifespanRegistration]:
        """Register start and stop.

        Purpose:
            Hold something open for as long as the application runs its background work.

        When:
            Collected at start-up. The context managers are entered in the order of the settings
            when background work starts, and left in the reverse order.

        Returns:
            ``LifespanRegistration`` objects.

        Example:
            >>> from computor_core.plugin_api import LifespanRegistration, hookimpl
            >>> class Plugin:
            ...     @hookimpl
            ...     def computor_lifespan(self):
            ...         return [LifespanRegistration("computor_notes.watch:watching")]
            >>> Plugin().computor_lifespan()[0].target
            'computor_notes.watch:watching'

        Since: 0.1

        Stability: stable
        """


HOOK_NAMES: tuple[str, ...] = tuple(name for name in vars(ComputorHooks) if name.startswith("computor_"))
"""The names of the hooks, in the order of this module."""
