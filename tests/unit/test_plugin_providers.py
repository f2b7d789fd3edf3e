"""Provider instances: opened with a name for every failure, guarded against units of work."""

import asyncio
import sys
import types
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar, cast

import pytest

from computor_core.errors import ConfigurationError, PluginError, ProviderUnavailableError
from computor_core.plugin_api import AppContext, Health, HealthState, StorageBackendRegistration
from computor_core.plugin_api.providers.base import in_unit_of_work
from computor_core.plugin_api.providers.cache import Cache, SetEntry
from computor_core.plugin_api.providers.storage import (
    BlobInfo,
    OpenBlob,
    PutBlob,
    StorageBackend,
    StorageCapability,
)
from computor_core.plugins import opening
from computor_core.plugins.doors import Doors, open_doors
from computor_core.plugins.guard import guard
from computor_core.plugins.opening import CONTRACTS, open_all, open_instance
from computor_core.plugins.providers import Providers
from computor_core.plugins.registries import SEAMS, Registered
from computor_core.settings.composition import Instance

MODULE = "test_plugin_providers_factories"


class Box(StorageBackend):
    capabilities: ClassVar[frozenset[StorageCapability]] = frozenset({StorageCapability.RANGES})

    def __init__(self) -> None:
        self.calls: list[str] = []

    async def health(self) -> Health:
        return Health(HealthState.OK)

    async def put(self, request: PutBlob) -> BlobInfo:
        self.calls.append("put")
        return BlobInfo("0" * 64, 0)

    @asynccontextmanager
    async def open(self, request: OpenBlob) -> AsyncIterator[AsyncIterator[bytes]]:  # type: ignore[override]
        self.calls.append("open")
        yield cast("Any", None)

    async def list(self) -> AsyncIterator[BlobInfo]:  # type: ignore[override]
        self.calls.append("list")
        yield BlobInfo("0" * 64, 0)


class Streaming(Box):
    @asynccontextmanager
    async def open(self, request: OpenBlob) -> AsyncIterator[AsyncIterator[bytes]]:  # type: ignore[override]
        async def chunks() -> AsyncIterator[bytes]:
            yield b"first"
            yield b"second"

        yield chunks()


class Memory(Cache):
    async def set(self, entry: SetEntry) -> None:
        return None


@asynccontextmanager
async def sound(settings: object, context: AppContext) -> AsyncIterator[Box]:
    yield Box()


@asynccontextmanager
async def away(settings: object, context: AppContext) -> AsyncIterator[Box]:
    raise ProviderUnavailableError("the server doesn't answer", hint="start it")
    yield Box()


@asynccontextmanager
async def broken(settings: object, context: AppContext) -> AsyncIterator[Box]:
    raise ZeroDivisionError("oops")
    yield Box()


@asynccontextmanager
async def hanging(settings: object, context: AppContext) -> AsyncIterator[Box]:
    await asyncio.Event().wait()
    yield Box()


@asynccontextmanager
async def leaving(settings: object, context: AppContext) -> AsyncIterator[Box]:
    yield Box()
    raise SystemExit(3)


@asynccontextmanager
async def wrong(settings: object, context: AppContext) -> AsyncIterator[object]:
    yield Memory()


@pytest.fixture(autouse=True)
def factories() -> Iterator[None]:
    module = types.ModuleType(MODULE)
    for factory in (sound, away, broken, hanging, leaving, wrong):
        setattr(module, factory.__name__, factory)
    sys.modules[MODULE] = module
    yield
    del sys.modules[MODULE]


def instance(factory: str, name: str = "default") -> Instance:
    target = factory if ":" in factory else f"{MODULE}:{factory}"
    registration = StorageBackendRegistration(type="box", factory=target, summary="s")
    return Instance("storage", name, Registered("attic", "dist-attic", registration), None)


CONTEXT = cast("AppContext", None)


def test_every_seam_has_its_contract_class() -> None:
    assert set(CONTRACTS) == set(SEAMS)
    assert {seam: contract.seam for seam, contract in CONTRACTS.items()} == {seam: seam for seam in SEAMS}


