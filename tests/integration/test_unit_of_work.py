"""A unit of work is one transaction that nobody inside it can end, and its refusals are typed."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import ModuleType

import pytest
from sqlalchemy import insert, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession, AsyncTransaction

from computor_core.db.engine import Database
from computor_core.db.transaction_guard import TransactionControlError
from computor_core.db.types import new_id
from computor_core.db.unit_of_work import UnitOfWork
from computor_core.db.violations import RowConflictError
from computor_core.errors import ComputorError, ConflictError, InvalidError, PluginError
from computor_core.events.dispatcher import EventDispatcher, HandlerBinding
from computor_core.model import EventCursor, EventLog, WorkflowSignal
from computor_core.model.evidence import AuditValue
from computor_core.plugin_api.events import EntityCreated, Event
from computor_core.plugin_api.registrations import EventHandlerRegistration, HandlerTiming
from computor_core.plugin_api.workflows import MAX_PAYLOAD_BYTES, PayloadLimitError
from computor_core.testing.engine_host import TESTER, EngineHostApp, create_tables

Act = Callable[[UnitOfWork], Awaitable[object]]


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
async def app(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[EngineHostApp]:
    sqlite = f"sqlite+aiosqlite:///{tmp_path}/units.db"
    database = Database(sqlite if request.param == "sqlite" else request.getfixturevalue("postgres_url"))
    await create_tables(database)
    yield EngineHostApp(database, tmp_path)
    await database.aclose()


@pytest.fixture
def targets() -> Iterator[ModuleType]:
    """A module that handlers are put into, importable as registrations need it."""
    module = ModuleType("unit_handlers")
    sys.modules[module.__name__] = module
    yield module
    del sys.modules[module.__name__]


async def add(work: UnitOfWork, name: str) -> None:
    await work.connection.execute(insert(EventCursor).values(consumer=name, seq=0))


async def tell(work: UnitOfWork) -> None:
    work.emit(EntityCreated(entity="courses", row_id="1"))


def adding(name: str) -> Act:
    return lambda work: add(work, name)


async def run_unit(app: EngineHostApp, *acts: Act) -> None:
    """One unit of work that does some things in turn."""
    async with app.uow(TESTER) as work:
        for act in acts:
            await act(work)


async def names(app: EngineHostApp) -> list[str]:
    async with app.read(TESTER) as reading:
        found = select(EventCursor.consumer).order_by(EventCursor.consumer)
        return list((await reading.connection.execute(found)).scalars())


async def begin_connection(work: UnitOfWork) -> None:
    async with work.connection.begin():
        pytest.fail("a transaction began inside the unit's")


async def begin_session(work: UnitOfWork) -> None:
    async with work.session.begin():
        pytest.fail("a transaction began inside the unit's")


async def commit_connection_of_session(work: UnitOfWork) -> None:
    await (await work.session.connection()).commit()


async def leave_session(work: UnitOfWork) -> None:
    async with work.session:
        pass


CALLS: dict[str, Act] = {
    "session.commit": lambda work: work.session.commit(),
    "session.rollback": lambda work: work.session.rollback(),
    "session.close": lambda work: work.session.close(),
    "session.aclose": lambda work: work.session.aclose(),
    "session.reset": lambda work: work.session.reset(),
    "session.invalidate": lambda work: work.session.invalidate(),
    "session.begin": begin_session,
    "session.commit in run_sync": lambda work: work.session.run_sync(lambda session: session.commit()),
    "async with session": leave_session,
    "connection.commit": lambda work: work.connection.commit(),
    "connection.rollback": lambda work: work.connection.rollback(),
    "connection.close": lambda work: work.connection.close(),
    "connection.aclose": lambda work: work.connection.aclose(),
    "connection.invalidate": lambda work: work.connection.invalidate(),
    "connection.begin": begin_connection,
    "commit of the session's connection": commit_connection_of_session,
}


def transaction_of(holder: AsyncConnection | AsyncSession) -> AsyncTransaction:
    transaction = holder.get_transaction()
    assert transaction is not None
    return transaction  # type: ignore[return-value]


DETOURS: dict[str, Act] = {
    "commit of the synchronous connection": lambda work: work.connection.run_sync(lambda sync: sync.commit()),
    "rollback of the synchronous connection": lambda work: work.connection.run_sync(
        lambda sync: sync.rollback()
    ),
    "close of the synchronous connection": lambda work: work.connection.run_sync(lambda sync: sync.close()),
    "commit of the connection's transaction": lambda work: transaction_of(work.connection).commit(),
    "rollback of the connection's transaction": lambda work: transaction_of(work.connection).rollback(),
    "commit of the session's transaction": lambda work: transaction_of(work.session).commit(),
    "rollback of the session's transaction": lambda work: transaction_of(work.session).rollback(),
}


def refused(call: Act) -> Act:
    async def act(work: UnitOfWork) -> None:
        with pytest.raises(TransactionControlError, match=r"begin_nested\(\)"):
            await call(work)

    return act


async def fail(work: UnitOfWork) -> None:
    raise ConflictError("not after all")


@pytest.mark.parametrize("call", CALLS)
async def test_control_of_the_transaction_is_refused_and_the_unit_goes_on(
    app: EngineHostApp, call: str
) -> None:
    await run_unit(app, adding("before"), refused(CALLS[call]), adding("after"), tell)
    assert await names(app) == ["after", "before"]
    async with app.read(TESTER) as reading:
        assert len((await reading.connection.execute(select(EventLog.id))).all()) == 1


@pytest.mark.parametrize("call", CALLS)
async def test_what_was_refused_kept_nothing_of_a_unit_that_fails(app: EngineHostApp, call: str) -> None:
    with pytest.raises(ConflictError, match="not after all"):
        await run_unit(app, adding("half"), refused(CALLS[call]), fail)
    assert await names(app) == []


@pytest.mark.filterwarnings("ignore:transaction already deassociated:sqlalchemy.exc.SAWarning")
@pytest.mark.parametrize("detour", DETOURS)
async def test_a_detour_to_the_transaction_undoes_the_unit(app: EngineHostApp, detour: str) -> None:
    """However it goes on: the refusal is swallowed, more is written."""

    async def swallowed(work: UnitOfWork) -> None:
        with suppress(TransactionControlError):
            await DETOURS[detour](work)

    with pytest.raises(SQLAlchemyError):
        await run_unit(app, adding("before"), swallowed, adding("after"), tell)
    assert await names(app) == []
    with pytest.raises((TransactionControlError, SQLAlchemyError)):
        await run_unit(app, adding("before"), swallowed, tell)
    assert await names(app) == []
    async with app.read(TESTER) as reading:
        assert (await reading.connection.execute(select(EventLog.id))).all() == []
    await run_unit(app, adding("the next unit"))
    assert await names(app) == ["the next unit"]


async def lost_part(work: UnitOfWork) -> None:
    async with work.connection.begin_nested():
        await add(work, "undone")
        raise LookupError("this part alone")


async def lost_part_of_session(work: UnitOfWork) -> None:
    async with work.session.begin_nested():
        work.session.add(EventCursor(consumer="undone", seq=0))
        await work.session.flush()
        raise LookupError("this part alone")


async def test_savepoints_are_free(app: EngineHostApp) -> None:
    async with app.uow(TESTER) as work:
        await add(work, "before")
        for part in (lost_part, lost_part_of_session):
            with pytest.raises(LookupError):
                await part(work)
        async with work.connection.begin_nested():
            await add(work, "kept by the connection")
        async with work.session.begin_nested():
            work.session.add(EventCursor(consumer="kept by the session", seq=0))
    assert await names(app) == ["before", "kept by the connection", "kept by the session"]


async def test_a_handler_that_commits_is_named_and_undoes_the_unit(
    app: EngineHostApp, targets: ModuleType
) -> None:
    async def commits(event: Event, work: UnitOfWork) -> None:
        await work.session.commit()

    targets.commits = commits
    intercept(app, "commits")
    with pytest.raises(PluginError, match="plugin acme") as caught:
        await run_unit(app, adding("half"), tell)
    assert isinstance(caught.value.__cause__, TransactionControlError)
    assert caught.value.details == {"plugin": "acme", "handler": "commits"}
    assert await names(app) == []


async def test_a_refusal_after_a_swallowed_commit_undoes_the_unit(
    app: EngineHostApp, targets: ModuleType
) -> None:
    async def swallows(event: Event, work: UnitOfWork) -> None:
        with pytest.raises(TransactionControlError):
            await work.connection.commit()

    async def refuses(event: Event, work: UnitOfWork) -> None:
        raise ConflictError("not now")

    targets.swallows, targets.refuses = swallows, refuses
    intercept(app, "swallows", "refuses")
    with pytest.raises(ConflictError, match="not now"):
        await run_unit(app, adding("half"), tell)
    assert await names(app) == []


async def test_a_unit_that_has_ended_is_of_no_use(app: EngineHostApp) -> None:
    async with app.uow(TESTER) as work:
        await add(work, "in time")
    with pytest.raises(SQLAlchemyError):
        await work.session.execute(select(EventCursor.consumer))
    with pytest.raises(SQLAlchemyError):
        await add(work, "too late")
    assert await names(app) == ["in time"]


# --- what the database refuses ----------------------------------------------------------------


async def add_by_session(work: UnitOfWork) -> None:
    work.session.add(EventCursor(consumer="secret value", seq=0))


async def add_nothing(work: UnitOfWork) -> None:
    await work.connection.execute(insert(EventCursor).values(consumer="secret value", seq=None))


async def add_for_nobody(work: UnitOfWork) -> None:
    """Audit values whose event isn't there; PostgreSQL and SQLite say so at once."""
    await work.connection.execute(insert(AuditValue).values(audit_event_id=new_id(), salt="secret value"))


