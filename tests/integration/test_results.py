"""Recording results: one for each test, from a report or for want of one, and who sees what of it."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import delete, select

from computor_core.assessment.model import Integrity, Visibility
from computor_core.assessment.report import (
    CaseResult,
    CaseStatus,
    Replay,
    Section,
    TestReport,
    Verdict,
)
from computor_core.db.types import new_id
from computor_core.errors import NotFoundError, TooManyRequestsError
from computor_core.model import EventLog, TestCaseResult, TestRun, WorkflowSignal
from computor_core.services.retesting import start_test
from computor_core.services.test_queue import PRACTICE_RUNS, JobLeaseLostError
from tests.support.deployment import Classroom, Deployment, Person

pytestmark = pytest.mark.asyncio(loop_scope="module")

SEEN = (Visibility.ALWAYS, Visibility.AFTER_DUE, Visibility.NEVER)


def report(verdict: Verdict = Verdict.PARTIAL, **changes: Any) -> dict[str, Any]:
    """A report with a case and a section of each visibility."""
    cases = [
        CaseResult(
            group="g",
            id=f"c{number}",
            name=f"case {visibility.value}",
            status=CaseStatus.FAILED if number else CaseStatus.PASSED,
            points=Decimal(0 if number else 1),
            max_points=Decimal("1.5"),
            visibility=visibility,
            message=f"message {visibility.value}",
            expected=f"expected {visibility.value}",
            actual=f"actual {visibility.value}",
            output=f"output {visibility.value}",
            duration_ms=7,
            memory_bytes=4096,
        )
        for number, visibility in enumerate(SEEN)
    ]
    made = TestReport(
        verdict=verdict,
        points=Decimal(1),
        max_points=Decimal("4.5"),
        integrity=Integrity.ISOLATED,
        cases=tuple(cases),
        messages=("one", "two"),
        sections=tuple(
            Section(name=f"phase {item.value}", visibility=item, output=f"section {item.value}")
            for item in SEEN
        ),
        replay=Replay(test_tree="tree", toolchain="bash", seed=5),
    )
    return made.model_copy(update=changes).model_dump(mode="json")


async def reported(site: Deployment, test_run_id: UUID, content: dict[str, Any]) -> Any:
    """A run's row after an agent handed this in; returns the lease, which is over."""
    job = await site.leased(test_run_id)
    await site.app.services.queue.report(job, content)
    return job


async def verdict_events(site: Deployment, test_run_id: UUID) -> list[str]:
    told = await site.scalars(select(EventLog.payload).where(EventLog.name == "test.finished"))
    return [item["verdict"] for item in told if item["test_run_id"] == str(test_run_id)]


async def test_a_report_becomes_the_result_once(site: Deployment, room: Classroom) -> None:
    accepted = await site.submit(room.student, await room.assignment())
    job = await reported(site, accepted.test_run_id, report())
    results = site.app.services.results
    assert [await results.record(accepted.test_run_id) for _ in range(2)] == ["partial", "partial"]
    with pytest.raises(JobLeaseLostError):
        await site.app.services.queue.report(job, report(Verdict.PASSED))
    assert await results.close(accepted.test_run_id, Verdict.CANCELLED, "too late") == "partial"
    run = await site.run_of(accepted.test_run_id)
    assert (run.state, run.verdict, run.integrity) == ("finished", "partial", "isolated")
    assert (run.points, run.max_points) == (Decimal(1), Decimal("4.5"))
    assert (run.finished_at, run.message) == (site.clock.now(), "one\ntwo")
    assert run.replay["seed"] == 5
    cases = await site.rows(
        select(TestCaseResult.name, TestCaseResult.status)
        .where(TestCaseResult.test_run_id == run.id)
        .order_by(TestCaseResult.ordinal)
    )
    assert [tuple(row) for row in cases] == [
        ("case always", "passed"),
        ("case after_due", "failed"),
        ("case never", "failed"),
    ]
    assert await verdict_events(site, run.id) == ["passed"]  # the one visible case has; students hear it
    assert await site.queued(run.id) is None
    signals = await site.scalars(select(WorkflowSignal.name).where(WorkflowSignal.key == str(run.id)))
    assert signals == ["job.done"]
    assert await site.attempts_used(accepted.submission_group_id) == 1