async def test_an_instance_is_open_as_long_as_the_stack() -> None:
    async with AsyncExitStack() as stack:
        assert isinstance(await open_instance(stack, instance("sound"), CONTEXT), Box)


@pytest.mark.parametrize(
    ("factory", "says"),
    [
        ("away", "can't be opened: the server doesn't answer"),
        ("broken", "can't be opened: ZeroDivisionError: oops"),
        ("wrong", "is a Memory, which is no StorageBackend"),
        ("missing", "can't be opened: AttributeError"),
        ("surely.not.there:open", "can't be opened: ModuleNotFoundError"),
    ],
)
async def test_a_failure_names_seam_instance_type_and_plugin(factory: str, says: str) -> None:
    async with AsyncExitStack() as stack:
        with pytest.raises(PluginError, match=says) as caught:
            await open_instance(stack, instance(factory, "attic2"), CONTEXT)
    assert "storage instance 'attic2' (type 'box' of plugin attic, dist-attic)" in caught.value.message


async def test_the_hint_of_a_provider_is_kept() -> None:
    async with AsyncExitStack() as stack:
        with pytest.raises(PluginError) as caught:
            await open_instance(stack, instance("away"), CONTEXT)
    assert caught.value.hint == "start it"


async def test_an_instance_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "OPENING_TIMEOUT", 0.01)
    async with AsyncExitStack() as stack:
        with pytest.raises(PluginError, match="didn't come up within"):
            await open_instance(stack, instance("hanging"), CONTEXT)


async def test_a_provider_that_ends_the_process_when_it_is_loaded_is_a_failure_like_any_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "leaves_at_once.py").write_text("raise SystemExit(9)")
    monkeypatch.syspath_prepend(tmp_path)
    async with AsyncExitStack() as stack:
        with pytest.raises(PluginError, match=r"can't be opened: SystemExit: 9 .*leaves_at_once\.py, line 1"):
            await open_instance(stack, instance("leaves_at_once:open"), CONTEXT)


async def test_a_provider_that_cant_be_closed_is_named() -> None:
    with pytest.raises(PluginError, match=r"storage instance 'default' .* can't be closed: SystemExit: 3"):
        async with AsyncExitStack() as stack:
            await open_instance(stack, instance("leaving"), CONTEXT)


async def test_what_went_wrong_before_the_closing_comes_first() -> None:
    async def fail() -> None:
        async with AsyncExitStack() as stack:
            await open_instance(stack, instance("sound"), CONTEXT)
            raise LookupError("the caller's own")

    with pytest.raises(LookupError, match="the caller's own"):
        await fail()


async def test_all_failures_are_told_together() -> None:
    wanted = [instance("away", "a"), instance("sound", "b"), instance("broken", "c")]
    async with AsyncExitStack() as stack:
        with pytest.raises(PluginError, match="2 provider instances can't be opened") as caught:
            await open_all(stack, wanted, lambda _: CONTEXT)
    assert "'a'" in caught.value.message
    assert "'c'" in caught.value.message
    assert len(cast("list[str]", caught.value.details["problems"])) == 2


async def test_one_failure_keeps_its_own_error() -> None:
    async with AsyncExitStack() as stack:
        with pytest.raises(PluginError, match="the server doesn't answer") as caught:
            await open_all(stack, [instance("away")], lambda _: CONTEXT)
    assert caught.value.hint == "start it"


# --- the guard ------------------------------------------------------------------------------------------


@pytest.fixture
def unit() -> Iterator[None]:
    """As if the current task had an open unit of work."""
    token = in_unit_of_work.set(True)
    yield
    in_unit_of_work.reset(token)


async def test_a_guarded_provider_passes_calls_on() -> None:
    box = Box()
    guarded = guard(box, "storage", "default")
    await guarded.put(PutBlob(cast("Any", None)))
    async with guarded.open(OpenBlob("0" * 64)):
        pass
    assert [info.size async for info in guarded.list()] == [0]
    assert box.calls == ["put", "open", "list"]


