"""What a host does by itself: it takes up what the one before left, and needs no bus for it."""

from __future__ import annotations

import logging
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from computor_core.model import Blob, TestRun
from computor_core.services import agent
from computor_core.services.background import host_name
from computor_core.services.test_queue import LEASE
from computor_core.settings import Settings
from tests.support.deployment import RIGHT, SYSTEM, Deployment, SetClock, opened, until
from tests.support.pushing import Clone, clone_of, submit

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def leased_by_this_host(site: Deployment, test_run_id: Any) -> None:
    """A job in the hands of an agent of this machine, whose process is then gone."""
    async with site.app.uow(SYSTEM) as work:
        run = await work.session.get_one(TestRun, test_run_id)
        await site.app.services.queue.enqueue(work, run, priority=0)
    assert await site.app.services.queue.lease("default", f"{host_name()}:default")


async def test_a_new_host_takes_up_what_the_last_one_left(
    deployment_settings: Settings, tmp_path: Path
) -> None:
    spool = deployment_settings.data_dir / "spool"
    async with opened(deployment_settings, running=False) as site:
        room = await site.classroom(tmp_path)
        assignment = await room.assignment("week.hello")
        accepted = await site.submit(room.student, assignment)
        await leased_by_this_host(site, accepted.test_run_id)
        clone = await clone_of(room, room.student, tmp_path / "clone")
        commit = await clone.commit({"week/hello/answer.sh": RIGHT["answer.sh"]})
        await clone.begin({"week/hello": commit})
        await clone.move(submit("week/hello"), commit)
        await site.app.services.blobs.stage("default", [])
        (spool / "left").mkdir()
        (spool / "left" / "file").write_text("of a request that died")
        sqlite = site.app.database.is_sqlite
    async with opened(deployment_settings, running=True) as site:
        after = Clone(site, room.student, clone.repository, clone.folder)
        if sqlite:
            assert not (spool / "left").exists()
            await until(lambda: is_in(after, "submitted"))
        else:  # another host may be at them: the lease and the push have their time
            assert (await site.queued(accepted.test_run_id)).state == "leased"
            site.clock.advance(seconds=LEASE.total_seconds() + 1)
        run = await site.finished(accepted.test_run_id)
        assert (run.verdict, run.executions) == ("passed", 2)
        assert await after.states() == ["submitted" if sqlite else "pending"]


async def is_in(clone: Clone, state: str) -> bool:
    return await clone.states() == [state]


async def test_blobs_whose_time_is_over_go_by_themselves(
    deployment_settings: Settings, tmp_path: Path
) -> None:
    async with opened(deployment_settings, running=False) as site:
        room = await site.classroom(tmp_path)
        over = SetClock().now() - timedelta(days=1)
        await site.change(update(Blob).values(state="staged", references=0, staged_until=over))
        kept = await site.scalars(select(Blob.sha256))
        assert len(kept) > 0
        del room
    async with opened(deployment_settings, running=True) as site:

        async def all_gone() -> bool:
            return not set(kept) & set(await site.scalars(select(Blob.sha256)))

        await until(all_gone)


class BrokenBus:
    """A bus that nobody can listen to."""

    def __init__(self) -> None:
        self.tried = 0

    def subscribe(self, request: object) -> object:
        self.tried += 1
        raise ConnectionError("the bus is away")


async def test_without_a_bus_agents_look_by_themselves(
    deployment_settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(agent, "POLL", 0.05)
    async with opened(deployment_settings, running=False) as site:
        bus = BrokenBus()
        site.app.bus = bus  # type: ignore[assignment]
        with caplog.at_level(logging.ERROR):
            async with site.app.running():
                room = await site.classroom(tmp_path)
                accepted = await site.submit(room.student, await room.assignment())
                assert (await site.finished(accepted.test_run_id)).verdict == "passed"
        assert bus.tried >= 1
        assert any("bus is away" in record.message for record in caplog.records)
