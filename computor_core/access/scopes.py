"""Where an action is held: memberships and their inheritance as SQL.

A role held at a scope reaches everything below it: an organization's its sub-organizations,
families and courses, a family's its courses, a global one everything. Whatever a role contains
is in ``role_action``, and both it and the membership are read inside the query.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, Select, String, and_, exists, literal_column, or_, select, union_all

from computor_core.model import (
    Course,
    CourseFamily,
    CourseFamilyMember,
    CourseMember,
    Organization,
    OrganizationMember,
    RoleAction,
    UserRole,
)
from computor_core.plugin_api.principal import ScopeKind

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy.ext.asyncio import AsyncConnection
    from sqlalchemy.sql.selectable import FromClause

    from computor_core.access.caller import Caller

LEVELS: dict[ScopeKind, tuple[ScopeKind, ...]] = {
    ScopeKind.GLOBAL: (ScopeKind.GLOBAL,),
    ScopeKind.ORGANIZATION: (ScopeKind.ORGANIZATION, ScopeKind.GLOBAL),
    ScopeKind.FAMILY: (ScopeKind.FAMILY, ScopeKind.ORGANIZATION, ScopeKind.GLOBAL),
    ScopeKind.COURSE: (ScopeKind.COURSE, ScopeKind.FAMILY, ScopeKind.ORGANIZATION, ScopeKind.GLOBAL),
}
"""The levels whose roles reach a scope, nearest first."""

_DOT = literal_column("'.'", String())
_SLASH = literal_column("'/'", String())
_ACTION_NAME = re.compile(r"[a-z][a-z0-9_]*(:[a-z][a-z0-9_]*)?(\.[a-z][a-z0-9_]*)+")


def within(inner: ColumnElement[str], outer: ColumnElement[str]) -> ColumnElement[bool]:
    """Whether the materialised path ``inner`` is ``outer`` or lies below it.

    Paths are compared byte by byte, and ``/`` follows ``.`` in ASCII, so a subtree is a range of
    the index; LIKE would take ``_`` for a wildcard.
    """
    return and_(
        inner >= outer,
        inner < outer + _SLASH,
        or_(inner == outer, inner > outer + _DOT),
    )


def below(inner: ColumnElement[str], outer: ColumnElement[str]) -> ColumnElement[bool]:
    """Whether the materialised path ``inner`` lies below ``outer``."""
    return and_(inner > outer + _DOT, inner < outer + _SLASH)


def _grants(role_id: ColumnElement[str], action: str) -> ColumnElement[bool]:
    held = RoleAction.__table__.alias()
    return exists().where(held.c.role_id == role_id, held.c.action == _constant(action))


def _constant(action: str) -> ColumnElement[str]:
    # Part of the statement's text, so that the planner sees which action is meant.
    if not _ACTION_NAME.fullmatch(action):
        raise ValueError(f"{action!r} isn't an action's name")
    return literal_column(f"'{action}'", String())


def holds_globally(action: str, caller: Caller) -> ColumnElement[bool]:
    """Whether the caller holds the action by a global role."""
    grant = UserRole.__table__.alias()
    held = exists().where(grant.c.user_id == caller.user, _grants(grant.c.role_id, action))
    return held.correlate(*caller.froms) if caller.froms else held


def _membership(table: FromClause, action: str, caller: Caller) -> tuple[FromClause, ColumnElement[bool]]:
    member = table.alias()
    return member, and_(member.c.user_id == caller.user, _grants(member.c.role_id, action))


def scope_ids(scope: ScopeKind, level: ScopeKind, action: str, caller: Caller) -> Select[tuple[UUID]]:
    """Ids of the scopes that the caller's roles of a level reach with an action; column ``k``.

    Args:
        scope: The kind of scope whose ids are wanted; never global.
        level: Where the role is held, at or above ``scope``; never global.
        action: The action.
        caller: Who.
    """
    if level is ScopeKind.COURSE:
        member, held = _membership(CourseMember.__table__, action, caller)
        return select(member.c.course_id.label("k")).where(held)
    if level is ScopeKind.FAMILY:
        member, held = _membership(CourseFamilyMember.__table__, action, caller)
        if scope is ScopeKind.FAMILY:
            return select(member.c.course_family_id.label("k")).where(held)
        course = Course.__table__.alias()
        return (
            select(course.c.id.label("k"))
            .join_from(member, course, course.c.course_family_id == member.c.course_family_id)
            .where(held)
        )
    member, held = _membership(OrganizationMember.__table__, action, caller)
    top = Organization.__table__.alias()
    inner = Organization.__table__.alias()
    reached: Any = member.join(top, top.c.id == member.c.organization_id).join(
        inner, within(inner.c.path, top.c.path)
    )
    if scope is ScopeKind.ORGANIZATION:
        return select(inner.c.id.label("k")).select_from(reached).where(held)
    table = (CourseFamily if scope is ScopeKind.FAMILY else Course).__table__.alias()
    return (
        select(table.c.id.label("k"))
        .select_from(reached.join(table, table.c.organization_id == inner.c.id))
        .where(held)
    )


def ids_above(scope: ScopeKind, level: ScopeKind, action: str, caller: Caller) -> Select[tuple[UUID]]:
    """Ids of the families or organizations in which the caller holds an action somewhere; column ``k``.

    Args:
        scope: ``FAMILY`` or ``ORGANIZATION``: whose ids are wanted.
        level: ``COURSE`` or ``FAMILY``: where the role is held, below ``scope``.
        action: The action.
        caller: Who.
    """
    if level is ScopeKind.FAMILY:
        member, held = _membership(CourseFamilyMember.__table__, action, caller)
        family = CourseFamily.__table__.alias()
        return (
            select(family.c.organization_id.label("k"))
            .join_from(member, family, family.c.id == member.c.course_family_id)
            .where(held)
        )
    member, held = _membership(CourseMember.__table__, action, caller)
    course = Course.__table__.alias()
    column = course.c.course_family_id if scope is ScopeKind.FAMILY else course.c.organization_id
    return select(column.label("k")).join_from(member, course, course.c.id == member.c.course_id).where(held)


async def scopes_above(connection: AsyncConnection, scope: ScopeKind, scope_id: UUID) -> tuple[UUID, ...]:
    """Ids of the scopes above one: a course's family and organization, and the organizations above."""
    inner, outer = Organization.__table__.alias(), Organization.__table__.alias()
    above: Any = inner.join(outer, within(inner.c.path, outer.c.path))
    if scope is ScopeKind.ORGANIZATION:
        found = select(outer.c.id).select_from(above).where(inner.c.id == scope_id, outer.c.id != scope_id)
        return tuple((await connection.execute(found)).scalars())
    model = Course if scope is ScopeKind.COURSE else CourseFamily
    table = model.__table__
    family = table.c.course_family_id if scope is ScopeKind.COURSE else table.c.id
    found_both = (
        select(family, outer.c.id)
        .select_from(above.join(table, table.c.organization_id == inner.c.id))
        .where(table.c.id == scope_id)
    )
    rows = (await connection.execute(found_both)).all()
    families = {row[0] for row in rows} - {scope_id}
    return (*families, *(row[1] for row in rows))