def test_a_guarded_provider_is_what_it_guards() -> None:
    guarded = guard(Box(), "storage", "default")
    assert isinstance(guarded, StorageBackend)
    assert isinstance(guarded, Box)
    assert guarded.capabilities == Box.capabilities
    assert guarded.seam == "storage"
    assert "guarded" in repr(guarded)
    with pytest.raises(AttributeError):
        _ = guarded.nonsense  # type: ignore[attr-defined]


@pytest.mark.parametrize("method", ["put", "open", "list", "stat", "health", "presign_get"])
def test_no_call_gets_through_inside_a_unit_of_work(unit: None, method: str) -> None:
    box = Box()
    guarded = guard(box, "storage", "s3")
    with pytest.raises(
        RuntimeError, match=f"storage instance 's3': {method} was called inside a unit of work"
    ):
        getattr(guarded, method)()
    assert box.calls == []


async def test_the_guard_watches_a_method_that_was_taken_before_the_unit() -> None:
    box = Box()
    put = guard(box, "storage", "default").put
    token = in_unit_of_work.set(True)
    with pytest.raises(RuntimeError, match="inside a unit of work"):
        await put(PutBlob(cast("Any", None)))
    in_unit_of_work.reset(token)
    await put(PutBlob(cast("Any", None)))
    assert box.calls == ["put"]


async def test_an_iterator_that_was_taken_before_the_unit_stops_inside_it() -> None:
    listed = guard(Box(), "storage", "default").list()
    token = in_unit_of_work.set(True)
    with pytest.raises(RuntimeError, match="storage instance 'default': list was called inside a unit"):
        await anext(listed)
    in_unit_of_work.reset(token)
    assert (await anext(listed)).size == 0


async def test_a_stream_is_guarded_when_it_is_opened_and_when_it_is_read() -> None:
    guarded = guard(Streaming(), "storage", "default")
    opened = guarded.open(OpenBlob("0" * 64))
    token = in_unit_of_work.set(True)
    with pytest.raises(RuntimeError, match="open was called inside a unit of work"):
        await opened.__aenter__()
    in_unit_of_work.reset(token)
    async with guarded.open(OpenBlob("0" * 64)) as stream:
        assert await anext(stream) == b"first"
        token = in_unit_of_work.set(True)
        with pytest.raises(RuntimeError, match="open was called inside a unit of work"):
            await anext(stream)
        in_unit_of_work.reset(token)


async def test_caches_and_buses_may_be_called_anywhere(unit: None) -> None:
    memory = Memory()
    assert guard(memory, "cache", "default") is memory
    await memory.set(SetEntry("k", b"v", timedelta(seconds=1)))


# --- Providers --------------------------------------------------------------------------------------------


def providers() -> Providers:
    opened = {("storage", "a"): Box(), ("storage", "b"): Box(), ("cache", "default"): Memory()}
    return Providers(opened, {"storage": "b", "cache": "default"})


def test_instances_are_had_by_contract_or_seam() -> None:
    found = providers()
    assert found.get(StorageBackend, "a") is found.get("storage", "a")
    assert found.names("storage") == ("a", "b")
    assert found.names("git") == ()
    assert found.default("storage") == "b"


def test_an_unknown_instance_says_which_there_are() -> None:
    with pytest.raises(ConfigurationError, match="no storage instance 'c'") as caught:
        providers().get(StorageBackend, "c")
    assert caught.value.hint == "instances here: a, b"


def test_a_seam_without_an_instance_says_what_to_do() -> None:
    with pytest.raises(ConfigurationError, match="no git instance") as caught:
        providers().default("git")
    assert "[git.instances]" in (caught.value.hint or "")


def test_doors_are_shut_until_the_application_has_started(tmp_path: Path) -> None:
    doors = Doors()
    with pytest.raises(RuntimeError, match="once the application has started"):
        _ = doors.pushes
    open_doors(doors, cast("Any", types.SimpleNamespace(pushes="receiver")))
    assert cast("Any", doors.pushes) == "receiver"
