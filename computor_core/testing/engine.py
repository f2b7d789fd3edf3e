"""Conformance suite for workflow engines.

An adopter's whole test module, with core's own engine where the adopter's stands::

    import pytest_asyncio
    from computor_core.testing.engine import EngineConformance
    from computor_core.workflows.in_process import InProcessEngine, InProcessSettings

    class TestMyEngine(EngineConformance):
        @pytest_asyncio.fixture
        async def provider(self, app):
            yield InProcessEngine(app, "default", InProcessSettings())

``app.context()`` is what the factory of an engine is given.

The suite puts the engine into a small application with a database and lets the sample workflows
of :mod:`computor_core.workflows.samples` run on it; their steps write into a ledger what they do.
"""
# ruff: noqa: S101 - a suite asserts

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio

from computor_core.db.engine import Database
from computor_core.plugin_api.providers.base import HealthState
from computor_core.plugin_api.providers.engine import Delivery, StartRun, WorkflowEngine
from computor_core.plugin_api.workflows import MAX_PAYLOAD_BYTES, RunState
from computor_core.testing.engine_host import EngineHostApp, create_tables
from computor_core.workflows.runtime import RunDescription, WorkflowRuntime

__all__ = ["EngineConformance"]


async def _eventually(condition: Callable[[], Awaitable[bool]], limit: float) -> None:
    """Look at a real condition until it holds; fail after ``limit`` seconds."""
    async with asyncio.timeout(limit):
        while not await condition():  # noqa: ASYNC110 - what is looked at is in a database
            await asyncio.sleep(0.02)


