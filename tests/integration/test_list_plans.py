"""Lists among two million rows: the plans are asserted, and so is the number of rows looked at.

No test here measures time. On SQLite the virtual machine's steps are counted, on PostgreSQL the
rows that the plan's nodes really visited.
"""

from __future__ import annotations

import asyncio
import json
import re
import sqlite3
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from computor_core.db.engine import Database
from computor_core.plugin_api.principal import Principal
from tests.support.bulk import COURSES, STUDENTS, fill, row_id
from tests.support.world import World, create_schema

ROWS = 2_000_000
LIMIT = 20
DERIVED = re.compile(r"(live|page|driver|keys|branch_\d+|reached|each|\(subquery-\d+\)|CONSTANT ROW)\b")
MOST_STEPS = 100_000
MOST_VISITED = 2_000


@dataclass(frozen=True)
class Case:
    """A list that somebody asks for."""

    name: str
    who: str
    rows: int
    options: dict[str, Any]


CASES = [
    Case("student", "student", LIMIT, {}),
    Case("student, next page", "student", LIMIT, {"next_page": True}),
    Case("student, newest first", "student", LIMIT, {"sort": ["-received_at"]}),
    Case("student, in the own course", "student", LIMIT, {"filters": {"course_id": row_id("course", 1)}}),
    Case("student, in another course", "student", 0, {"filters": {"course_id": row_id("course", 2)}}),
    Case("lecturer", "lecturer", LIMIT, {}),
    Case("lecturer, next page", "lecturer", LIMIT, {"next_page": True}),
    Case("lecturer, last course first", "lecturer", LIMIT, {"sort": ["-id"]}),
    Case("lecturer, newest first", "lecturer", LIMIT, {"sort": ["-received_at"]}),
    Case(
        "lecturer, one course", "lecturer", LIMIT, {"filters": {"course_id": row_id("course", COURSES - 1)}}
    ),
    Case(
        "lecturer, one group", "lecturer", 10, {"filters": {"submission_group_id": row_id("group", 199_999)}}
    ),
    Case(
        "lecturer, another's group", "lecturer", 0, {"filters": {"submission_group_id": row_id("group", 7)}}
    ),
    Case("administrator", "admin", LIMIT, {}),
    Case("administrator, next page", "admin", LIMIT, {"next_page": True}),
    Case(
        "administrator, one course", "admin", LIMIT, {"filters": {"course_id": row_id("course", COURSES - 1)}}
    ),
    Case(
        "administrator, one group",
        "admin",
        10,
        {"filters": {"submission_group_id": row_id("group", 199_999)}},
    ),
]


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def big_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if request.param == "postgres":
        yield request.getfixturevalue("postgres_module_url")
        return
    folder: Path = tmp_path_factory.mktemp("plans")
    yield f"sqlite+aiosqlite:///{folder / 'big.db'}"
    for file in folder.iterdir():
        file.unlink()


@pytest.fixture(scope="module")
def filled(big_url: str) -> str:
    async def make() -> None:
        database = Database(big_url, statement_timeout=600)
        await create_schema(database)
        await fill(database, ROWS)
        await database.aclose()

    asyncio.run(make())
    return big_url


@pytest.fixture
async def world(filled: str) -> AsyncIterator[World]:
    database = Database(filled)
    yield World(database)
    await database.aclose()


async def principal(world: World, who: str) -> Principal:
    students = COURSES * STUDENTS
    number = {
        "student": STUDENTS + 77,
        "lecturer": students + COURSES // 2 - 1,
        "admin": students + COURSES // 2,
    }
    async with world.database.reader.connect() as connection:
        return await world.access.load_principal(connection, user_id=row_id("user", number[who]))


async def ask(world: World, case: Case) -> tuple[int, str, Any]:
    """The number of rows that a list shows, with its one statement and the parameters."""
    caller, options = await principal(world, case.who), dict(case.options)
    sent: list[tuple[str, Any]] = []

    def note(connection: Any, cursor: Any, statement: str, parameters: Any, *rest: Any) -> None:
        sent.append((statement, parameters))

    async with world.read(caller) as unit:
        if options.pop("next_page", False):
            first = await world.entities["artifacts"].list(unit, limit=LIMIT, **options)
            assert first.next_cursor is not None
            options["cursor"] = first.next_cursor
        event.listen(world.database.reader.sync_engine, "before_cursor_execute", note)
        try:
            page = await world.entities["artifacts"].list(unit, limit=LIMIT, **options)
        finally:
            event.remove(world.database.reader.sync_engine, "before_cursor_execute", note)
    ((statement, parameters),) = sent
    return len(page.data), statement, parameters


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_no_list_scans_the_table(world: World, case: Case) -> None:
    rows, statement, parameters = await ask(world, case)
    assert rows == case.rows
    if world.database.is_sqlite:
        require_no_scan_sqlite(str(world.database.url.database), statement, parameters)
    else:
        await require_no_scan_postgres(world.database, statement, parameters)


def require_no_scan_sqlite(path: str, statement: str, parameters: Any) -> None:
    connection = sqlite3.connect(path)
    plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)]
    scans = [line for line in plan if line.startswith("SCAN ") and not DERIVED.match(line, len("SCAN "))]
    # Walking an index in its order stops at the limit; walking the table itself can't be told apart.
    assert all("USING" in line and "INDEX" in line and "row" in line for line in scans), plan
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 100
        return 0

    connection.set_progress_handler(count, 100)
    connection.execute(statement, parameters).fetchall()
    connection.close()
    assert steps <= MOST_STEPS, (steps, plan)


async def require_no_scan_postgres(database: Database, statement: str, parameters: Any) -> None:
    async with database.reader.connect() as connection:
        result = await connection.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", parameters)
        found = result.scalar_one()
    plan = found if isinstance(found, list) else json.loads(found)
    nodes = list(_nodes(plan[0]["Plan"]))
    scans = [node["Relation Name"] for node in nodes if node["Node Type"] == "Seq Scan"]
    assert set(scans) <= {"role_action", "user_role", "course"}, json.dumps(plan, indent=1)
    visited = sum(
        (
            node["Actual Rows"]
            + node.get("Rows Removed by Filter", 0)
            + node.get("Rows Removed by Index Recheck", 0)
        )
        * node["Actual Loops"]
        for node in nodes
        if node.get("Relation Name") == "artifact"
    )
    assert visited <= MOST_VISITED, (visited, json.dumps(plan, indent=1))


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for inner in node.get("Plans", ()):
        yield from _nodes(inner)


async def test_the_measure_notices_a_scan(world: World) -> None:
    """What an OR of grants and ownership, or a filter without an index, would do."""
    sql = "SELECT id FROM artifact WHERE storage_instance = 'nowhere'"
    if world.database.is_sqlite:
        with pytest.raises(AssertionError):
            require_no_scan_sqlite(str(world.database.url.database), sql, ())
    else:
        with pytest.raises(AssertionError):
            await require_no_scan_postgres(world.database, sql, ())