def roles_held(scope: ScopeKind, scope_id: ColumnElement[UUID] | None, caller: Caller) -> Select[tuple[str]]:
    """Ids of all roles that reach one scope for the caller, from there and above; column ``role_id``."""
    grant = UserRole.__table__.alias()
    parts: list[Select[Any]] = [select(grant.c.role_id).where(grant.c.user_id == caller.user)]
    if scope is ScopeKind.COURSE:
        member = CourseMember.__table__.alias()
        parts.append(
            select(member.c.role_id).where(member.c.user_id == caller.user, member.c.course_id == scope_id)
        )
    if scope in {ScopeKind.COURSE, ScopeKind.FAMILY}:
        member = CourseFamilyMember.__table__.alias()
        found = select(member.c.role_id).where(member.c.user_id == caller.user)
        if scope is ScopeKind.FAMILY:
            parts.append(found.where(member.c.course_family_id == scope_id))
        else:
            course = Course.__table__.alias()
            parts.append(
                found.join_from(member, course, course.c.course_family_id == member.c.course_family_id).where(
                    course.c.id == scope_id
                )
            )
    if scope is not ScopeKind.GLOBAL:
        member = OrganizationMember.__table__.alias()
        top = Organization.__table__.alias()
        inner = Organization.__table__.alias()
        reached: Any = member.join(top, top.c.id == member.c.organization_id).join(
            inner, within(inner.c.path, top.c.path)
        )
        target = inner.c.id
        if scope is not ScopeKind.ORGANIZATION:
            table = (CourseFamily if scope is ScopeKind.FAMILY else Course).__table__.alias()
            reached = reached.join(table, table.c.organization_id == inner.c.id)
            target = table.c.id
        parts.append(
            select(member.c.role_id)
            .select_from(reached)
            .where(member.c.user_id == caller.user, target == scope_id)
        )
    everything = union_all(*parts).subquery()
    return select(everything.c.role_id)
