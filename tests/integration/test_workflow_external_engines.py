"""Core's side of an engine that keeps its own state: what the reconciler learns, and what engines call."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar
from uuid import UUID, uuid4

import pytest
from sqlalchemy import insert, select, update

from computor_core.db.engine import Database
from computor_core.errors import ProviderUnavailableError
from computor_core.model import Outbox, WorkflowRun, WorkflowWait
from computor_core.plugin_api.providers.engine import (
    Delivery,
    EngineCapability,
    EngineRun,
    OpenWait,
    RunEnded,
    StartRun,
    StepCall,
    WorkflowEngine,
)
from computor_core.plugin_api.workflows import Failure, PayloadLimitError, RunState
from computor_core.testing.engine_host import TESTER, EngineHostApp, create_tables
from computor_core.workflows.core_side import CoreSide
from computor_core.workflows.reconciler import Reconciler
from computor_core.workflows.registry import WorkflowRegistry
from computor_core.workflows.samples import steps as samples
from computor_core.workflows.settlement import Settler
from computor_core.workflows.signals import SignalDispatcher
from computor_core.workflows.steps import StepRunner

REGISTRY = WorkflowRegistry(samples.workflows(), samples.steps())
AT_ONCE = timedelta(seconds=-60)


class ElsewhereEngine(WorkflowEngine):
    """Knows of runs what the test says, and takes notes."""

    capabilities: ClassVar = frozenset({EngineCapability.EXTERNAL_STATE})

    def __init__(self) -> None:
        self.known: dict[UUID, EngineRun] = {}
        self.asked: list[UUID] = []
        self.cancelled: list[UUID] = []
        self.delivered: list[Delivery] = []
        self.away = False

    async def start(self, request: StartRun) -> None:
        self.known[request.run_id] = EngineRun(request.run_id, RunState.RUNNING)

    async def deliver(self, delivery: Delivery) -> None:
        if self.away:
            raise ProviderUnavailableError("away")
        self.delivered.append(delivery)

    async def cancel(self, run_id: UUID) -> None:
        self.cancelled.append(run_id)

    async def describe(self, run_id: UUID) -> EngineRun | None:
        if self.away:
            raise ProviderUnavailableError("away")
        self.asked.append(run_id)
        return self.known.get(run_id)


class Core:
    """Everything of core around an engine, its loops turned by hand."""

    def __init__(self, app: EngineHostApp, check_every: timedelta = AT_ONCE) -> None:
        self.app = app
        self.engine = ElsewhereEngine()
        self.news: list[UUID] = []
        steps = StepRunner(REGISTRY, app)
        self.settler = Settler(app, REGISTRY, steps, self.news.append)
        engines = {"elsewhere": self.engine}
        self.reconciler = Reconciler(app, engines, self.settler, check_every)
        self.signals = SignalDispatcher(app, engines)
        self.side = CoreSide(app, REGISTRY, steps, self.settler, self.news.append)

    async def enter(self, **values: Any) -> UUID:
        """A run as the outbox enters it."""
        run_id = uuid4()
        row = {"workflow": "sample.chain", "workflow_version": 1, "engine_instance": "elsewhere", "input": {}}
        async with self.app.uow(TESTER) as work:
            await work.connection.execute(insert(WorkflowRun).values(id=run_id, **{**row, **values}))
        return run_id

    async def run(self, run_id: UUID) -> WorkflowRun:
        async with self.app.uow(TESTER) as work:
            return await work.session.get_one(WorkflowRun, run_id)

    def settled(self, run_id: UUID) -> list[str]:
        return [item.value for item in self.app.ledger.of(run_id, "settled")]


@pytest.fixture
async def core(tmp_path: Path) -> AsyncIterator[Core]:
    database = Database(f"sqlite+aiosqlite:///{tmp_path}/elsewhere.db")
    await create_tables(database)
    yield Core(EngineHostApp(database, tmp_path))
    await database.aclose()


# --- the reconciler -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "output", "failure", "told"),
    [
        (RunState.COMPLETED, 116, None, "completed:"),
        (RunState.FAILED, None, Failure("workflow_terminated", "by hand"), "failed:by hand"),
        (RunState.CANCELLED, None, Failure("workflow_cancelled", "as asked"), "cancelled:as asked"),
        (RunState.TIMED_OUT, None, Failure("workflow_timeout", "too long"), "timed_out:too long"),
    ],
)
async def test_an_end_that_only_the_engine_knows_is_recorded_and_settled(
    state: RunState, output: Any, failure: Failure | None, told: str, core: Core
) -> None:
    run_id = await core.enter()
    core.engine.known[run_id] = EngineRun(run_id, state, output, failure)
    await core.reconciler.reconcile()
    await core.reconciler.reconcile()
    run = await core.run(run_id)
    assert (run.state, run.output) == (state.value, output)
    assert run.settled_at is not None
    assert core.settled(run_id) == [told]
    assert core.engine.asked == [run_id]


async def test_a_run_that_its_engine_doesnt_know_has_vanished(core: Core) -> None:
    run_id = await core.enter()
    await core.reconciler.reconcile()
    run = await core.run(run_id)
    assert (run.state, run.error["code"]) == ("failed", "workflow_vanished")  # type: ignore[index]
    assert core.settled(run_id) == ["failed:the workflow engine doesn't know the run any more"]


async def test_a_run_whose_start_isnt_dispatched_hasnt_vanished(core: Core) -> None:
    run_id = await core.enter()
    async with core.app.uow(TESTER) as work:
        row = {"workflow": "sample.chain", "workflow_version": 1, "engine_instance": "elsewhere", "input": {}}
        work.session.add(Outbox(run_id=run_id, available_at=work.now, **row))
    await core.reconciler.reconcile()
    assert (await core.run(run_id)).state == "pending"
    assert core.engine.asked == []


async def test_a_child_vanishes_only_with_its_parent(core: Core) -> None:
    """It is entered before its parent starts it."""
    parent = await core.enter()
    child = await core.enter(parent_id=parent)
    core.engine.known[parent] = EngineRun(parent, RunState.RUNNING)
    await core.reconciler.reconcile()
    assert (await core.run(child)).state == "pending"
    core.engine.known[parent] = EngineRun(parent, RunState.COMPLETED, 1)
    await core.reconciler.reconcile()
    await core.reconciler.reconcile()
    assert (await core.run(child)).state == "failed"
    assert core.settled(child) != []


async def test_a_cancel_request_that_was_lost_is_repeated(core: Core) -> None:
    run_id = await core.enter()
    core.engine.known[run_id] = EngineRun(run_id, RunState.RUNNING)
    async with core.app.uow(TESTER) as work:
        await work.connection.execute(update(WorkflowRun).values(cancel_requested_at=work.now))
    await core.reconciler.reconcile()
    assert core.engine.cancelled == [run_id]
    assert (await core.run(run_id)).state == "running"


async def test_an_engine_that_is_away_changes_nothing(core: Core) -> None:
    run_id = await core.enter()
    core.engine.away = True
    await core.reconciler.reconcile()
    assert (await core.run(run_id)).state == "pending"


async def test_a_run_that_was_just_entered_or_checked_is_left_alone(core: Core) -> None:
    unhurried = Core(core.app, timedelta(hours=1))
    run_id = await unhurried.enter()
    await unhurried.reconciler.reconcile()
    assert unhurried.engine.asked == []
    async with core.app.uow(TESTER) as work:
        long_ago = work.now - timedelta(hours=2)
        await work.connection.execute(update(WorkflowRun).values(created_at=long_ago))
    unhurried.engine.known[run_id] = EngineRun(run_id, RunState.RUNNING)
    await unhurried.reconciler.reconcile()
    await unhurried.reconciler.reconcile()
    assert unhurried.engine.asked == [run_id]


# --- what engines call --------------------------------------------------------------------------


async def test_the_first_recorded_end_stands(core: Core) -> None:
    run_id = await core.enter()
    assert await core.side.finish(RunEnded(run_id, RunState.COMPLETED, 116))
    assert await core.side.finish(RunEnded(run_id, RunState.FAILED, None, Failure("code", "why")))
    run = await core.run(run_id)
    assert (run.state, run.output, run.error) == ("completed", 116, None)
    assert core.settled(run_id) == ["completed:"]


async def test_two_hosts_that_settle_at_once_settle_once(core: Core) -> None:
    run_id = await core.enter()
    ended = RunEnded(run_id, RunState.COMPLETED, 116)
    await asyncio.gather(core.side.finish(ended), core.side.finish(ended))
    assert await core.side.settle(run_id)
    assert core.settled(run_id) == ["completed:"]


async def test_a_settlement_that_somebody_is_at_isnt_taken_over(core: Core) -> None:
    run_id = await core.enter(state="completed")
    async with core.app.uow(TESTER) as work:
        soon = work.now + timedelta(hours=1)
        await work.connection.execute(update(WorkflowRun).values(settle_at=soon))
    assert not await core.side.settle(run_id)
    assert core.settled(run_id) == []


async def test_a_child_is_entered_once_on_its_parents_engine(core: Core) -> None:
    parent = await core.enter()
    start = StartRun(uuid4(), "sample.chain", 1, {"amount": 1}, parent)
    await core.side.open_run(start)
    await core.side.open_run(start)
    child = await core.run(start.run_id)
    assert (child.parent_id, child.engine_instance, child.state) == (parent, "elsewhere", "pending")


async def test_a_parent_hears_of_its_childs_end(core: Core) -> None:
    parent = await core.enter()
    child = await core.enter(parent_id=parent)
    await core.side.finish(RunEnded(child, RunState.COMPLETED, 1))
    assert core.news[-2:] == [child, parent]
    assert (await core.run(parent)).news == 1


async def test_children_are_asked_to_end_with_their_parent(core: Core) -> None:
    parent = await core.enter()
    child = await core.enter(parent_id=parent)
    await core.side.finish(RunEnded(parent, RunState.FAILED, None, Failure("code", "why")))
    assert (await core.run(child)).cancel_requested_at is not None


async def test_a_wait_is_answered_at_once_or_delivered_later(core: Core) -> None:
    run_id = await core.enter()
    await core.app.signal("sample.go", "early", {"amount": 1})
    assert await core.side.open_wait(OpenWait(run_id, "1", "sample.go", "early")) == {"amount": 1}
    late = OpenWait(run_id, "2", "sample.go", "late")
    assert await core.side.open_wait(late) is None
    await core.app.signal("sample.go", "late", {"amount": 2})
    core.engine.away = True
    assert await core.signals.dispatch() == timedelta(seconds=1)
    core.engine.away = False
    await core.signals.dispatch()
    await core.signals.dispatch()
    assert core.engine.delivered == [Delivery(run_id, "2", {"amount": 2})]
    assert await core.side.open_wait(late) == {"amount": 2}


async def test_an_event_and_the_end_of_a_wait_exclude_each_other(core: Core) -> None:
    run_id = await core.enter()
    for position in ("1", "2"):
        await core.side.open_wait(OpenWait(run_id, position, "sample.go", position))
    assert await core.side.close_wait(run_id, "1") is None
    await core.app.signal("sample.go", "1", {"amount": 1})
    await core.app.signal("sample.go", "2", {"amount": 2})
    await core.signals.dispatch()
    assert await core.side.close_wait(run_id, "1") is None
    assert await core.side.close_wait(run_id, "2") == {"amount": 2}
    async with core.app.read(TESTER) as reading:
        waits = select(WorkflowWait.position).where(WorkflowWait.closed_at.is_not(None))
        assert (await reading.connection.execute(waits)).scalars().all() == ["1"]


async def test_progress_is_published_and_limited(core: Core) -> None:
    run_id = await core.enter()
    await core.side.report_progress(run_id, {"done": 1})
    assert (await core.run(run_id)).progress == {"done": 1}
    assert core.news == [run_id]
    with pytest.raises(PayloadLimitError):
        await core.side.report_progress(run_id, {"text": "x" * 70_000})


async def test_steps_and_definitions_are_at_hand(core: Core) -> None:
    assert core.side.definitions["sample.chain", 1].endswith(":chain")
    assert core.side.definition("sample.chain", 1).key == "sample.chain@1"
    call = StepCall(uuid4(), "sample.chain", 1, "1", "sample.first", 5, 1)
    assert await core.side.run_step(call) == 6
    core.side.changed(call.run_id)
    assert core.news == [call.run_id]
