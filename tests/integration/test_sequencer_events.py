"""Events get their numbers after commit, without gaps, from one leader at a time."""

import asyncio
from collections.abc import AsyncIterator
from contextvars import Context
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import delete, select, update

from computor_core.db.engine import Database
from computor_core.events.log import last_seq, read_events
from computor_core.model import EventLog, Lease
from computor_core.plugin_api.events import ContentReleased, EntityCreated
from computor_core.testing.engine_host import TESTER, EngineHostApp, create_tables
from computor_core.workflows.database_time import database_time
from computor_core.workflows.leases import LeaderLease, LeaseLostError
from computor_core.workflows.sequencer import Sequencer

LEASE = timedelta(seconds=30)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
async def app(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[EngineHostApp]:
    sqlite = f"sqlite+aiosqlite:///{tmp_path}/sequencer.db"
    database = Database(sqlite if request.param == "sqlite" else request.getfixturevalue("postgres_url"))
    await create_tables(database)
    yield EngineHostApp(database, tmp_path)
    await database.aclose()


def lease_of(app: EngineHostApp, owner: str, duration: timedelta = LEASE) -> LeaderLease:
    return LeaderLease(app, "sequencer", owner, duration)


def sequencer_of(app: EngineHostApp, owner: str = "a") -> Sequencer:
    return Sequencer(app, lease_of(app, owner), lambda: None)


async def emit(app: EngineHostApp, *numbers: int) -> None:
    async with app.uow(TESTER) as work:
        for number in numbers:
            work.emit(ContentReleased(course_content_id=UUID(int=number)))


async def order(app: EngineHostApp) -> list[tuple[int, int]]:
    """Number and content of each event in the order of the numbers."""
    async with app.read(TESTER) as reading:
        found = await read_events(reading.connection, after=0, limit=10_000)
    return [(event.seq, UUID(event.payload["course_content_id"]).int) for event in found]


async def expire(app: EngineHostApp) -> None:
    """The leader's time runs out."""
    async with app.uow(TESTER) as work:
        await work.connection.execute(update(Lease).values(expires_at=database_time(timedelta(seconds=-1))))


async def test_events_have_no_number_before_the_sequencer_comes(app: EngineHostApp) -> None:
    await emit(app, 1)
    assert await order(app) == []
    await sequencer_of(app).stamp()
    assert await order(app) == [(1, 1)]


async def test_a_units_events_keep_the_order_in_which_they_were_emitted(app: EngineHostApp) -> None:
    await emit(app, 5, 4, 3)
    await emit(app, 2, 1)
    await sequencer_of(app).stamp()
    assert await order(app) == [(1, 5), (2, 4), (3, 3), (4, 2), (5, 1)]


async def test_numbers_go_on_where_they_ended(app: EngineHostApp) -> None:
    for number in range(3):
        await emit(app, number)
        await sequencer_of(app, f"host-{number}").stamp()
        await expire(app)
    assert await order(app) == [(1, 0), (2, 1), (3, 2)]


async def test_a_unit_that_fails_leaves_no_gap(app: EngineHostApp) -> None:
    async def fail() -> None:
        async with app.uow(TESTER) as work:
            work.emit(ContentReleased(course_content_id=UUID(int=99)))
            raise LookupError("not after all")

    await emit(app, 1)
    with pytest.raises(LookupError):
        await fail()
    await emit(app, 2)
    await sequencer_of(app).stamp()
    assert await order(app) == [(1, 1), (2, 2)]


async def test_more_than_a_batch_takes_several_passes(app: EngineHostApp) -> None:
    await emit(app, *range(1200))
    sequencer = sequencer_of(app)
    passes = 1
    while await sequencer.stamp() == timedelta(0):
        passes += 1
    assert await order(app) == [(number + 1, number) for number in range(1200)]
    assert passes == 3


async def test_numbers_arent_reused_when_events_are_pruned(app: EngineHostApp) -> None:
    await emit(app, 1, 2, 3)
    sequencer = sequencer_of(app)
    await sequencer.stamp()
    async with app.uow(TESTER) as work:
        await work.connection.execute(delete(EventLog))
    await emit(app, 4)
    await sequencer.stamp()
    assert await order(app) == [(4, 4)]


async def test_only_the_leader_stamps(app: EngineHostApp) -> None:
    leader, other = sequencer_of(app, "a"), sequencer_of(app, "b")
    await emit(app, 1)
    await leader.stamp()
    await emit(app, 2)
    await other.stamp()
    assert await order(app) == [(1, 1)]
    await expire(app)
    await other.stamp()
    assert await order(app) == [(1, 1), (2, 2)]


async def test_a_leader_that_was_overtaken_writes_nothing(app: EngineHostApp) -> None:
    overtaken = lease_of(app, "a")
    assert await overtaken.ensure()
    await expire(app)
    assert await lease_of(app, "b").ensure()

    async def write() -> None:
        async with app.uow(TESTER) as work:
            work.emit(ContentReleased(course_content_id=UUID(int=1)))
            await overtaken.hold(work)

    with pytest.raises(LeaseLostError):
        await write()
    async with app.read(TESTER) as reading:
        assert (await reading.connection.execute(select(EventLog.id))).all() == []


async def test_a_leader_that_was_overtaken_meanwhile_stamps_nothing(app: EngineHostApp) -> None:
    """It still took itself for the leader when it began to write."""

    class Believing(LeaderLease):
        async def ensure(self, least: timedelta | None = None) -> bool:
            return True

    believing = Believing(app, "sequencer", "a", LEASE)
    assert await LeaderLease.ensure(believing)
    await expire(app)
    assert await lease_of(app, "b").ensure()
    await emit(app, 1)
    await Sequencer(app, believing, lambda: None).stamp()
    assert await order(app) == []


async def test_a_lease_that_ran_out_is_lost_although_nobody_took_it(app: EngineHostApp) -> None:
    lease = lease_of(app, "a")
    assert await lease.ensure()
    await expire(app)

    async def hold() -> None:
        async with app.uow(TESTER) as work:
            await lease.hold(work)

    with pytest.raises(LeaseLostError):
        await hold()
    assert await lease.ensure()
    await hold()


async def test_a_lease_can_be_released_renewed_and_shared_by_tasks(app: EngineHostApp) -> None:
    first, second = lease_of(app, "a"), lease_of(app, "b")
    assert await asyncio.gather(*(first.ensure() for _ in range(10))) == [True] * 10
    assert not await second.ensure()
    async with app.uow(TESTER) as work:
        nearly_over = database_time(timedelta(seconds=1))
        await work.connection.execute(update(Lease).values(expires_at=nearly_over))
    assert await first.ensure()
    async with app.read(TESTER) as reading:
        left = select(Lease.expires_at > database_time(LEASE / 2)).where(Lease.name == "sequencer")
        assert (await reading.connection.execute(left)).scalar_one()
    await first.release()
    assert await second.ensure()
    assert not await first.ensure()


async def test_the_log_can_be_read_from_a_number_and_by_type(app: EngineHostApp) -> None:
    async with app.uow(TESTER) as work:
        for number in range(4):
            work.emit(ContentReleased(course_content_id=UUID(int=number), course_id=UUID(int=7)))
            work.emit(EntityCreated(entity="courses", row_id=str(number)))
    await sequencer_of(app).stamp()
    async with app.read(TESTER) as reading:
        assert await last_seq(reading.connection) == 8
        found = await read_events(reading.connection, after=2, limit=2, names=["content.released"])
        assert [event.seq for event in found] == [3, 5]
        assert found[0].load() == ContentReleased(course_content_id=UUID(int=1), course_id=UUID(int=7))


@pytest.mark.postgres
async def test_an_event_that_commits_late_gets_a_late_number(postgres_url: str, tmp_path: Path) -> None:
    """Its id is the older one; nobody who has read up to the newer one's number misses it."""
    database = Database(postgres_url)
    await create_tables(database)
    app = EngineHostApp(database, tmp_path)
    sequencer = sequencer_of(app)
    async with app.uow(TESTER) as late:
        late.session.add(
            EventLog(
                name="content.released", occurred_at=late.now, payload={"course_content_id": str(UUID(int=1))}
            )
        )
        await late.session.flush()
        await asyncio.create_task(emit(app, 2), context=Context())
        await asyncio.create_task(sequencer.stamp(), context=Context())
        async with app.read(TESTER) as reading:
            assert await last_seq(reading.connection) == 1
    await sequencer.stamp()
    assert await order(app) == [(1, 2), (2, 1)]
    await database.aclose()


@pytest.mark.postgres
async def test_two_hosts_number_everything_once_and_without_gaps(postgres_url: str, tmp_path: Path) -> None:
    """Both stamp while others write, and the lease changes hands all the time."""
    databases = [Database(postgres_url) for _ in range(3)]
    await create_tables(databases[0])
    writer, *hosts = [EngineHostApp(database, tmp_path) for database in databases]
    ended = asyncio.Event()

    async def stamp(app: EngineHostApp, owner: str) -> None:
        lease = lease_of(app, owner, timedelta(milliseconds=200))
        sequencer = Sequencer(app, lease, lambda: None)
        while not ended.is_set() or len(await order(app)) < 200:
            await sequencer.stamp()
            await lease.release()

    async def write() -> None:
        for number in range(0, 200, 4):
            await emit(writer, *range(number, number + 4))
        ended.set()

    async with asyncio.timeout(60):
        await asyncio.gather(write(), stamp(hosts[0], "a"), stamp(hosts[1], "b"))
    assert await order(writer) == [(number + 1, number) for number in range(200)]
    for database in databases:
        await database.aclose()
