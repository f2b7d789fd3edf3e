"""The cache suite accepts the in-memory cache and rejects each wrong one for its own mistake."""

import pytest

from computor_core.testing.cache import CacheConformance
from computor_core.testing.mutants.cache import MUTANTS, CacheMutant
from computor_core.testing.mutants.verdicts import Verdicts, run_suite

_HEADER = """
import pytest
from computor_core.cache.memory import MemoryCache
from computor_core.testing.mutants import cache as mutants
from computor_core.testing.cache import CacheConformance
"""

_CLASS = """
class Test{name}(CacheConformance):
    patience = 2.0

    @pytest.fixture
    async def provider(self):
        yield {source}()
"""


@pytest.fixture(scope="session")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Verdicts]:
    sources = {"MemoryCache": "MemoryCache"}
    sources |= {mutant.__name__: f"mutants.{mutant.__name__}" for mutant in MUTANTS}
    module = _HEADER + "".join(_CLASS.format(name=name, source=source) for name, source in sources.items())
    return run_suite(module, list(sources), tmp_path_factory.mktemp("kit_cache"))


def test_the_memory_cache_passes_every_test(verdicts: dict[str, Verdicts]) -> None:
    verdict = verdicts["MemoryCache"]
    assert verdict.failed | verdict.broken | verdict.skipped == set()
    assert verdict.passed == {name for name in vars(CacheConformance) if name.startswith("test_")}


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_a_mutant_is_rejected_by_the_test_named_for_it(
    mutant: type[CacheMutant], verdicts: dict[str, Verdicts]
) -> None:
    verdict = verdicts[mutant.__name__]
    assert verdict.broken == set()
    assert verdict.failed == {mutant.rejected_by}


def test_every_mutant_has_a_mistake_of_its_own() -> None:
    assert len({mutant.rejected_by for mutant in MUTANTS}) == len(MUTANTS)
