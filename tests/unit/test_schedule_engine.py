"""The schedule engine's promises."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from computor_core.schedule import Schedule, WindowState, evaluate

T0 = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
FULL = Schedule(releases_at=T0, due_at=T0 + HOUR, closes_at=T0 + 2 * HOUR, max_attempts=3)


@pytest.mark.parametrize(
    ("at", "state"),
    [
        (T0 - timedelta(microseconds=1), WindowState.NOT_RELEASED),
        (T0, WindowState.OPEN),
        (T0 + HOUR, WindowState.OPEN),
        (T0 + HOUR + timedelta(microseconds=1), WindowState.LATE),
        (T0 + 2 * HOUR - timedelta(microseconds=1), WindowState.LATE),
        (T0 + 2 * HOUR, WindowState.CLOSED),
    ],
)
def test_the_bounds_are_exact(at: datetime, state: WindowState) -> None:
    assert evaluate(FULL, attempts_used=0, at=at).state is state


def test_used_attempts_close_an_open_window_and_say_why() -> None:
    window = evaluate(FULL, attempts_used=3, at=T0)
    assert window.state is WindowState.EXHAUSTED
    assert not window.accepts
    assert window.credit == 0
    assert [reason.code for reason in window.reasons] == ["attempts_exhausted", "open"]


def test_an_empty_schedule_is_always_open() -> None:
    window = evaluate(Schedule(), attempts_used=10_000, at=T0)
    assert (window.state, window.attempts_left, window.credit) == (WindowState.OPEN, None, Decimal(1))


def test_naive_instants_are_refused() -> None:
    with pytest.raises(ValueError, match="timezone-aware"):
        Schedule(due_at=datetime(2026, 1, 1))  # noqa: DTZ001 - that is the point
    with pytest.raises(ValueError, match="timezone-aware"):
        evaluate(Schedule(), attempts_used=0, at=datetime(2026, 1, 1))  # noqa: DTZ001


def test_dates_out_of_order_and_silly_limits_are_refused() -> None:
    with pytest.raises(ValueError, match="follow each other"):
        Schedule(due_at=T0, closes_at=T0 - HOUR)
    with pytest.raises(ValueError, match="at least 1"):
        Schedule(max_attempts=0)


instants = st.datetimes(
    min_value=datetime(2020, 1, 1),  # noqa: DTZ001 - hypothesis wants naive bounds
    max_value=datetime(2030, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)


@given(dates=st.lists(instants, min_size=3, max_size=3), used=st.integers(0, 5), a=instants, b=instants)
def test_a_window_only_moves_forward_in_time(
    dates: list[datetime], used: int, a: datetime, b: datetime
) -> None:
    opens, due, closes = sorted(dates)
    schedule = Schedule(opens, due, closes, max_attempts=4)
    order = [WindowState.NOT_RELEASED, WindowState.OPEN, WindowState.LATE, WindowState.CLOSED]
    early, late = (evaluate(schedule, attempts_used=0, at=at).state for at in sorted((a, b)))
    assert order.index(early) <= order.index(late)
    window = evaluate(schedule, attempts_used=used, at=a)
    assert window.attempts_left == max(0, 4 - used)
    assert window.accepts == (opens <= a < closes and used < 4)
    assert window.accepts == (window.credit > 0)
