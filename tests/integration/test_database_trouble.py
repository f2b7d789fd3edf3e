"""A database that can't be used is one clear error, without its password."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from computor_core.db.engine import Database
from computor_core.db.trouble import DatabaseUnusableError, explained
from computor_core.errors import ConfigurationError


async def test_a_server_that_is_away_is_named_without_its_password() -> None:
    database = Database("postgresql+asyncpg://somebody:secret@127.0.0.1:1/computor")
    with pytest.raises(DatabaseUnusableError) as caught, explained(database):
        async with database.reader.connect():
            raise AssertionError("nothing listens there")
    assert "127.0.0.1:1" in caught.value.message
    assert "secret" not in str(caught.value)
    assert (caught.value.exit_status, caught.value.code) == (78, "database_unusable")


async def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    file = tmp_path / "computor.db"
    file.write_text("this is no database, and longer than a header of one hundred bytes. " * 4)
    database = Database(f"sqlite:///{file}")
    with pytest.raises(DatabaseUnusableError, match="not a database"), explained(database):
        async with database.reader.connect():
            raise AssertionError("it can't be opened")
    await database.aclose()


OPEN = """
import asyncio, os, sys
from computor_core.db.engine import Database
from computor_core.db.trouble import explained
from computor_core.errors import ConfigurationError

async def main():
    database = Database(f"sqlite:///{sys.argv[1]}")
    if os.getuid() == 0:  # root may write anywhere, so be nobody
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
    try:
        with explained(database):
            async with database.reader.connect():
                print("connected")
    except ConfigurationError as error:
        print(error)
    await database.aclose()

asyncio.run(main())
"""


@pytest.mark.parametrize("which", ["computor.db", "computor.db-wal", "."])
def test_files_that_cant_be_written_are_named_before_anything_is_left_beside_them(which: str) -> None:
    """A connection would make journals with the file's own rights, which then stay in the way."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        made = [folder / "computor.db", folder / "computor.db-wal"]
        for path in made:
            path.touch()
            path.chmod(0o666)
        folder.chmod(0o777)
        refused = folder / which
        refused.chmod(0o555 if which == "." else 0o444)
        done = subprocess.run(
            [sys.executable, "-c", OPEN, str(made[0])], capture_output=True, text=True, check=True
        )
        folder.chmod(0o700)
        left = sorted(path.name for path in folder.iterdir())
    assert "the database can't be written" in done.stdout
    assert f"lacks rights on {refused} [database_unusable]" in done.stdout
    assert left == ["computor.db", "computor.db-wal"]


async def test_a_table_that_is_there_already_isnt_called_a_matter_of_rights(database: Database) -> None:
    statement = text("CREATE TABLE twice (id INTEGER)")
    async with database.writer.begin() as connection:
        await connection.execute(statement)
    with pytest.raises(DatabaseUnusableError, match="already exists") as caught, explained(database):
        async with database.writer.begin() as connection:
            await connection.execute(statement)
    assert "computor db check" in (caught.value.hint or "")


async def test_a_file_that_another_program_holds_is_called_busy(tmp_path: Path) -> None:
    file = tmp_path / "computor.db"
    database = Database(f"sqlite:///{file}")
    other = create_engine(f"sqlite:///{file}", isolation_level="AUTOCOMMIT")
    with other.connect() as holder:
        async with database.writer.connect() as connection:
            await connection.execute(text("PRAGMA busy_timeout=0"))
            await connection.rollback()
            holder.execute(text("BEGIN IMMEDIATE"))
            with pytest.raises(DatabaseUnusableError, match="locked") as caught, explained(database):
                await connection.execute(text("SELECT 1"))
    other.dispose()
    await database.aclose()
    assert "another program" in (caught.value.hint or "")


def test_a_driver_that_isnt_installed_is_named_with_what_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    absent: Any = None
    monkeypatch.setitem(sys.modules, "asyncpg", absent)
    with pytest.raises(ConfigurationError, match="asyncpg can't be imported") as caught:
        Database("postgresql://somebody@127.0.0.1/computor")
    assert caught.value.hint == "install computor-core[postgres]"


@pytest.mark.parametrize("url", ["nonsense", "mysql://x/y", "sqlite://", "sqlite:///:memory:"])
def test_a_wrong_address_is_refused_at_once(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Database(url)
    assert caught.value.hint