async def test_a_limit_that_stopped_it_is_named(site: Deployment, room: Classroom) -> None:
    accepted = await site.submit(room.student, await room.assignment())
    await reported(site, accepted.test_run_id, report(Verdict.LIMIT_EXCEEDED, limit_exceeded="memory"))
    await site.app.services.results.record(accepted.test_run_id)
    run = await site.run_of(accepted.test_run_id)
    assert (run.verdict, run.limit_exceeded) == ("limit_exceeded", "memory")


# --- results that say nothing about the submission ------------------------------------------------


@pytest.mark.parametrize(
    ("content", "says"),
    [
        pytest.param({"error": "the sandbox is broken"}, "the sandbox is broken", id="error"),
        pytest.param({"verdict": "passed"}, "malformed", id="fields missing"),
        pytest.param({**report(), "points": "many"}, "malformed", id="wrong type"),
        pytest.param({**report(), "extra": 1}, "malformed", id="unknown field"),
        pytest.param(
            report(Verdict.INFRASTRUCTURE_ERROR, messages=("judged so",)), "judged so", id="judged so"
        ),
    ],
)
async def test_without_a_report_that_counts_the_attempt_is_given_back(
    site: Deployment, room: Classroom, content: dict[str, Any], says: str
) -> None:
    assignment = await room.assignment(max_attempts=1)
    accepted = await site.submit(room.student, assignment)
    await reported(site, accepted.test_run_id, content)
    results = site.app.services.results
    for _ in range(2):
        assert await results.record(accepted.test_run_id) == "infrastructure_error"
    assert await site.attempts_used(accepted.submission_group_id) == 0
    assert says in (await site.run_of(accepted.test_run_id)).message
    assert (await site.submit(room.student, assignment)).attempts_left == 0


async def test_a_job_that_nobody_reported_is_an_infrastructure_error(
    site: Deployment, room: Classroom
) -> None:
    accepted = await site.submit(room.student, await room.assignment())
    assert await site.app.services.results.record(accepted.test_run_id) == "infrastructure_error"
    assert (await site.run_of(accepted.test_run_id)).message == "no runner handed in a report"


async def test_a_practice_run_has_no_attempt_to_give_back(site: Deployment, room: Classroom) -> None:
    assignment = await room.assignment()
    official = await site.submit(room.student, assignment)
    practice = await site.submit(room.student, assignment, official=False)
    await site.app.services.results.close(practice.test_run_id, Verdict.INFRASTRUCTURE_ERROR, "away")
    assert await site.attempts_used(official.submission_group_id) == 1


async def test_testing_again_gives_no_attempt_back_since_it_used_none(
    site: Deployment, room: Classroom
) -> None:
    """Else a student who starts tests during an outage would gain attempts."""
    assignment = await room.assignment()
    first = await site.submit(room.student, assignment)
    await site.submit(room.student, assignment)
    results = site.app.services.results
    await results.close(first.test_run_id, Verdict.INFRASTRUCTURE_ERROR, "away")
    assert await site.attempts_used(first.submission_group_id) == 1
    again = await start_test(site.app, room.student.principal, first.artifact_id)
    await results.close(again.test_run_id, Verdict.INFRASTRUCTURE_ERROR, "still away")
    assert await site.attempts_used(first.submission_group_id) == 1


async def test_testing_practice_runs_again_fills_no_queue_either(site: Deployment, room: Classroom) -> None:
    assignment = await room.assignment()
    results = site.app.services.results
    practice = []
    for _ in range(PRACTICE_RUNS + 1):
        accepted = await site.submit(room.student, assignment, official=False)
        await results.close(accepted.test_run_id, Verdict.INFRASTRUCTURE_ERROR, "away")
        practice.append(accepted.artifact_id)
    *first, last = practice
    for artifact_id in first:
        await start_test(site.app, room.student.principal, artifact_id)
    with pytest.raises(TooManyRequestsError):
        await start_test(site.app, room.student.principal, last)


