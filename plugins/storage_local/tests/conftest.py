import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import pytest
from computor_storage_local.provider import LocalStorage, open_storage
from computor_storage_local.settings import StorageLocalSettings

from computor_core.clock import SystemClock
from computor_core.plugin_api.providers.base import AppContext
from computor_core.plugin_api.services import CoreServices


@pytest.fixture
def context(tmp_path: Path) -> AppContext:
    folder = tmp_path / "storage"
    folder.mkdir()
    return AppContext(
        instance="default",
        plugin="storage_local",
        data_dir=folder,
        public_url="",
        clock=SystemClock(),
        log=logging.getLogger("test.storage_local"),
        services=cast("CoreServices", None),  # the backend never calls into the core
    )


@pytest.fixture
async def storage(context: AppContext) -> AsyncIterator[LocalStorage]:
    async with open_storage(StorageLocalSettings(reserve_bytes=0), context) as opened:
        yield opened
