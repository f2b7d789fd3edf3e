"""What lies on the disk: layout, rights, leftovers, memory."""

import asyncio
import fcntl
import hashlib
import os
import signal
import stat
import subprocess
import sys
import time
import tracemalloc
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import anyio
import pytest
from computor_storage_local import staging
from computor_storage_local.provider import LocalStorage, open_storage
from computor_storage_local.settings import StorageLocalSettings

from computor_core.plugin_api.errors import ProviderInvalidError
from computor_core.plugin_api.providers.base import AppContext
from computor_core.plugin_api.providers.storage import OpenBlob, PutBlob

_SETTINGS = StorageLocalSettings(reserve_bytes=0)


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _descriptors() -> int:
    return sum(1 for _ in Path("/dev/fd").iterdir())


async def test_a_blob_lies_under_two_shards_named_by_its_digest(
    storage: LocalStorage, context: AppContext
) -> None:
    info = await storage.put(PutBlob(_once(b"layout")))
    digest = hashlib.sha256(b"layout").hexdigest()
    path = context.data_dir / digest[:2] / digest[2:4] / digest
    assert info.sha256 == digest
    assert _files(context.data_dir) == [path]
    assert path.read_bytes() == b"layout"


async def test_files_and_folders_are_the_owners_alone(storage: LocalStorage, context: AppContext) -> None:
    previous = os.umask(0)
    try:
        await storage.put(PutBlob(_once(b"private")))
    finally:
        os.umask(previous)
    modes = {
        path.relative_to(context.data_dir): stat.S_IMODE(path.stat().st_mode)
        for path in [context.data_dir, *context.data_dir.rglob("*")]
    }
    folders = {mode for path, mode in modes.items() if (context.data_dir / path).is_dir()}
    files = {mode for path, mode in modes.items() if (context.data_dir / path).is_file()}
    assert folders == {0o700}
    assert files == {0o600}


async def test_a_foreign_file_between_the_blobs_is_not_listed(
    storage: LocalStorage, context: AppContext
) -> None:
    info = await storage.put(PutBlob(_once(b"real")))
    shard = context.data_dir / info.sha256[:2] / info.sha256[2:4]
    (shard / "README").write_text("not a blob")
    (shard / ("0" * 64)).write_text("a digest in the wrong shard")
    assert [found async for found in storage.list()] == [info]


async def test_storing_again_mends_a_damaged_file(storage: LocalStorage, context: AppContext) -> None:
    info = await storage.put(PutBlob(_once(b"precious")))
    path = context.data_dir / info.sha256[:2] / info.sha256[2:4] / info.sha256
    path.write_bytes(b"rotten")
    await storage.put(PutBlob(_once(b"precious")))
    assert path.read_bytes() == b"precious"


async def test_nothing_is_left_in_tmp_after_a_refusal(storage: LocalStorage, context: AppContext) -> None:
    with pytest.raises(ProviderInvalidError):
        await storage.put(PutBlob(_once(b"x" * 3_000_000), sha256="0" * 64))
    assert _files(context.data_dir) == []


async def test_no_descriptor_is_left_open(storage: LocalStorage) -> None:
    before = _descriptors()
    for number in range(20):
        info = await storage.put(PutBlob(_once(b"%d" % number)))
        async with storage.open(OpenBlob(info.sha256)) as chunks:
            async for _ in chunks:
                break
        with pytest.raises(ProviderInvalidError):
            await storage.put(PutBlob(_once(b"%d" % number), sha256="0" * 64))
    assert _descriptors() == before


