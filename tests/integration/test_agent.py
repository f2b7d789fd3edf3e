"""The agent of a running host: every accepted submission gets its one result, whatever is away."""

from __future__ import annotations

import asyncio
import hashlib
import sys
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import delete

from computor_core.assessment.judging_process import GREETING
from computor_core.errors import (
    ConflictError,
    NotFoundError,
    ProviderInvalidError,
    ProviderUnavailableError,
)
from computor_core.model import TestRun
from computor_core.plugin_api.providers.runner import RunJob, RunReport
from computor_core.plugin_api.providers.storage import StorageBackend
from computor_core.plugin_api.workflows import RunState
from computor_core.services import agent
from computor_core.services.judging import Judges, JudgingError
from computor_core.services.retesting import start_test
from computor_core.services.test_queue import LEASE, MAX_EXECUTIONS, LeasedJob
from tests.support.deployment import RIGHT, WRONG, Classroom, Deployment, failing, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

Script = Callable[[RunJob], Awaitable[RunReport]]


class Gate:
    """A runner that says that it has a job and goes on when it is let."""

    def __init__(self, site: Deployment) -> None:
        self._echo = site.runner.echo
        self.entered, self.open, self.left = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def __call__(self, job: RunJob) -> RunReport:
        self.entered.set()
        try:
            await self.open.wait()
        finally:
            self.left.set()
        return await self._echo(job)


def raising(error: Exception) -> Script:
    async def run(job: RunJob) -> RunReport:
        raise error

    return run


async def run_again(site: Deployment, room: Classroom, artifact_id: Any) -> Any:
    started = await start_test(site.app, room.student.principal, artifact_id)
    return await site.finished(started.test_run_id)


# --- verdicts -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("files", "verdict", "points"),
    [
        (RIGHT, "passed", 6),
        (WRONG, "failed", 0),
        ({"other.sh": b"x"}, "missing_files", 0),
    ],
)
async def test_a_submission_ends_with_its_verdict(
    busy_site: Deployment, busy_room: Classroom, files: dict[str, bytes], verdict: str, points: int
) -> None:
    assignment = await busy_room.assignment(max_attempts=1)
    accepted = await busy_site.submit(busy_room.student, assignment, files)
    run = await busy_site.finished(accepted.test_run_id)
    assert (run.state, run.verdict, run.points, run.max_points) == ("finished", verdict, points, 6)
    assert await busy_site.queued(run.id) is None
    assert await busy_site.attempts_used(accepted.submission_group_id) == 1


async def test_what_lacks_files_never_reaches_the_runner(busy_site: Deployment, busy_room: Classroom) -> None:
    before = len(busy_site.runner.jobs)
    accepted = await busy_site.submit(busy_room.student, await busy_room.assignment(), {"answer.sh": b""})
    run = await busy_site.finished(accepted.test_run_id)
    assert (run.verdict, run.message) == ("missing_files", "Missing or empty: answer.sh")
    assert len(busy_site.runner.jobs) == before


async def test_a_job_has_the_submission_and_what_the_example_gives_it_and_goes_without_a_trace(
    busy_site: Deployment, busy_room: Classroom
) -> None:
    found: dict[str, list[str]] = {}

    async def look(job: RunJob) -> RunReport:
        for name, folder in job.inputs.items():
            found[name] = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.*"))
        return await busy_site.runner.echo(job)

    files = RIGHT | {"deep/notes.txt": b"mine"}
    with busy_site.runner.does(look):
        accepted = await busy_site.submit(busy_room.student, await busy_room.assignment(), files)
        assert (await busy_site.finished(accepted.test_run_id)).verdict == "passed"
    assert found["submission"] == ["answer.sh", "deep/notes.txt"]
    assert (found["tests"], found["additional"]) == (["secret.txt"], ["data.txt"])
    assert list((busy_site.app.settings.data_dir / "spool").iterdir()) == []


# --- what is away ---------------------------------------------------------------------------------


