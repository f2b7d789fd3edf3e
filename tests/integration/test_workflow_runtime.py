"""Runs around their engine: starting, parking, cancelling, settling, and news that gets lost."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from sqlalchemy import func, select, update

from computor_core.db.engine import Database
from computor_core.errors import ConfigurationError, ConflictError, NotFoundError, UnavailableError
from computor_core.events.memory_bus import MemoryBus
from computor_core.events.wakeups import Wakeups
from computor_core.model import Outbox, WorkflowRun, WorkflowSignal, WorkflowStep
from computor_core.plugin_api.db import UnitOfWork
from computor_core.plugin_api.principal import Principal
from computor_core.plugin_api.registrations import WorkflowRegistration
from computor_core.plugin_api.workflows import PayloadLimitError, RunState
from computor_core.testing.engine_host import TESTER, EngineHostApp, create_tables
from computor_core.workflows.database_time import database_time
from computor_core.workflows.in_process import InProcessEngine, InProcessSettings
from computor_core.workflows.journal import Changes, Journal
from computor_core.workflows.leases import LeaseLostError
from computor_core.workflows.registry import WorkflowRegistry
from computor_core.workflows.runtime import RunDescription, RunFailedError, WorkflowRuntime
from computor_core.workflows.samples import steps as samples
from computor_core.workflows.samples.ledger import Ledger, Record

PATIENCE = 30


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
async def app(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[EngineHostApp]:
    sqlite = f"sqlite+aiosqlite:///{tmp_path}/runtime.db"
    database = Database(sqlite if request.param == "sqlite" else request.getfixturevalue("postgres_url"))
    await create_tables(database)
    yield EngineHostApp(database, tmp_path)
    await database.aclose()


def engine_of(app: EngineHostApp) -> InProcessEngine:
    return InProcessEngine(app, "default", InProcessSettings(poll_seconds=0.1))


@pytest.fixture
def runtime(app: EngineHostApp) -> WorkflowRuntime:
    return app.runtime(engine_of(app))


def without(name: str, version: int) -> list[WorkflowRegistration]:
    return [item for item in samples.workflows() if (item.name, item.version) != (name, version)]


async def settled_run(runtime: WorkflowRuntime, run_id: UUID) -> RunDescription:
    async with asyncio.timeout(PATIENCE):
        return await runtime.wait(run_id)


async def settled(runtime: WorkflowRuntime, run_id: UUID) -> RunState:
    return (await settled_run(runtime, run_id)).state


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not await condition():  # noqa: ASYNC110 - what is looked at is in the database
            await asyncio.sleep(0.02)


async def until_state(runtime: WorkflowRuntime, run_id: UUID, state: RunState) -> None:
    async def reached() -> bool:
        return (await runtime.describe(run_id)).state is state

    await until(reached)


async def until_waiting(app: EngineHostApp, run_id: UUID) -> None:
    async def waits() -> bool:
        return await app.waits(run_id)

    await until(waits)


async def count(app: EngineHostApp, table: type) -> int:
    async with app.read(TESTER) as reading:
        return (await reading.connection.execute(select(func.count()).select_from(table))).scalar_one()


# --- starting ---------------------------------------------------------------------------------


async def test_a_start_is_pending_until_a_host_runs(app: EngineHostApp, runtime: WorkflowRuntime) -> None:
    run_id = await app.start("sample.chain", {"amount": 1})
    waiting = await runtime.describe(run_id)
    assert (waiting.state, waiting.workflow, waiting.version, waiting.engine) == (
        RunState.PENDING,
        "sample.chain",
        1,
        "default",
    )
    async with app.running(runtime):
        assert await runtime.result(run_id) == 112


async def test_a_unit_that_fails_starts_nothing(app: EngineHostApp, runtime: WorkflowRuntime) -> None:
    async def change_of_mind() -> None:
        async with app.uow(TESTER) as work:
            work.start_workflow("sample.chain", {"amount": 1})
            work.signal("sample.go", "never", {})
            raise LookupError("not after all")

    with pytest.raises(LookupError):
        await change_of_mind()
    assert [await count(app, table) for table in (Outbox, WorkflowSignal)] == [0, 0]


async def test_an_unknown_workflow_cant_be_started(app: EngineHostApp, runtime: WorkflowRuntime) -> None:
    with pytest.raises(NotFoundError):
        await app.start("sample.nowhere", {})
    assert await count(app, Outbox) == 0


async def test_large_starts_and_signals_are_refused(app: EngineHostApp, runtime: WorkflowRuntime) -> None:
    large = {"text": "x" * 70_000}
    with pytest.raises(PayloadLimitError):
        await app.start("sample.chain", large)
    with pytest.raises(PayloadLimitError):
        await app.signal("sample.go", "large", large)
    assert [await count(app, table) for table in (Outbox, WorkflowSignal)] == [0, 0]


async def test_an_input_that_doesnt_fit_fails_the_run(app: EngineHostApp, runtime: WorkflowRuntime) -> None:
    async with app.running(runtime):
        run_id = await app.start("sample.typed", {"id": "no id"})
        assert await settled(runtime, run_id) is RunState.FAILED
    assert (await runtime.describe(run_id)).failure is not None
    assert app.ledger.counts(run_id) == {}


async def test_a_result_that_there_isnt_is_an_error(app: EngineHostApp, runtime: WorkflowRuntime) -> None:
    async with app.running(runtime):
        run_id = await app.start("sample.unlucky", {})
        with pytest.raises(RunFailedError) as caught:
            await runtime.result(run_id)
    assert caught.value.details == {"state": "failed", "failure": "step_failed"}


async def test_a_run_that_there_isnt_isnt_found(runtime: WorkflowRuntime) -> None:
    for ask in (runtime.describe, runtime.cancel, runtime.result, runtime.progress):
        with pytest.raises(NotFoundError):
            await ask(uuid4())


def test_the_default_engine_must_be_there(app: EngineHostApp) -> None:
    registry = WorkflowRegistry(samples.workflows(), samples.steps())
    with pytest.raises(ConfigurationError):
        WorkflowRuntime(app=app, registry=registry, engines={}, default_engine="x", wakeups=app.wakeups)


# --- parking ----------------------------------------------------------------------------------


async def test_a_start_of_a_version_that_isnt_installed_is_parked(app: EngineHostApp) -> None:
    complete = app.runtime(engine_of(app))
    run_id = await app.start("sample.versions", {"key": "parked"})
    lacking = app.runtime(engine_of(app), without("sample.versions", 2))
    async with app.running(lacking):
        await until_state(lacking, run_id, RunState.PARKED)
        other = await app.start("sample.chain", {})
        assert await settled(lacking, other) is RunState.COMPLETED
    assert app.ledger.counts(run_id) == {}
    async with app.running(complete):
        await app.signal("sample.go", "parked", {})
        assert await complete.result(run_id) == "2:10"


async def test_a_run_whose_version_is_gone_is_parked_until_it_is_back(app: EngineHostApp) -> None:
    complete = app.runtime(engine_of(app))
    async with app.running(complete):
        run_id = await app.start("sample.versions", {"key": "gone"})
        await until_waiting(app, run_id)
    await app.signal("sample.go", "gone", {})
    lacking = app.runtime(engine_of(app), without("sample.versions", 2))
    async with app.running(lacking):
        await until_state(lacking, run_id, RunState.PARKED)
    back = app.runtime(engine_of(app))
    async with app.running(back):
        assert await back.result(run_id) == "2:10"


# --- cancelling -------------------------------------------------------------------------------


async def test_a_start_that_is_cancelled_in_time_never_runs(
    app: EngineHostApp, runtime: WorkflowRuntime
) -> None:
    run_id = await app.start("sample.chain", {})
    await runtime.cancel(run_id)
    async with app.running(runtime):
        assert await settled(runtime, run_id) is RunState.CANCELLED
    assert app.ledger.counts(run_id) == {}
    assert [item.value for item in app.ledger.of(run_id, "settled")] == [
        "cancelled:the workflow was cancelled"
    ]


async def test_a_parked_start_can_be_cancelled(app: EngineHostApp) -> None:
    app.runtime(engine_of(app))
    run_id = await app.start("sample.versions", {"key": "parked"})
    lacking = app.runtime(engine_of(app), without("sample.versions", 2))
    async with app.running(lacking):
        await until_state(lacking, run_id, RunState.PARKED)
        await lacking.cancel(run_id)
        assert (await lacking.describe(run_id)).state is RunState.CANCELLED
    complete = app.runtime(engine_of(app))
    async with app.running(complete):
        assert await settled(complete, run_id) is RunState.CANCELLED
    assert app.ledger.counts(run_id) == {}


async def test_cancelling_twice_cleans_up_once(app: EngineHostApp, runtime: WorkflowRuntime) -> None:
    async with app.running(runtime):
        run_id = await app.start("sample.cancellable", {"key": "twice"})
        await until_waiting(app, run_id)
        await asyncio.gather(runtime.cancel(run_id), runtime.cancel(run_id))
        assert await settled(runtime, run_id) is RunState.CANCELLED
        await runtime.cancel(run_id)
    assert app.ledger.counts(run_id)["sample.clean_up"] == 1


# --- events -----------------------------------------------------------------------------------


async def test_an_event_reaches_every_run_that_waits_for_it(
    app: EngineHostApp, runtime: WorkflowRuntime
) -> None:
    async with app.running(runtime):
        runs = [await app.start("sample.wait", {"key": "shared"}) for _ in range(3)]
        for run_id in runs:
            await until_waiting(app, run_id)
        await app.signal("sample.go", "shared", {"amount": 1})
        assert [await runtime.result(run_id) for run_id in runs] == [11, 11, 11]


async def test_an_event_that_is_sent_again_changes_nothing(
    app: EngineHostApp, runtime: WorkflowRuntime
) -> None:
    """Before and after it was delivered."""
    async with app.running(runtime):
        first = await app.start("sample.wait", {"key": "single"})
        await app.signal("sample.go", "single", {"amount": 1})
        assert await runtime.result(first) == 11
        await app.signal("sample.go", "single", {"amount": 1})
    assert await count(app, WorkflowSignal) == 1


async def test_an_event_with_another_payload_is_refused_with_its_unit(
    app: EngineHostApp, runtime: WorkflowRuntime
) -> None:
    await app.signal("sample.go", "single", {"amount": 1})
    with pytest.raises(ConflictError, match=r"sample\.go was sent with another payload"):
        await app.signal("sample.go", "single", {"amount": 2})
    assert await count(app, WorkflowSignal) == 1


# --- settling ---------------------------------------------------------------------------------


class UnwillingLedger(Ledger):
    """Refuses the first records of a kind, as a finalizer's database might."""

    def __init__(self, refusals: int) -> None:
        super().__init__()
        self.left = refusals

    def enter(self, record: Record) -> None:
        if record.what == "settled" and self.left:
            self.left -= 1
            raise ConnectionError("away")
        super().enter(record)


