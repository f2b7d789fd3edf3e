"""The open provider instances, and which one serves what."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeVar, overload

from computor_core.errors import ConfigurationError
from computor_core.plugin_api.providers.base import Provider
from computor_core.plugins.bindings import bound_instance
from computor_core.plugins.guard import guard

if TYPE_CHECKING:
    from uuid import UUID

    from computor_core.db.unit_of_work import ReadUnit

P = TypeVar("P", bound=Provider)


class Providers:
    """Open instances by seam and name.

    Args:
        opened: The instances.
        defaults: The instance at each seam for what has no binding, where there is one.
    """

    def __init__(self, opened: Mapping[tuple[str, str], Provider], defaults: Mapping[str, str]) -> None:
        self._opened = {
            (seam, name): guard(provider, seam, name) for (seam, name), provider in opened.items()
        }
        self._defaults = dict(defaults)

    @overload
    def get(self, contract: type[P], instance: str) -> P: ...

    @overload
    def get(self, contract: str, instance: str) -> Provider: ...

    def get(self, contract: type[P] | str, instance: str) -> P | Provider:
        """An instance.

        Args:
            contract: The contract class (``StorageBackend``), or the seam's name.
            instance: The instance's name.

        Raises:
            ConfigurationError: The settings name no such instance.
        """
        seam = contract if isinstance(contract, str) else contract.seam
        provider = self._opened.get((seam, instance))
        if provider is None:
            raise ConfigurationError(
                f"the settings name no {seam} instance {instance!r}",
                hint=f"instances here: {', '.join(self.names(seam)) or 'none'}",
            )
        return provider

    def names(self, seam: str) -> tuple[str, ...]:
        """Names of a seam's instances, in the order of the settings."""
        return tuple(name for known, name in self._opened if known == seam)

    def default(self, seam: str) -> str:
        """The instance for what has no binding.

        Raises:
            ConfigurationError: The deployment has none at this seam.
        """
        try:
            return self._defaults[seam]
        except KeyError:
            raise ConfigurationError(
                f"this deployment has no {seam} instance",
                hint=f"enable a plugin that brings one, and name it under [{seam}.instances]",
            ) from None

    async def binding(
        self,
        unit: ReadUnit,
        seam: str,
        *,
        course_id: UUID | None = None,
        course_family_id: UUID | None = None,
        organization_id: UUID | None = None,
    ) -> str:
        """The instance that new objects use: the course's over its family's over its organizations'.

        The nearest organization goes before those above it; a global row goes before the
        settings' default. Reads the database alone, so it may be called in any unit.

        Args:
            unit: Where to read.
            seam: The seam.
            course_id: The course that the object belongs to, or
            course_family_id: its family, or
            organization_id: its organization; all None for what belongs to nobody.

        Raises:
            ConfigurationError: The deployment has no instance at this seam, or the bound one is
                no longer in the settings.
        """
        bound = await bound_instance(
            unit.connection,
            seam,
            course_id=course_id,
            course_family_id=course_family_id,
            organization_id=organization_id,
        )
        if bound is None:
            return self.default(seam)
        if (seam, bound) not in self._opened:
            raise ConfigurationError(
                f"a binding names the {seam} instance {bound!r}, which isn't in the settings"
            )
        return bound