async def given_back(site: Deployment, test_run_id: Any) -> None:
    """Wait until the agent has returned a job to the queue."""

    async def returned() -> bool:
        row = await site.queued(test_run_id)
        return row is not None and row.state == "queued" and row.available_at > site.clock.now()

    await until(returned)


async def test_a_job_goes_back_while_the_runner_is_away_and_the_outage_costs_nothing(
    busy_site: Deployment, busy_room: Classroom
) -> None:
    with busy_site.runner.does(raising(ProviderUnavailableError("no sandbox now"))):
        accepted = await busy_site.submit(busy_room.student, await busy_room.assignment())
        for _ in range(MAX_EXECUTIONS + 1):
            await given_back(busy_site, accepted.test_run_id)
            run = await busy_site.run_of(accepted.test_run_id)
            assert (run.state, run.executions) == ("running", 0)
            busy_site.clock.advance(seconds=agent.AWAY.total_seconds())
    busy_site.clock.advance(seconds=agent.AWAY.total_seconds())
    run = await busy_site.finished(accepted.test_run_id)
    assert (run.verdict, run.executions) == ("passed", 1)
    assert await busy_site.attempts_used(accepted.submission_group_id) == 1


async def test_a_job_goes_back_while_storage_is_away(busy_site: Deployment, busy_room: Classroom) -> None:
    storage = busy_site.app.providers.get(StorageBackend, "default")
    with failing(storage, "open"):
        accepted = await busy_site.submit(busy_room.student, await busy_room.assignment())
        await given_back(busy_site, accepted.test_run_id)
    busy_site.clock.advance(seconds=agent.AWAY.total_seconds())
    assert (await busy_site.finished(accepted.test_run_id)).verdict == "passed"


async def test_a_job_that_the_runner_refuses_is_an_infrastructure_error_with_the_reason(
    busy_site: Deployment, busy_room: Classroom
) -> None:
    refusal = ProviderInvalidError("the toolchain 'bash' isn't usable here")
    with busy_site.runner.does(raising(refusal)):
        accepted = await busy_site.submit(busy_room.student, await busy_room.assignment(max_attempts=1))
        run = await busy_site.finished(accepted.test_run_id)
    assert run.verdict == "infrastructure_error"
    assert "the toolchain 'bash' isn't usable here" in run.message
    assert await busy_site.attempts_used(accepted.submission_group_id) == 0


async def test_bytes_that_are_lost_are_an_infrastructure_error(
    busy_site: Deployment, busy_room: Classroom
) -> None:
    lost = {"answer.sh": b"echo lost bytes\n"}
    gate = Gate(busy_site)
    with busy_site.runner.does(gate):
        accepted = await busy_site.submit(busy_room.student, await busy_room.assignment(), lost)
        await asyncio.wait_for(gate.entered.wait(), 60)
        digest = hashlib.sha256(lost["answer.sh"]).hexdigest()
        assert await busy_site.app.providers.get(StorageBackend, "default").delete(digest)
        gate.open.set()
        assert (await busy_site.finished(accepted.test_run_id)).verdict == "failed"
    run = await run_again(busy_site, busy_room, accepted.artifact_id)
    assert run.verdict == "infrastructure_error"


async def test_a_job_that_breaks_every_agent_ends_after_three_hand_outs(
    busy_site: Deployment, busy_room: Classroom
) -> None:
    handed_out = 0

    async def broken(job: RunJob) -> RunReport:
        nonlocal handed_out
        handed_out += 1
        raise RuntimeError("nobody thought of this")

    with busy_site.runner.does(broken):
        accepted = await busy_site.submit(busy_room.student, await busy_room.assignment())
        for number in range(1, MAX_EXECUTIONS + 1):
            await until(lambda number=number: _is(handed_out == number))
            busy_site.clock.advance(seconds=LEASE.total_seconds() + 1)
        run = await busy_site.finished(accepted.test_run_id)
    assert (run.verdict, handed_out) == ("infrastructure_error", MAX_EXECUTIONS)
    assert await busy_site.attempts_used(accepted.submission_group_id) == 0
    later = await busy_site.submit(busy_room.student, await busy_room.assignment())
    assert (await busy_site.finished(later.test_run_id)).verdict == "passed"


