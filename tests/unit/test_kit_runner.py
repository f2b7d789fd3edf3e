"""The runner suite accepts a right runner and rejects each wrong one for its own mistake."""

import asyncio
import logging

import pytest
from computor_runner_local.provider import LocalRunner
from computor_runner_local.settings import LocalRunnerSettings

from computor_core.plugin_api.providers.runner import Isolation, ProbeResult
from computor_core.testing.mutants.runner import MUTANTS, RunnerMutant
from computor_core.testing.mutants.verdicts import Verdicts, run_suite
from computor_core.testing.runner import RunnerConformance
from computor_core.testing.runner_hostile import RunnerHostileConformance
from computor_core.testing.runner_limits import RunnerLimitsConformance

_HEADER = """
import logging
import pytest
import pytest_asyncio
from computor_runner_local.provider import LocalRunner
from computor_runner_local.settings import LocalRunnerSettings
from computor_core.testing.mutants import runner as mutants
from computor_core.testing.runner import RunnerConformance

@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def inner():
    runner = LocalRunner(LocalRunnerSettings(minimum_isolation="auto"), logging.getLogger("kit"))
    await runner.open()
    yield runner
    await runner.aclose()
"""

_CLASS = """
class Test{name}(RunnerConformance):
    @pytest.fixture
    def provider(self, inner):
        return mutants.{name}(inner)
{left_out}
"""

# These take long, since they wait for limits. A mutant runs those that must reject it and no others; the
# runner that isn't spoilt runs all of them.
_LONG = {
    name
    for suite in (RunnerLimitsConformance, RunnerHostileConformance)
    for name in vars(suite)
    if name.startswith("test_")
}


def _class(mutant: type[RunnerMutant]) -> str:
    skipped = _LONG - mutant.rejected_by if mutant.rejected_by else set()
    left_out = "\n".join(f"    {name} = None" for name in sorted(skipped))
    return _CLASS.format(name=mutant.__name__, left_out=left_out)


@pytest.fixture(scope="session")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Verdicts]:
    found = asyncio.run(_probe())
    if found.isolation is Isolation.NONE:
        pytest.skip(f"the mutants spoil a sandbox, and this machine allows none: {dict(found.refusals)}")
    names = ["RunnerMutant", *(mutant.__name__ for mutant in MUTANTS)]
    module = _HEADER + "".join(_class(mutant) for mutant in (RunnerMutant, *MUTANTS))
    return run_suite(module, names, tmp_path_factory.mktemp("kit_runner"))


async def _probe() -> ProbeResult:
    runner = LocalRunner(LocalRunnerSettings(minimum_isolation="auto"), logging.getLogger("kit"))
    await runner.open()
    try:
        return await runner.probe()
    finally:
        await runner.aclose()


def test_a_right_runner_passes_every_test(verdicts: dict[str, Verdicts]) -> None:
    verdict = verdicts["RunnerMutant"]
    assert verdict.failed == set()
    assert verdict.broken == set()
    declared = {name for name in dir(RunnerConformance) if name.startswith("test_")}
    assert verdict.passed | verdict.skipped == declared


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_a_mutant_is_rejected_by_the_tests_named_for_it(
    mutant: type[RunnerMutant], verdicts: dict[str, Verdicts]
) -> None:
    verdict = verdicts[mutant.__name__]
    assert verdict.broken == set()
    assert verdict.failed == mutant.rejected_by - verdicts["RunnerMutant"].skipped


def test_every_mutant_has_a_mistake_of_its_own() -> None:
    assert len({mutant.rejected_by for mutant in MUTANTS}) == len(MUTANTS)
    assert all(mutant.rejected_by for mutant in MUTANTS)