async def test_a_finalizer_that_fails_is_tried_until_it_succeeds(
    app: EngineHostApp, runtime: WorkflowRuntime
) -> None:
    app.ledger = UnwillingLedger(2)
    async with app.running(runtime):
        run_id = await app.start("sample.chain", {})
        await until_state(runtime, run_id, RunState.COMPLETED)
        assert (await runtime.describe(run_id)).settled_at is None
        assert await settled(runtime, run_id) is RunState.COMPLETED
    assert len(app.ledger.of(run_id, "settled")) == 1
    assert app.ledger.counts(run_id) == {"sample.first": 1, "sample.second": 1, "sample.third": 1}


async def test_a_finalizer_that_is_interrupted_is_due_at_once(app: EngineHostApp) -> None:
    class HangingLedger(Ledger):
        hangs = True
        reached = asyncio.Event()

        async def announce(self) -> None:
            if self.of(run_id, "settled") and self.hangs:
                self.reached.set()
                await asyncio.Event().wait()
            await super().announce()

    app.ledger = HangingLedger()
    first = app.runtime(engine_of(app))
    run_id = await app.start("sample.chain", {})
    await first.cancel(run_id)
    async with app.running(first):
        await app.ledger.reached.wait()
    app.ledger.hangs = False
    async with app.read(TESTER) as reading:
        due = select(WorkflowRun.settle_at <= database_time()).where(WorkflowRun.id == run_id)
        assert (await reading.connection.execute(due)).scalar_one()
    second = app.runtime(engine_of(app))
    async with app.running(second):
        assert await settled(second, run_id) is RunState.CANCELLED
    assert len(app.ledger.of(run_id, "settled")) == 2


