"""When a submission is accepted: the schedule at the start of its request, and the reasons told."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from computor_core.errors import ForbiddenError, NotFoundError, ScheduleClosedError
from computor_core.model import CourseContent
from tests.support.deployment import RIGHT, Classroom, Deployment

pytestmark = pytest.mark.asyncio(loop_scope="module")

HOUR = timedelta(hours=1)
MOMENT = timedelta(microseconds=1)


@pytest.fixture
def dates(site: Deployment) -> dict[str, Any]:
    """Released in an hour, due in two, closed in three."""
    now = site.clock.now()
    return {"releases_at": now + HOUR, "due_at": now + 2 * HOUR, "closes_at": now + 3 * HOUR}


async def test_before_its_release_time_an_assignment_doesnt_exist_for_students(
    site: Deployment, room: Classroom, dates: dict[str, Any]
) -> None:
    assignment = await room.assignment(**dates)
    for at in (site.clock.now(), dates["releases_at"] - MOMENT):
        with pytest.raises(NotFoundError):
            await site.submit(room.student, assignment, at=at)
    with pytest.raises(ForbiddenError):
        await site.submit(room.lecturer, assignment)
    assert await site.artifacts(assignment) == []


@pytest.mark.parametrize(
    ("date", "after", "window"),
    [
        ("releases_at", timedelta(0), "open"),
        ("due_at", timedelta(0), "open"),
        ("due_at", MOMENT, "late"),
        ("closes_at", -MOMENT, "late"),
    ],
)
async def test_a_submission_says_whether_it_was_in_time(
    site: Deployment, room: Classroom, dates: dict[str, Any], date: str, after: timedelta, window: str
) -> None:
    assignment = await room.assignment(**dates)
    at = dates[date] + after
    accepted = await site.submit(room.student, assignment, at=at)
    assert (accepted.window, accepted.received_at) == (window, at)


async def test_from_its_closing_on_nothing_is_accepted_and_the_reason_is_told(
    site: Deployment, room: Classroom, dates: dict[str, Any]
) -> None:
    assignment = await room.assignment(**dates)
    for official in (True, False):
        with pytest.raises(ScheduleClosedError) as caught:
            await site.submit(room.student, assignment, official=official, at=dates["closes_at"])
        assert caught.value.details == {"reasons": [{"code": "closed", "at": dates["closes_at"].isoformat()}]}
    assert await site.artifacts(assignment) == []


async def test_a_request_that_began_in_time_is_in_time_however_long_it_took(
    site: Deployment, room: Classroom, dates: dict[str, Any]
) -> None:
    assignment = await room.assignment(**dates)
    began = dates["closes_at"] - MOMENT
    site.clock.advance(hours=5)
    accepted = await site.submit(room.student, assignment, at=began)
    assert accepted.received_at == began


async def test_an_assignment_without_dates_is_open(site: Deployment, room: Classroom) -> None:
    assignment = await room.assignment()
    accepted = await site.submit(room.student, assignment)
    assert (accepted.window, accepted.attempts_left) == ("open", None)


async def test_an_early_check_says_the_same_as_the_acceptance(
    site: Deployment, room: Classroom, dates: dict[str, Any]
) -> None:
    """A host asks it before it takes a large body."""
    assignment = await room.assignment(max_attempts=1, **dates)
    submissions = site.app.services.submissions

    async def check(at: Any, *, official: bool = True) -> str:
        async with site.app.read(room.student.principal, now=at) as unit:
            window = await submissions.check_open(unit, assignment.id, official=official)
            return window.state.value

    assert await check(dates["releases_at"]) == "open"
    assert await check(dates["closes_at"] - MOMENT) == "late"
    with pytest.raises(NotFoundError):
        await check(dates["releases_at"] - MOMENT)
    with pytest.raises(ScheduleClosedError):
        await check(dates["closes_at"])
    await site.submit(room.student, assignment, at=dates["releases_at"])
    with pytest.raises(ScheduleClosedError, match="attempts"):
        await check(dates["releases_at"])
    assert await check(dates["releases_at"], official=False) == "open"


async def test_a_window_that_closes_while_the_bytes_come_in_refuses_them(
    site: Deployment, room: Classroom, dates: dict[str, Any]
) -> None:
    """The schedule was changed after the early check; the acceptance decides."""
    assignment = await room.assignment(**dates)
    submissions = site.app.services.submissions
    at = dates["releases_at"]
    async with site.app.read(room.student.principal, now=at) as unit:
        await submissions.check_open(unit, assignment.id, official=True)
    await site.change(
        update(CourseContent).where(CourseContent.id == assignment.id).values(archived_at=site.clock.now())
    )
    with pytest.raises(NotFoundError):
        await site.submit(room.student, assignment, RIGHT, at=at)
    assert await site.artifacts(assignment) == []
