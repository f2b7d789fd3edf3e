"""The import surface for plugin authors.

``__all__`` is the contract: names here change only with a fragment in ``changes/plugin_api/``.
Names load on first use, so that importing the package costs neither pydantic nor an SDK. What
needs SQLAlchemy or FastAPI stays in modules of its own (``plugin_api.db``, ``plugin_api.http``).
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

_MODULES: dict[str, tuple[str, ...]] = {
    "markers": ("hookimpl", "hookspec"),
    "meta": ("PluginMeta", "Stability"),
    "principal": ("Grant", "Principal", "PrincipalKind", "ScopeKind"),
    "providers.base": ("AppContext", "Health", "HealthState", "Provider"),
    "registrations": (
        "ActionAxis",
        "ActionRegistration",
        "AuthProviderRegistration",
        "CacheRegistration",
        "CommandRegistration",
        "EventBusRegistration",
        "EventHandlerRegistration",
        "ExampleFormatRegistration",
        "GitHostRegistration",
        "HandlerTiming",
        "LifespanRegistration",
        "MigrationRegistration",
        "NotifierRegistration",
        "ProviderRegistration",
        "ReportParserRegistration",
        "RoleRegistration",
        "RouterRegistration",
        "StepRegistration",
        "StorageBackendRegistration",
        "TestRunnerRegistration",
        "WorkflowEngineRegistration",
        "WorkflowRegistration",
    ),
}
_EXPORTS = {name: module for module, names in _MODULES.items() for name in names}

if TYPE_CHECKING:
    from computor_core.plugin_api.markers import hookimpl, hookspec
    from computor_core.plugin_api.meta import PluginMeta, Stability
    from computor_core.plugin_api.principal import Grant, Principal, PrincipalKind, ScopeKind
    from computor_core.plugin_api.providers.base import AppContext, Health, HealthState, Provider
    from computor_core.plugin_api.registrations import (
        ActionAxis,
        ActionRegistration,
        AuthProviderRegistration,
        CacheRegistration,
        CommandRegistration,
        EventBusRegistration,
        EventHandlerRegistration,
        ExampleFormatRegistration,
        GitHostRegistration,
        HandlerTiming,
        LifespanRegistration,
        MigrationRegistration,
        NotifierRegistration,
        ProviderRegistration,
        ReportParserRegistration,
        RoleRegistration,
        RouterRegistration,
        StepRegistration,
        StorageBackendRegistration,
        TestRunnerRegistration,
        WorkflowEngineRegistration,
        WorkflowRegistration,
    )

__all__ = [
    "ActionAxis",
    "ActionRegistration",
    "AppContext",
    "AuthProviderRegistration",
    "CacheRegistration",
    "CommandRegistration",
    "EventBusRegistration",
    "EventHandlerRegistration",
    "ExampleFormatRegistration",
    "GitHostRegistration",
    "Grant",
    "HandlerTiming",
    "Health",
    "HealthState",
    "LifespanRegistration",
    "MigrationRegistration",
    "NotifierRegistration",
    "PluginMeta",
    "Principal",
    "PrincipalKind",
    "Provider",
    "ProviderRegistration",
    "ReportParserRegistration",
    "RoleRegistration",
    "RouterRegistration",
    "ScopeKind",
    "Stability",
    "StepRegistration",
    "StorageBackendRegistration",
    "TestRunnerRegistration",
    "WorkflowEngineRegistration",
    "WorkflowRegistration",
    "hookimpl",
    "hookspec",
]


def __getattr__(name: str) -> object:
    module = _EXPORTS.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{module}"), name)
