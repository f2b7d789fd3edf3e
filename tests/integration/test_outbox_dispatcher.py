"""Every committed start reaches its engine, whatever fails on the way; nothing else does."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextvars import Context
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import select, update

from computor_core.db.engine import Database
from computor_core.errors import ProviderInvalidError, ProviderUnavailableError
from computor_core.model import Outbox, WorkflowRun
from computor_core.plugin_api.providers.engine import StartRun, WorkflowEngine
from computor_core.testing.engine_host import TESTER, EngineHostApp, create_tables
from computor_core.workflows.in_process import InProcessEngine, InProcessSettings
from computor_core.workflows.outbox import OutboxDispatcher
from computor_core.workflows.registry import WorkflowRegistry
from computor_core.workflows.samples import steps as samples

REGISTRY = WorkflowRegistry(samples.workflows(), samples.steps())


class RecordingEngine(WorkflowEngine):
    """Counts starts, and fails them as it is told."""

    def __init__(self) -> None:
        self.started: Counter[UUID] = Counter()
        self.failures: dict[UUID, list[Exception]] = {}

    async def start(self, request: StartRun) -> None:
        await asyncio.sleep(0)
        if self.failures.get(request.run_id):
            raise self.failures[request.run_id].pop()
        self.started[request.run_id] += 1


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
async def app(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[EngineHostApp]:
    sqlite = f"sqlite+aiosqlite:///{tmp_path}/outbox.db"
    database = Database(sqlite if request.param == "sqlite" else request.getfixturevalue("postgres_url"))
    await create_tables(database)
    app = EngineHostApp(database, tmp_path)
    app.runtime(InProcessEngine(app, "default", InProcessSettings()))
    yield app
    await database.aclose()


@pytest.fixture
def engine() -> RecordingEngine:
    return RecordingEngine()


def dispatcher_of(app: EngineHostApp, engine: RecordingEngine) -> OutboxDispatcher:
    return OutboxDispatcher(app, REGISTRY, {"default": engine})


async def row(app: EngineHostApp, run_id: UUID) -> Outbox:
    async with app.uow(TESTER) as work:
        return (await work.session.execute(select(Outbox).where(Outbox.run_id == run_id))).scalar_one()


async def make_due(app: EngineHostApp) -> None:
    """Time passes for what waits for its next try."""
    async with app.uow(TESTER) as work:
        past = datetime.now(UTC) - timedelta(hours=1)
        await work.connection.execute(update(Outbox).values(available_at=past))


async def test_a_start_is_dispatched_once(app: EngineHostApp, engine: RecordingEngine) -> None:
    run_id = await app.start("sample.chain", {"amount": 1})
    for _ in range(3):
        await dispatcher_of(app, engine).dispatch()
    assert engine.started == {run_id: 1}
    assert (await row(app, run_id)).dispatched_at is not None


async def test_the_run_is_entered_before_its_engine_hears_of_it(app: EngineHostApp) -> None:
    entered: list[str] = []

    class LookingEngine(RecordingEngine):
        async def start(self, request: StartRun) -> None:
            async with app.read(TESTER) as reading:
                found = select(WorkflowRun.state).where(WorkflowRun.id == request.run_id)
                entered.append((await reading.connection.execute(found)).scalar_one())

    await app.start("sample.limited", {})
    await dispatcher_of(app, LookingEngine()).dispatch()
    assert entered == ["pending"]
    async with app.read(TESTER) as reading:
        assert (await reading.connection.execute(select(WorkflowRun.deadline_at))).scalar_one() is not None


async def test_a_start_that_fails_is_tried_again_later(app: EngineHostApp, engine: RecordingEngine) -> None:
    run_id = await app.start("sample.chain", {})
    engine.failures[run_id] = [ProviderUnavailableError("still away"), ProviderUnavailableError("away")]
    dispatcher = dispatcher_of(app, engine)
    waits: list[timedelta] = []
    for message in ("away", "still away"):
        await dispatcher.dispatch()
        waiting = await row(app, run_id)
        assert waiting.dispatched_at is None
        assert message in waiting.last_error
        waits.append(waiting.available_at - datetime.now(UTC))
        await dispatcher.dispatch()
        assert engine.started == {}
        await make_due(app)
    assert waits[1] > waits[0]
    await dispatcher.dispatch()
    assert engine.started == {run_id: 1}
    done = await row(app, run_id)
    assert (done.attempts, done.last_error) == (3, "")


@pytest.mark.parametrize("error", [ProviderInvalidError("malformed"), LookupError("a fault in the engine")])
async def test_a_start_that_fails_holds_up_no_other(
    error: Exception, app: EngineHostApp, engine: RecordingEngine
) -> None:
    poisoned = await app.start("sample.chain", {})
    engine.failures[poisoned] = [error] * 10
    others = [await app.start("sample.chain", {}) for _ in range(5)]
    await dispatcher_of(app, engine).dispatch()
    assert engine.started == dict.fromkeys(others, 1)
    assert (await row(app, poisoned)).last_error


async def test_an_unexpected_error_leaves_no_text_of_its_own(
    app: EngineHostApp, engine: RecordingEngine
) -> None:
    run_id = await app.start("sample.chain", {})
    engine.failures[run_id] = [LookupError("the password is hunter2")]
    await dispatcher_of(app, engine).dispatch()
    assert "hunter2" not in (await row(app, run_id)).last_error


async def test_a_start_for_an_engine_that_isnt_configured_waits(
    app: EngineHostApp, engine: RecordingEngine
) -> None:
    run_id = await app.start("sample.chain", {})
    await OutboxDispatcher(app, REGISTRY, {"other": engine}).dispatch()
    waiting = await row(app, run_id)
    assert waiting.dispatched_at is None
    assert "'default' isn't configured" in waiting.last_error


async def test_a_host_that_died_between_claim_and_mark_is_made_up_for(
    app: EngineHostApp, engine: RecordingEngine
) -> None:
    run_id = await app.start("sample.chain", {})
    dispatcher = dispatcher_of(app, engine)
    await dispatcher._claim()
    await dispatcher.dispatch()
    assert engine.started == {}, "claimed by another host, as far as this one knows"
    await make_due(app)
    await dispatcher.dispatch()
    assert engine.started == {run_id: 1}


async def test_on_sqlite_a_restarted_host_needs_no_waiting(
    app: EngineHostApp, engine: RecordingEngine
) -> None:
    run_id = await app.start("sample.chain", {})
    dispatcher = dispatcher_of(app, engine)
    await dispatcher._claim()
    await dispatcher.retry_all()
    await dispatcher.dispatch()
    assert engine.started == ({run_id: 1} if app.database.is_sqlite else {})


async def test_a_first_try_depends_on_no_clock(app: EngineHostApp, engine: RecordingEngine) -> None:
    """A host whose clock was an hour ahead wrote the row."""
    run_id = await app.start("sample.chain", {})
    async with app.uow(TESTER) as work:
        ahead = datetime.now(UTC) + timedelta(hours=1)
        await work.connection.execute(update(Outbox).values(available_at=ahead))
    await dispatcher_of(app, engine).dispatch()
    assert engine.started == {run_id: 1}


async def test_more_than_a_batch_is_dispatched_pass_by_pass(
    app: EngineHostApp, engine: RecordingEngine
) -> None:
    async with app.uow(TESTER) as work:
        runs = [work.start_workflow("sample.chain", {"amount": number}) for number in range(120)]
    dispatcher = dispatcher_of(app, engine)
    passes = 1
    while await dispatcher.dispatch() == timedelta(0):
        passes += 1
    assert engine.started == dict.fromkeys(runs, 1)
    assert passes == 3


@pytest.mark.postgres
async def test_a_start_that_commits_late_is_seen(
    postgres_url: str, tmp_path: Path, engine: RecordingEngine
) -> None:
    """Its row is older than one that was dispatched long ago: rows are selected, not counted off."""
    database = Database(postgres_url)
    await create_tables(database)
    app = EngineHostApp(database, tmp_path)
    app.runtime(InProcessEngine(app, "default", InProcessSettings()))
    dispatcher = dispatcher_of(app, engine)
    async with app.uow(TESTER) as late:
        late_run = late.start_workflow("sample.chain", {})
        await late.session.flush()

        async def start_another() -> UUID:
            return await app.start("sample.chain", {})

        # In a context of its own, as another request is.
        early_run = await asyncio.create_task(start_another(), context=_outside())
        await asyncio.create_task(dispatcher.dispatch(), context=_outside())
        assert engine.started == {early_run: 1}
    await dispatcher.dispatch()
    assert engine.started == {early_run: 1, late_run: 1}
    await database.aclose()


@pytest.mark.postgres
async def test_two_hosts_dispatch_each_start_once(
    postgres_url: str, tmp_path: Path, engine: RecordingEngine
) -> None:
    databases = [Database(postgres_url) for _ in range(2)]
    await create_tables(databases[0])
    apps = [EngineHostApp(database, tmp_path) for database in databases]
    apps[0].runtime(InProcessEngine(apps[0], "default", InProcessSettings()))
    async with apps[0].uow(TESTER) as work:
        runs = [work.start_workflow("sample.chain", {}) for _ in range(200)]

    async def dispatch_all(app: EngineHostApp) -> None:
        dispatcher = dispatcher_of(app, engine)
        while len(engine.started) < len(runs):
            await dispatcher.dispatch()

    async with asyncio.timeout(60):
        await asyncio.gather(*(dispatch_all(app) for app in apps))
    assert engine.started == dict.fromkeys(runs, 1)
    for database in databases:
        await database.aclose()


def _outside() -> Context:
    """No unit of work is open in here."""
    return Context()
