"""The sign-in suite accepts a right provider and rejects each wrong one for its own mistake."""

import pytest

from computor_core.testing.auth import AuthConformance
from computor_core.testing.mutants.auth import MUTANTS, AuthMutant
from computor_core.testing.mutants.verdicts import Verdicts, run_suite

_HEADER = """
import pytest
from computor_core.testing.mutants import auth as mutants
from computor_core.testing.auth import AuthConformance
from computor_core.testing.auth_memory import MemoryAccounts, MemoryAuth
"""

_CLASS = """
class Test{name}(AuthConformance):
    @pytest.fixture
    async def accounts(self):
        yield MemoryAccounts({source}())
"""


@pytest.fixture(scope="session")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Verdicts]:
    sources = {"MemoryAuth": "MemoryAuth"}
    sources |= {mutant.__name__: f"mutants.{mutant.__name__}" for mutant in MUTANTS}
    module = _HEADER + "".join(_CLASS.format(name=name, source=source) for name, source in sources.items())
    return run_suite(module, list(sources), tmp_path_factory.mktemp("kit_auth"))


def test_the_memory_provider_passes_every_test(verdicts: dict[str, Verdicts]) -> None:
    verdict = verdicts["MemoryAuth"]
    assert verdict.failed == set()
    assert verdict.broken == set()
    assert verdict.skipped == set()
    assert verdict.passed == {name for name in vars(AuthConformance) if name.startswith("test_")}


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_a_mutant_is_rejected_by_the_test_named_for_it(
    mutant: type[AuthMutant], verdicts: dict[str, Verdicts]
) -> None:
    verdict = verdicts[mutant.__name__]
    assert verdict.broken == set()
    assert mutant.rejected_by in verdict.failed
    if mutant.only:
        assert verdict.failed == {mutant.rejected_by}


def test_every_mutant_has_a_mistake_of_its_own() -> None:
    assert len({mutant.rejected_by for mutant in MUTANTS}) == len(MUTANTS)
