"""Which provider instances a deployment has, the embedded defaults included."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from computor_core.plugins.registries import SEAMS
from computor_core.settings.model import Settings
from computor_core.settings.problems import Problems
from computor_core.settings.sections import InstanceSettings

EMBEDDED = {"auth_local": "auth", "storage_local": "storage", "git_local": "git", "runner_local": "runner"}
"""The plugins of the embedded set, each with the seam at which it provides type ``local``."""

DEFAULT_INSTANCE = "default"
"""Name of the instance that is there without any settings."""

_CORE_TYPES = {"engine": "inprocess", "cache": "memory", "bus": "memory"}


def enabled_plugins(settings: Settings, installed: Collection[str]) -> list[str]:
    """Names of the enabled plugins in order; without settings, the embedded set as installed."""
    if settings.plugins.enabled is not None:
        return list(settings.plugins.enabled)
    return [name for name in EMBEDDED if name in installed]


def instances(settings: Settings, seam: str, enabled: Collection[str]) -> Mapping[str, InstanceSettings]:
    """The instances at a seam.

    A seam without any in the settings has one called ``default``: core's own type, or the
    embedded plugin's where that is enabled.
    """
    given = settings.seam(seam).instances
    if given:
        return given
    if seam in _CORE_TYPES:
        return {DEFAULT_INSTANCE: InstanceSettings(type=_CORE_TYPES[seam])}
    if any(EMBEDDED.get(name) == seam for name in enabled):
        return {DEFAULT_INSTANCE: InstanceSettings(type="local")}
    return {}


def default_instance(settings: Settings, seam: str, names: Collection[str]) -> str | None:
    """The instance for what has no binding, or None when that isn't settled."""
    chosen = settings.seam(seam).default
    if chosen is not None:
        return chosen if chosen in names else None
    if DEFAULT_INSTANCE in names:
        return DEFAULT_INSTANCE
    return next(iter(names)) if len(names) == 1 else None


def default_instances(settings: Settings, enabled: Collection[str]) -> dict[str, str]:
    """The instance for what has no binding, by seam; seams where that isn't settled are absent."""
    found = {seam: default_instance(settings, seam, instances(settings, seam, enabled)) for seam in SEAMS}
    return {seam: name for seam, name in found.items() if name is not None}


def check_defaults(settings: Settings, enabled: Collection[str], problems: Problems) -> None:
    """Check that every seam with instances has a default one."""
    for seam in SEAMS:
        names = instances(settings, seam, enabled)
        if not names and settings.seam(seam).default is None:
            continue  # the deployment does without: embedded applications may need no git host
        if default_instance(settings, seam, names) is None:
            hint = f"instances here: {', '.join(sorted(names)) or 'none'}"
            problems.add((seam, "default"), "must name one of the instances", hint)
