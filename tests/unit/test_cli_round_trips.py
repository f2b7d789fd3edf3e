"""The doctor's round trips: a provider that doesn't keep its word is found out."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Literal

import pytest

from computor_core.cli.reading_doors import ReadingDoors
from computor_core.cli.round_trips import round_trip
from computor_core.db.engine import Database
from computor_core.errors import ProviderError, UnavailableError
from computor_core.plugin_api.principal import Principal
from computor_core.plugin_api.providers.cache import Cache, SetEntry
from computor_core.plugin_api.providers.git import GitHost
from computor_core.plugin_api.providers.runner import (
    Enforcement,
    Isolation,
    Limit,
    ProbeResult,
    TestRunner,
)
from computor_core.plugin_api.providers.storage import BlobInfo, OpenBlob, PutBlob, StorageBackend


class Storage(StorageBackend):
    """Keeps one blob, perhaps badly."""

    def __init__(self, fault: str = "") -> None:
        self.fault = fault
        self.content: bytes | None = None

    async def put(self, request: PutBlob) -> BlobInfo:
        self.content = b"".join([chunk async for chunk in request.content])
        return BlobInfo(request.sha256 or "", len(self.content))

    @asynccontextmanager
    async def open(self, request: OpenBlob) -> AsyncIterator[AsyncIterator[bytes]]:
        async def chunks() -> AsyncIterator[bytes]:
            yield b"other bytes" if self.fault == "changes" else self.content or b""

        yield chunks()

    async def delete(self, sha256: str) -> bool:
        if self.fault != "keeps":
            self.content = None
        return True

    async def stat(self, sha256: str) -> BlobInfo | None:
        return BlobInfo(sha256, 1) if self.content is not None else None


class Memory(Cache):
    def __init__(self, *, forgets: bool = False) -> None:
        self.forgets = forgets
        self.kept: dict[str, bytes] = {}

    async def set(self, entry: SetEntry) -> None:
        self.kept[entry.key] = entry.value

    async def get(self, key: str) -> bytes | None:
        return None if self.forgets else self.kept.get(key)

    async def delete(self, key: str) -> bool:
        return self.kept.pop(key, None) is not None


class Runner(TestRunner):
    def __init__(self, isolation: Isolation) -> None:
        self.isolation = isolation

    async def probe(self) -> ProbeResult:
        return ProbeResult(
            isolation=self.isolation,
            enforcement={Limit.MEMORY: Enforcement.KERNEL},
            toolchains={"python": "3.11"},
            refusals={Isolation.BUBBLEWRAP: "bwrap: No such file"},
        )


async def test_sound_providers_pass_and_leave_nothing_behind() -> None:
    storage, memory = Storage(), Memory()
    for provider in (storage, memory):
        assert await round_trip(provider, "auto") == {"round trip": "written, read and deleted"}
    assert (storage.content, memory.kept) == (None, {})


@pytest.mark.parametrize(
    ("provider", "says"),
    [
        (Storage("changes"), "isn't what was written"),
        (Storage("keeps"), "still there"),
        (Memory(forgets=True), "isn't what was written"),
    ],
)
async def test_a_provider_that_loses_what_it_was_given_is_found_out(provider: Any, says: str) -> None:
    with pytest.raises(ProviderError, match=says):
        await round_trip(provider, "auto")


async def test_a_provider_that_cant_be_tried_cheaply_isnt() -> None:
    assert await round_trip(GitHost(), "auto") == {}


async def test_a_runner_tells_what_it_can_and_what_it_cant() -> None:
    assert await round_trip(Runner(Isolation.NAMESPACES), Isolation.NAMESPACES) == {
        "isolation": "namespaces",
        "limits": "memory kernel",
        "toolchains": "python 3.11",
        "no bubblewrap": "bwrap: No such file",
    }


@pytest.mark.parametrize(
    ("isolation", "minimum", "enough"),
    [
        (Isolation.NONE, "auto", True),
        (Isolation.NONE, Isolation.NONE, True),
        (Isolation.NONE, Isolation.LANDLOCK, False),
        (Isolation.LANDLOCK, Isolation.NAMESPACES, False),
        (Isolation.BUBBLEWRAP, Isolation.NAMESPACES, True),
        (Isolation.CONTAINER, Isolation.BUBBLEWRAP, True),
    ],
)
async def test_a_runner_must_reach_the_isolation_that_is_demanded(
    isolation: Isolation, minimum: Isolation | Literal["auto"], enough: bool
) -> None:
    if enough:
        assert (await round_trip(Runner(isolation), minimum))["isolation"] == isolation.value
        return
    with pytest.raises(ProviderError, match=f"demands {minimum}") as caught:
        await round_trip(Runner(isolation), minimum)
    assert "bwrap: No such file" in caught.value.message


async def test_an_examination_only_reads() -> None:
    doors = ReadingDoors(Database("postgresql+asyncpg://u@127.0.0.1/d"))
    nobody = Principal.anonymous()
    with pytest.raises(UnavailableError, match="this is an examination"):
        _ = doors.pushes
    with pytest.raises(UnavailableError, match="this is an examination"):
        await doors.authenticate("token")
    with pytest.raises(UnavailableError, match="this is an examination"):
        doors.uow(nobody)
