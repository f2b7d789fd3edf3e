"""Composing the settings: core's sections first, then each plugin's with the plugin's own model."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel

from computor_core.errors import ConfigurationError
from computor_core.plugin_api.registrations import ProviderRegistration
from computor_core.plugins.loader import PluginSet
from computor_core.plugins.registries import SEAMS, Registered
from computor_core.plugins.report import PluginProblem, PluginState
from computor_core.settings.instances import check_defaults, default_instances, instances
from computor_core.settings.model import Settings
from computor_core.settings.problems import (
    Path,
    Problems,
    SettingProblem,
    configuration_error,
    did_you_mean,
)
from computor_core.settings.sources import Sources
from computor_core.settings.validation import validate
from computor_core.targets import load_target, raised


def check_core(sources: Sources) -> tuple[Settings, list[SettingProblem]]:
    """Check core's sections.

    Returns:
        The settings and what is wrong. Sections with a problem stand at their defaults, so that
        the plugins' sections can be checked in the same go.
    """
    problems = Problems(sources.origin)
    settings = validate(Settings, sources.tree, (), sources, problems)
    if settings is None:
        wrong = {problem.path.split(".", 1)[0] for problem in problems.found}
        sound = {key: value for key, value in sources.tree.items() if key not in wrong}
        settings = validate(Settings, sound, (), sources, Problems(sources.origin)) or Settings()
    return settings.with_sources(sources), problems.found


@dataclass(frozen=True, slots=True)
class Instance:
    """A provider instance, ready to be opened.

    Attributes:
        seam, name: Where it stands in the settings.
        provider: The type's registration.
        settings: The instance's settings, or None where the type has none.
    """

    seam: str
    name: str
    provider: Registered[ProviderRegistration]
    settings: BaseModel | None


@dataclass(frozen=True, slots=True)
class PluginConfiguration:
    """The plugins' part of the settings.

    Attributes:
        plugins: Validated settings by plugin; plugins without a model are absent.
        instances: The instances, in the order in which they are opened.
        defaults: The instance at each seam for what has no binding, where that is settled.
        problems: Every setting that is wrong.
        plugin_problems: The plugins' models that can't be used, which no setting can mend.
    """

    plugins: Mapping[str, BaseModel]
    instances: tuple[Instance, ...]
    defaults: Mapping[str, str]
    problems: tuple[SettingProblem, ...]
    plugin_problems: tuple[PluginProblem, ...] = ()

    def names(self) -> dict[str, list[str]]:
        """Names of the instances by seam."""
        found: dict[str, list[str]] = {seam: [] for seam in SEAMS}
        for instance in self.instances:
            found[instance.seam].append(instance.name)
        return found

    def require_sound(self) -> None:
        """Refuse to go on with a problem.

        Raises:
            ConfigurationError: There are problems; all of them are listed.
        """
        if self.problems:
            raise configuration_error(self.problems)


def compose(settings: Settings, plugins: PluginSet, *, installed: Collection[str]) -> PluginConfiguration:
    """Check the plugins' sections and all instances.

    Args:
        settings: Core's settings.
        plugins: The loaded plugins.
        installed: Names of all installed plugins; the section of one that isn't enabled is left alone.
    """
    problems = _Findings(settings.sources.origin)
    configured = _plugin_sections(settings, plugins, installed, problems)
    enabled = [record.name for record in plugins.records if record.state.value != "disabled"]
    active = {item.name for item in plugins.active}
    opened = [
        instance
        for seam in SEAMS
        for name, written in instances(settings, seam, enabled).items()
        if (instance := _instance(settings, plugins, (seam, name), written.type, written.options, problems))
    ]
    if active.issuperset(enabled):  # else the instances of the missing plugin are missing here, too
        check_defaults(settings, enabled, problems)
    return PluginConfiguration(
        MappingProxyType(configured),
        tuple(opened),
        MappingProxyType(default_instances(settings, enabled)),
        tuple(problems.found),
        tuple(dict.fromkeys(problems.of_plugins)),
    )


class _Findings(Problems):
    """Problems of settings, and those of the models that are to check them."""

    def __init__(self, source_of: Callable[[Path], str]) -> None:
        super().__init__(source_of)
        self.of_plugins: list[PluginProblem] = []


def _plugin_sections(
    settings: Settings, plugins: PluginSet, installed: Collection[str], problems: _Findings
) -> dict[str, BaseModel]:
    sections = settings.plugins.sections
    known = {record.name for record in plugins.records} | set(installed)
    for name in sections:
        if name not in known:
            hint = did_you_mean(name, {*known, "enabled", "on_error", "trace"} - {"core"})
            problems.add(("plugins", name), "no plugin of that name is installed", hint)
    configured = {}
    for plugin in plugins.active:
        path = ("plugins", plugin.name)
        if plugin.meta.settings is None:
            if sections.get(plugin.name):
                problems.add(path, "this plugin has no settings")
            continue
        values = sections.get(plugin.name, {})
        owner = (plugin.name, plugin.distribution)
        section = _check(plugin.meta.settings, owner, values, path, settings.sources, problems)
        if section is not None:
            configured[plugin.name] = section
    return configured


def _instance(
    settings: Settings,
    plugins: PluginSet,
    where: tuple[str, str],
    type_name: str,
    options: Mapping[str, Any],
    problems: _Findings,
) -> Instance | None:
    seam, name = where
    path = (seam, "instances", name)
    types = plugins.registries.provider_types(seam)
    provider = types.get(type_name)
    if provider is None:
        if any(record.reason for record in plugins.records if record.state.value != "disabled"):
            return None  # a plugin that isn't in use would have brought it; that is the problem to mend
        hint = did_you_mean(type_name, types) or f"no enabled plugin brings a type for {seam}"
        problems.add((*path, "type"), f"no enabled plugin registers the {seam} type {type_name!r}", hint)
        return None
    target = provider.registration.settings
    if target is None:
        for option in options:
            problems.add((*path, option), f"there is no such setting; the type {type_name!r} has none")
        return Instance(seam, name, provider, None)
    owner = (provider.plugin, provider.distribution)
    section = _check(target, owner, options, path, settings.sources, problems)
    return Instance(seam, name, provider, section) if section is not None else None


def _check(
    target: str,
    owner: tuple[str, str],
    values: Mapping[str, Any],
    path: Path,
    sources: Sources,
    problems: _Findings,
) -> BaseModel | None:
    try:
        model = load_model(target)
    except ConfigurationError as error:
        hint = error.hint or f"mend or update {owner[1]}, or take {owner[0]!r} out of plugins.enabled"
        problems.of_plugins.append(PluginProblem(*owner, PluginState.FAILED, error.message, hint))
        return None
    return validate(model, values, path, sources, problems)


def load_model(target: str) -> type[BaseModel]:
    """The settings model that an import string names.

    Raises:
        ConfigurationError: It can't be imported, or is no pydantic model that refuses unknown keys.
    """
    try:
        model = load_target(target)
    except (Exception, SystemExit) as error:  # a plugin's own code: reported by name
        raise ConfigurationError(f"the settings model {target} can't be imported: {raised(error)}") from error
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        raise ConfigurationError(f"the settings model {target} is no pydantic model")
    if model.model_config.get("extra") != "forbid":
        raise ConfigurationError(
            f"the settings model {target} doesn't refuse unknown keys",
            hint='set model_config = ConfigDict(extra="forbid")',
        )
    return model