@pytest.mark.parametrize("again", [adding("secret value"), add_by_session], ids=["connection", "session"])
async def test_a_broken_unique_rule_is_a_conflict_that_tells_no_values(
    app: EngineHostApp, again: Act, caplog: pytest.LogCaptureFixture
) -> None:
    await run_unit(app, adding("secret value"))
    with pytest.raises(RowConflictError) as caught:
        await run_unit(app, adding("half"), again)
    assert str(caught.value) == "there is such a row already [conflict]"
    assert (caught.value.fields, caught.value.details, caught.value.status) == ((), {}, 409)
    assert "the database refused what conformance changed" in caplog.text
    assert "secret value" not in caplog.text
    assert await names(app) == ["secret value"]


@pytest.mark.parametrize(("act", "kind"), [(add_for_nobody, RowConflictError), (add_nothing, InvalidError)])
async def test_every_broken_rule_is_typed(app: EngineHostApp, act: Act, kind: type[ComputorError]) -> None:
    with pytest.raises(kind) as caught:
        await run_unit(app, adding("half"), act)
    assert type(caught.value) is kind
    assert "secret value" not in str(caught.value)
    assert await names(app) == []


# --- signals ----------------------------------------------------------------------------------


def signalling(amount: object) -> Act:
    async def act(work: UnitOfWork) -> None:
        work.signal("parcel.arrived", "7", {"amounts": amount})

    return act


