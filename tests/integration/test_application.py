"""The composition root: it starts whole or not at all, and what it opened it closes."""

import asyncio
import json
import sys
import types
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar, cast

import pytest
from sqlalchemy import delete, insert, select, update

from computor_core.app import Computor
from computor_core.db.engine import Database
from computor_core.db.types import new_id
from computor_core.errors import ConfigurationError, PluginError, SchemaVersionError
from computor_core.migrations import runner
from computor_core.model import Blob, ProviderBinding, Role, RoleAction
from computor_core.plugin_api import AppContext, LifespanRegistration, PluginMeta, hookimpl
from computor_core.plugin_api.principal import Principal
from computor_core.plugin_api.providers.cache import Cache
from computor_core.plugin_api.providers.storage import PutBlob, StorageBackend
from computor_core.plugins.discovery import InstalledPlugin
from computor_core.settings import Settings, assembly
from computor_core.settings.assembly import assemble

SYSTEM = Principal.system("test")


def settings(folder: Path, **changes: Any) -> Settings:
    return Settings.model_validate({"data_dir": folder, "runner": {"minimum_isolation": "auto"}, **changes})


async def migrated(wanted: Settings) -> Settings:
    wanted.data_dir.mkdir(parents=True, exist_ok=True)
    database = Database(wanted.database_url)
    await runner.upgrade(database, assemble(wanted).plugins.registries)
    await database.aclose()
    return wanted


@pytest.fixture
async def ready(tmp_path: Path) -> Settings:
    """Settings of a deployment whose database is at the installed code's revision."""
    return await migrated(settings(tmp_path / "var"))


async def change(wanted: Settings, *statements: Any) -> None:
    database = Database(wanted.database_url)
    async with database.writer.begin() as connection:
        for statement in statements:
            await connection.execute(statement)
    await database.aclose()


class Clock:
    """Stands still."""

    def now(self) -> datetime:
        return datetime(2026, 1, 2, tzinfo=UTC)


# --- starting -----------------------------------------------------------------------------------


async def test_the_embedded_defaults_are_a_whole_deployment(ready: Settings) -> None:
    async with Computor(ready) as app:
        assert [item.name for item in app.plugins.active] == [
            "core",
            "auth_local",
            "storage_local",
            "git_local",
            "runner_local",
        ]
        for seam in ("auth", "storage", "git", "runner", "engine", "cache", "bus"):
            assert app.providers.default(seam) == "default"
        assert app.cache is app.providers.get(Cache, "default")
        assert set(app.entities) == set(app.registries.entities)
        assert app.keys.signing.key_id


async def test_a_unit_of_work_commits_and_a_read_unit_sees_it(ready: Settings) -> None:
    async with Computor(ready, clock=Clock()) as app:
        async with app.uow(SYSTEM, request_id="r1") as work:
            assert (work.now, work.request_id) == (Clock().now(), "r1")
            await work.connection.execute(
                insert(ProviderBinding).values(scope="global", seam="storage", instance="default")
            )
        async with app.read(SYSTEM, now=Clock().now() + timedelta(days=1)) as unit:
            assert await unit.connection.scalar(select(ProviderBinding.instance)) == "default"
            assert unit.now.day == 3


async def test_nothing_runs_until_running_is_entered(ready: Settings) -> None:
    async with Computor(ready) as app:
        before = {task.get_name() for task in asyncio.all_tasks()}
        async with app.running():
            during = {task.get_name() for task in asyncio.all_tasks()}
            assert any("agent" in name for name in during - before)
            assert any("outbox" in name for name in during - before)
        assert {task.get_name() for task in asyncio.all_tasks()} == before


lives: list[str] = []


@asynccontextmanager
async def living(context: AppContext) -> AsyncIterator[None]:
    lives.append(f"{context.plugin} in")
    yield
    lives.append(f"{context.plugin} out")


@pytest.mark.parametrize("order", [["one", "two"], ["two", "one"]])
async def test_lifespans_are_entered_in_the_order_of_the_settings_and_left_in_the_reverse(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, order: list[str]
) -> None:
    module = types.ModuleType("test_application_lifespans")
    module.living = living  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(assembly, "scan", lambda: tuple(_with_lifespan(name) for name in ("one", "two")))
    wanted = await migrated(settings(tmp_path / "var", plugins={"enabled": order}))
    lives.clear()
    async with Computor(wanted) as app:
        assert lives == []
        async with app.running():
            assert lives == [f"{name} in" for name in order]
    assert lives == [*(f"{name} in" for name in order), *(f"{name} out" for name in reversed(order))]


