"""For random universities and callers: list = check = a plain-Python oracle, on both systems."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from computor_core.db.engine import Database
from computor_core.db.unit_of_work import ReadUnit
from computor_core.errors import AuthenticationError, NotFoundError
from computor_core.plugin_api.principal import Principal
from tests.security.oracle import Asker, Oracle, University
from tests.support.universities import store, universities
from tests.support.world import NOW, assembled, create_schema

ACCESS, ENTITIES = assembled()
ENDPOINTS = sorted(Oracle.READ)
EXAMPLES = settings(
    max_examples=20,
    deadline=None,
    derandomize=True,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
    ],
)


@dataclass
class Bench:
    """A database on an event loop of its own, since an example is a plain function."""

    runner: asyncio.Runner
    database: Database

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        self.runner.run(work)


@pytest.fixture
def bench(database_url: str) -> Iterator[Bench]:
    with asyncio.Runner() as runner:
        database = Database(database_url, pool_size=2)
        runner.run(create_schema(database))
        yield Bench(runner, database)
        runner.run(database.aclose())


def token_scopes() -> st.SearchStrategy[frozenset[str] | None]:
    actions = sorted({*Oracle.READ.values(), "content.read_unreleased", "member.read", "result.read_details"})
    return st.one_of(st.none(), st.none(), st.frozensets(st.sampled_from(actions), min_size=1))


async def _principal(connection: AsyncConnection, asker: Asker) -> Principal | None:
    try:
        return await ACCESS.load_principal(connection, user_id=asker.user, scopes=asker.scopes)
    except AuthenticationError:
        return None


async def _listed(unit: ReadUnit, endpoint: str) -> set[UUID]:
    """All rows of a list by small pages, so that the pages are part of the promise."""
    found: list[UUID] = []
    cursor: str | None = None
    while True:
        page = await ENTITIES[endpoint].list(unit, limit=3, cursor=cursor, with_total=True, sort=["-id"])
        found += [UUID(row["id"]) for row in page.data]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert len(found) == len(set(found)) == page.total, endpoint
    assert found == sorted(found, reverse=True), endpoint
    return set(found)


async def _checked(unit: ReadUnit, endpoint: str) -> set[UUID]:
    model = ENTITIES.bound[endpoint].model
    predicate = ACCESS.predicate(unit.principal, Oracle.READ[endpoint], model, now=unit.now)
    return set((await unit.connection.execute(select(model.id).where(predicate))).scalars())


async def _compare(connection: AsyncConnection, sqlite: bool, university: University, asker: Asker) -> None:
    oracle = Oracle(university)
    principal = await _principal(connection, asker)
    if principal is None:
        assert all(not oracle.visible(asker, endpoint) for endpoint in ENDPOINTS)
        return
    unit = ReadUnit(connection, principal, NOW, "test", sqlite)
    for endpoint in ENDPOINTS:
        expected = oracle.visible(asker, endpoint)
        assert await _checked(unit, endpoint) == expected, endpoint
        assert await _listed(unit, endpoint) == expected, endpoint
    await _compare_fields(unit, university, oracle, asker)
    await _compare_actions(unit, university, oracle, asker)


async def _compare_fields(unit: ReadUnit, university: University, oracle: Oracle, asker: Asker) -> None:
    for case in university.cases:
        if oracle.reads(asker, "test-case-results", case):
            row = await ENTITIES["test-case-results"].get(unit, case["id"])
            assert (row["output"] is not None) == oracle.case_details(asker, case)
    for user in university.users:
        if oracle.reads(asker, "users", user):
            row = await ENTITIES["users"].get(unit, user["id"])
            assert (row["email"] is not None) == oracle.email(asker, user)
        else:
            with pytest.raises(NotFoundError):
                await ENTITIES["users"].get(unit, user["id"])


async def _compare_actions(unit: ReadUnit, university: University, oracle: Oracle, asker: Asker) -> None:
    questions = [
        ("grade.write", "grades", university.grades, oracle.changes_grade),
        ("submission.create", "course-contents", university.contents, oracle.submits),
        ("test.start", "artifacts", university.artifacts, oracle.tests),
    ]
    for action, endpoint, rows, answer in questions:
        for row in rows:
            got = await ACCESS.allowed(unit, action, endpoint, row["id"])
            assert got == answer(asker, row), (action, row)


@EXAMPLES
@given(data=st.data(), university=universities())
def test_list_check_and_oracle_agree(bench: Bench, data: st.DataObject, university: University) -> None:
    askers = [Asker(user["id"], data.draw(token_scopes())) for user in university.users]

    async def example() -> None:
        async with bench.database.writer.connect() as connection:
            await store(connection, university)
            for asker in askers:
                await _compare(connection, bench.database.is_sqlite, university, asker)
            await connection.rollback()

    bench.run(example())
