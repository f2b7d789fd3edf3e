"""A database that can't be used is one clear error, without its password."""

from __future__ import annotations

from pathlib import Path

import pytest

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


@pytest.mark.parametrize("url", ["nonsense", "mysql://x/y", "sqlite://", "sqlite:///:memory:"])
def test_a_wrong_address_is_refused_at_once(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Database(url)
    assert caught.value.hint
