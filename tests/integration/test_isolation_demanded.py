"""A host that can't give the isolation that the settings demand doesn't begin to work."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from computor_core.app import Computor
from computor_core.errors import ConfigurationError, ProviderUnavailableError
from computor_core.plugin_api.providers.runner import Isolation, ProbeResult, TestRunner
from computor_core.settings import Settings
from tests.support.deployment import migrate, settings_for


@pytest.fixture
async def settings(tmp_path: Path) -> Settings:
    """A migrated deployment that demands namespaces."""
    wanted = settings_for(
        tmp_path,
        runner={"minimum_isolation": "namespaces", "instances": {"default": {"type": "local"}}},
    )
    await migrate(wanted)
    return wanted


def probing(app: Computor, isolation: Isolation) -> None:
    """Let the runner find this isolation."""

    async def probe() -> ProbeResult:
        return ProbeResult(isolation, {}, {}, {Isolation.NAMESPACES: "unshare: Operation not permitted"})

    provider: Any = app.providers.get(TestRunner, "default")
    provider.probe = probe


async def test_a_runner_that_isolates_too_weakly_stops_the_start_with_the_probes_errors(
    settings: Settings,
) -> None:
    async with Computor(settings) as app:
        probing(app, Isolation.NONE)
        with pytest.raises(ConfigurationError) as caught:
            async with app.running():
                pytest.fail("runs programs without isolation")
    assert caught.value.exit_status == 78
    assert "runner instance 'default'" in caught.value.message
    assert "runner.minimum_isolation demands namespaces" in caught.value.message
    assert "namespaces: unshare: Operation not permitted" in caught.value.message


@pytest.mark.parametrize("isolation", [Isolation.NAMESPACES, Isolation.CONTAINER])
async def test_as_much_isolation_as_demanded_or_more_is_fine(
    settings: Settings, isolation: Isolation
) -> None:
    async with Computor(settings) as app:
        probing(app, isolation)
        async with app.running():
            pass


async def test_a_runner_that_is_away_is_told_of_and_every_job_demands_the_isolation_again(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    async def probe() -> ProbeResult:
        raise ProviderUnavailableError("the runner's machine is away")

    async with Computor(settings) as app:
        provider: Any = app.providers.get(TestRunner, "default")
        provider.probe = probe
        with caplog.at_level(logging.WARNING, "computor_core.services.isolation"):
            async with app.running():
                pass
    assert "can't be probed yet: the runner's machine is away" in caplog.text
