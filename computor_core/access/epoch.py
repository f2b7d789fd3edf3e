"""Grant epochs: whoever changes what a user may do makes the user's cached principals stale.

Predicates read memberships themselves, so a removed grant ends at once without any epoch; the
epoch covers what is decided from the principal alone: which branches a list asks, and ``can()``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import Select, Update, event, inspect, select, update
from sqlalchemy.orm import ORMExecuteState, Session, UOWTransaction

from computor_core.model import (
    Base,
    Course,
    CourseFamily,
    CourseFamilyMember,
    CourseMember,
    Organization,
    OrganizationMember,
    User,
    UserRole,
)

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from computor_core.db.unit_of_work import UnitOfWork

MEMBERSHIPS: tuple[type[Any], ...] = (CourseMember, CourseFamilyMember, OrganizationMember, UserRole)
"""The tables that give users roles; each has ``user_id`` and ``role_id``."""

SCOPES: dict[type[Any], tuple[type[Any], str]] = {
    Course: (CourseMember, "course_id"),
    CourseFamily: (CourseFamilyMember, "course_family_id"),
    Organization: (OrganizationMember, "organization_id"),
}
"""Tables whose deletion takes memberships along, by cascade."""

BUMPED = "computor_epochs_bumped"
"""Execution option of a bulk statement on a membership table: its author has bumped the epochs."""


def _bump(users: Select[tuple[UUID]] | list[UUID]) -> Update:
    return (
        update(User)
        .where(User.id.in_(users))
        # An epoch is no change of the row that its readers would see.
        .values(grants_epoch=User.grants_epoch + 1, updated_at=User.updated_at)
    )


async def bump(work: UnitOfWork, user_ids: Iterable[UUID]) -> None:
    """Make every cached principal of these users stale when the unit commits."""
    affected = sorted(set(user_ids))
    if affected:
        await work.connection.execute(_bump(affected))


async def bump_members(connection: AsyncConnection, model: type[Any], scope_id: UUID) -> None:
    """Make the principals of all members of a course, family or organization stale.

    Args:
        connection: A connection in a transaction.
        model: ``Course``, ``CourseFamily`` or ``Organization``.
        scope_id: Its id.
    """
    members, column = SCOPES[model]
    table = members.__table__
    await connection.execute(_bump(select(table.c.user_id).where(table.c[column] == scope_id)))


async def bump_holders(connection: AsyncConnection, role_id: str) -> None:
    """Make the principals of everybody who holds a role stale; for a change of its actions."""
    for members in MEMBERSHIPS:
        table = members.__table__
        await connection.execute(_bump(select(table.c.user_id).where(table.c.role_id == role_id)))


def _users_of(row: Base) -> set[UUID]:
    # A changed user_id takes the role from one user and gives it to another.
    history = inspect(row).attrs.user_id.history
    return {
        user_id for user_id in (*history.added, *history.unchanged, *history.deleted) if user_id is not None
    }


@event.listens_for(Session, "after_flush")
def _flushed(session: Session, context: UOWTransaction) -> None:
    """Bump the epochs of everybody whose memberships a flush changed, in the same transaction."""
    users: set[UUID] = set()
    for row in (*session.new, *session.dirty, *session.deleted):
        if isinstance(row, MEMBERSHIPS):
            users |= _users_of(row)
    if users:
        session.connection().execute(_bump(sorted(users)))


@event.listens_for(Session, "before_flush")
def _flushing(session: Session, context: UOWTransaction, instances: object) -> None:
    """Bump the members of a deleted scope while its memberships are still there."""
    for row in session.deleted:
        scope = SCOPES.get(type(row))
        if scope is not None:
            table = scope[0].__table__
            session.connection().execute(_bump(select(table.c.user_id).where(table.c[scope[1]] == row.id)))


@event.listens_for(Session, "do_orm_execute")
def _executing(state: ORMExecuteState) -> None:
    """Refuse bulk changes of memberships that nobody bumped the epochs for.

    Raises:
        RuntimeError: A programming error.
    """
    if not (state.is_insert or state.is_update or state.is_delete) or state.execution_options.get(BUMPED):
        return
    mapper = state.bind_mapper
    if mapper is None:
        return
    if mapper.class_ in MEMBERSHIPS or (mapper.class_ in SCOPES and state.is_delete):
        raise RuntimeError(
            f"a bulk statement changes {mapper.class_.__name__} rows: bump the epochs of the users"
            f" it concerns (computor_core.access.epoch) and give it the execution option {BUMPED}=True"
        )
