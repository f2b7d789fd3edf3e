"""The engine suite rejects each wrong engine for its own mistake; right ones pass it elsewhere."""

import pytest

from computor_core.testing.engine import EngineConformance
from computor_core.testing.mutants.engine import MUTANTS, EngineMutant
from computor_core.testing.mutants.verdicts import Verdicts, run_suite

_SANE = "test_a_run_completes_with_its_definitions_output"

_HEADER = """
import pytest
from computor_core.testing.mutants import engine as mutants
from computor_core.testing.engine import EngineConformance
from computor_core.workflows.in_process import InProcessEngine, InProcessSettings
"""

# Each class keeps two tests: the one that must fail, and one that shows that the engine works at all.
_CLASS = """
class Test{name}(EngineConformance):
    patience = {patience}

    @pytest.fixture
    async def provider(self, app):
        yield {source}(app, "default", InProcessSettings(poll_seconds=0.2))

for name in dir(EngineConformance):
    if name.startswith("test_") and name not in {{"{sane}", "{rejected_by}"}}:
        setattr(Test{name}, name, None)
"""


@pytest.fixture(scope="session")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Verdicts]:
    module = _HEADER
    for mutant in MUTANTS:
        name = mutant.__name__
        module += _CLASS.format(
            name=name, source=f"mutants.{name}", sane=_SANE, rejected_by=mutant.rejected_by, patience=3.0
        )
    return run_suite(module, [mutant.__name__ for mutant in MUTANTS], tmp_path_factory.mktemp("kit_engine"))


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_a_mutant_is_rejected_by_the_test_named_for_it(
    mutant: type[EngineMutant], verdicts: dict[str, Verdicts]
) -> None:
    verdict = verdicts[mutant.__name__]
    assert verdict.broken == set()
    assert verdict.passed == {_SANE}
    assert verdict.failed == {mutant.rejected_by}


def test_every_mutant_has_a_mistake_of_its_own() -> None:
    assert len({mutant.rejected_by for mutant in MUTANTS}) == len(MUTANTS)
    assert {mutant.rejected_by for mutant in MUTANTS} <= set(vars(EngineConformance))