async def _is(value: bool) -> bool:
    return value


async def test_answers_that_nobody_can_judge_are_the_submission_s_fault_and_use_the_attempt(
    busy_site: Deployment, busy_room: Classroom, monkeypatch: pytest.MonkeyPatch
) -> None:
    silent = (sys.executable, "-c", f"import os, sys; os.write(1, {GREETING!r}); sys.stdin.buffer.read()")
    judges, really = Judges(silent, seconds=0.1, seconds_per_case=0), Judges.judge
    monkeypatch.setattr(Judges, "judge", lambda _self, *arguments: really(judges, *arguments))
    accepted = await busy_site.submit(busy_room.student, await busy_room.assignment(max_attempts=1))
    run = await busy_site.finished(accepted.test_run_id)
    assert (run.verdict, run.points, run.executions) == ("failed", 0, 1)
    assert run.message == ""  # the cases say it, each to whoever sees that case
    assert await busy_site.attempts_used(accepted.submission_group_id) == 1


async def test_a_mistake_of_the_judge_is_reported_once_and_gives_the_attempt_back(
    busy_site: Deployment, busy_room: Classroom, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def mistaken(*_arguments: object) -> dict[str, Any]:
        raise JudgingError("the result couldn't be judged")

    monkeypatch.setattr(Judges, "judge", mistaken)
    before = len(busy_site.runner.jobs)
    accepted = await busy_site.submit(busy_room.student, await busy_room.assignment(max_attempts=1))
    run = await busy_site.finished(accepted.test_run_id)
    assert (run.verdict, run.executions) == ("infrastructure_error", 1)
    assert len(busy_site.runner.jobs) == before + 1
    assert await busy_site.attempts_used(accepted.submission_group_id) == 0


async def test_an_agent_whose_lease_is_lost_stops_its_job_and_another_one_has_it(
    busy_site: Deployment, busy_room: Classroom, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agent, "LEASE", timedelta(seconds=0.3))  # how often it is extended
    gate = Gate(busy_site)
    with busy_site.runner.does(gate):
        accepted = await busy_site.submit(busy_room.student, await busy_room.assignment())
        await asyncio.wait_for(gate.entered.wait(), 60)
        busy_site.runner.script = None  # the next holder may run it
        assert await busy_site.app.services.queue.release_leases("") >= 1
        await asyncio.wait_for(gate.left.wait(), 60)
        run = await busy_site.finished(accepted.test_run_id)
    assert (run.verdict, run.executions) == ("passed", 2)


async def test_a_job_that_is_somebody_elses_by_now_cant_be_given_back(
    busy_site: Deployment, busy_room: Classroom
) -> None:
    gate = Gate(busy_site)
    with busy_site.runner.does(gate):
        accepted = await busy_site.submit(busy_room.student, await busy_room.assignment())
        await asyncio.wait_for(gate.entered.wait(), 60)
        old = LeasedJob(accepted.test_run_id, "a token of old", busy_site.clock.now(), 1)
        await busy_site.app.services.queue.give_back(old, delay=agent.AWAY)
        assert (await busy_site.queued(accepted.test_run_id)).state == "leased"
        gate.open.set()
        run = await busy_site.finished(accepted.test_run_id)
    assert (run.verdict, run.executions) == ("passed", 1)


async def test_a_queue_that_cant_be_asked_for_a_moment_doesnt_end_the_agent(
    busy_site: Deployment, busy_room: Classroom, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue, asked = busy_site.app.services.queue, 0

    async def lease(instance: str, name: str) -> Any:
        nonlocal asked
        asked += 1
        if asked == 1:
            raise OSError("the database is away")
        return await type(queue).lease(queue, instance, name)

    monkeypatch.setattr(queue, "lease", lease)
    accepted = await busy_site.submit(busy_room.student, await busy_room.assignment())
    assert (await busy_site.finished(accepted.test_run_id)).verdict == "passed"
    assert asked > 1


# --- testing again, cancelling, erasing -----------------------------------------------------------


async def test_one_test_of_a_submission_at_a_time(busy_site: Deployment, busy_room: Classroom) -> None:
    gate = Gate(busy_site)
    start = [busy_site.app, busy_room.student.principal]
    with busy_site.runner.does(gate):
        accepted = await busy_site.submit(busy_room.student, await busy_room.assignment(max_attempts=1))
        with pytest.raises(ConflictError, match="under way") as caught:
            await start_test(*start, accepted.artifact_id)
        assert caught.value.details == {"test_run_id": str(accepted.test_run_id)}
        gate.open.set()
        await busy_site.finished(accepted.test_run_id)
    again = await start_test(*start, accepted.artifact_id)
    assert (await busy_site.finished(again.test_run_id)).verdict == "passed"
    assert await busy_site.attempts_used(accepted.submission_group_id) == 1


async def test_of_many_requests_at_once_one_starts_a_test(
    busy_site: Deployment, busy_room: Classroom
) -> None:
    accepted = await busy_site.submit(busy_room.student, await busy_room.assignment())
    await busy_site.finished(accepted.test_run_id)
    gate = Gate(busy_site)
    with busy_site.runner.does(gate):
        ended = await asyncio.gather(
            *(start_test(busy_site.app, busy_room.student.principal, accepted.artifact_id) for _ in range(8)),
            return_exceptions=True,
        )
        started = [item for item in ended if not isinstance(item, BaseException)]
        assert len(started) == 1
        assert all(isinstance(item, ConflictError) for item in ended if item not in started)
        gate.open.set()
        await busy_site.finished(started[0].test_run_id)


async def test_staff_has_any_submission_tested_and_other_students_none(
    busy_site: Deployment, busy_room: Classroom
) -> None:
    accepted = await busy_site.submit(busy_room.student, await busy_room.assignment())
    await busy_site.finished(accepted.test_run_id)
    started = await start_test(busy_site.app, busy_room.tutor.principal, accepted.artifact_id)
    assert (await busy_site.finished(started.test_run_id)).verdict == "passed"
    other = await busy_room.join()
    with pytest.raises(NotFoundError):
        await start_test(busy_site.app, other.principal, accepted.artifact_id)


async def test_a_cancelled_test_says_so_gives_the_attempt_back_and_takes_no_late_report(
    busy_site: Deployment, busy_room: Classroom
) -> None:
    gate = Gate(busy_site)
    with busy_site.runner.does(gate):
        accepted = await busy_site.submit(busy_room.student, await busy_room.assignment(max_attempts=1))
        await asyncio.wait_for(gate.entered.wait(), 60)
        await busy_site.app.workflows.cancel(accepted.test_run_id)
        run = await busy_site.finished(accepted.test_run_id)
        assert run.verdict == "cancelled"
        gate.open.set()
        await asyncio.wait_for(gate.left.wait(), 60)
    later = await busy_site.submit(busy_room.student, await busy_room.assignment())
    await busy_site.finished(later.test_run_id)
    again = await busy_site.run_of(accepted.test_run_id)
    assert (again.verdict, again.points) == ("cancelled", None)
    assert await busy_site.attempts_used(accepted.submission_group_id) == 0


async def test_a_test_that_was_erased_meanwhile_leaves_a_settled_workflow(
    busy_site: Deployment, busy_room: Classroom
) -> None:
    gate = Gate(busy_site)
    with busy_site.runner.does(gate):
        accepted = await busy_site.submit(busy_room.student, await busy_room.assignment())
        await asyncio.wait_for(gate.entered.wait(), 60)
        await busy_site.change(delete(TestRun).where(TestRun.id == accepted.test_run_id))
        await busy_site.app.workflows.cancel(accepted.test_run_id)
        async with asyncio.timeout(60):
            described = await busy_site.app.workflows.wait(accepted.test_run_id)
        assert described.state is RunState.CANCELLED
        gate.open.set()
