"""The storage suite accepts a right backend and rejects each wrong one for its own mistake."""

import pytest

from computor_core.testing.mutants.storage import MUTANTS, StorageMutant
from computor_core.testing.mutants.verdicts import Verdicts, run_suite
from computor_core.testing.storage import StorageConformance

_HEADER = """
import pytest
from computor_core.testing.mutants import storage as mutants
from computor_core.testing.storage import StorageConformance
from computor_core.testing.storage_memory import MemoryStorage
"""

_CLASS = """
class Test{name}(StorageConformance):
    streams = getattr({source}, "streams", False)

    @pytest.fixture
    async def provider(self):
        yield {source}()
"""


@pytest.fixture(scope="session")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Verdicts]:
    sources = {"MemoryStorage": "MemoryStorage"}
    sources |= {mutant.__name__: f"mutants.{mutant.__name__}" for mutant in MUTANTS}
    module = _HEADER + "".join(_CLASS.format(name=name, source=source) for name, source in sources.items())
    return run_suite(module, list(sources), tmp_path_factory.mktemp("kit_storage"))


def test_the_memory_storage_passes_every_test(verdicts: dict[str, Verdicts]) -> None:
    verdict = verdicts["MemoryStorage"]
    assert verdict.failed == set()
    assert verdict.broken == set()


def test_only_capabilities_switch_tests_off(verdicts: dict[str, Verdicts]) -> None:
    verdict = verdicts["MemoryStorage"]
    assert verdict.skipped == {
        "test_memory_does_not_grow_with_the_blob",
        "test_undeclared_ranges_are_refused",
        "test_presigned_get_is_an_address",
        "test_presigned_put_is_an_address",
    }
    declared = {name for name in vars(StorageConformance) if name.startswith("test_")}
    assert verdict.passed | verdict.skipped == declared


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_a_mutant_is_rejected_by_the_test_named_for_it(
    mutant: type[StorageMutant], verdicts: dict[str, Verdicts]
) -> None:
    verdict = verdicts[mutant.__name__]
    assert verdict.broken == set()
    assert verdict.failed == {mutant.rejected_by}


def test_every_mutant_has_a_mistake_of_its_own() -> None:
    assert len({mutant.rejected_by for mutant in MUTANTS}) == len(MUTANTS)
