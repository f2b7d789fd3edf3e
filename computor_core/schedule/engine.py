"""When may somebody submit, and what is it worth?

Every caller asks :func:`evaluate`, so a list, a push and an upload can't disagree about a
deadline. Instants are compared in UTC; zones matter only where people read them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

FULL_CREDIT = Decimal(1)
NO_CREDIT = Decimal(0)


class WindowState(StrEnum):
    """Where an assignment stands for a member at an instant."""

    NOT_RELEASED = "not_released"
    OPEN = "open"
    LATE = "late"
    CLOSED = "closed"
    EXHAUSTED = "exhausted"


@dataclass(frozen=True, slots=True)
class Schedule:
    """An assignment's dates; each may be absent.

    Attributes:
        releases_at: Before it, nothing is visible and nothing is accepted. None: open since ever.
        due_at: After it, a submission is late. None: never late.
        closes_at: From it on, nothing is accepted. None: never closes.
        max_attempts: Number of official submissions. None: without limit.
    """

    releases_at: datetime | None = None
    due_at: datetime | None = None
    closes_at: datetime | None = None
    max_attempts: int | None = None

    def __post_init__(self) -> None:
        """Refuse naive instants and dates out of order.

        Raises:
            ValueError: A naive datetime, dates out of order, or a limit below one.
        """
        stages = [item for item in (self.releases_at, self.due_at, self.closes_at) if item is not None]
        if any(item.tzinfo is None for item in stages):
            raise ValueError("a schedule needs timezone-aware instants")
        if stages != sorted(stages):
            raise ValueError("release, due and close must follow each other")
        if self.max_attempts is not None and self.max_attempts < 1:
            raise ValueError("max_attempts must be at least 1")


@dataclass(frozen=True, slots=True)
class Reason:
    """Why the window is as it is: a stable code, a sentence, the instant it goes by."""

    code: str
    text: str
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Window:
    """What holds for a member at an instant.

    Attributes:
        state: Where the assignment stands.
        opens, due, closes: The dates that hold for this member.
        credit: Share of the points that a submission now would earn, 0 to 1.
        attempts_left: Official submissions left, None for without limit.
        reasons: Why, in the order of weight.
    """

    state: WindowState
    opens: datetime | None
    due: datetime | None
    closes: datetime | None
    credit: Decimal
    attempts_left: int | None
    reasons: tuple[Reason, ...]

    @property
    def accepts(self) -> bool:
        """Whether a submission at this instant is accepted."""
        return self.state in {WindowState.OPEN, WindowState.LATE}


def evaluate(schedule: Schedule, *, attempts_used: int, at: datetime) -> Window:
    """Evaluate a schedule for a member who has used some attempts.

    The bounds are half-open: released from ``releases_at`` on, in time up to and including
    ``due_at``, accepted before ``closes_at``.

    Args:
        schedule: The dates.
        attempts_used: Official submissions accepted so far.
        at: The instant, for a submission the start of its authenticated request.

    Returns:
        The window, with reasons.

    Raises:
        ValueError: ``at`` is naive.
    """
    if at.tzinfo is None:
        raise ValueError("the instant must be timezone-aware")
    left = None if schedule.max_attempts is None else max(0, schedule.max_attempts - attempts_used)
    state, credit, reasons = _stage(schedule, at)
    if left == 0 and state in {WindowState.OPEN, WindowState.LATE}:
        state, credit = WindowState.EXHAUSTED, NO_CREDIT
        used = Reason("attempts_exhausted", f"all {schedule.max_attempts} attempts are used")
        reasons = (used, *reasons)
    return Window(state, schedule.releases_at, schedule.due_at, schedule.closes_at, credit, left, reasons)


def _stage(schedule: Schedule, at: datetime) -> tuple[WindowState, Decimal, tuple[Reason, ...]]:
    if schedule.releases_at is not None and at < schedule.releases_at:
        reason = Reason("not_released", "the assignment isn't released yet", schedule.releases_at)
        return WindowState.NOT_RELEASED, NO_CREDIT, (reason,)
    if schedule.closes_at is not None and at >= schedule.closes_at:
        return (
            WindowState.CLOSED,
            NO_CREDIT,
            (Reason("closed", "the assignment is closed", schedule.closes_at),),
        )
    if schedule.due_at is not None and at > schedule.due_at:
        return (
            WindowState.LATE,
            FULL_CREDIT,
            (Reason("late", "the due date has passed; submissions count as late", schedule.due_at),),
        )
    return WindowState.OPEN, FULL_CREDIT, (Reason("open", "the assignment is open", schedule.due_at),)
