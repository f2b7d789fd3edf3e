"""Typed settings, composed from ``computor.toml``, ``COMPUTOR_…`` variables and plugins' models."""

from computor_core.settings.assembly import load_settings
from computor_core.settings.model import Settings
from computor_core.settings.sections import (
    DatabaseSettings,
    InstanceSettings,
    PluginsSettings,
    RunnerSettings,
    SeamSettings,
    SecuritySettings,
    ServerSettings,
    SessionSettings,
)

__all__ = [
    "DatabaseSettings",
    "InstanceSettings",
    "PluginsSettings",
    "RunnerSettings",
    "SeamSettings",
    "SecuritySettings",
    "ServerSettings",
    "SessionSettings",
    "Settings",
    "load_settings",
]