def _with_lifespan(name: str) -> InstalledPlugin:
    class Plugin:
        meta: ClassVar[PluginMeta] = PluginMeta(name=name, summary="Lives")

        @hookimpl
        def computor_lifespan(self) -> list[LifespanRegistration]:
            return [LifespanRegistration("test_application_lifespans:living")]

    entry = cast("Any", types.SimpleNamespace(load=lambda: Plugin))
    return InstalledPlugin(name, f"m:{name}", f"dist-{name}", "1.0", ("computor-core<1",), entry)


async def test_closing_twice_is_fine_and_a_closed_application_doesnt_start_again(ready: Settings) -> None:
    app = Computor(ready)
    async with app:
        pass
    await app.aclose()
    with pytest.raises(RuntimeError, match="build a new one"):
        await app.__aenter__()


async def test_an_application_that_wasnt_started_has_no_units(ready: Settings) -> None:
    with pytest.raises(RuntimeError, match="isn't started"):
        Computor(ready).uow(SYSTEM)


async def test_two_applications_of_a_process_share_nothing(tmp_path: Path) -> None:
    one, two = [await migrated(settings(tmp_path / name)) for name in ("one", "two")]
    async with Computor(one) as first, Computor(two) as second:
        assert first.plugins.active[1].plugin is not second.plugins.active[1].plugin
        assert first.keys.signing.key_id != second.keys.signing.key_id
        async with first.running(), second.running():
            pass


# --- what it refuses ------------------------------------------------------------------------------


async def test_a_second_host_on_the_same_file_is_refused(ready: Settings) -> None:
    async with Computor(ready) as one, Computor(ready) as two, one.running():
        with pytest.raises(ConfigurationError, match="in use by another host"):
            async with two.running():
                pytest.fail("two hosts at a time")


async def test_without_a_database_it_says_what_to_run_and_makes_none(tmp_path: Path) -> None:
    with pytest.raises(SchemaVersionError, match="no database") as caught:
        async with Computor(settings(tmp_path / "var")):
            pytest.fail("started on nothing")
    assert caught.value.exit_status == 78
    assert "computor db upgrade" in (caught.value.hint or "")
    assert not (tmp_path / "var").exists()


async def test_a_plugins_pending_migration_stops_the_start(tmp_path: Path) -> None:
    wanted = settings(tmp_path / "var")
    wanted.data_dir.mkdir()
    database = Database(wanted.database_url)
    await runner.upgrade(database, assemble(wanted).plugins.registries, only="core")
    await database.aclose()
    with pytest.raises(SchemaVersionError, match="older than the installed code: auth_local is at nothing"):
        async with Computor(wanted):
            pytest.fail("started on half a schema")


