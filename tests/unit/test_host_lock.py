"""One host per SQLite file, and a data folder that is private and writable or refused."""

import os
import signal
import stat
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest
from sqlalchemy import text

from computor_core.db.engine import Database
from computor_core.db.host_lock import host_lock
from computor_core.errors import ConfigurationError
from computor_core.migrations.connection import migration_engine
from computor_core.settings.data_folder import prepare_data_folder

HOLD = """
import sys
from computor_core.db.engine import Database
from computor_core.db.host_lock import host_lock
with host_lock(Database(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def url(tmp_path: Path) -> str:
    return f"sqlite+aiosqlite:///{tmp_path / 'computor.db'}"


def test_a_second_host_is_refused_and_told_who_holds_the_file(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, url(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        message = f"in use by another host \\(process {other.pid}\\)"
        with pytest.raises(ConfigurationError, match=message) as caught, host_lock(Database(url(tmp_path))):
            pytest.fail("two hosts at a time")
        assert caught.value.exit_status == 78
        assert "PostgreSQL" in (caught.value.hint or "")
        other.send_signal(signal.SIGKILL)
        other.wait()
        with host_lock(Database(url(tmp_path))):
            pass  # the lock went with the process that was killed


def test_the_lock_goes_with_the_block(tmp_path: Path) -> None:
    database = Database(url(tmp_path))
    for _ in range(2):
        with host_lock(database):
            assert (tmp_path / "computor.db.lock").read_text() == f"{os.getpid()}\n"


def test_two_applications_of_one_process_count_as_two_hosts(tmp_path: Path) -> None:
    first, second = (host_lock(Database(url(tmp_path))) for _ in range(2))
    with first, pytest.raises(ConfigurationError, match="another host"), second:
        pytest.fail("two hosts at a time")


def test_a_lock_file_that_cant_be_made_is_one_clear_error(tmp_path: Path) -> None:
    lock = host_lock(Database(f"sqlite+aiosqlite:///{tmp_path}/nowhere/computor.db"))
    with pytest.raises(ConfigurationError, match="can't be opened: No such file"), lock:
        pytest.fail("held a lock on nothing")


def test_postgresql_needs_no_lock() -> None:
    with host_lock(Database("postgresql+asyncpg://u@127.0.0.1/d")):
        pass


def test_the_data_folder_is_made_private(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "var"
    prepare_data_folder(folder)
    prepare_data_folder(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "spool").stat().st_mode) == 0o700


@pytest.mark.parametrize(
    ("before", "after"), [(0o755, 0o700), (0o750, 0o700), (0o777, 0o700), (0o500, 0o500)]
)
def test_a_folder_that_is_there_is_closed_to_other_users_and_the_log_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, before: int, after: int
) -> None:
    folder = tmp_path / "var"
    (folder / "spool").mkdir(parents=True)
    folder.chmod(before)
    with suppress(ConfigurationError):  # 0500 can't be written to, which another test is about
        prepare_data_folder(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == after
    assert bool(caplog.records) == (before != after)
    assert all(str(folder) in record.getMessage() for record in caplog.records)


def modes_in(folder: Path) -> dict[str, int]:
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}


async def test_a_new_sqlite_file_and_its_journals_are_their_owners_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    database = Database(f"sqlite+aiosqlite:///{tmp_path}/computor.db")
    try:
        async with migration_engine(database) as engine, engine.connect() as connection:
            await connection.execute(text("CREATE TABLE t (i INTEGER)"))
            made = modes_in(tmp_path)
        (tmp_path / "computor.db").unlink()
        async with database.writer.begin() as connection:
            await connection.execute(text("CREATE TABLE t (i INTEGER)"))
            again = modes_in(tmp_path)
    finally:
        os.umask(before)
        await database.aclose()
    assert set(made.values()) == set(again.values()) == {0o600}
    assert {"computor.db", "computor.db-wal"} <= again.keys()


def test_a_file_in_the_way_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "var").write_text("")
    with pytest.raises(ConfigurationError, match="can't be made") as caught:
        prepare_data_folder(tmp_path / "var")
    assert "COMPUTOR_DATA_DIR" in (caught.value.hint or "")


PREPARE = """
import os, sys
from pathlib import Path
from computor_core.errors import ConfigurationError
from computor_core.settings.data_folder import prepare_data_folder
if os.getuid() == 0:  # root may write anywhere, so be nobody
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
try:
    prepare_data_folder(Path(sys.argv[1]))
except ConfigurationError as error:
    print(error)
"""


@pytest.mark.parametrize("has_spool", [True, False])
def test_a_read_only_folder_is_one_clear_error(has_spool: bool) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if has_spool:
            (folder / "spool").mkdir()
        folder.chmod(0o555)
        result = subprocess.run(
            [sys.executable, "-c", PREPARE, name], capture_output=True, text=True, check=True
        )
        folder.chmod(0o755)
    assert f"the data folder {folder} can't be" in result.stdout
    assert "[configuration]" in result.stdout
    assert "hint:" in result.stdout


def test_a_read_only_folder_below_is_one_clear_error_too() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o777)
        (folder / "spool").mkdir(mode=0o555)
        if os.getuid() == 0:
            os.chown(folder, 65534, 65534)  # what others may enter is closed, by its owner alone
        result = subprocess.run(
            [sys.executable, "-c", PREPARE, name], capture_output=True, text=True, check=True
        )
    assert f"the data folder {folder}/spool can't be written to [configuration]" in result.stdout
    assert "hint: give user" in result.stdout
