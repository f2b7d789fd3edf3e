"""Core's row conditions that need SQL of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import ColumnElement, and_, exists, or_, select

from computor_core.access.scopes import below
from computor_core.model import (
    AssignmentSchedule,
    ContentDeployment,
    CourseContent,
    RoleAction,
    SubmissionGroup,
    UserRole,
)

if TYPE_CHECKING:
    from sqlalchemy.sql.selectable import FromClause

    from computor_core.access.caller import Caller

# Aliases are made once: their columns cost more than the rest of a statement. Every subquery names
# what it correlates to, so using one in several places of a statement is sound.
_DEPLOYMENT = ContentDeployment.__table__.alias()
_SCHEDULE = AssignmentSchedule.__table__.alias()
_INNER_CONTENT = CourseContent.__table__.alias()
_GROUP = SubmissionGroup.__table__.alias()
_THEIR_ROLE, _THEIR_ACTION = UserRole.__table__.alias(), RoleAction.__table__.alias()
_OWN_ROLE, _OWN_ACTION = UserRole.__table__.alias(), RoleAction.__table__.alias()


def _deployed_and_open(content: FromClause, caller: Caller) -> ColumnElement[bool]:
    """An assignment that was deployed, whose release time is over, and that isn't archived."""
    deployed = exists().where(
        _DEPLOYMENT.c.course_content_id == content.c.id, _DEPLOYMENT.c.deployed_at.is_not(None)
    )
    later = exists().where(
        _SCHEDULE.c.course_content_id == content.c.id, _SCHEDULE.c.releases_at > caller.now
    )
    froms = (content, *caller.froms)
    return and_(content.c.archived_at.is_(None), deployed.correlate(*froms), ~later.correlate(*froms))


def content_released(table: FromClause, caller: Caller) -> ColumnElement[bool]:
    """On course contents: a released assignment, or a unit with one somewhere below it.

    A deployment under way or failed again doesn't take back what students had: the first success
    (``deployed_at``) counts.
    """
    inner = _INNER_CONTENT
    has_released = (
        select(1)
        .select_from(inner)
        .where(
            inner.c.course_id == table.c.course_id,
            below(inner.c.path, table.c.path),
            _deployed_and_open(inner, caller),
        )
        .correlate(table, *caller.froms)
        .exists()
    )
    return or_(
        _deployed_and_open(table, caller),
        and_(table.c.kind_id == "unit", table.c.archived_at.is_(None), has_released),
    )


def case_shown(table: FromClause, caller: Caller) -> ColumnElement[bool]:
    """On test case results: a case whose details students may see now.

    ``always`` shows at once, ``after_due`` once the assignment's due time is over (never without
    one), ``never`` not at all; a visibility that this code doesn't know counts as never.
    """
    group, schedule = _GROUP, _SCHEDULE
    due_over = (
        select(1)
        .select_from(group.join(schedule, schedule.c.course_content_id == group.c.course_content_id))
        .where(group.c.id == table.c.submission_group_id, schedule.c.due_at <= caller.now)
        .correlate(table, *caller.froms)
        .exists()
    )
    return or_(
        table.c.visibility == "always",
        and_(table.c.visibility == "after_due", due_over),
    )


def outranks_caller(table: FromClause, caller: Caller) -> ColumnElement[bool]:
    """On users: somebody who holds a global action that the caller lacks."""
    theirs, contained, own, own_contained = _THEIR_ROLE, _THEIR_ACTION, _OWN_ROLE, _OWN_ACTION
    held = (
        select(1)
        .select_from(own.join(own_contained, own_contained.c.role_id == own.c.role_id))
        .where(own.c.user_id == caller.user, own_contained.c.action == contained.c.action)
        .correlate(contained, *caller.froms)
        .exists()
    )
    return (
        select(1)
        .select_from(theirs.join(contained, contained.c.role_id == theirs.c.role_id))
        .where(theirs.c.user_id == table.c.id, ~held)
        .correlate(table, *caller.froms)
        .exists()
    )