async def test_closing_a_run_that_no_report_comes_for(site: Deployment, room: Classroom) -> None:
    accepted = await site.submit(room.student, await room.assignment())
    job = await site.leased(accepted.test_run_id)
    results = site.app.services.results
    assert await results.close(accepted.test_run_id, Verdict.CANCELLED, "stopped") == "cancelled"
    assert await results.record(accepted.test_run_id) == "cancelled"
    with pytest.raises(JobLeaseLostError):
        await site.app.services.queue.report(job, report())
    run = await site.run_of(accepted.test_run_id)
    assert (run.verdict, run.message, run.points) == ("cancelled", "stopped", None)
    assert await site.attempts_used(accepted.submission_group_id) == 0


async def test_a_run_that_was_erased_has_no_result(site: Deployment, room: Classroom) -> None:
    accepted = await site.submit(room.student, await room.assignment())
    await site.change(delete(TestRun).where(TestRun.id == accepted.test_run_id))
    results = site.app.services.results
    with pytest.raises(NotFoundError):
        await results.record(accepted.test_run_id)
    with pytest.raises(NotFoundError):
        await results.close(new_id(), Verdict.CANCELLED, "")


# --- who sees what --------------------------------------------------------------------------------


async def cases_for(site: Deployment, person: Person, run_id: UUID, **unit: Any) -> dict[str, dict[str, Any]]:
    """The cases as somebody sees them, by visibility; the list doesn't say otherwise."""
    service = site.app.entities["test-case-results"]
    async with site.app.read(person.principal, **unit) as reading:
        page = await service.list(reading, filters={"test_run_id": run_id})
        cases = [await service.get(reading, row["id"]) for row in page.data]
    for listed, alone in zip(page.data, cases, strict=True):
        assert {name: alone[name] for name in listed} == listed
    return {case["visibility"]: case for case in cases}


DETAILS = (
    *("status", "points", "max_points", "message", "expected", "actual", "output"),
    *("duration_ms", "memory_bytes"),
)


async def test_students_see_a_hidden_case_by_its_name_alone(site: Deployment, room: Classroom) -> None:
    due = site.clock.now() + timedelta(hours=1)
    accepted = await site.submit(room.student, await room.assignment(due_at=due))
    await reported(site, accepted.test_run_id, report())
    await site.app.services.results.record(accepted.test_run_id)
    run_id = accepted.test_run_id
    theirs = await cases_for(site, room.student, run_id)
    staffs = await cases_for(site, room.tutor, run_id)
    assert theirs["always"] == staffs["always"]
    for hidden in ("after_due", "never"):
        assert theirs[hidden]["name"] == f"case {hidden}"
        assert {theirs[hidden][name] for name in DETAILS} == {None}
        assert staffs[hidden]["expected"] == f"expected {hidden}"
    later = await cases_for(site, room.student, run_id, now=due)
    assert later["after_due"] == staffs["after_due"]
    assert later["never"] == theirs["never"]


async def test_students_see_no_output_of_hidden_phases_and_no_seed(site: Deployment, room: Classroom) -> None:
    accepted = await site.submit(room.student, await room.assignment())
    await reported(site, accepted.test_run_id, report())
    await site.app.services.results.record(accepted.test_run_id)
    runs = site.app.entities["test-runs"]
    async with site.app.read(room.student.principal) as unit:
        theirs = await runs.get(unit, accepted.test_run_id)
    assert theirs["output"] == "section always"
    assert (theirs["sections"], theirs["replay"]) == (None, None)
    async with site.app.read(room.tutor.principal) as unit:
        staffs = await runs.get(unit, accepted.test_run_id)
    assert [item["output"] for item in staffs["sections"]] == [f"section {item.value}" for item in SEEN]
    assert staffs["replay"]["seed"] == 5


OVER_ALL_CASES = ("verdict", "points", "limit_exceeded", "started_at", "finished_at", "updated_at")


async def run_for(site: Deployment, person: Person, run_id: UUID, **unit: Any) -> dict[str, Any]:
    """The run as somebody sees it; the list doesn't say otherwise."""
    service = site.app.entities["test-runs"]
    async with site.app.read(person.principal, **unit) as reading:
        alone = dict(await service.get(reading, run_id))
        page = await service.list(reading, filters={"id": [run_id]})
        verdict = alone["verdict"] or "partial"
        found = await service.list(reading, filters={"id": [run_id], "verdict": verdict})
    (listed,) = page.data
    assert {name: alone[name] for name in listed} == listed
    assert len(found.data) == (alone["verdict"] is not None)
    return alone


