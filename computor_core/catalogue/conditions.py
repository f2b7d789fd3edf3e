"""Core's row conditions that need SQL of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import ColumnElement, and_, exists, not_, or_, select

from computor_core.access.scopes import below
from computor_core.catalogue.roles import COURSE_STUDENT
from computor_core.model import (
    AssignmentSchedule,
    ContentDeployment,
    CourseContent,
    CourseFamilyMember,
    CourseMember,
    OrganizationMember,
    RoleAction,
    SubmissionGroup,
    TestCaseResult,
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
_CASE = TestCaseResult.__table__.alias()
_THEIR_ROLE, _THEIR_ACTION = UserRole.__table__.alias(), RoleAction.__table__.alias()
_OWN_ROLE, _OWN_ACTION = UserRole.__table__.alias(), RoleAction.__table__.alias()
_THEIR_MEMBERSHIPS = tuple(
    (model.__table__.alias(), COURSE_STUDENT)
    for model in (OrganizationMember, CourseFamilyMember, CourseMember)
)


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
    return or_(
        table.c.visibility == "always",
        and_(table.c.visibility == "after_due", _due_over(table, caller)),
    )


def run_shown(table: FromClause, caller: Caller) -> ColumnElement[bool]:
    """On test runs: a finished one of which no case is hidden from students now.

    The verdict, the points and the time of a run are those of all its cases, so they tell of a
    hidden one whatever a submission wants to tell.
    """

    def has_case(*conditions: ColumnElement[bool]) -> ColumnElement[bool]:
        found = exists().where(_CASE.c.test_run_id == table.c.id, *conditions)
        return found.correlate(table, *caller.froms)

    visibility = _CASE.c.visibility
    return and_(
        table.c.state == "finished",
        ~has_case(visibility.not_in(["always", "after_due"])),
        or_(~has_case(visibility == "after_due"), _due_over(table, caller)),
    )


def _due_over(table: FromClause, caller: Caller) -> ColumnElement[bool]:
    """On rows of submission groups: the assignment has a due time, and it is over."""
    group, schedule = _GROUP, _SCHEDULE
    return (
        select(1)
        .select_from(group.join(schedule, schedule.c.course_content_id == group.c.course_content_id))
        .where(group.c.id == table.c.submission_group_id, schedule.c.due_at <= caller.now)
        .correlate(table, *caller.froms)
        .exists()
    )


def outranks_caller(table: FromClause, caller: Caller) -> ColumnElement[bool]:
    """On users: somebody who may do what the caller can't.

    That is somebody with a global action that the caller lacks globally, or with a role at an
    organization, a family or a course that contains an action beyond a student's which the caller
    lacks globally. A student's actions reach nothing of other people's, so they protect nobody.
    An action outside a limited token's scopes counts as lacking. Nobody outranks themselves, unless
    they come with such a token.
    """
    return and_(
        or_(caller.limited, table.c.id != caller.user),
        or_(
            *(
                _holds_more(member, table, caller, beyond)
                for member, beyond in ((_THEIR_ROLE, frozenset()), *_THEIR_MEMBERSHIPS)
            )
        ),
    )


def _holds_more(
    member: FromClause, table: FromClause, caller: Caller, beyond: frozenset[str]
) -> ColumnElement[bool]:
    """Whether a user's roles of one level contain an action, none of ``beyond``, that the caller lacks."""
    contained, own, own_contained = _THEIR_ACTION, _OWN_ROLE, _OWN_ACTION
    held = (
        select(1)
        .select_from(own.join(own_contained, own_contained.c.role_id == own.c.role_id))
        .where(own.c.user_id == caller.user, own_contained.c.action == contained.c.action)
        .correlate(contained, *caller.froms)
        .exists()
    )
    more = (
        select(1)
        .select_from(member.join(contained, contained.c.role_id == member.c.role_id))
        .where(
            member.c.user_id == table.c.id,
            not_(and_(held, caller.may_use(contained.c.action))),
        )
    )
    if beyond:
        more = more.where(contained.c.action.not_in(sorted(beyond)))
    return more.correlate(table, *caller.froms).exists()
