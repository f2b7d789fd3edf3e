"""Conformance suite for git hosts.

An adopter's whole test module, with :class:`~computor_core.testing.git_memory.MemoryGit` where the
adopter's own host stands::

    import pytest_asyncio
    from computor_core.testing.git import GitConformance
    from computor_core.testing.git_memory import MemoryGit

    class TestMyGit(GitConformance):
        @pytest_asyncio.fixture
        async def provider(self):
            yield MemoryGit()

Overriding ``client`` as well, mostly with a
:class:`~computor_core.testing.git_client.CommandGitClient`, adds the tests in which somebody
pushes: kept commits, protected branches, links. A declared capability must work, an undeclared
one must be refused.
"""

from __future__ import annotations

import pytest

from computor_core.plugin_api.providers.git import GitHost
from computor_core.testing.git_client import GitClient
from computor_core.testing.git_commits import CommitConformance
from computor_core.testing.git_reading import ReadingConformance
from computor_core.testing.git_repositories import RepositoryConformance

__all__ = ["GitConformance"]


class GitConformance(RepositoryConformance, CommitConformance, ReadingConformance):
    """Every promise of :class:`GitHost` as a test.

    Override ``provider`` with a fixture that yields an open host without repositories, new for
    each test, and ``client`` with one that can push to it.
    """

    pytestmark = pytest.mark.asyncio

    @pytest.fixture
    def provider(self) -> GitHost:
        """The host under test: open and empty."""
        raise NotImplementedError("override the fixture 'provider' in your subclass")

    @pytest.fixture
    def client(self) -> GitClient | None:
        """A client of that host, or None: then tests that push are skipped."""
        return None
