"""The git suite accepts a right host and rejects each wrong one for its own mistake."""

import pytest

from computor_core.testing.git import GitConformance
from computor_core.testing.mutants.git import MUTANTS, GitMutant
from computor_core.testing.mutants.verdicts import Verdicts, run_suite

_HEADER = """
import pytest
from computor_core.testing.git import GitConformance
from computor_core.testing.git_memory import MemoryGit, MemoryGitClient
from computor_core.testing.mutants import git as mutants
"""

_CLASS = """
class Test{name}(GitConformance):
    @pytest.fixture
    async def provider(self):
        yield {source}()

    @pytest.fixture
    def client(self, provider):
        return MemoryGitClient(provider)
"""


@pytest.fixture(scope="session")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Verdicts]:
    sources = {"MemoryGit": "MemoryGit"}
    sources |= {mutant.__name__: f"mutants.{mutant.__name__}" for mutant in MUTANTS}
    module = _HEADER + "".join(_CLASS.format(name=name, source=source) for name, source in sources.items())
    return run_suite(module, list(sources), tmp_path_factory.mktemp("kit_git"))


def test_the_memory_host_passes_every_test(verdicts: dict[str, Verdicts]) -> None:
    verdict = verdicts["MemoryGit"]
    assert verdict.failed == set()
    assert verdict.broken == set()


def test_only_capabilities_switch_tests_off(verdicts: dict[str, Verdicts]) -> None:
    verdict = verdicts["MemoryGit"]
    assert verdict.skipped == {"test_undeclared_forks_are_refused"}
    declared = {name for name in dir(GitConformance) if name.startswith("test_")}
    assert verdict.passed | verdict.skipped == declared


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_a_mutant_is_rejected_by_the_test_named_for_it(
    mutant: type[GitMutant], verdicts: dict[str, Verdicts]
) -> None:
    verdict = verdicts[mutant.__name__]
    assert verdict.broken == set()
    assert verdict.failed == {mutant.rejected_by}


def test_every_mutant_has_a_mistake_of_its_own() -> None:
    assert len({mutant.rejected_by for mutant in MUTANTS}) == len(MUTANTS)
