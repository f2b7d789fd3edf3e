"""The pytest plugin for real servers: who is skipped, who fails, and what they are told."""

from pathlib import Path

import pytest

from tests import services_fixtures
from tools.services.pins import read_pins
from tools.services.registry import all_servers

pytest_plugins = ["pytester"]

ROOT = Path(__file__).parents[2]
TESTS = """
import pytest

@pytest.mark.postgres
def test_marked():
    pass

@pytest.mark.redis
@pytest.mark.temporal
def test_marked_twice():
    pass

def test_by_fixture(redis_url):
    assert redis_url == "redis://there"

def test_asked_at_run_time(request):
    request.getfixturevalue("temporal_address")

def test_unmarked():
    pass
"""


@pytest.fixture
def run(pytester, monkeypatch):
    """Run the tests above in a pytest of their own, with just the given variables set."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    for variable in (services_fixtures.REQUIRED, *services_fixtures.VARIABLES.values()):
        monkeypatch.delenv(variable, raising=False)
    pytester.makepyfile(TESTS)

    def run(*arguments, **environment):
        for variable, value in environment.items():
            monkeypatch.setenv(variable, value)
        options = ["-p", "tests.services_fixtures", "--strict-markers", "-ra", *arguments]
        return pytester.runpytest_subprocess(*options)

    return run


def test_without_servers_tests_are_skipped_and_the_reasons_are_printed(run):
    result = run()
    result.assert_outcomes(passed=1, skipped=4)
    result.stdout.fnmatch_lines_random(
        [
            "SKIPPED * needs postgres (COMPUTOR_TEST_POSTGRES_URL is not set)",
            "SKIPPED * needs redis (COMPUTOR_TEST_REDIS_URL is not set), temporal (*TEMPORAL*)",
            "SKIPPED * needs redis (COMPUTOR_TEST_REDIS_URL is not set)",
            "SKIPPED * needs temporal (COMPUTOR_TEST_TEMPORAL_ADDRESS is not set)",
        ]
    )


def test_where_servers_are_required_the_same_tests_fail(run):
    result = run(COMPUTOR_REQUIRE_SERVICES="1")
    # pytest counts what fails before the test's body as an error.
    result.assert_outcomes(passed=1, errors=3, failed=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines_random(
        ["*needs postgres (COMPUTOR_TEST_POSTGRES_URL is not set), and COMPUTOR_REQUIRE_SERVICES is set*"]
    )


def test_with_one_server_its_tests_run(run):
    run(COMPUTOR_TEST_REDIS_URL="redis://there").assert_outcomes(passed=2, skipped=3)


def test_an_empty_variable_counts_as_not_set(run):
    run(COMPUTOR_TEST_REDIS_URL="").assert_outcomes(passed=1, skipped=4)


def test_a_marker_selects_those_that_only_use_the_fixture(run):
    run("-m", "redis", COMPUTOR_TEST_REDIS_URL="redis://there").assert_outcomes(
        passed=1, skipped=1, deselected=3
    )


def test_the_plugin_and_the_tool_agree_on_the_variables():
    servers = all_servers(read_pins())
    assert {server.name: server.variable for server in servers} == services_fixtures.VARIABLES
