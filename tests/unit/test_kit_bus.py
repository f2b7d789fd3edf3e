"""The bus suite accepts the in-memory bus and rejects each wrong one for its own mistake."""

import pytest

from computor_core.testing.bus import BusConformance
from computor_core.testing.mutants.bus import MUTANTS, BusMutant
from computor_core.testing.mutants.verdicts import Verdicts, run_suite

_HEADER = """
import pytest
from computor_core.events.memory_bus import MemoryBus
from computor_core.testing.mutants import bus as mutants
from computor_core.testing.bus import BusConformance
"""

_CLASS = """
class Test{name}(BusConformance):
    patience = 2.0

    @pytest.fixture
    async def provider(self):
        yield {source}()
"""


@pytest.fixture(scope="session")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Verdicts]:
    sources = {"MemoryBus": "MemoryBus"}
    sources |= {mutant.__name__: f"mutants.{mutant.__name__}" for mutant in MUTANTS}
    module = _HEADER + "".join(_CLASS.format(name=name, source=source) for name, source in sources.items())
    return run_suite(module, list(sources), tmp_path_factory.mktemp("kit_bus"))


def test_the_memory_bus_passes_every_test(verdicts: dict[str, Verdicts]) -> None:
    verdict = verdicts["MemoryBus"]
    assert verdict.failed | verdict.broken | verdict.skipped == set()
    assert verdict.passed == {name for name in vars(BusConformance) if name.startswith("test_")}


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_a_mutant_is_rejected_by_the_test_named_for_it(
    mutant: type[BusMutant], verdicts: dict[str, Verdicts]
) -> None:
    verdict = verdicts[mutant.__name__]
    assert verdict.broken == set()
    assert mutant.rejected_by in verdict.failed
    assert not mutant.only or verdict.failed == {mutant.rejected_by}
    assert verdict.passed


def test_every_mutant_has_a_mistake_of_its_own() -> None:
    assert len({mutant.rejected_by for mutant in MUTANTS}) == len(MUTANTS)