async def test_while_a_case_is_hidden_students_see_the_result_over_visible_cases(
    site: Deployment, room: Classroom
) -> None:
    """A submission could tell a hidden input by the verdict, the points or the time that it takes."""
    due = site.clock.now() + timedelta(hours=1)
    accepted = await site.submit(room.student, await room.assignment(due_at=due))
    content = report(Verdict.LIMIT_EXCEEDED, limit_exceeded="wall")
    shown_when_due = {**content, "cases": content["cases"][:2]}
    await reported(site, accepted.test_run_id, shown_when_due)
    await site.app.services.results.record(accepted.test_run_id)
    theirs = await run_for(site, room.student, accepted.test_run_id)
    assert {theirs[name] for name in OVER_ALL_CASES} == {None}
    assert (theirs["state"], theirs["visible_verdict"]) == ("finished", "passed")
    assert [Decimal(theirs[name]) for name in ("visible_points", "visible_max_points")] == [1, Decimal("1.5")]
    staffs = await run_for(site, room.tutor, accepted.test_run_id)
    assert (staffs["verdict"], staffs["limit_exceeded"], Decimal(staffs["points"])) == (
        "limit_exceeded",
        "wall",
        1,
    )
    assert await run_for(site, room.student, accepted.test_run_id, now=due) == staffs


async def test_while_a_case_is_never_shown_the_due_time_changes_nothing(
    site: Deployment, room: Classroom
) -> None:
    due = site.clock.now() + timedelta(hours=1)
    accepted = await site.submit(room.student, await room.assignment(due_at=due))
    await reported(site, accepted.test_run_id, report())
    await site.app.services.results.record(accepted.test_run_id)
    before = await run_for(site, room.student, accepted.test_run_id)
    later = await run_for(site, room.student, accepted.test_run_id, now=due + timedelta(days=900))
    assert before == later
    assert before["verdict"] is None


async def test_a_result_without_hidden_cases_is_seen_whole(site: Deployment, room: Classroom) -> None:
    accepted = await site.submit(room.student, await room.assignment())
    content = report(Verdict.PASSED)
    await reported(site, accepted.test_run_id, {**content, "cases": content["cases"][:1]})
    await site.app.services.results.record(accepted.test_run_id)
    theirs = await run_for(site, room.student, accepted.test_run_id)
    assert (theirs["verdict"], theirs["visible_verdict"]) == ("passed", "passed")
    assert theirs == await run_for(site, room.tutor, accepted.test_run_id)


async def test_a_result_that_says_nothing_about_the_submission_is_seen_whole(
    site: Deployment, room: Classroom
) -> None:
    accepted = await site.submit(room.student, await room.assignment())
    await site.app.services.results.close(accepted.test_run_id, Verdict.CANCELLED, "stopped")
    theirs = await run_for(site, room.student, accepted.test_run_id)
    assert (theirs["verdict"], theirs["visible_verdict"]) == ("cancelled", "cancelled")
    assert theirs["finished_at"] is not None


async def test_a_run_under_way_tells_students_no_time(site: Deployment, room: Classroom) -> None:
    accepted = await site.submit(room.student, await room.assignment())
    await site.leased(accepted.test_run_id)
    theirs = await run_for(site, room.student, accepted.test_run_id)
    assert (theirs["state"], theirs["started_at"]) == ("running", None)


async def test_another_student_sees_neither_the_result_nor_its_cases(
    site: Deployment, room: Classroom
) -> None:
    accepted = await site.submit(room.student, await room.assignment())
    await reported(site, accepted.test_run_id, report())
    await site.app.services.results.record(accepted.test_run_id)
    other = await room.join()
    assert await cases_for(site, other, accepted.test_run_id) == {}
    async with site.app.read(other.principal) as unit:
        with pytest.raises(NotFoundError):
            await site.app.entities["test-runs"].get(unit, accepted.test_run_id)
