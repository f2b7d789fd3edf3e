"""Several hosts on PostgreSQL carry the runs of one deployment."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from computor_core.db.engine import Database
from computor_core.plugin_api.workflows import RunState
from computor_core.testing.engine_host import EngineHostApp, create_tables
from computor_core.workflows.in_process import InProcessEngine, InProcessSettings
from computor_core.workflows.run_task import RunTask
from computor_core.workflows.samples.ledger import Ledger

pytestmark = pytest.mark.postgres
PATIENCE = 60


class CountingEngine(InProcessEngine):
    """Knows which runs this host has carried."""

    def __init__(self, app: EngineHostApp, **settings: float) -> None:
        super().__init__(
            app, "default", InProcessSettings(**{"poll_seconds": 0.1, "concurrency": 4, **settings})
        )
        self.carried_here: set[str] = set()

    async def _carry(self, task: RunTask) -> None:
        self.carried_here.add(str(task.run_id))
        await super()._carry(task)


class FrozenEngine(CountingEngine):
    """A host that doesn't renew its leases, as one that hangs."""

    async def _renew_pass(self) -> timedelta | None:
        return None


@asynccontextmanager
async def hosts(url: str, folder: Path, number: int) -> AsyncIterator[list[EngineHostApp]]:
    """Applications with a pool of their own on one database, writing into one ledger."""
    ledger = Ledger()
    async with AsyncExitStack() as stack:
        apps = []
        for _ in range(number):
            database = Database(url, pool_size=4)
            stack.push_async_callback(database.aclose)
            apps.append(EngineHostApp(database, folder, ledger))
        await create_tables(apps[0].database)
        yield apps


async def test_two_hosts_share_the_runs(postgres_url: str, tmp_path: Path) -> None:
    async with hosts(postgres_url, tmp_path, 2) as (here, there):
        engines = [CountingEngine(here), CountingEngine(there)]
        runtimes = [app.runtime(engine) for app, engine in zip((here, there), engines, strict=True)]
        runs = [await here.start("sample.chain", {"amount": number}) for number in range(40)]
        async with here.running(runtimes[0]), there.running(runtimes[1]), asyncio.timeout(PATIENCE):
            outputs = [await runtimes[0].result(run_id) for run_id in runs]
        assert outputs == [number + 111 for number in range(40)]
        for run_id in runs:
            once = {"sample.first": 1, "sample.second": 1, "sample.third": 1}
            assert here.ledger.counts(run_id) == once
            assert len(here.ledger.of(run_id, "settled")) == 1
        assert all(engine.carried_here for engine in engines)
        assert engines[0].carried_here.isdisjoint(engines[1].carried_here)


async def test_a_signal_sent_on_one_host_reaches_a_run_on_the_other(
    postgres_url: str, tmp_path: Path
) -> None:
    """Without a bus between them: each looks by itself."""
    async with hosts(postgres_url, tmp_path, 2) as (here, there):
        runtime = here.runtime(CountingEngine(here))
        there.runtime(CountingEngine(there))
        async with here.running(runtime), asyncio.timeout(PATIENCE):
            run_id = await there.start("sample.wait", {"key": "far"})
            while not await there.waits(run_id):  # noqa: ASYNC110 - what is looked at is in the database
                await asyncio.sleep(0.02)
            await there.signal("sample.go", "far", {"amount": 5})
            assert await runtime.result(run_id) == 15


async def test_the_runs_of_a_silent_host_are_taken_over_and_it_is_kept_out(
    postgres_url: str, tmp_path: Path
) -> None:
    async with hosts(postgres_url, tmp_path, 2) as (silent, taking):
        frozen = FrozenEngine(silent, lease_seconds=0.5)
        taker = CountingEngine(taking, lease_seconds=5)
        first, second = silent.runtime(frozen), taking.runtime(taker)
        async with silent.running(first), asyncio.timeout(PATIENCE):
            run_id = await silent.start("sample.slow", {"amount": 1, "key": "let go"})
            while not silent.ledger.of(run_id, "began"):
                await silent.ledger.until(lambda records: any(item.what == "began" for item in records))
            async with taking.running(second):
                await silent.ledger.until(lambda records: sum(item.what == "began" for item in records) == 2)
                await silent.ledger.let("let go")
                run = await second.wait(run_id)
        # Both hosts' attempts had their effect, under one key; only the taker's result counts.
        assert (run.state, run.output) == (RunState.COMPLETED, 11)
        assert frozen.carried_here == taker.carried_here == {str(run_id)}
        effects = silent.ledger.of(run_id)
        assert len({item.key for item in effects if item.step == "sample.slow"}) == 1
        assert [item.step for item in effects].count("sample.second") == 1
        assert {item.attempt for item in silent.ledger.of(run_id, "began")} == {1, 2}