async def test_cancelling_in_the_middle_of_a_write_closes_and_removes_the_file(
    storage: LocalStorage, context: AppContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = asyncio.get_running_loop()
    writing = asyncio.Event()
    write = os.write

    def slow_write(descriptor: int, data: bytes) -> int:
        loop.call_soon_threadsafe(writing.set)
        time.sleep(0.05)  # the thread is still inside the write when the task is cancelled
        return write(descriptor, data)

    monkeypatch.setattr(os, "write", slow_write)
    task = asyncio.create_task(storage.put(PutBlob(_once(b"x" * 2_000_000))))
    await writing.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert _files(context.data_dir) == []


async def test_memory_does_not_grow_with_the_blob(storage: LocalStorage) -> None:
    chunk = os.urandom(64 * 1024)

    async def large() -> AsyncIterator[bytes]:
        for _ in range(800):  # 50 MiB
            yield chunk

    tracemalloc.start()
    try:
        info = await storage.put(PutBlob(large()))
        async with storage.open(OpenBlob(info.sha256)) as chunks:
            size = 0
            async for part in chunks:
                size += len(part)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert size == info.size == 800 * 64 * 1024
    assert peak < 8 * 1024 * 1024


# --- leftovers --------------------------------------------------------------------------------

_WRITER = """
import sys
from pathlib import Path
from computor_storage_local.staging import StagedBlob
staged = StagedBlob(Path(sys.argv[1]), 0)
staged.write(b"half a blob")
print("written", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def writer(context: AppContext) -> Callable[[], subprocess.Popen[str]]:
    def start() -> subprocess.Popen[str]:
        (context.data_dir / "tmp").mkdir(exist_ok=True)
        process = subprocess.Popen(
            [sys.executable, "-c", _WRITER, str(context.data_dir)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "written\n"
        return process

    return start


def _end(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.communicate()


async def test_a_killed_writers_leftover_goes_at_the_next_start(
    context: AppContext, writer: Callable[[], subprocess.Popen[str]]
) -> None:
    _end(writer())
    assert len(_files(context.data_dir)) == 1
    async with open_storage(_SETTINGS, context) as storage:
        assert [info async for info in storage.list()] == []
    assert _files(context.data_dir) == []


async def test_a_living_writers_file_stays(
    context: AppContext, writer: Callable[[], subprocess.Popen[str]]
) -> None:
    process = writer()
    try:
        async with open_storage(_SETTINGS, context):
            assert len(_files(context.data_dir)) == 1
    finally:
        _end(process)


async def test_without_file_locks_only_old_leftovers_go(
    context: AppContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(descriptor: int, operation: int) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    folder = context.data_dir / "tmp"
    folder.mkdir()
    (folder / "1-young").write_bytes(b"perhaps still being written")
    (folder / "1-old").write_bytes(b"left over")
    past = time.time() - staging.LOCKLESS_AGE - 60
    os.utime(folder / "1-old", (past, past))
    async with open_storage(_SETTINGS, context) as storage:
        info = await storage.put(PutBlob(_once(b"works without locks")))
        assert await storage.stat(info.sha256) == info
    assert [path.name for path in folder.iterdir()] == ["1-young"]


_KILLED_PUT = """
import asyncio, logging, os, signal, sys
from pathlib import Path
from computor_core.plugin_api.providers.storage import PutBlob
from computor_storage_local import staging
from computor_storage_local.provider import LocalStorage
from computor_storage_local.settings import StorageLocalSettings

moment, root = sys.argv[1], Path(sys.argv[2])
die = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
if moment == "before_fsync":
    staging.os.fsync = die
elif moment == "before_rename":
    staging.Path.rename = die
elif moment == "after_rename":
    real = staging.Path.rename
    staging.Path.rename = lambda self, target: (real(self, target), die())

async def content():
    yield b"x" * 1_500_000
    yield b"y" * 1_500_000
    if moment == "while_writing":
        die()

async def main():
    await LocalStorage(root, StorageLocalSettings(reserve_bytes=0)).put(PutBlob(content()))

asyncio.run(main())
"""


@pytest.mark.parametrize("moment", ["while_writing", "before_fsync", "before_rename", "after_rename"])
async def test_a_put_killed_at_any_moment_leaves_the_whole_blob_or_none(
    context: AppContext, moment: str
) -> None:
    (context.data_dir / "tmp").mkdir()
    program = [sys.executable, "-c", _KILLED_PUT, moment, str(context.data_dir)]
    run = await anyio.run_process(program, check=False)
    assert run.returncode == -signal.SIGKILL
    data = b"x" * 1_500_000 + b"y" * 1_500_000
    async with open_storage(_SETTINGS, context) as storage:
        blobs = [info async for info in storage.list()]
        if moment == "after_rename":
            assert [info.sha256 for info in blobs] == [hashlib.sha256(data).hexdigest()]
            async with storage.open(OpenBlob(blobs[0].sha256)) as chunks:
                assert b"".join([chunk async for chunk in chunks]) == data
        else:
            assert blobs == []
    assert len(_files(context.data_dir)) == len(blobs)
