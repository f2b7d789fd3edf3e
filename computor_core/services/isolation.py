"""No test run begins on a runner that can't keep it apart from the machine as the settings demand."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Literal

from computor_core.errors import ConfigurationError
from computor_core.plugin_api.errors import ProviderUnavailableError
from computor_core.plugin_api.providers.runner import Isolation, ProbeResult, TestRunner

if TYPE_CHECKING:
    from computor_core.plugins.providers import Providers

_log = logging.getLogger(__name__)

HINT = "allow unprivileged user namespaces, or run tests on another machine"
"""What to do about a machine that isolates too weakly."""


def shortfall(probe: ProbeResult, minimum: Isolation | Literal["auto"]) -> str:
    """Why a runner's isolation is too weak, with the error of each probe that failed; "" when it isn't."""
    if minimum == "auto" or probe.isolation.at_least(minimum):
        return ""
    why = "; ".join(f"{level.value}: {reason}" for level, reason in probe.refusals.items())
    return (
        f"this machine allows isolation {probe.isolation.value}, and "
        f"runner.minimum_isolation demands {minimum.value} ({why or 'the runner has no stronger one'})"
    )


async def require_isolation(providers: Providers, minimum: Isolation | Literal["auto"]) -> None:
    """Refuse to begin background work with a runner that isolates too weakly.

    A runner that is away is let through: every job demands the isolation again.

    Raises:
        ConfigurationError: The probes of some runners show less than the minimum; all are named.
    """
    if minimum == "auto":
        return
    weak = []
    for name in providers.names("runner"):
        try:
            found = shortfall(await providers.get(TestRunner, name).probe(), minimum)
        except ProviderUnavailableError as error:
            _log.warning("the runner instance %r can't be probed yet: %s", name, error.message)
            continue
        if found:
            weak.append(f"the runner instance {name!r} is too weak: {found}")
    if weak:
        raise ConfigurationError("\n".join(weak), hint=HINT, details={"runners": weak})
