"""The plugin against the contract's suite, with a real git client over a real HTTP server."""

from pathlib import Path

import pytest
from computor_git_local.host import LocalGitHost

from computor_core.plugin_api.providers.git import GitHost, RepositoryAccess, RepositoryRef
from computor_core.testing.git import GitConformance
from computor_core.testing.git_client import CommandGitClient, GitClient
from computor_core.testing.git_pushes import FakeCore


class TestGitLocal(GitConformance):
    @pytest.fixture
    def provider(self, host: LocalGitHost) -> GitHost:
        return host

    @pytest.fixture
    def client(self, server: str, host: LocalGitHost, core: FakeCore, tmp_path: Path) -> GitClient:
        def url(repository: RepositoryRef) -> str:
            core.pushes.rights[core.tokens["owner-token"], repository.external_id] = RepositoryAccess.WRITE
            return repository.http_url.replace("://", "://student:owner-token@")

        async def collect(repository: RepositoryRef) -> None:
            folder = await host.find(repository.external_id)
            await host.git.run(folder, "gc", "--prune=now", "--quiet")

        folder = tmp_path / "client"
        folder.mkdir()
        return CommandGitClient(url, folder, collect)
