"""Loading plugins: decided from metadata, imported one by one, reported all together."""

from __future__ import annotations

import difflib
import re
import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

from computor_core.plugin_api.meta import PluginMeta
from computor_core.plugins.builder import RegistryBuilder
from computor_core.plugins.discovery import CORE, InstalledPlugin, metadata_problem, unbounded
from computor_core.plugins.field_types import mistyped
from computor_core.plugins.hooks import HookProblem, Hooks
from computor_core.plugins.offer import Offer, collect
from computor_core.plugins.registries import Registries
from computor_core.plugins.report import PluginProblem, PluginRecord, PluginState, plugin_error
from computor_core.plugins.rules import CORE_PLUGIN, broken_rules, unreadable
from computor_core.plugins.tables import broken_table_rules
from computor_core.targets import raised

RESERVED_NAMES = frozenset({CORE_PLUGIN, "x", "enabled", "on_error", "trace"})
"""Names that no plugin may have: core's own and the settings beside the plugins' sections."""

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_CHOOSE = "enable one of the two, or give it another name"
_GUIDE = "computor_core.plugin_api.hookspecs documents the hooks and what they return"


@dataclass(frozen=True, slots=True)
class ActivePlugin:
    """A plugin in use.

    Attributes:
        name: Its name.
        meta: What it says of itself.
        plugin: The object that holds its hooks, one per application.
        distribution: Where it comes from.
        version: The distribution's version.
        package: The package or module that holds its code; "" for core.
    """

    name: str
    meta: PluginMeta
    plugin: object
    distribution: str
    version: str
    package: str = ""


@dataclass(frozen=True, slots=True)
class PluginSet:
    """What came of loading.

    Attributes:
        records: Every plugin that is installed or enabled: the enabled ones in order, then the others.
        active: The plugins in use, in order; core is the first.
        problems: Everything that is wrong.
        registries: What the active plugins registered.
    """

    records: tuple[PluginRecord, ...]
    active: tuple[ActivePlugin, ...]
    problems: tuple[PluginProblem, ...]
    registries: Registries

    def meta(self, name: str) -> PluginMeta:
        """What an active plugin says of itself.

        Raises:
            KeyError: It isn't active.
        """
        return next((item.meta for item in self.active if item.name == name), None) or _absent(name)

    def without(self, problems: Sequence[PluginProblem]) -> PluginSet:
        """The set once these problems are known: the plugins that have them are no longer in use.

        Nor are those that require one of them.
        """
        told = [*self.problems, *problems]
        gone = {problem.plugin: problem for problem in reversed(problems)}
        for item in self.active:
            missing = next((name for name in item.meta.requires if name in gone), None)
            if missing is not None and item.name not in gone:
                reason = f"it requires plugin {missing!r}, which is {gone[missing].state.value}"
                gone[item.name] = PluginProblem(
                    item.name, item.distribution, PluginState.MISSING, reason, f"mend {missing!r} first"
                )
                told.append(gone[item.name])
        active = tuple(item for item in self.active if item.name not in gone)
        return PluginSet(
            tuple(
                replace(record, state=gone[record.name].state, reason=gone[record.name].message)
                if record.name in gone
                else record
                for record in self.records
            ),
            active,
            tuple(told),
            self.registries.only({item.name for item in active}),
        )

    def require_sound(self) -> None:
        """Refuse to go on with a problem.

        Raises:
            PluginError: There are problems; all of them are listed.
        """
        if self.problems:
            raise plugin_error(self.problems)


def _absent(name: str) -> PluginMeta:
    raise KeyError(name)


