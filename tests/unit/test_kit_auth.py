"""The sign-in suite accepts a right provider and rejects each wrong one for its own mistake."""

import pytest

from computor_core.testing.auth import AuthConformance
from computor_core.testing.mutants.auth import MUTANTS, AuthMutant
from computor_core.testing.mutants.verdicts import Verdicts, run_suite

TESTS = {name for name in vars(AuthConformance) if name.startswith("test_")}

_HEADER = """
from dataclasses import replace

import pytest
from computor_core.plugin_api.providers.auth import AuthCapability
from computor_core.testing.mutants import auth as mutants
from computor_core.testing.auth import AuthConformance
from computor_core.testing.auth_memory import MemoryAccounts, MemoryAuth

class OutsideAuth(MemoryAuth):
    capabilities = frozenset({AuthCapability.PASSWORD})

    async def sign_in(self, request):
        return replace(await super().sign_in(request), user_id=None, email_verified=True)

    async def set_password(self, request):
        raise self.unsupported(AuthCapability.SET_PASSWORD)

class OutsideAccounts(MemoryAccounts):
    vouches = True

    async def add(self, login, password=None):
        await super().add(login, password)

class TestOutsideAuth(AuthConformance):
    @pytest.fixture
    async def accounts(self):
        yield OutsideAccounts(OutsideAuth())
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
    return run_suite(module, [*sources, "OutsideAuth"], tmp_path_factory.mktemp("kit_auth"))


def test_the_memory_provider_passes_every_test(verdicts: dict[str, Verdicts]) -> None:
    verdict = verdicts["MemoryAuth"]
    assert verdict.failed == set()
    assert verdict.broken == set()
    assert verdict.skipped == {"test_undeclared_passwords_are_refused", "test_undeclared_setting_is_refused"}
    assert verdict.passed | verdict.skipped == TESTS


def test_a_provider_that_keeps_no_accounts_is_tested_by_its_passwords_alone(
    verdicts: dict[str, Verdicts],
) -> None:
    verdict = verdicts["OutsideAuth"]
    assert verdict.failed | verdict.broken == set()
    assert verdict.skipped == {
        "test_undeclared_passwords_are_refused",
        "test_an_archived_user_is_out",
        "test_a_banned_user_is_out",
        "test_a_new_password_replaces_the_old",
        "test_a_change_needs_the_present_password",
        "test_a_bad_new_password_changes_nothing",
        "test_setting_a_password_ends_no_other_lock",
    }
    assert verdict.passed | verdict.skipped == TESTS


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
