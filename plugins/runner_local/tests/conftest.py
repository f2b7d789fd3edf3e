import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from computor_runner_local.provider import LocalRunner
from computor_runner_local.settings import LocalRunnerSettings

from computor_core.plugin_api.providers.runner import Isolation

LOG = logging.getLogger("test.runner_local")


@asynccontextmanager
async def opened(
    *levels: Isolation, settings: LocalRunnerSettings | None = None
) -> AsyncIterator[LocalRunner]:
    """A runner that tries these levels, all when none is named."""
    chosen = settings or LocalRunnerSettings(minimum_isolation="auto")
    runner = LocalRunner(chosen, LOG, levels) if levels else LocalRunner(chosen, LOG)
    await runner.open()
    try:
        yield runner
    finally:
        await runner.aclose()