@dataclass(slots=True)
class Loader:
    """Loads the plugins of one application.

    Attributes:
        core_version: Version of the running core, which plugins state their bounds on.
        trace: Print hook calls to standard error.
    """

    core_version: str
    trace: bool = False
    _records: dict[str, PluginRecord] = field(default_factory=dict)
    _problems: list[PluginProblem] = field(default_factory=list)
    _active: list[ActivePlugin] = field(default_factory=list)

    def load(
        self, enabled: Sequence[str], installed: Sequence[InstalledPlugin], *, builtin: object | None = None
    ) -> PluginSet:
        """Load the enabled plugins in their order; what isn't enabled is never imported.

        Args:
            enabled: Names, in the order that is law.
            installed: What discovery found.
            builtin: Core's own plugin, always first and always enabled.

        Returns:
            The set, problems included; the caller decides whether it goes on with them.
        """
        hooks = Hooks(trace=self.trace)
        builder = RegistryBuilder()
        by_name: dict[str, list[InstalledPlugin]] = {}
        for item in installed:
            by_name.setdefault(item.name, []).append(item)
        if builtin is not None:
            self._take_in(hooks, builder, _as_active(builtin, CORE_PLUGIN, CORE, self.core_version))
        for name in enabled:
            candidate = self._candidate(name, by_name)
            plugin = candidate and self._import(candidate)
            if candidate and plugin and self._fits(plugin, enabled, candidate):
                self._take_in(hooks, builder, plugin, self._warnings(candidate))
        for name, candidates in by_name.items():
            if name not in self._records:
                self._records[name] = PluginRecord(
                    name,
                    PluginState.DISABLED,
                    "not in plugins.enabled",
                    " and ".join(item.distribution for item in candidates),
                    " and ".join(item.version for item in candidates),
                )
        return PluginSet(
            tuple(self._records.values()), tuple(self._active), tuple(self._problems), builder.freeze()
        )

    def _candidate(self, name: str, by_name: dict[str, list[InstalledPlugin]]) -> InstalledPlugin | None:
        """The one installed plugin of that name, if metadata has nothing against it."""
        candidates = by_name.get(name, [])
        if not candidates:
            hint = _did_you_mean(name, by_name) or "install it, or take it out of plugins.enabled"
            reason = "it is enabled, and no distribution offers it"
            self._refuse(name, "", "", PluginState.MISSING, reason, hint)
            return None
        first = candidates[0]
        if name in RESERVED_NAMES or not _NAME.fullmatch(name):
            self._refuse_found(
                first, PluginState.FAILED, "its name is reserved or malformed", "names are [a-z][a-z0-9_]*"
            )
            return None
        if len(candidates) > 1:
            owners = " and ".join(item.distribution for item in candidates)
            self._refuse(
                name,
                owners,
                " and ".join(item.version for item in candidates),
                PluginState.CONFLICT,
                f"plugin {name!r} is offered by both {owners}",
                "uninstall one of them",
            )
            return None
        problem = metadata_problem(first, self.core_version)
        if problem:
            self._refuse_found(first, PluginState(problem.kind), problem.reason, problem.hint)
            return None
        return first

    def _import(self, candidate: InstalledPlugin) -> ActivePlugin | None:
        try:
            loaded = candidate.entry_point.load()
            plugin = loaded() if isinstance(loaded, type) else None
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a plugin's own code: reported by name
            self._refuse_found(
                candidate,
                PluginState.FAILED,
                f"{candidate.target} can't be loaded: {raised(error)}",
                f"mend or update {candidate.distribution}, or take {candidate.name!r} out of plugins.enabled",
            )
            return None
        problem = None
        meta = getattr(plugin, "meta", None)
        if plugin is None:
            problem = f"{candidate.target} isn't a class"
        elif not isinstance(meta, PluginMeta):
            problem = f"{candidate.target} has no attribute meta of type PluginMeta"
        elif wrong := list(mistyped(meta)):
            problem = "; ".join(wrong)
        elif meta.name != candidate.name:
            problem = f"its meta.name is {meta.name!r}, and its entry point is called {candidate.name!r}"
        if problem:
            self._refuse_found(candidate, PluginState.FAILED, problem, _GUIDE)
            return None
        return _as_active(
            plugin, candidate.name, candidate.distribution, candidate.version, _package(candidate.target)
        )

    def _fits(self, plugin: ActivePlugin, enabled: Sequence[str], candidate: InstalledPlugin) -> bool:
        """Whether what the plugin requires is there before it and what it conflicts with isn't."""
        position = {name: index for index, name in enumerate(enabled)}
        active = {item.name: item for item in self._active}
        sound = True
        for name in plugin.meta.requires:
            if name in active:
                continue
            sound = False
            if name not in position:
                reason, hint = "isn't enabled", f"put {name!r} into plugins.enabled, before {plugin.name!r}"
            elif position[name] > position[plugin.name]:
                reason, hint = "comes after it", f"move {name!r} before {plugin.name!r} in plugins.enabled"
            else:
                reason, hint = f"is {self._records[name].state.value}", f"mend {name!r} first"
            self._refuse_found(
                candidate, PluginState.MISSING, f"it requires plugin {name!r}, which {reason}", hint
            )
        for other in self._active:
            if other.name in plugin.meta.conflicts or plugin.name in other.meta.conflicts:
                sound = False
                self._refuse_found(
                    candidate,
                    PluginState.CONFLICT,
                    f"it conflicts with plugin {other.name!r} ({other.distribution})",
                    "enable one of the two",
                )
        return sound

    def _take_in(
        self, hooks: Hooks, builder: RegistryBuilder, plugin: ActivePlugin, warnings: tuple[str, ...] = ()
    ) -> None:
        try:
            hooks.register(plugin.name, plugin.plugin)
            offer = collect(
                hooks,
                plugin.name,
                plugin.distribution,
                plugin.meta.table_prefix or f"{plugin.name}_",
                plugin.package,
            )
            taken = self._keeps_rules(plugin, offer, builder)
        except HookProblem as error:
            self._refuse_active(plugin, PluginState.FAILED, str(error))
            taken = False
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a plugin's own code: reported by name
            reason = f"what it registers can't be read: {raised(error)}"
            self._refuse_active(plugin, PluginState.FAILED, reason)
            taken = False
        if not taken:
            hooks.unregister(plugin.name)
            return
        self._active.append(plugin)
        self._records[plugin.name] = PluginRecord(
            plugin.name,
            PluginState.ACTIVE,
            "",
            plugin.distribution,
            plugin.version,
            plugin.meta.summary,
            warnings,
        )

    def _keeps_rules(self, plugin: ActivePlugin, offer: Offer, builder: RegistryBuilder) -> bool:
        broken = list(unreadable(offer)) or [*broken_rules(offer), *broken_table_rules(offer)]
        for reason in broken:
            self._refuse_active(plugin, PluginState.FAILED, reason)
        if broken:
            return False
        conflicts = builder.add(offer)
        for reason in conflicts:
            self._refuse_active(plugin, PluginState.CONFLICT, reason, _CHOOSE)
        return not conflicts

    def _warnings(self, candidate: InstalledPlugin) -> tuple[str, ...]:
        if unbounded(candidate, self.core_version):
            return (f"{candidate.distribution} sets no upper bound on {CORE}; a new major may break it",)
        return ()

    def _refuse_found(self, found: InstalledPlugin, state: PluginState, message: str, hint: str) -> None:
        self._refuse(found.name, found.distribution, found.version, state, message, hint)

    def _refuse_active(
        self, plugin: ActivePlugin, state: PluginState, message: str, hint: str = _GUIDE
    ) -> None:
        self._refuse(plugin.name, plugin.distribution, plugin.version, state, message, hint)

    def _refuse(
        self, name: str, distribution: str, version: str, state: PluginState, message: str, hint: str
    ) -> None:
        self._problems.append(PluginProblem(name, distribution, state, message, hint))
        if name not in self._records:  # the first reason stands in lists, all stand among the problems
            self._records[name] = PluginRecord(name, state, message, distribution, version)


def _as_active(plugin: object, name: str, distribution: str, version: str, package: str = "") -> ActivePlugin:
    meta = getattr(plugin, "meta", None)
    if not isinstance(meta, PluginMeta):
        raise TypeError(f"{plugin!r} has no attribute meta of type PluginMeta")
    return ActivePlugin(name, meta, plugin, distribution, version, package)


def _package(target: str) -> str:
    """The package that an entry point's class lies in, or the module where that is all there is."""
    module = target.partition(":")[0]
    if hasattr(sys.modules.get(module), "__path__"):
        return module
    return module.rpartition(".")[0] or module


def _did_you_mean(name: str, known: Collection[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {close[0]!r}?" if close else ""