async def test_a_newer_database_stops_the_start(ready: Settings) -> None:
    from sqlalchemy import text

    await change(ready, text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(SchemaVersionError, match="newer than the installed code: core is at revision 9999"):
        async with Computor(ready):
            pytest.fail("started on a newer schema")


@pytest.mark.parametrize(
    "statement",
    [
        delete(RoleAction).where(RoleAction.role_id == "course:_tutor", RoleAction.action == "grade.write"),
        insert(RoleAction).values(role_id="course:_student", action="grade.write"),
        update(Role).where(Role.id == "course:_tutor").values(title="Helper"),
    ],
)
async def test_roles_that_arent_the_codes_stop_the_start_until_the_next_upgrade(
    ready: Settings, statement: Any
) -> None:
    await change(ready, statement)
    with pytest.raises(SchemaVersionError, match="roles in the database aren't those") as caught:
        async with Computor(ready):
            pytest.fail("started with other roles")
    assert caught.value.hint == "run computor db upgrade"
    await migrated(ready)
    async with Computor(ready):
        pass


async def test_an_instance_that_rows_refer_to_must_be_in_the_settings(ready: Settings) -> None:
    now = datetime.now(UTC)
    blob = {
        "sha256": "0" * 64,
        "size": 0,
        "references": 1,
        "state": "kept",
        "created_at": now,
        "updated_at": now,
    }
    await change(
        ready,
        insert(Blob).values(id=new_id(), storage_instance="archive", **blob),
        insert(Blob).values(id=new_id(), storage_instance="default", **blob),
        insert(ProviderBinding).values(scope="global", seam="git", instance="forge"),
    )
    with pytest.raises(ConfigurationError, match="instances that the settings don't name") as caught:
        async with Computor(ready):
            pytest.fail("started without an instance that is needed")
    assert caught.value.details["missing"] == [
        "git instance 'forge' (table provider_binding)",
        "storage instance 'archive' (table blob)",
    ]
    local = {"type": "local"}
    wanted = settings(
        ready.data_dir,
        storage={"instances": {"default": local, "archive": local}},
        git={"instances": {"default": local, "forge": local}},
    )
    async with Computor(wanted):
        pass


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"plugins": {"enabled": ["storage_mini"]}}, "did you mean"),
        ({"storage": {"instances": {"default": {"type": "local", "colour": "red"}}}}, "colour"),
        ({"storage": {"instances": {"default": {"type": "loca"}}}}, "did you mean 'local'"),
        ({"security": {"signing_key_file": "/nowhere/key.pem"}}, "/nowhere/key.pem can't be read"),
        ({"database": {"url": "mysql://x/y"}}, "unsupported system 'mysql'"),
    ],
)
async def test_wrong_settings_are_one_clear_error(
    ready: Settings, changes: dict[str, Any], says: str
) -> None:
    with pytest.raises(ConfigurationError, match=says) as caught:
        async with Computor(settings(ready.data_dir, **changes)):
            pytest.fail("started with wrong settings")
    assert caught.value.exit_status == 78


async def test_a_file_where_the_data_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "var").write_text("")
    with pytest.raises(ConfigurationError, match="var is a file, and the database should be in it"):
        async with Computor(settings(tmp_path / "var")):
            pytest.fail("started on a file")


async def test_what_was_opened_is_closed_when_the_start_fails(
    ready: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bus, the last instance to open, fails; the storage has been opened by then."""
    import computor_storage_local.provider as storage

    from computor_core.events import memory_bus

    closed = []
    real = storage.open_storage

    @asynccontextmanager
    async def watched(settings: Any, context: Any) -> AsyncIterator[Any]:
        try:
            async with real(settings, context) as provider:
                yield provider
        finally:
            closed.append(context.instance)

    monkeypatch.setattr(storage, "open_storage", watched)
    monkeypatch.setattr(memory_bus, "create", lambda *_: 1 / 0)
    with pytest.raises(PluginError, match=r"bus instance 'default' .* can't be opened: ZeroDivisionError"):
        async with Computor(ready):
            pytest.fail("started without a bus")
    assert closed == ["default"]


# --- providers ------------------------------------------------------------------------------------


async def test_no_provider_is_called_inside_a_unit_of_work(ready: Settings) -> None:
    async def nothing() -> AsyncIterator[bytes]:
        yield b""

    async with Computor(ready) as app:
        storage = app.providers.get(StorageBackend, "default")
        async with app.uow(SYSTEM):
            with pytest.raises(RuntimeError, match="put was called inside a unit of work"):
                await storage.put(PutBlob(nothing()))
        assert (await storage.put(PutBlob(nothing()))).size == 0


async def test_a_plugins_context_has_a_folder_and_its_settings(ready: Settings) -> None:
    async with Computor(ready) as app:
        context = app.context("git_local")
        assert context.data_dir == ready.data_dir / "plugins" / "git_local"
        assert context.data_dir.is_dir()
        assert context.settings is None
        assert context.public_url == "http://127.0.0.1:8000"
        assert context.log.name == "computor.plugins.git_local"
        async with context.services.read(SYSTEM) as unit:
            assert unit.principal is SYSTEM


async def test_errors_of_a_start_are_json_for_programs(ready: Settings) -> None:
    with pytest.raises(PluginError) as caught:
        async with Computor(settings(ready.data_dir, plugins={"enabled": ["nobody"]})):
            pytest.fail("started without a plugin")
    assert json.loads(json.dumps(caught.value.details))["problems"][0]["plugin"] == "nobody"
