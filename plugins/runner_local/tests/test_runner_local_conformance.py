"""The plugin against the contract's suite, once for each level that this machine has."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio
from computor_runner_local.provider import LocalRunner
from computor_runner_local.settings import LocalRunnerSettings

from computor_core.plugin_api.providers.runner import Isolation, TestRunner
from computor_core.testing.runner import RunnerConformance


@asynccontextmanager
async def at_level(level: Isolation, *, cgroups: bool = True) -> AsyncIterator[TestRunner]:
    """A runner of that level, or a skip with the probe's error."""
    settings = LocalRunnerSettings(minimum_isolation="auto", cgroups=cgroups)
    runner = LocalRunner(settings, logging.getLogger("test"), (level, Isolation.NONE))
    await runner.open()
    try:
        found = await runner.probe()
        if found.isolation is not level:
            pytest.skip(f"{level.value} doesn't work here: {found.refusals[level]}")
        yield runner
    finally:
        await runner.aclose()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bubblewrap() -> AsyncIterator[TestRunner]:
    async with at_level(Isolation.BUBBLEWRAP) as runner:
        yield runner


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def namespaces() -> AsyncIterator[TestRunner]:
    async with at_level(Isolation.NAMESPACES) as runner:
        yield runner


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def without_groups() -> AsyncIterator[TestRunner]:
    async with at_level(Isolation.NAMESPACES, cgroups=False) as runner:
        yield runner


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def unprotected() -> AsyncIterator[TestRunner]:
    async with at_level(Isolation.NONE, cgroups=False) as runner:
        yield runner


class TestBubblewrap(RunnerConformance):
    @pytest.fixture
    def provider(self, bubblewrap: TestRunner) -> TestRunner:
        return bubblewrap


class TestNamespaces(RunnerConformance):
    @pytest.fixture
    def provider(self, namespaces: TestRunner) -> TestRunner:
        return namespaces


class TestNamespacesWithoutControlGroups(RunnerConformance):
    @pytest.fixture
    def provider(self, without_groups: TestRunner) -> TestRunner:
        return without_groups


class TestNoIsolation(RunnerConformance):
    @pytest.fixture
    def provider(self, unprotected: TestRunner) -> TestRunner:
        return unprotected
