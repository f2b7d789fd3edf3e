"""The plugin against the contract's suite: what an adopter's module looks like."""

import pytest
from computor_storage_local.provider import LocalStorage

from computor_core.plugin_api.providers.storage import StorageBackend
from computor_core.testing.storage import StorageConformance


class TestStorageLocal(StorageConformance):
    @pytest.fixture
    def provider(self, storage: LocalStorage) -> StorageBackend:
        return storage
