"""Interceptors fail closed in the transaction; observers are ordered, isolated and fail open."""

import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from uuid import UUID

import pytest
from sqlalchemy import insert, select

from computor_core.db.engine import Database
from computor_core.db.types import new_id
from computor_core.errors import ConflictError, PluginError
from computor_core.events.dispatcher import DispatcherSettings, EventDispatcher, HandlerBinding
from computor_core.model import EventCursor, EventLog, EventSkip
from computor_core.plugin_api.db import UnitOfWork
from computor_core.plugin_api.events import ContentReleased, EntityCreated, Event
from computor_core.plugin_api.providers.base import AppContext
from computor_core.plugin_api.registrations import EventHandlerRegistration, HandlerTiming
from computor_core.plugin_api.workflows import Retry
from computor_core.testing.engine_host import TESTER, EngineHostApp, create_tables

QUICK = DispatcherSettings(
    poll=timedelta(milliseconds=100),
    timeout=timedelta(seconds=5),
    retry=Retry(3, initial=timedelta(milliseconds=10)),
)
PATIENCE = 30


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
async def app(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[EngineHostApp]:
    sqlite = f"sqlite+aiosqlite:///{tmp_path}/handlers.db"
    database = Database(sqlite if request.param == "sqlite" else request.getfixturevalue("postgres_url"))
    await create_tables(database)
    yield EngineHostApp(database, tmp_path)
    await database.aclose()


@pytest.fixture
def targets() -> Iterator[ModuleType]:
    """A module that handlers are put into, importable as registrations need it."""
    module = ModuleType("handlers_under_test")
    sys.modules[module.__name__] = module
    yield module
    del sys.modules[module.__name__]


def binding(
    app: EngineHostApp,
    name: str,
    timing: HandlerTiming = HandlerTiming.AFTER_COMMIT,
    event: str = ContentReleased.name,
    plugin: str = "",
) -> HandlerBinding:
    registration = EventHandlerRegistration(event, f"handlers_under_test:{name}", timing, name)
    return HandlerBinding(plugin or f"plugin_{name}", registration, app.context())


def dispatcher_of(
    app: EngineHostApp, *bindings: HandlerBinding, owner: str = "a", settings: DispatcherSettings = QUICK
) -> EventDispatcher:
    dispatcher = EventDispatcher(
        units=app, bindings=bindings, wakeups=app.wakeups, owner=owner, settings=settings
    )
    app.intercept = dispatcher.intercept
    return dispatcher


async def emit(app: EngineHostApp, *numbers: int) -> None:
    async with app.uow(TESTER) as work:
        for number in numbers:
            work.emit(ContentReleased(course_content_id=UUID(int=number)))


class Heard:
    """What an observer was given, and what it is to do about it."""

    def __init__(self, react: Callable[[int], Awaitable[None]] | None = None) -> None:
        self.numbers: list[int] = []
        self._react = react
        self._changed = asyncio.Condition()

    async def __call__(self, event: ContentReleased, context: AppContext) -> None:
        number = event.course_content_id.int
        async with self._changed:
            self.numbers.append(number)
            self._changed.notify_all()
        if self._react is not None:
            await self._react(number)

    async def until(self, *numbers: int) -> None:
        async with asyncio.timeout(PATIENCE), self._changed:
            await self._changed.wait_for(lambda: set(numbers) <= set(self.numbers))


async def until_cursor(app: EngineHostApp, name: str, seq: int) -> None:
    async with asyncio.timeout(PATIENCE):
        while True:
            async with app.read(TESTER) as reading:
                found = select(EventCursor.seq).where(EventCursor.consumer == name)
                if (await reading.connection.execute(found)).scalar_one_or_none() == seq:
                    return
            await asyncio.sleep(0.02)


# --- in the transaction -----------------------------------------------------------------------


async def test_an_interceptor_may_refuse_and_nothing_is_kept(app: EngineHostApp, targets: ModuleType) -> None:
    async def refuse(event: Event, work: UnitOfWork) -> None:
        raise ConflictError("not now")

    targets.refuse = refuse
    dispatcher_of(app, binding(app, "refuse", HandlerTiming.IN_TRANSACTION))
    with pytest.raises(ConflictError, match="not now"):
        await emit(app, 1)
    async with app.read(TESTER) as reading:
        assert (await reading.connection.execute(select(EventLog.id))).all() == []


async def test_an_interceptor_that_breaks_undoes_the_unit_and_is_named(
    app: EngineHostApp, targets: ModuleType, caplog: pytest.LogCaptureFixture
) -> None:
    async def breaks(event: Event, work: UnitOfWork) -> None:
        raise LookupError("the password is hunter2")

    targets.breaks = breaks
    dispatcher_of(app, binding(app, "breaks", HandlerTiming.IN_TRANSACTION, plugin="acme"))
    with caplog.at_level(logging.ERROR), pytest.raises(PluginError) as caught:
        await emit(app, 1)
    assert caught.value.details == {"plugin": "acme", "handler": "breaks"}
    assert "hunter2" not in caught.value.message
    assert "event handler breaks of acme broke" in caplog.text
    async with app.read(TESTER) as reading:
        assert (await reading.connection.execute(select(EventLog.id))).all() == []


async def test_an_interceptor_that_exits_is_broken_and_ends_no_host(
    app: EngineHostApp, targets: ModuleType
) -> None:
    async def leaves(event: Event, work: UnitOfWork) -> None:
        sys.exit(3)

    targets.leaves = leaves
    dispatcher_of(app, binding(app, "leaves", HandlerTiming.IN_TRANSACTION, plugin="acme"))
    with pytest.raises(PluginError, match="plugin acme"):
        await emit(app, 1)


async def test_interceptors_run_in_order_for_their_event_and_may_add_to_the_unit(
    app: EngineHostApp, targets: ModuleType
) -> None:
    calls: list[str] = []

    async def first(event: Event, work: UnitOfWork) -> None:
        calls.append("first")
        work.emit(EntityCreated(entity="courses", row_id="1"))

    async def second(event: Event, work: UnitOfWork) -> None:
        calls.append("second")

    async def other(event: Event, work: UnitOfWork) -> None:
        calls.append(f"other {event.name}")

    targets.first, targets.second, targets.other = first, second, other
    inside = HandlerTiming.IN_TRANSACTION
    dispatcher_of(
        app,
        binding(app, "first", inside),
        binding(app, "second", inside),
        binding(app, "other", inside, EntityCreated.name),
    )
    await emit(app, 1)
    assert calls == ["first", "second", "other entity.created"]
    async with app.read(TESTER) as reading:
        names = (
            (await reading.connection.execute(select(EventLog.name).order_by(EventLog.id))).scalars().all()
        )
    assert names == ["content.released", "entity.created"]


# --- after the commit -------------------------------------------------------------------------


async def test_observers_hear_their_events_in_order(app: EngineHostApp, targets: ModuleType) -> None:
    targets.heard = heard = Heard()
    async with app.wakeups.running(), dispatcher_of(app, binding(app, "heard")).running():
        for number in range(0, 30, 3):
            async with app.uow(TESTER) as work:
                work.emit(EntityCreated(entity="courses", row_id="other"))
            await emit(app, number, number + 1, number + 2)
        await heard.until(*range(30))
    assert heard.numbers == list(range(30))


async def test_an_observer_hears_nothing_that_wasnt_committed(
    app: EngineHostApp, targets: ModuleType
) -> None:
    targets.heard = heard = Heard()

    async def fail() -> None:
        async with app.uow(TESTER) as work:
            work.emit(ContentReleased(course_content_id=UUID(int=99)))
            raise LookupError("not after all")

    async with app.wakeups.running(), dispatcher_of(app, binding(app, "heard")).running():
        with pytest.raises(LookupError):
            await fail()
        await emit(app, 1)
        await heard.until(1)
    assert heard.numbers == [1]


@pytest.mark.parametrize("error", [LookupError("can't stand it"), SystemExit(3)])
async def test_a_failing_observer_is_retried_then_skipped_on_record(
    app: EngineHostApp, targets: ModuleType, caplog: pytest.LogCaptureFixture, error: BaseException
) -> None:
    async def poisoned(number: int) -> None:
        if number == 2:
            raise error

    targets.fussy = fussy = Heard(poisoned)
    async with app.wakeups.running(), dispatcher_of(app, binding(app, "fussy", plugin="acme")).running():
        with caplog.at_level(logging.ERROR):
            await emit(app, 1, 2, 3)
            await fussy.until(3)
    assert fussy.numbers == [1, 2, 2, 2, 3]
    async with app.read(TESTER) as reading:
        (skip,) = (await reading.connection.execute(select(EventSkip))).all()
    assert (skip.consumer, skip.seq, skip.plugin, skip.error) == (
        "fussy",
        2,
        "acme",
        f"handler_unexpected: {type(error).__name__} was raised",
    )
    assert "event handler fussy of the plugin acme failed on event 2, attempt 3 of 3" in caplog.text


async def test_a_failing_observer_disturbs_no_other(app: EngineHostApp, targets: ModuleType) -> None:
    async def always(number: int) -> None:
        raise LookupError("never well")

    async def hang(number: int) -> None:
        await asyncio.Event().wait()

    targets.sick, targets.hanging, targets.well = Heard(always), Heard(hang), Heard()
    bindings = [binding(app, name) for name in ("sick", "hanging", "well")]
    async with app.wakeups.running(), dispatcher_of(app, *bindings).running():
        await emit(app, *range(10))
        await targets.well.until(*range(10))
    assert targets.well.numbers == list(range(10))


async def test_an_observer_that_takes_too_long_has_failed(app: EngineHostApp, targets: ModuleType) -> None:
    async def hang(number: int) -> None:
        if number == 1:
            await asyncio.Event().wait()

    targets.slow = slow = Heard(hang)
    impatient = DispatcherSettings(
        poll=timedelta(milliseconds=100),
        timeout=timedelta(milliseconds=50),
        retry=Retry(2, initial=timedelta()),
    )
    async with (
        app.wakeups.running(),
        dispatcher_of(app, binding(app, "slow"), settings=impatient).running(),
    ):
        await emit(app, 1, 2)
        await slow.until(2)
    assert slow.numbers == [1, 1, 2]


async def test_an_observer_goes_on_where_it_was(app: EngineHostApp, targets: ModuleType) -> None:
    """What happens while no host runs is heard afterwards, by whichever host comes first."""
    targets.heard = heard = Heard()
    async with app.wakeups.running(), dispatcher_of(app, binding(app, "heard")).running():
        await emit(app, 1)
        await heard.until(1)
        await until_cursor(app, "heard", 1)
    await emit(app, 2)
    async with app.wakeups.running(), dispatcher_of(app, binding(app, "heard"), owner="b").running():
        await emit(app, 3)
        await heard.until(3)
    assert heard.numbers == [1, 2, 3]


async def test_a_new_observer_hears_what_happens_from_now_on(app: EngineHostApp, targets: ModuleType) -> None:
    targets.old, targets.new = Heard(), Heard()
    async with app.wakeups.running(), dispatcher_of(app, binding(app, "old")).running():
        await emit(app, 1)
        await targets.old.until(1)
    both = dispatcher_of(app, binding(app, "old"), binding(app, "new"), owner="b")
    async with app.wakeups.running(), both.running():
        await emit(app, 2)
        await targets.new.until(2)
    assert targets.new.numbers == [2]


async def test_an_event_of_an_unknown_type_is_skipped_on_record(
    app: EngineHostApp, targets: ModuleType
) -> None:
    """The plugin that declared it is gone, or the row is of a newer version."""
    targets.heard = heard = Heard()
    unknown = binding(app, "heard", event="removed.plugin_event")
    async with app.wakeups.running(), dispatcher_of(app, unknown).running():
        async with app.uow(TESTER) as work:
            values = {"id": new_id(), "name": "removed.plugin_event", "occurred_at": work.now, "payload": {}}
            await work.connection.execute(insert(EventLog).values(**values))
        await until_cursor(app, "heard", 1)
    assert heard.numbers == []
    async with app.read(TESTER) as reading:
        assert (
            "removed.plugin_event" in (await reading.connection.execute(select(EventSkip.error))).scalar_one()
        )


async def test_cursors_follow_events_that_arent_theirs(app: EngineHostApp, targets: ModuleType) -> None:
    """So that a rare event's observer needn't read the whole log again and again."""
    targets.heard = Heard()
    async with app.wakeups.running(), dispatcher_of(app, binding(app, "heard")).running():
        async with app.uow(TESTER) as work:
            for number in range(250):
                work.emit(EntityCreated(entity="courses", row_id=str(number)))
        await until_cursor(app, "heard", 250)


# --- registering ------------------------------------------------------------------------------


async def test_two_observers_of_a_name_are_refused(app: EngineHostApp) -> None:
    with pytest.raises(PluginError, match="registered twice, by one and by two"):
        dispatcher_of(app, binding(app, "same", plugin="one"), binding(app, "same", plugin="two"))


async def test_handlers_that_cant_be_loaded_are_listed_before_anything_runs(
    app: EngineHostApp, targets: ModuleType
) -> None:
    broken = dispatcher_of(app, binding(app, "absent"), binding(app, "missing", HandlerTiming.IN_TRANSACTION))
    with pytest.raises(PluginError) as caught:
        async with broken.running():
            pass
    assert [str(problem).partition(":")[0] for problem in caught.value.details["problems"]] == [  # type: ignore[attr-defined]
        "absent of plugin_absent",
        "missing of plugin_missing",
    ]


# --- several hosts ----------------------------------------------------------------------------


@pytest.mark.postgres
async def test_on_two_hosts_each_event_is_handled_once_and_in_order(
    postgres_url: str, tmp_path: Path, targets: ModuleType
) -> None:
    targets.heard = heard = Heard()
    databases = [Database(postgres_url) for _ in range(2)]
    await create_tables(databases[0])
    here, there = [EngineHostApp(database, tmp_path) for database in databases]
    first = dispatcher_of(here, binding(here, "heard"), owner="a")
    second = dispatcher_of(there, binding(there, "heard"), owner="b")
    async with here.wakeups.running(), there.wakeups.running(), second.running():
        async with first.running():
            for number in range(0, 40, 2):
                await emit(here, number)
                await emit(there, number + 1)
            await heard.until(*range(40))
            # Heard isn't recorded yet: who leaves in between leaves the event to the other once more.
            await until_cursor(here, "heard", 40)
        # Whoever led has gone, if it was this one; the other goes on.
        await emit(there, 40)
        await heard.until(40)
    assert heard.numbers == list(range(41))
    for database in databases:
        await database.aclose()
