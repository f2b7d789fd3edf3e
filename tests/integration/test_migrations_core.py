"""Core's lineage: the same on both systems, reversible, and never apart from the models."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import inspect, select, text

from computor_core.db.engine import Database
from computor_core.errors import ConflictError, SchemaVersionError, UsageError
from computor_core.migrations import comparison, runner
from computor_core.migrations.connection import migration_engine, migration_transaction
from computor_core.migrations.lineage import CORE_LINEAGE
from computor_core.migrations.state import require_current, states
from computor_core.model import Base, CourseContentKind
from computor_core.plugins.registries import Registries

NOTHING = Registries()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
async def database(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Database]:
    url = f"sqlite+aiosqlite:///{tmp_path / 'test.db'}"
    if request.param == "postgres":
        url = request.getfixturevalue("postgres_url")
    opened = Database(url)
    yield opened
    await opened.aclose()


async def tables(database: Database) -> set[str]:
    async with database.reader.connect() as connection:
        return set(await connection.run_sync(lambda sync: inspect(sync).get_table_names()))


def mapped() -> set[str]:
    return set(CORE_LINEAGE.table_names())


async def test_upgrade_creates_every_mapped_table(database: Database) -> None:
    await runner.upgrade(database, NOTHING)
    assert await tables(database) == {*mapped(), "alembic_version"}


async def test_up_down_and_up_again(database: Database) -> None:
    first = await runner.upgrade(database, NOTHING)
    down = await runner.downgrade(database, NOTHING, "core", "base")
    assert await tables(database) == {"alembic_version"}
    again = await runner.upgrade(database, NOTHING)
    assert [item.revision for item in first] == [item.revision for item in again]
    assert [item.revision for item in down] == [item.revision for item in reversed(first)]
    assert [item.upgrade for item in first + down] == [True] * len(first) + [False] * len(down)


async def test_upgrading_twice_does_nothing_the_second_time(database: Database) -> None:
    await runner.upgrade(database, NOTHING)
    assert await runner.upgrade(database, NOTHING) == []


async def test_the_models_and_the_lineage_agree(database: Database) -> None:
    await runner.upgrade(database, NOTHING)
    assert await comparison.drift(database, [CORE_LINEAGE]) == {"core": []}


async def test_drift_is_told(database: Database) -> None:
    await runner.upgrade(database, NOTHING)
    async with migration_engine(database) as engine, migration_transaction(engine) as connection:
        await connection.execute(text("ALTER TABLE example DROP COLUMN title"))
    (difference,) = (await comparison.drift(database, [CORE_LINEAGE]))["core"]
    assert "add_column" in difference
    assert "title" in difference


async def test_upgrade_writes_the_content_kinds_once(database: Database) -> None:
    await runner.upgrade(database, NOTHING)
    await runner.upgrade(database, NOTHING)
    async with database.reader.connect() as connection:
        kinds = (await connection.scalars(select(CourseContentKind.id).order_by(CourseContentKind.id))).all()
    assert kinds == ["assignment", "unit"]


async def test_an_empty_database_is_older_and_the_error_says_what_to_run(database: Database) -> None:
    found = await states(database, [CORE_LINEAGE])
    with pytest.raises(SchemaVersionError, match="older") as caught:
        require_current(found)
    assert caught.value.exit_status == 78
    assert "computor db upgrade" in (caught.value.hint or "")
    assert await tables(database) == set(), "looking must not write"


async def test_a_database_from_a_newer_release_is_refused(database: Database) -> None:
    await runner.upgrade(database, NOTHING)
    async with migration_engine(database) as engine, migration_transaction(engine) as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(SchemaVersionError, match="newer"):
        require_current(await states(database, [CORE_LINEAGE]))
    with pytest.raises(SchemaVersionError, match="newer"):
        await runner.upgrade(database, NOTHING)


async def test_an_unknown_target_is_refused(database: Database) -> None:
    await runner.upgrade(database, NOTHING)
    with pytest.raises(UsageError, match="no revision 'nowhere'"):
        await runner.downgrade(database, NOTHING, "core", "nowhere")
    with pytest.raises(UsageError, match="'ghost' has no migrations"):
        await runner.downgrade(database, NOTHING, "ghost", "base")


async def test_a_failing_migration_leaves_nothing_behind(database: Database, tmp_path: Path) -> None:
    from dataclasses import replace

    await runner.upgrade(database, NOTHING)
    before = await tables(database)
    versions = tmp_path / "versions"
    versions.mkdir()
    (versions / "0001_bad.py").write_text(
        "import sqlalchemy as sa\nfrom alembic import op\n"
        "revision, down_revision, branch_labels, depends_on = '0001', None, None, None\n"
        "def upgrade():\n"
        "    op.create_table('bad_one', sa.Column('id', sa.Integer, primary_key=True))\n"
        "    op.execute('SELECT * FROM not_there')\n"
        "def downgrade(): pass\n"
    )
    bad = replace(CORE_LINEAGE, owner="bad", versions=versions, version_table="alembic_version_bad")
    async with migration_engine(database) as engine:
        with pytest.raises(Exception, match="not_there"):
            async with migration_transaction(engine) as connection:
                await connection.run_sync(runner.apply, bad)
    assert await tables(database) == before


async def test_rows_without_their_parent_stop_a_sqlite_migration(tmp_path: Path) -> None:
    database = Database(f"sqlite+aiosqlite:///{tmp_path / 'test.db'}")
    await runner.upgrade(database, NOTHING)
    async with migration_engine(database) as engine:
        with pytest.raises(ConflictError, match="role_action → role"):
            async with migration_transaction(engine) as connection:
                await connection.execute(text("INSERT INTO role_action VALUES ('ghost', 'course.read')"))
    async with database.reader.connect() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM role_action")) == 0
    await database.aclose()


async def test_two_migrators_at_a_time_apply_each_revision_once(database: Database) -> None:
    import asyncio

    applied = await asyncio.gather(*(runner.upgrade(database, NOTHING) for _ in range(2)))
    revisions = [item.revision for one in applied for item in one]
    assert len(revisions) == len(set(revisions)) > 0


def test_every_core_table_names_its_owner() -> None:
    owners = {table.name: table.info.get("owner") for table in Base.metadata.tables.values()}
    assert [name for name, owner in owners.items() if owner is None] == []