class EngineConformance:
    """Every promise of :class:`WorkflowEngine` as a test.

    Override ``provider`` with a fixture that yields an open engine, new for each test, and
    ``database_url`` where another database than an SQLite file is meant.

    Attributes:
        patience: Seconds after which what should have happened counts as missing.
    """

    pytestmark = pytest.mark.asyncio
    patience = 30.0

    # --- fixtures ---------------------------------------------------------------------------

    @pytest.fixture
    def database_url(self, tmp_path: Path) -> str:
        """An empty database."""
        return f"sqlite+aiosqlite:///{tmp_path}/engine.db"

    @pytest_asyncio.fixture
    async def app(self, database_url: str, tmp_path: Path) -> AsyncIterator[EngineHostApp]:
        """The application around the engine."""
        database = Database(database_url)
        try:
            await create_tables(database)
            yield EngineHostApp(database, tmp_path)
        finally:
            await database.aclose()

    @pytest.fixture
    def provider(self, app: EngineHostApp) -> WorkflowEngine:
        """The engine under test."""
        raise NotImplementedError("override the fixture 'provider' in your subclass")

    @pytest.fixture
    def runtime(self, app: EngineHostApp, provider: WorkflowEngine) -> WorkflowRuntime:
        """The runtime with the engine, not running."""
        return app.runtime(provider)

    # --- what the tests do ------------------------------------------------------------------

    async def settled(self, runtime: WorkflowRuntime, run_id: UUID) -> RunDescription:
        """A run once it is settled."""
        async with asyncio.timeout(self.patience):
            return await runtime.wait(run_id)

    async def run(
        self, app: EngineHostApp, runtime: WorkflowRuntime, workflow: str, payload: Mapping[str, Any]
    ) -> RunDescription:
        """Run a workflow from start to settlement."""
        async with app.running(runtime):
            return await self.settled(runtime, await app.start(workflow, payload))

    async def until_done(self, app: EngineHostApp, run_id: UUID, step: str, what: str = "did") -> None:
        """Until a step of a run has entered a record."""
        async with asyncio.timeout(self.patience):
            await app.ledger.until(
                lambda records: any(
                    item.run_id == str(run_id) and item.step == step and item.what == what for item in records
                )
            )

    async def until_waiting(self, app: EngineHostApp, run_id: UUID) -> None:
        """Until a run has come to wait for an event."""

        async def waits() -> bool:
            return await app.waits(run_id)

        await _eventually(waits, self.patience)

    # --- steps ------------------------------------------------------------------------------

    async def test_a_run_completes_with_its_definitions_output(
        self, app: EngineHostApp, runtime: WorkflowRuntime
    ) -> None:
        """Three steps, each on the output of the one before."""
        run = await self.run(app, runtime, "sample.chain", {"amount": 5})
        assert (run.state, run.output, run.failure) == (RunState.COMPLETED, 116, None)
        assert app.ledger.counts(run.run_id) == {"sample.first": 1, "sample.second": 1, "sample.third": 1}

    async def test_types_arrive_as_they_were_sent(self, app: EngineHostApp, runtime: WorkflowRuntime) -> None:
        """Ids, times and nested models are such again in steps, definition and output."""
        sent = {"id": str(uuid4()), "sent_at": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC).isoformat()}
        run = await self.run(app, runtime, "sample.typed", sent)
        assert run.state is RunState.COMPLETED
        assert run.output["inner"]["id"] == run.output["id"] == sent["id"]
        assert run.output["weights"] == {"half": 0.5}

    async def test_a_failing_step_is_tried_again(self, app: EngineHostApp, runtime: WorkflowRuntime) -> None:
        """Two failures, then success; the steps around it run once."""
        run = await self.run(app, runtime, "sample.flaky", {"fail_first": 2})
        assert (run.state, run.output) == (RunState.COMPLETED, 3)
        assert app.ledger.counts(run.run_id, "began") == {"sample.flaky": 3}
        assert app.ledger.counts(run.run_id)["sample.first"] == 1

    async def test_attempts_share_a_key_and_calls_dont(
        self, app: EngineHostApp, runtime: WorkflowRuntime
    ) -> None:
        """The idempotency key is one per call, however often it is tried."""
        run = await self.run(app, runtime, "sample.flaky", {"fail_first": 2})
        tried = app.ledger.of(run.run_id, "began")
        assert [item.attempt for item in tried] == [1, 2, 3]
        assert len({item.key for item in tried}) == 1
        assert len({item.key for item in app.ledger.of(run.run_id)}) == 3

    async def test_the_next_attempt_waits_its_time(
        self, app: EngineHostApp, runtime: WorkflowRuntime
    ) -> None:
        """A second passes between the attempts of a step whose retry says so."""
        run = await self.run(app, runtime, "sample.patient", {})
        assert (run.state, run.output) == (RunState.COMPLETED, 2)
        first, second = (float(item.value) for item in app.ledger.of(run.run_id, "began"))
        # The engine's clock and this one needn't run alike to the last millisecond.
        assert second - first >= 0.9

    async def test_retries_are_used_up(self, app: EngineHostApp, runtime: WorkflowRuntime) -> None:
        """After the last attempt the run fails, and says which step."""
        run = await self.run(app, runtime, "sample.flaky", {"fail_first": 99})
        assert run.state is RunState.FAILED
        assert run.failure is not None
        assert (run.failure.code, run.failure.details["step"]) == ("step_failed", "sample.flaky")
        assert app.ledger.counts(run.run_id, "began") == {"sample.flaky": 5}

    async def test_what_isnt_retryable_is_tried_once(
        self, app: EngineHostApp, runtime: WorkflowRuntime
    ) -> None:
        """``NonRetryableError`` reaches the definition after one attempt; it may be caught."""
        run = await self.run(app, runtime, "sample.compensate", {})
        assert (run.state, run.output) == (RunState.COMPLETED, "sample.fussy:step_non_retryable")
        assert app.ledger.counts(run.run_id, "began") == {"sample.fussy": 1}
        assert [item.value for item in app.ledger.of(run.run_id)] == ["step_non_retryable"]

    async def test_limits_of_a_step_hold(self, app: EngineHostApp, runtime: WorkflowRuntime) -> None:
        """Timeout and missing heartbeat end an attempt and are tried again; a heartbeat keeps one alive."""
        run = await self.run(app, runtime, "sample.limits", {})
        assert run.output == ["step_timeout", "step_heartbeat_lost", "done"]
        assert app.ledger.counts(run.run_id, "began") == {"sample.hasty": 2, "sample.silent": 2}

    # --- ends -------------------------------------------------------------------------------

    async def test_a_raising_definition_is_a_failed_run(
        self, app: EngineHostApp, runtime: WorkflowRuntime
    ) -> None:
        """Never "completed, with status failed"; the exception's text stays in the log."""
        run = await self.run(app, runtime, "sample.broken", {})
        assert run.state is RunState.FAILED
        assert run.output is None
        assert run.failure is not None
        assert run.failure.code == "workflow_unexpected"
        assert "mistake" not in run.failure.message

    async def test_the_finalizer_is_told_how_a_run_ended(
        self, app: EngineHostApp, runtime: WorkflowRuntime
    ) -> None:
        """Completed or failed, it runs."""
        async with app.running(runtime):
            good = await self.settled(runtime, await app.start("sample.chain", {}))
            bad = await self.settled(runtime, await app.start("sample.unlucky", {}))
        assert [item.value for item in app.ledger.of(good.run_id, "settled")] == ["completed:"]
        assert [item.value for item in app.ledger.of(bad.run_id, "settled")] == [
            "failed:step sample.fussy failed: no such amount"
        ]

    async def test_a_run_over_its_time_ends(self, app: EngineHostApp, runtime: WorkflowRuntime) -> None:
        """It is ``timed_out`` and settled."""
        run = await self.run(app, runtime, "sample.limited", {"key": str(uuid4())})
        assert run.state is RunState.TIMED_OUT
        assert run.failure is not None
        assert run.failure.code == "workflow_timeout"
        assert len(app.ledger.of(run.run_id, "settled")) >= 1

    async def test_large_payloads_are_refused(self, app: EngineHostApp, runtime: WorkflowRuntime) -> None:
        """More than 64 KiB is a failure with a code, wherever it comes up."""
        codes = {}
        async with app.running(runtime):
            for place in ("output of a step", "input of a step", "output of the run"):
                payload = {"amount": MAX_PAYLOAD_BYTES, "key": place}
                run = await self.settled(runtime, await app.start("sample.large", payload))
                assert run.state is RunState.FAILED
                assert run.failure is not None
                codes[place] = (run.failure.code, run.failure.details.get("failure"))
        assert codes == {
            "output of a step": ("step_failed", "workflow_payload_limit"),
            "input of a step": ("workflow_payload_limit", None),
            "output of the run": ("workflow_payload_limit", None),
        }

    # --- starting ---------------------------------------------------------------------------

    async def test_starting_a_run_twice_runs_it_once(
        self, app: EngineHostApp, runtime: WorkflowRuntime, provider: WorkflowEngine
    ) -> None:
        """While it runs and after it has ended, a start with its id is a success without effect."""
        key = str(uuid4())
        async with app.running(runtime):
            run_id = await app.start("sample.wait", {"amount": 1, "key": key})
            again = StartRun(run_id, "sample.wait", 1, {"amount": 1, "key": key})
            await self.until_waiting(app, run_id)
            await provider.start(again)
            await app.signal("sample.go", key, {"amount": 2})
            run = await self.settled(runtime, run_id)
            await provider.start(again)
            other = await self.settled(runtime, await app.start("sample.chain", {}))
        assert other.state is RunState.COMPLETED
        assert (run.state, run.output) == (RunState.COMPLETED, 12)
        assert app.ledger.counts(run_id) == {"sample.first": 1, "sample.second": 1}
        assert (await runtime.describe(run_id)).state is RunState.COMPLETED

    async def test_versions_live_side_by_side(self, app: EngineHostApp, runtime: WorkflowRuntime) -> None:
        """A run keeps the version it was started with."""
        async with app.running(runtime):
            new = await app.start("sample.versions", {"key": "new"})
            old = await app.start_version("sample.versions", 1, {"key": "old"})
            for key in ("old", "new"):
                await app.signal("sample.go", key, {})
            outputs = [(await self.settled(runtime, run_id)).output for run_id in (old, new)]
        assert outputs == ["1:1", "2:10"]

    # --- events and time --------------------------------------------------------------------

    async def test_an_event_ends_the_wait_for_it(self, app: EngineHostApp, runtime: WorkflowRuntime) -> None:
        """It is told apart by name and key, and brings its payload."""
        async with app.running(runtime):
            run_id = await app.start("sample.wait", {"amount": 1, "key": "mine"})
            await self.until_done(app, run_id, "sample.first")
            await app.signal("sample.go", "another", {"amount": 100})
            await app.signal("sample.other", "mine", {"amount": 1000})
            await app.signal("sample.go", "mine", {"amount": 5})
            run = await self.settled(runtime, run_id)
        assert run.output == 15

    async def test_an_event_before_the_wait_counts(
        self, app: EngineHostApp, runtime: WorkflowRuntime
    ) -> None:
        """An event that comes first is kept until somebody waits for it."""
        await app.signal("sample.go", "early", {"amount": 7})
        run = await self.run(app, runtime, "sample.wait", {"amount": 1, "key": "early"})
        assert run.output == 17

    async def test_an_events_payload_is_typed(self, app: EngineHostApp, runtime: WorkflowRuntime) -> None:
        """The definition says what it expects."""
        parcel = {"id": str(uuid4()), "sent_at": "2026-01-02T03:04:05Z"}
        await app.signal("sample.parcel", "typed", parcel)
        run = await self.run(app, runtime, "sample.wait_typed", {"key": "typed"})
        assert run.output["inner"]["id"] == parcel["id"]

    async def test_a_wait_ends_when_its_time_is_up(
        self, app: EngineHostApp, runtime: WorkflowRuntime
    ) -> None:
        """An event that comes after that goes to the next wait for it."""
        async with app.running(runtime):
            run_id = await app.start("sample.wait_limited", {"key": "late", "milliseconds": 50})
            await self.until_done(app, run_id, "sample.clean_up")
            await app.signal("sample.go", "late", {"amount": 3})
            run = await self.settled(runtime, run_id)
        assert run.output == "timed out, then {'amount': 3}"

    async def test_an_event_in_time_beats_the_limit(
        self, app: EngineHostApp, runtime: WorkflowRuntime
    ) -> None:
        """A wait with a limit that isn't reached."""
        await app.signal("sample.go", "timely", {})
        run = await self.run(app, runtime, "sample.wait_limited", {"key": "timely", "milliseconds": 600_000})
        assert run.output == "came"

    async def test_a_sleeping_run_wakes(self, app: EngineHostApp, runtime: WorkflowRuntime) -> None:
        """Its own time has moved on by at least the duration."""
        run = await self.run(app, runtime, "sample.sleep", {"milliseconds": 60})
        assert (run.state, run.output) == (RunState.COMPLETED, True)

    # --- branches and children --------------------------------------------------------------

    async def test_branches_run_side_by_side(self, app: EngineHostApp, runtime: WorkflowRuntime) -> None:
        """Each waits in a step for the others; results come in the order of the branches."""
        run = await self.run(app, runtime, "sample.branches", {"amount": 3})
        assert (run.state, run.output) == (RunState.COMPLETED, [13, 14, 15])
        assert len({item.key for item in app.ledger.of(run.run_id)}) == 6

    async def test_branches_end_before_a_failure_is_raised(
        self, app: EngineHostApp, runtime: WorkflowRuntime
    ) -> None:
        """No step of a gather is abandoned."""
        run = await self.run(app, runtime, "sample.failing_branches", {})
        assert run.output == "sample.fussy"
        assert app.ledger.counts(run.run_id) == {"sample.first": 1, "sample.second": 1}

    async def test_a_child_returns_its_output(self, app: EngineHostApp, runtime: WorkflowRuntime) -> None:
        """The child is a run of its own, settled before its parent goes on."""
        run = await self.run(app, runtime, "sample.parent", {"amount": 5})
        assert (run.state, run.output) == (RunState.COMPLETED, 216)
        children = await app.children(run.run_id)
        assert [await self._state(runtime, child) for child in children] == [(RunState.COMPLETED, True)]
        assert len(app.ledger.of(children[0], "settled")) >= 1

    async def test_a_childs_failure_is_raised(self, app: EngineHostApp, runtime: WorkflowRuntime) -> None:
        """The parent may catch it."""
        run = await self.run(app, runtime, "sample.parent_of_unlucky", {})
        assert run.output == "sample.unlucky@1:step_failed"

    # --- cancelling -------------------------------------------------------------------------

    async def test_a_cancelled_run_cleans_up_and_is_settled(
        self, app: EngineHostApp, runtime: WorkflowRuntime
    ) -> None:
        """The definition sees it where it waits, may run steps, and the run ends as cancelled."""
        async with app.running(runtime):
            run_id = await app.start("sample.cancellable", {"key": str(uuid4())})
            await self.until_waiting(app, run_id)
            await runtime.cancel(run_id)
            run = await self.settled(runtime, run_id)
        assert run.state is RunState.CANCELLED
        assert app.ledger.counts(run_id) == {"sample.first": 1, "sample.clean_up": 1}
        assert app.ledger.of(run_id, "settled")[0].value.startswith("cancelled:")

    async def test_a_running_step_is_cancelled_with_its_run(
        self, app: EngineHostApp, runtime: WorkflowRuntime
    ) -> None:
        """Its implementation is cancelled, and it isn't tried again."""
        async with app.running(runtime):
            run_id = await app.start("sample.slow", {"key": "never"})
            await self.until_done(app, run_id, "sample.slow", "began")
            await runtime.cancel(run_id)
            run = await self.settled(runtime, run_id)
            await self.until_done(app, run_id, "sample.slow", "cancelled")
        assert run.state is RunState.CANCELLED
        assert app.ledger.counts(run_id, "began") == {"sample.slow": 1}
        assert app.ledger.counts(run_id) == {"sample.first": 1}

    async def test_a_child_is_cancelled_with_its_parent(
        self, app: EngineHostApp, runtime: WorkflowRuntime
    ) -> None:
        """No child outlives its parent."""
        async with app.running(runtime):
            run_id = await app.start("sample.parent_of_waiting", {"key": "never"})

            async def child_waits() -> bool:
                children = await app.children(run_id)
                return bool(children) and await app.waits(children[0])

            await _eventually(child_waits, self.patience)
            (child,) = await app.children(run_id)
            await runtime.cancel(run_id)
            states = [(await self.settled(runtime, each)).state for each in (run_id, child)]
        assert states == [RunState.CANCELLED, RunState.CANCELLED]

    async def test_an_ended_run_cant_be_cancelled(
        self, app: EngineHostApp, runtime: WorkflowRuntime, provider: WorkflowEngine
    ) -> None:
        """Nothing happens, also when the engine itself is asked."""
        async with app.running(runtime):
            run = await self.settled(runtime, await app.start("sample.chain", {}))
            await runtime.cancel(run.run_id)
            await provider.cancel(run.run_id)
            assert (await runtime.describe(run.run_id)).state is RunState.COMPLETED

    # --- hosts that go ----------------------------------------------------------------------

    async def test_a_waiting_run_outlives_its_host(
        self, app: EngineHostApp, provider: WorkflowEngine
    ) -> None:
        """Another host goes on where it stands: no step that is done is done again."""
        first, second = app.runtime(provider), app.runtime(provider)
        async with app.running(first):
            run_id = await app.start("sample.wait", {"amount": 1, "key": "after"})
            await self.until_waiting(app, run_id)
        await app.signal("sample.go", "after", {"amount": 5})
        async with app.running(second):
            run = await self.settled(second, run_id)
        assert run.output == 15
        assert app.ledger.counts(run_id) == {"sample.first": 1, "sample.second": 1}

    async def test_an_interrupted_step_is_repeated(
        self, app: EngineHostApp, provider: WorkflowEngine
    ) -> None:
        """A host that stops interrupts its steps; the next one carries them out, with the same key."""
        first, second = app.runtime(provider), app.runtime(provider)
        async with app.running(first):
            run_id = await app.start("sample.slow", {"amount": 1, "key": "released"})
            await self.until_done(app, run_id, "sample.slow", "began")
        await app.ledger.let("released")
        async with app.running(second):
            run = await self.settled(second, run_id)
        assert (run.state, run.output) == (RunState.COMPLETED, 11)
        began = app.ledger.of(run_id, "began")
        assert len(began) >= 2
        assert len({item.key for item in began}) == 1
        assert app.ledger.counts(run_id) == {"sample.first": 1, "sample.slow": 1, "sample.second": 1}

    async def test_what_a_context_derives_is_the_same_in_a_replay(
        self, app: EngineHostApp, provider: WorkflowEngine
    ) -> None:
        """Ids, chance and time from before the other host took over are what they were."""
        first, second = app.runtime(provider), app.runtime(provider)
        async with app.running(first):
            run_id = await app.start("sample.derive", {"key": "replay"})
            await self.until_waiting(app, run_id)
        await app.signal("sample.go", "replay", {})
        async with app.running(second):
            run = await self.settled(second, run_id)
        texts = [
            f"{item['id']} {item['number']} {datetime.fromisoformat(item['now']).isoformat()}"
            for item in run.output
        ]
        assert [item.value for item in app.ledger.of(run_id)] == texts
        assert run.output[0]["id"] != run.output[1]["id"]
        assert run.output[0]["number"] != run.output[1]["number"]
        assert run.output[0]["now"] < run.output[1]["now"]

    # --- the rest of the contract -----------------------------------------------------------

    async def test_progress_can_be_read(self, app: EngineHostApp, runtime: WorkflowRuntime) -> None:
        """While the run lasts, and after it."""
        async with app.running(runtime):
            run_id = await app.start("sample.progress", {"key": "on"})

            async def published() -> bool:
                return await runtime.progress(run_id) == {"done": 1, "of": 2}

            await _eventually(published, self.patience)
            await app.signal("sample.go", "on", {})
            run = await self.settled(runtime, run_id)
        assert run.progress == {"done": 2, "of": 2}

    async def test_describe_tells_ends_and_knows_no_others(
        self, app: EngineHostApp, runtime: WorkflowRuntime, provider: WorkflowEngine
    ) -> None:
        """Output or failure of an ended run; None for an id that was never started."""
        async with app.running(runtime):
            good = await self.settled(runtime, await app.start("sample.chain", {"amount": 5}))
            bad = await self.settled(runtime, await app.start("sample.unlucky", {}))

            async def both_ended() -> bool:
                states = [await provider.describe(run.run_id) for run in (good, bad)]
                return all(state is not None and state.state.terminal for state in states)

            await _eventually(both_ended, self.patience)
            done, failed = await provider.describe(good.run_id), await provider.describe(bad.run_id)
        assert done is not None
        assert (done.state, done.output, done.failure) == (RunState.COMPLETED, 116, None)
        assert failed is not None
        assert failed.state is RunState.FAILED
        assert failed.failure is not None
        assert failed.failure.code == "step_failed"
        assert await provider.describe(uuid4()) is None

    async def test_unknown_runs_are_left_alone(self, provider: WorkflowEngine) -> None:
        """Delivering to, cancelling and waking what isn't there does nothing."""
        nobody = uuid4()
        await provider.deliver(Delivery(nobody, "1", {}))
        await provider.cancel(nobody)
        provider.wake(nobody)
        assert await provider.describe(nobody) is None

    async def test_health_says_how_it_is(self, provider: WorkflowEngine) -> None:
        """An engine that works is healthy."""
        assert (await provider.health()).state is HealthState.OK

    async def _state(self, runtime: WorkflowRuntime, run_id: UUID) -> tuple[RunState, bool]:
        run = await runtime.describe(run_id)
        return run.state, run.settled_at is not None
