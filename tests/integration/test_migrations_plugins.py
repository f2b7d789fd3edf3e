"""Plugins' lineages: own version tables, after core, gone without a trace that hurts."""

import sys
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType

import pytest
from sqlalchemy import inspect, text

from computor_core.db.engine import Database
from computor_core.db.types import new_id
from computor_core.errors import ConflictError, PluginError, UsageError
from computor_core.migrations import comparison, runner
from computor_core.migrations.lineage import lineages
from computor_core.migrations.state import states
from computor_core.model import Base
from computor_core.plugin_api import MigrationRegistration
from computor_core.plugins.registries import Registered, Registries

NAME = "test_migrations_notes"

MODELS = """
from uuid import UUID
from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column
from computor_core.plugin_api.db import Base, Identified, PathType, PointsType, Timestamped

class Note(Identified, Timestamped, Base):
    __tablename__ = "notes_note"
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("user.id", ondelete="SET NULL"))
    owner_id: Mapped[UUID] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"))
    slug: Mapped[str] = mapped_column(PathType)
    points: Mapped[object] = mapped_column(PointsType)
    text: Mapped[str] = mapped_column(String(100))
    __table_args__ = ({"info": {"owner": "notes"}},)
"""


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A plugin's package with models and an empty lineage, importable."""
    root = tmp_path_factory.mktemp("plugin")
    folder = root / NAME
    (folder / "migrations" / "versions").mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    (folder / "migrations" / "__init__.py").write_text("")
    (folder / "models.py").write_text(MODELS)
    sys.path.insert(0, str(root))
    before = set(Base.metadata.tables)
    yield folder
    sys.path.remove(str(root))
    for name in set(Base.metadata.tables) - before:
        Base.metadata.remove(Base.metadata.tables[name])


def registries(*, after_core: str | None = "0001", package: str = f"{NAME}.migrations") -> Registries:
    registration = MigrationRegistration(package=package, models=f"{NAME}.models", after_core=after_core)
    return Registries(migrations=MappingProxyType({"notes": Registered("notes", "dist-notes", registration)}))


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
async def database(request: pytest.FixtureRequest, tmp_path: Path, package: Path) -> AsyncIterator[Database]:
    url = f"sqlite+aiosqlite:///{tmp_path / 'test.db'}"
    if request.param == "postgres":
        url = request.getfixturevalue("postgres_url")
    opened = Database(url)
    await runner.upgrade(opened, Registries())
    if not list((package / "migrations" / "versions").glob("*.py")):
        (lineage,) = runner.chosen(registries(), "notes")
        await comparison.revise(opened, lineage, "Notes")
    yield opened
    await opened.aclose()


async def tables(database: Database) -> set[str]:
    async with database.reader.connect() as connection:
        return set(await connection.run_sync(lambda sync: inspect(sync).get_table_names()))


async def test_a_written_revision_imports_the_public_surface_alone(database: Database, package: Path) -> None:
    (file,) = (package / "migrations" / "versions").glob("*.py")
    source = file.read_text()
    assert file.name == "0001_notes.py"
    assert "from computor_core.plugin_api import db as types" in source
    assert "types.UtcDateTime()" in source
    assert "types.PathType" in source
    assert "types.PointsType" in source
    assert source.count("computor_core") == 1


async def test_up_down_and_up_again_with_no_drift(database: Database) -> None:
    for _ in range(2):
        (applied,) = await runner.upgrade(database, registries())
        assert (applied.owner, applied.revision) == ("notes", "0001")
        assert {"notes_note", "alembic_version_notes"} <= await tables(database)
        assert await comparison.drift(database, lineages(registries())) == {"core": [], "notes": []}
        await runner.downgrade(database, registries(), "notes", "base")
        assert "notes_note" not in await tables(database)


async def test_one_lineage_can_be_upgraded_alone(database: Database) -> None:
    assert await runner.upgrade(database, registries(), only="core") == []
    assert [item.owner for item in await runner.upgrade(database, registries(), only="notes")] == ["notes"]
    with pytest.raises(UsageError, match="'ghost' has no migrations"):
        await runner.upgrade(database, registries(), only="ghost")


async def test_a_core_revision_that_isnt_applied_stops_the_plugin_alone(database: Database) -> None:
    with pytest.raises(PluginError, match="need core revision 0099"):
        await runner.upgrade(database, registries(after_core="0099"))
    assert "notes_note" not in await tables(database)
    assert [item.pending for item in await states(database, lineages(Registries()))] == [()]


async def test_core_isnt_taken_from_under_a_plugin(database: Database) -> None:
    await runner.upgrade(database, registries())
    for after_core in ("0001", None):
        with pytest.raises(ConflictError, match="tables of plugin notes are built on core's") as caught:
            await runner.downgrade(database, registries(after_core=after_core), "core", "base")
        assert caught.value.hint == "run computor db downgrade --plugin notes base first"
    await runner.downgrade(database, registries(), "notes", "base")
    await runner.downgrade(database, registries(), "core", "base")


async def test_without_the_plugin_core_migrates_and_deletes_what_the_plugin_referred_to(
    database: Database,
) -> None:
    await runner.upgrade(database, registries())
    ids = [new_id(), new_id()]
    async with database.writer.begin() as connection:
        from computor_core.model import User

        await connection.execute(User.__table__.insert(), [{"id": one} for one in ids])  # type: ignore[attr-defined]
        note = Base.metadata.tables["notes_note"]
        await connection.execute(
            note.insert(),
            [
                {
                    "id": new_id(),
                    "user_id": ids[0],
                    "owner_id": ids[1],
                    "slug": "a",
                    "points": Decimal(1),
                    "text": "x",
                },
                {
                    "id": new_id(),
                    "user_id": ids[1],
                    "owner_id": ids[0],
                    "slug": "b",
                    "points": Decimal(1),
                    "text": "y",
                },
            ],
        )
    gone = Registries()
    assert await runner.upgrade(database, gone) == []
    assert (await states(database, lineages(gone)))[0].known
    assert await comparison.drift(database, lineages(gone)) == {"core": []}, (
        "orphans are none of core's business"
    )
    async with database.writer.begin() as connection:
        await connection.execute(User.__table__.delete().where(User.id == ids[0]))  # type: ignore[attr-defined]
    async with database.reader.connect() as connection:
        left = (await connection.execute(text("SELECT text, user_id FROM notes_note"))).all()
    assert [tuple(row) for row in left] == [("x", None)]


async def test_a_package_without_a_versions_folder_is_refused(database: Database) -> None:
    with pytest.raises(PluginError, match=r"notes \(dist-notes\) aren't in"):
        lineages(registries(package=NAME))
    with pytest.raises(PluginError, match=r"notes \(dist-notes\) aren't there: No module named 'nowhere'"):
        lineages(registries(package="nowhere"))
