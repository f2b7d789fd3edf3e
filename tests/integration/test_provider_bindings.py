"""Bindings: a course's own over its family's over the nearest organization's over the default."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import event, insert

from computor_core.db.engine import Database
from computor_core.db.types import new_id
from computor_core.db.unit_of_work import ReadUnit, open_read
from computor_core.errors import ConfigurationError
from computor_core.migrations import runner
from computor_core.model import Base, Blob, Course, CourseFamily, Organization, ProviderBinding
from computor_core.plugin_api.principal import Principal
from computor_core.plugin_api.providers.storage import StorageBackend
from computor_core.plugins.bindings import require_referenced
from computor_core.plugins.providers import Providers
from computor_core.plugins.registries import Registries

NAMES = ("default", "university", "faculty", "family", "course", "global")


@dataclass
class World:
    """A course in a family in a faculty of a university."""

    database: Database
    university: UUID
    faculty: UUID
    family: UUID
    course: UUID

    async def bind(self, scope: str, key: UUID | None, instance: str) -> None:
        values = {
            "scope": scope,
            "scope_key": str(key) if key else "",
            "seam": "storage",
            "instance": instance,
        }
        async with self.database.writer.begin() as connection:
            await connection.execute(insert(ProviderBinding).values(**values))


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    url = f"sqlite+aiosqlite:///{tmp_path / 'test.db'}"
    if request.param == "postgres":
        url = request.getfixturevalue("postgres_url")
    database = Database(url)
    await runner.upgrade(database, Registries())
    university, faculty, family, course = (new_id() for _ in range(4))
    async with database.writer.begin() as connection:
        for row in (
            insert(Organization).values(id=university, path="uni", title="University"),
            insert(Organization).values(id=new_id(), path="unix", title="Not above the faculty"),
            insert(Organization).values(id=faculty, path="uni.it", parent_id=university, title="Faculty"),
            insert(CourseFamily).values(id=family, organization_id=faculty, slug="p1", title="Programming"),
            insert(Course).values(
                id=course, organization_id=faculty, course_family_id=family, slug="t1", title="Term 1"
            ),
        ):
            await connection.execute(row)
    yield World(database, university, faculty, family, course)
    await database.aclose()


@pytest.fixture
async def unit(world: World) -> AsyncIterator[ReadUnit]:
    async with open_read(
        world.database, Principal.system("test"), now=datetime.now(UTC), request_id=""
    ) as opened:
        yield opened


def providers() -> Providers:
    return Providers({("storage", name): StorageBackend() for name in NAMES}, {"storage": "default"})


async def test_without_a_binding_the_default_serves(world: World, unit: ReadUnit) -> None:
    assert await providers().binding(unit, "storage", course_id=world.course) == "default"
    assert await providers().binding(unit, "storage") == "default"


async def test_the_nearest_binding_goes_before_those_above_it(world: World, unit: ReadUnit) -> None:
    found = []
    for scope, key, instance in (
        ("global", None, "global"),
        ("organization", world.university, "university"),
        ("organization", world.faculty, "faculty"),
        ("family", world.family, "family"),
        ("course", world.course, "course"),
    ):
        await world.bind(scope, key, instance)
        found.append(await providers().binding(unit, "storage", course_id=world.course))
    assert found == ["global", "university", "faculty", "family", "course"]
    binding = providers().binding
    assert await binding(unit, "storage", course_family_id=world.family) == "family"
    assert await binding(unit, "storage", organization_id=world.faculty) == "faculty"
    assert await binding(unit, "storage", organization_id=world.university) == "university"
    assert await binding(unit, "storage") == "global"


async def test_a_binding_of_another_seam_or_scope_doesnt_count(world: World, unit: ReadUnit) -> None:
    await world.bind("course", new_id(), "course")
    await world.bind("organization", world.course, "faculty")
    assert await providers().binding(unit, "storage", course_id=world.course) == "default"
    with pytest.raises(ConfigurationError, match="has no git instance"):
        await providers().binding(unit, "git", course_id=world.course)


async def test_a_binding_to_an_instance_that_isnt_there_is_an_error(world: World, unit: ReadUnit) -> None:
    await world.bind("global", None, "gone")
    with pytest.raises(ConfigurationError, match="storage instance 'gone', which isn't in the settings"):
        await providers().binding(unit, "storage")


async def test_a_scope_that_isnt_there_falls_back_to_the_global_one(world: World, unit: ReadUnit) -> None:
    await world.bind("global", None, "global")
    for scope in ("course_id", "course_family_id", "organization_id"):
        assert await providers().binding(unit, "storage", **{scope: new_id()}) == "global"


async def test_the_check_of_blobs_seeks_from_instance_to_instance(world: World, unit: ReadUnit) -> None:
    """With millions of blobs a scan at every start would take minutes."""
    now = datetime.now(UTC)
    rows = [
        {
            "id": new_id(),
            "storage_instance": f"s{number % 3}",
            "sha256": f"{number:064}",
            "size": 0,
            "references": 1,
            "state": "kept",
            "created_at": now,
            "updated_at": now,
        }
        for number in range(300)
    ]
    async with world.database.writer.begin() as connection:
        await connection.execute(insert(Blob), rows)
    statements: list[str] = []
    event.listen(
        world.database.reader.sync_engine,
        "before_cursor_execute",
        lambda _connection, _cursor, statement, *_rest: statements.append(statement),
    )
    with pytest.raises(ConfigurationError) as caught:
        await require_referenced(unit.connection, {"storage": ["s0", "s2"], "git": []})
    assert caught.value.details["missing"] == ["storage instance 's1' (table blob)"]
    on_blobs = [statement for statement in statements if "FROM blob" in statement]
    assert len(on_blobs) == 4, "one seek per instance, one that finds the end"
    assert all("min(blob.storage_instance)" in statement for statement in on_blobs)


def test_every_column_that_names_an_instance_is_accounted_for() -> None:
    """A new column must be checked at start, or stand here with the reason why not."""
    checked = {
        "account",
        "blob",
        "course_repository",
        "member_repository",
        "outbox",
        "test_queue",
        "workflow_run",
    }
    covered = {
        "artifact": "its files are blobs of the same instance",
        "example_version": "its files are blobs of the same instance",
        "test_run": "waits in test_queue while it is unfinished; afterwards it is history",
        "session": "ends by itself",
    }
    named = {
        table.name
        for table in Base.metadata.tables.values()
        if table.info.get("owner") == "core"
        for column in table.columns
        if column.name.endswith("_instance")
    }
    assert named == checked | set(covered)