# --- the journal ------------------------------------------------------------------------------


async def test_a_run_that_leaves_its_journals_path_fails_and_is_settled(app: EngineHostApp) -> None:
    first = app.runtime(engine_of(app))
    async with app.running(first):
        run_id = await app.start("sample.wait", {"key": "changed"})
        await until_waiting(app, run_id)
    async with app.uow(TESTER) as work:
        changed = update(WorkflowStep).where(WorkflowStep.run_id == run_id, WorkflowStep.position == "1")
        await work.connection.execute(changed.values(name="sample.third"))
    await app.signal("sample.go", "changed", {"amount": 1})
    second = app.runtime(engine_of(app))
    async with app.running(second):
        assert await settled(second, run_id) is RunState.FAILED
    failure = (await second.describe(run_id)).failure
    assert failure is not None
    assert (failure.code, failure.details["recorded"], failure.details["asked"]) == (
        "workflow_non_determinism",
        "sample.third",
        "sample.first",
    )
    assert len(app.ledger.of(run_id, "settled")) == 1


async def test_a_host_that_was_overtaken_writes_nothing(app: EngineHostApp, runtime: WorkflowRuntime) -> None:
    run_id = uuid4()
    async with app.uow(TESTER) as work:
        work.session.add(
            WorkflowRun(
                id=run_id, workflow="sample.chain", workflow_version=1, engine_instance="default", input={}
            )
        )
    journal = Journal(app, run_id, 0)
    await journal.load()
    await journal.write(Changes(progress={"done": 1}))
    async with app.uow(TESTER) as work:
        await work.connection.execute(update(WorkflowRun).values(lease_epoch=1))
    writes: list[Callable[[], Awaitable[object]]] = [
        journal.load,
        lambda: journal.observe([], []),
        lambda: journal.write(Changes(progress={"done": 2})),
        lambda: journal.close_wait("1"),
        lambda: journal.let_go(Changes()),
        lambda: journal.end(Changes(), RunState.COMPLETED, 1, None),
    ]
    for write in writes:
        with pytest.raises(LeaseLostError):
            await write()
    assert not await journal.suspend(None, 0)
    run = await runtime.describe(run_id)
    assert (run.state, run.progress, run.output) == (RunState.PENDING, {"done": 1}, None)


