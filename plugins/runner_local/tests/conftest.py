import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest
from computor_runner_local.provider import LocalRunner
from computor_runner_local.settings import LocalRunnerSettings

from computor_core.plugin_api.providers.runner import Isolation

Opener = Callable[..., AbstractAsyncContextManager[LocalRunner]]


@pytest.fixture
def opened() -> Opener:
    """Opens a runner that tries these levels, all when none is named."""

    @asynccontextmanager
    async def opening(*levels: Isolation, **values: object):
        settings = LocalRunnerSettings.model_validate({"minimum_isolation": "auto", **values})
        log = logging.getLogger("test.runner_local")
        runner = LocalRunner(settings, log, levels) if levels else LocalRunner(settings, log)
        await runner.open()
        try:
            yield runner
        finally:
            await runner.aclose()

    return opening
