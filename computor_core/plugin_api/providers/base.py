"""What every provider contract shares."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from computor_core.errors import CapabilityNotSupportedError

if TYPE_CHECKING:
    from computor_core.clock import Clock
    from computor_core.plugin_api.services import CoreServices

in_unit_of_work: ContextVar[bool] = ContextVar("computor_in_unit_of_work", default=False)
"""True while the current task has an open write unit of work; provider calls are refused then."""


class HealthState(StrEnum):
    """How a provider is."""

    OK = "ok"
    DEGRADED = "degraded"
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class Health:
    """A provider's answer to "are you well?".

    Attributes:
        state: The verdict.
        message: One sentence for an operator; what is wrong, with the hint how to mend it.
        facts: Version, address (without credentials), capacity, …
    """

    state: HealthState
    message: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AppContext:
    """What the application hands to a provider's factory.

    Attributes:
        instance: Name of this instance in the settings (``"default"``).
        plugin: Name of the plugin that registered the type.
        data_dir: A folder of the instance's own, created, private to this deployment.
        public_url: Address under which users reach the host, without trailing slash; "" when
            the core is embedded without HTTP.
        clock: The application's clock.
        log: A logger that names the plugin and the instance.
        services: Doors into the core: sign-in, pushes, units of work.
        settings: The plugin's own validated settings (``PluginMeta.settings``), or None.
    """

    instance: str
    plugin: str
    data_dir: Path
    public_url: str
    clock: Clock
    log: logging.Logger
    services: CoreServices
    settings: object | None = None


class Provider:
    """Root of the contract classes.

    Subclasses name what they can in ``capabilities``; a method whose capability isn't named
    raises :class:`CapabilityNotSupportedError`. Methods are async, take one frozen request and
    raise only the provider errors of :mod:`computor_core.plugin_api.errors`. They never run
    inside a unit of work: the application refuses that at run time.
    """

    seam: ClassVar[str] = ""
    capabilities: ClassVar[frozenset[StrEnum]] = frozenset()

    async def health(self) -> Health:
        """Say how the provider is; must answer within a few seconds and never raise."""
        raise NotImplementedError

    @classmethod
    def unsupported(cls, capability: StrEnum) -> CapabilityNotSupportedError:
        """The error for a call whose capability isn't declared."""
        return CapabilityNotSupportedError(
            f"{cls.__name__} doesn't support {capability.value}",
            details={"capability": capability.value, "provider": cls.__name__},
        )