async def test_a_run_isnt_laid_aside_over_news(app: EngineHostApp, runtime: WorkflowRuntime) -> None:
    run_id = await app.start("sample.wait", {"key": "news"})
    async with app.running(runtime):
        await until_waiting(app, run_id)
        await until_state(runtime, run_id, RunState.WAITING)
    async with app.read(TESTER) as reading:
        epoch = (await reading.connection.execute(select(WorkflowRun.lease_epoch))).scalar_one()
    journal = Journal(app, run_id, epoch)
    seen = await journal.observe([], [])
    async with app.uow(TESTER) as work:
        await work.connection.execute(update(WorkflowRun).values(news=WorkflowRun.news + 1))
    assert not await journal.suspend(None, seen.news)
    assert await journal.suspend(None, seen.news + 1)


class FailingApp(EngineHostApp):
    """A database that goes away after a number of further units, and comes back after some more."""

    units_left: int | None = None
    refusals = 0

    def uow(self, principal: Principal) -> AbstractAsyncContextManager[UnitOfWork]:
        if self.units_left is not None:
            self.units_left -= 1
            if self.units_left < 0 and self.refusals:
                self.refusals -= 1
                raise UnavailableError("the database is away")
        return super().uow(principal)


@pytest.mark.parametrize("units", range(2, 12))
async def test_a_database_that_goes_away_for_a_moment_fails_no_run(units: int, tmp_path: Path) -> None:
    """Wherever the run happens to be; its lease runs out, and it is taken up again."""
    database = Database(f"sqlite+aiosqlite:///{tmp_path}/away.db")
    await create_tables(database)
    app = FailingApp(database, tmp_path)
    engine = InProcessEngine(app, "default", InProcessSettings(poll_seconds=0.1, lease_seconds=0.4))
    runtime = app.runtime(engine)
    async with app.running(runtime):
        run_id = await app.start("sample.chain", {"amount": 5})
        app.units_left, app.refusals = units, 2
        run = await settled_run(runtime, run_id)
    assert (run.state, run.output) == (RunState.COMPLETED, 116)
    await database.aclose()


