"""What happens when the disk is full, gone or read-only, and what settings are refused."""

import errno
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from computor_storage_local.plugin import Plugin
from computor_storage_local.provider import LocalStorage, open_storage
from computor_storage_local.settings import StorageLocalSettings
from pydantic import ValidationError

from computor_core.plugin_api.errors import ConfigurationError, ProviderUnavailableError
from computor_core.plugin_api.providers.base import AppContext, HealthState
from computor_core.plugin_api.providers.storage import PutBlob


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


# Runs in a mount namespace of its own, with a real file system of one megabyte.
_PRIVATE_DISK = """
import asyncio, logging, subprocess, sys
from pathlib import Path
root = Path(sys.argv[1])

def mount(*options):
    run = subprocess.run(["mount", "-t", "tmpfs", "-o", *options, "none", str(root)], capture_output=True)
    if run.returncode:
        print("NO MOUNT", run.stderr.decode())
        raise SystemExit(0)

mount("size=1m")
from computor_core.clock import SystemClock
from computor_core.plugin_api.errors import ConfigurationError, ProviderUnavailableError
from computor_core.plugin_api.providers.base import AppContext
from computor_core.plugin_api.providers.storage import PutBlob
from computor_storage_local.provider import open_storage
from computor_storage_local.settings import StorageLocalSettings

context = AppContext("default", "storage_local", root, "", SystemClock(), logging.getLogger(), None)

async def content(size):
    for _ in range(size):
        yield bytes(1024)

async def full():
    async with open_storage(StorageLocalSettings(reserve_bytes=0), context) as storage:
        if sys.argv[2] == "file system":
            storage._reserve = -10**9  # leaves the refusal to the kernel
        try:
            await storage.put(PutBlob(content(3000)))
        except ProviderUnavailableError as error:
            print(error.code, error.message)
        print([path for path in root.rglob("*") if path.is_file()])
        print((await storage.put(PutBlob(content(10)))).size)

async def read_only():
    (root / "tmp").mkdir()
    mount("remount,ro")
    try:
        async with open_storage(StorageLocalSettings(), context):
            print("opened")
    except ConfigurationError as error:
        print(error.exit_status, error.message.replace(str(root), "FOLDER"), bool(error.hint))

asyncio.run(read_only() if sys.argv[2] == "read-only" else full())
"""


def _on_a_private_disk(folder: Path, case: str) -> list[str]:
    unshare = ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-Urm"]
    try:
        run = subprocess.run(
            [*unshare, sys.executable, "-c", _PRIVATE_DISK, str(folder), case],
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        pytest.skip("no unshare on this system")
    if run.stdout.startswith("NO MOUNT") or (run.returncode and run.stderr.startswith("unshare")):
        pytest.skip(f"no private mount here: {run.stdout or run.stderr}")
    assert run.returncode == 0, run.stderr
    return run.stdout.splitlines()


@pytest.mark.parametrize("refused_by", ["file system", "reserve"])
def test_a_full_disk_is_unavailable_and_leaves_nothing(tmp_path: Path, refused_by: str) -> None:
    assert _on_a_private_disk(tmp_path, refused_by) == [
        "provider_unavailable The file store refused: No space left on device.",
        "[]",
        "10240",
    ]


def test_a_read_only_folder_is_one_clear_error_at_start(tmp_path: Path) -> None:
    assert _on_a_private_disk(tmp_path, "read-only") == [
        "78 The storage folder FOLDER can't be used: Read-only file system. True"
    ]


@pytest.mark.parametrize("step", ["write", "fsync"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
async def test_whatever_the_disk_refuses_leaves_nothing(
    storage: LocalStorage, context: AppContext, monkeypatch: pytest.MonkeyPatch, step: str, number: int
) -> None:
    def refuse(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(os, step, refuse)
        with pytest.raises(ProviderUnavailableError, match=os.strerror(number)) as caught:
            await storage.put(PutBlob(_once(b"data")))
    assert caught.value.details == {"errno": number}
    assert _files(context.data_dir) == []
    assert (await storage.put(PutBlob(_once(b"data")))).size == 4


async def test_the_reserve_is_kept_free(context: AppContext) -> None:
    settings = StorageLocalSettings(reserve_bytes=2**62)
    async with open_storage(settings, context) as storage:
        with pytest.raises(ProviderUnavailableError, match="No space left"):
            await storage.put(PutBlob(_once(b"data")))
        health = await storage.health()
    assert health.state is HealthState.DEGRADED
    assert "new blobs are refused" in health.message
    assert _files(context.data_dir) == []


async def test_an_error_of_the_source_is_not_taken_for_the_disks(storage: LocalStorage) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"data"
        raise ConnectionResetError("the client left")

    with pytest.raises(ConnectionResetError):
        await storage.put(PutBlob(broken()))


async def test_health_is_down_when_the_folder_is_gone(storage: LocalStorage, context: AppContext) -> None:
    (context.data_dir / "tmp").rmdir()
    health = await storage.health()
    assert health.state is HealthState.DOWN
    assert "No such file or directory" in health.message


async def test_a_file_in_place_of_the_folder_is_one_clear_error_at_start(
    context: AppContext, tmp_path: Path
) -> None:
    occupied = tmp_path / "occupied"
    occupied.write_text("a file")
    with pytest.raises(ConfigurationError, match="Not a directory"):
        async with open_storage(StorageLocalSettings(), replace(context, data_dir=occupied)):
            pytest.fail("opened a file")


@pytest.mark.parametrize("wrong", [{"threads": 0}, {"reserve_bytes": -1}, {"path": "/tmp"}])
def test_wrong_settings_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        StorageLocalSettings.model_validate(wrong)


def test_sizes_may_be_written_with_units() -> None:
    assert StorageLocalSettings.model_validate({"reserve_bytes": "1GiB"}).reserve_bytes == 2**30


def test_the_registration_names_what_the_provider_can() -> None:
    (registration,) = Plugin().computor_storage_backends()
    assert registration.capabilities == {capability.value for capability in LocalStorage.capabilities}
    assert registration.factory == f"{open_storage.__module__}:{open_storage.__name__}"
    assert registration.settings == f"{StorageLocalSettings.__module__}:{StorageLocalSettings.__name__}"