async def signals(app: EngineHostApp) -> list[object]:
    async with app.read(TESTER) as reading:
        return list((await reading.connection.execute(select(WorkflowSignal.payload))).scalars())


async def test_a_repeated_signal_changes_nothing(app: EngineHostApp) -> None:
    await run_unit(app, signalling((1, 2)), signalling([1, 2]), adding("first"))
    await run_unit(app, signalling([1, 2]), adding("second"))
    assert await signals(app) == [{"amounts": [1, 2]}]
    assert await names(app) == ["first", "second"]


async def test_signals_sent_side_by_side_are_one(app: EngineHostApp) -> None:
    await asyncio.gather(*(run_unit(app, signalling([3]), adding(str(number))) for number in range(6)))
    assert await signals(app) == [{"amounts": [3]}]
    assert len(await names(app)) == 6


async def test_a_signal_with_another_payload_is_a_conflict(app: EngineHostApp) -> None:
    with pytest.raises(ConflictError, match=r"parcel\.arrived was sent with another payload"):
        await run_unit(app, signalling([1]), signalling([2]))
    assert await signals(app) == []
    await run_unit(app, signalling([1]))
    with pytest.raises(ConflictError, match=r"parcel\.arrived was sent with another payload"):
        await run_unit(app, adding("half"), signalling([2]))
    assert await signals(app) == [{"amounts": [1]}]
    assert await names(app) == []


async def test_a_signal_that_is_too_large_is_a_payload_too_large(app: EngineHostApp) -> None:
    with pytest.raises(PayloadLimitError) as caught:
        await run_unit(app, signalling("x" * MAX_PAYLOAD_BYTES))
    assert caught.value.status == 413
    assert await signals(app) == []


def intercept(app: EngineHostApp, *handlers: str) -> None:
    bindings = [
        HandlerBinding(
            "acme",
            EventHandlerRegistration(
                EntityCreated.name, f"unit_handlers:{name}", HandlerTiming.IN_TRANSACTION, name
            ),
            app.context(),
        )
        for name in handlers
    ]
    dispatcher = EventDispatcher(units=app, bindings=bindings, wakeups=app.wakeups, owner="a")
    app.intercept = dispatcher.intercept