async def test_a_lease_is_renewed_as_long_as_its_run_is_carried(tmp_path: Path) -> None:
    database = Database(f"sqlite+aiosqlite:///{tmp_path}/renewed.db")
    await create_tables(database)
    app = EngineHostApp(database, tmp_path)
    engine = InProcessEngine(app, "default", InProcessSettings(poll_seconds=0.05, lease_seconds=0.5))
    runtime = app.runtime(engine)

    async def lease() -> datetime | None:
        async with app.read(TESTER) as reading:
            return (await reading.connection.execute(select(WorkflowRun.lease_until))).scalar_one()

    async with app.running(runtime):
        run_id = await app.start("sample.slow", {"amount": 1, "key": "let go"})
        await app.ledger.until(lambda records: any(item.what == "began" for item in records))
        taken = await lease()
        assert taken is not None

        async def held_on_past_its_first_end() -> bool:
            until = await lease()
            return until is not None and until > taken + timedelta(seconds=1)

        await until(held_on_past_its_first_end)
        await app.ledger.let("let go")
        assert await settled(runtime, run_id) is RunState.COMPLETED
    assert app.ledger.counts(run_id, "began") == {"sample.slow": 1}
    await database.aclose()


async def test_a_host_that_cant_renew_its_leases_stops_its_steps(tmp_path: Path) -> None:
    """Another host may carry the run by then; when the database is back, this one does."""
    database = Database(f"sqlite+aiosqlite:///{tmp_path}/fenced.db")
    await create_tables(database)
    app = FailingApp(database, tmp_path)
    engine = InProcessEngine(app, "default", InProcessSettings(poll_seconds=0.05, lease_seconds=0.3))
    runtime = app.runtime(engine)
    async with app.running(runtime), asyncio.timeout(PATIENCE):
        run_id = await app.start("sample.slow", {"amount": 1, "key": "let go"})
        await app.ledger.until(lambda records: any(item.what == "began" for item in records))
        app.units_left, app.refusals = 0, 1_000_000
        await app.ledger.until(lambda records: any(item.what == "cancelled" for item in records))
        app.refusals = 0
        await app.ledger.let("let go")
        assert await settled(runtime, run_id) is RunState.COMPLETED
    assert app.ledger.counts(run_id)["sample.slow"] == 1
    await database.aclose()


# --- lost news --------------------------------------------------------------------------------


class DeafWakeups(Wakeups):
    """Loses every wake-up."""

    def notify(self, topic: str, key: str = "") -> None:
        return


async def test_lost_wake_ups_only_delay(app: EngineHostApp) -> None:
    app.wakeups = DeafWakeups(MemoryBus())

    class DeafEngine(InProcessEngine):
        def wake(self, run_id: UUID | None = None) -> None:
            return

    runtime = app.runtime(DeafEngine(app, "default", InProcessSettings(poll_seconds=0.1)))
    async with app.running(runtime):
        waiting = await app.start("sample.wait", {"key": "unheard"})
        parent = await app.start("sample.parent", {"amount": 5})
        cancelled = await app.start("sample.cancellable", {"key": "never"})
        await until_waiting(app, cancelled)
        await runtime.cancel(cancelled)
        await app.signal("sample.go", "unheard", {"amount": 5})
        async with asyncio.timeout(PATIENCE):
            assert await runtime.result(waiting) == 15
            assert await runtime.result(parent) == 216
            assert await settled(runtime, cancelled) is RunState.CANCELLED
