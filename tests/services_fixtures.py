"""A pytest plugin: markers and fixtures for the tests that need a real server.

A test marked ``postgres``, ``redis`` or ``temporal``, or one that uses a fixture below, runs when the
server's environment variable is set. Otherwise it is skipped and the reason names the variable; with
``COMPUTOR_REQUIRE_SERVICES=1`` it fails instead. ``python -m tools.services run -- …`` sets the variables.
"""

import asyncio
import os
import uuid
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

REQUIRED = "COMPUTOR_REQUIRE_SERVICES"

VARIABLES = {
    "postgres": "COMPUTOR_TEST_POSTGRES_URL",
    "redis": "COMPUTOR_TEST_REDIS_URL",
    "temporal": "COMPUTOR_TEST_TEMPORAL_ADDRESS",
}

FIXTURES = {
    "postgres_server_url": "postgres",
    "postgres_url": "postgres",
    "postgres_module_url": "postgres",
    "redis_url": "redis",
    "temporal_address": "temporal",
}


def pytest_configure(config: pytest.Config) -> None:
    """Declare one marker per server."""
    for name, variable in VARIABLES.items():
        config.addinivalue_line("markers", f"{name}: needs the server that {variable} names")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that use a server's fixture, then skip those whose server isn't there.

    It comes first so that ``-m postgres`` also selects the tests that only use the fixture.
    """
    for item in items:
        for fixture in getattr(item, "fixturenames", ()):
            if fixture in FIXTURES and item.get_closest_marker(FIXTURES[fixture]) is None:
                item.add_marker(FIXTURES[fixture])
        missing = _missing(item)
        if missing and not _required():
            item.add_marker(pytest.mark.skip(reason=missing))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Fail a test whose server isn't there although servers are required."""
    missing = _missing(item)
    if missing and _required():
        pytest.fail(f"{missing}, and {REQUIRED} is set", pytrace=False)


@pytest.fixture(scope="session")
def postgres_server_url() -> str:
    """The URL of the server itself (``postgresql+asyncpg://…``); its role may create databases."""
    return _value("postgres")


@pytest.fixture
def postgres_url(postgres_server_url: str) -> Iterator[str]:
    """The URL of an empty database for this test alone, dropped when the test is over."""
    with _database(postgres_server_url) as url:
        yield url


@pytest.fixture(scope="module")
def postgres_module_url(postgres_server_url: str) -> Iterator[str]:
    """The URL of an empty database that the tests of one module share."""
    with _database(postgres_server_url) as url:
        yield url


@pytest.fixture(scope="session")
def redis_url() -> str:
    """The URL of the Redis server. All tests share it: use keys that no other test uses."""
    return _value("redis")


@pytest.fixture(scope="session")
def temporal_address() -> str:
    """The ``host:port`` of the Temporal server. All tests share it: use task queues of your own."""
    return _value("temporal")


def _required() -> bool:
    return os.environ.get(REQUIRED) == "1"


def _missing(item: pytest.Item) -> str:
    absent = [
        f"{name} ({variable} is not set)"
        for name, variable in VARIABLES.items()
        if item.get_closest_marker(name) is not None and not os.environ.get(variable)
    ]
    return f"needs {', '.join(absent)}" if absent else ""


def _value(server: str) -> str:
    value = os.environ.get(VARIABLES[server])
    if not value:
        # Only a test that asks for the fixture by name at run time comes here; the rest is skipped before.
        reason = f"needs {server} ({VARIABLES[server]} is not set)"
        (pytest.fail if _required() else pytest.skip)(reason)
    return value


_DROP_TRIES = 60


@contextmanager
def _database(server_url: str) -> Iterator[str]:
    # Imported here: this plugin is loaded in every run, also where these aren't needed.
    from sqlalchemy import make_url

    server = make_url(server_url)
    name = f"computor_test_{uuid.uuid4().hex}"
    address = server.set(drivername="postgresql").render_as_string(hide_password=False)
    _finish(_execute(address, f'CREATE DATABASE "{name}"'))
    try:
        yield server.set(database=name).render_as_string(hide_password=False)
    finally:
        _finish(_drop(address, name))


async def _drop(address: str, name: str) -> None:
    import asyncpg

    for left in reversed(range(_DROP_TRIES)):
        try:
            # FORCE: a test that failed may have left connections open.
            await _execute(address, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        except asyncpg.InsufficientPrivilegeError:
            # The server's own autovacuum is in it, which the role of the tests can't end.
            if not left:
                raise
            await asyncio.sleep(0.5)
        else:
            return


async def _execute(address: str, statement: str) -> None:
    import asyncpg

    connection = await asyncpg.connect(address)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def _finish(work: Coroutine[object, object, None]) -> None:
    """Run a coroutine on an event loop in another thread, since this thread may have a running one."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, work).result()
