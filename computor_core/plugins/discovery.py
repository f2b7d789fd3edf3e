"""Which plugins are installed, read from distribution metadata without importing any."""

from __future__ import annotations

from dataclasses import dataclass

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from computor_core._compat import EntryPoint, PackageNotFoundError, entry_points, version

GROUP = "computor.plugins"
"""The entry-point group of plugins; each entry is a class without constructor arguments."""

CORE = "computor-core"
"""The distribution that a plugin states its bounds on."""


@dataclass(frozen=True, slots=True)
class InstalledPlugin:
    """An entry of the group, as its distribution states it.

    Attributes:
        name: The entry point's name.
        target: ``"module:Class"``.
        distribution: Name of the distribution.
        version: Version of the distribution.
        requires: The distribution's requirements (PEP 508), as written.
        entry_point: Imports the class when it is asked to.
    """

    name: str
    target: str
    distribution: str
    version: str
    requires: tuple[str, ...]
    entry_point: EntryPoint


def scan() -> tuple[InstalledPlugin, ...]:
    """All installed plugins, sorted by name, then distribution; nothing is imported."""
    found = []
    for entry in entry_points(group=GROUP):
        distribution = entry.dist
        if distribution is None:  # an entry point always comes with one, when it was scanned
            continue
        found.append(
            InstalledPlugin(
                name=entry.name,
                target=entry.value,
                distribution=distribution.name,
                version=distribution.version,
                requires=tuple(distribution.requires or ()),
                entry_point=entry,
            )
        )
    return tuple(sorted(found, key=lambda item: (item.name, item.distribution)))


@dataclass(frozen=True, slots=True)
class MetadataProblem:
    """Why a plugin can't be used, known from metadata alone.

    Attributes:
        kind: ``"missing"`` (a distribution it needs isn't installed) or ``"incompatible"``.
        reason: One sentence.
        hint: What to do.
    """

    kind: str
    reason: str
    hint: str


def metadata_problem(plugin: InstalledPlugin, core_version: str) -> MetadataProblem | None:
    """Check a plugin's requirements against what is installed.

    Args:
        plugin: The plugin.
        core_version: Version of the running core.

    Returns:
        The first thing that is wrong, or None. The bound on core is looked at first.
    """
    requirements: list[Requirement] = []
    for text in plugin.requires:
        try:
            requirement = Requirement(text)
        except InvalidRequirement as error:
            return MetadataProblem(
                "incompatible",
                f"its distribution has the malformed requirement {text!r} ({error})",
                f"ask the author of {plugin.distribution} for a corrected release",
            )
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            requirements.append(requirement)
    requirements.sort(key=lambda item: not _is_core(item))
    if not requirements or not _is_core(requirements[0]):
        return MetadataProblem(
            "incompatible",
            f"its distribution doesn't say which versions of {CORE} it works with",
            f"add {CORE} with bounds to the dependencies of {plugin.distribution}",
        )
    for requirement in requirements:
        problem = _unmet(plugin, requirement, core_version)
        if problem:
            return problem
    return None


def unbounded(plugin: InstalledPlugin, core_version: str) -> bool:
    """Whether the plugin promises to work with the next major version of core, unseen."""
    major = int(core_version.split(".", 1)[0])
    bounds = [
        requirement.specifier
        for requirement in map(Requirement, plugin.requires)
        if _is_core(requirement) and requirement.marker is None
    ]
    return any(bound.contains(f"{major + 1}.0") for bound in bounds)


def _is_core(requirement: Requirement) -> bool:
    return canonicalize_name(requirement.name) == CORE  # however it is spelt: PEP 503


def _unmet(plugin: InstalledPlugin, requirement: Requirement, core_version: str) -> MetadataProblem | None:
    is_core = _is_core(requirement)
    if is_core:
        present = core_version
    else:
        try:
            present = version(requirement.name)
        except PackageNotFoundError:
            return MetadataProblem(
                "missing",
                f"its distribution needs {requirement.name}{requirement.specifier}, which isn't installed",
                f"install {requirement.name}, or install {plugin.distribution} with its dependencies",
            )
    if requirement.specifier.contains(present, prereleases=True):
        return None
    return MetadataProblem(
        "incompatible",
        f"it works with {requirement.name}{requirement.specifier}, and {present} is installed",
        f"install a release of {plugin.distribution} for {requirement.name} {present}"
        if is_core
        else f"install {requirement.name}{requirement.specifier}",
    )
