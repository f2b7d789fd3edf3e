"""The ceiling on giving roles: nobody gives, changes or takes away what they lack themselves."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import Select, String, Subquery, Uuid, bindparam, func, literal_column, select, true

from computor_core.access.caller import CALLER, Credential, credential_of, guard, live_user, parameters
from computor_core.access.epoch import MEMBERSHIPS
from computor_core.access.errors import StalePrincipalError
from computor_core.access.scopes import roles_held
from computor_core.access.statements import StatementCache
from computor_core.errors import ConflictError, FieldProblem, ForbiddenError, InvalidError
from computor_core.model import (
    Course,
    CourseFamily,
    CourseFamilyMember,
    CourseMember,
    Organization,
    OrganizationMember,
    Role,
    RoleAction,
    User,
    UserRole,
)
from computor_core.plugin_api.principal import ScopeKind

if TYPE_CHECKING:
    from computor_core.access.vocabulary import Vocabulary
    from computor_core.db.unit_of_work import ReadUnit, UnitOfWork

_MEMBERSHIP: dict[ScopeKind, tuple[type[Any], str, type[Any]]] = {
    ScopeKind.COURSE: (CourseMember, "course_id", Course),
    ScopeKind.FAMILY: (CourseFamilyMember, "course_family_id", CourseFamily),
    ScopeKind.ORGANIZATION: (OrganizationMember, "organization_id", Organization),
}

_DELEGATIONS: StatementCache[Select[Any]] = StatementCache()
_HOLDINGS: StatementCache[Select[Any]] = StatementCache()

assert {model for model, _, _ in _MEMBERSHIP.values()} | {UserRole} == set(MEMBERSHIPS)  # noqa: S101


def _live(credential: Credential) -> Subquery:
    return select(literal_column("1").label("live")).where(guard(credential)).subquery()


def _held(scope: ScopeKind) -> Select[tuple[str]]:
    """The actions that the caller holds at a scope; parameter ``scope_id``."""
    roles = roles_held(scope, bindparam("scope_id", type_=Uuid()), CALLER).subquery()
    content = RoleAction.__table__.alias()
    return select(content.c.action).where(content.c.role_id.in_(select(roles.c.role_id)))


def _delegation(scope: ScopeKind, credential: Credential) -> Select[Any]:
    """What roles (``role_ids``) contain, and which of it the caller holds at the scope."""
    role, content = Role.__table__, RoleAction.__table__
    return select(
        role.c.id, role.c.scope, content.c.action, content.c.action.in_(_held(scope)).label("held")
    ).select_from(
        _live(credential)
        .outerjoin(role, role.c.id.in_(bindparam("role_ids", expanding=True)))
        .outerjoin(content, content.c.role_id == role.c.id)
    )


def _holding(scope: ScopeKind, credential: Credential) -> Select[Any]:
    """Whether the caller holds an action (``action``) at the scope."""
    return select(bindparam("action", type_=String()).in_(_held(scope)).label("held")).select_from(
        _live(credential)
    )


async def holds_at(
    vocabulary: Vocabulary, work: ReadUnit, action: str, scope: ScopeKind, scope_id: UUID | None
) -> bool:
    """Whether the caller holds an action at a scope, by a role there or above it.

    Raises:
        StalePrincipalError: The caller isn't live.
    """
    principal = work.principal
    if not vocabulary.knows_action(action):
        return False
    if principal.is_system:
        return True
    key = (scope, credential_of(principal))
    statement = _HOLDINGS.get(key, lambda: _holding(*key))
    values = parameters(principal, work.now) | {"action": action, "scope_id": scope_id}
    row = (await work.connection.execute(statement, values)).one_or_none()
    if row is None:
        raise StalePrincipalError("the sign-in is no longer valid")
    return bool(row.held) and (principal.scopes is None or action in principal.scopes)


async def require_delegable(
    work: ReadUnit,
    role_ids: Collection[str],
    scope: ScopeKind,
    scope_id: UUID | None,
    *,
    field: str = "role_id",
) -> None:
    """Require that the caller may give these roles at this scope; one statement.

    That is: every action that a role contains is one that the caller holds there, by a role of
    that scope or above, and may use with the presented token.

    Args:
        work: The unit.
        role_ids: The roles to give, change or take away.
        scope: The level at which they are held.
        scope_id: Id of the organization, family or course; None globally.
        field: Name of the input field, for the message.

    Raises:
        InvalidError: There is no such role at this level.
        ForbiddenError: A role contains an action that the caller lacks; ``details`` names them.
        StalePrincipalError: The caller isn't live.
    """
    wanted = sorted(set(role_ids))
    key = (scope, credential_of(work.principal))
    statement = _DELEGATIONS.get(key, lambda: _delegation(*key))
    values = parameters(work.principal, work.now) | {"role_ids": wanted, "scope_id": scope_id}
    rows = (await work.connection.execute(statement, values)).all()
    if not rows:
        raise StalePrincipalError("the sign-in is no longer valid")
    if {row.id for row in rows if row.scope == scope.value} != set(wanted):
        raise InvalidError(
            f"there is no such role at this level ({scope.value})",
            fields=[FieldProblem(field, "unknown_role", f"not a role of the level {scope.value}")],
        )
    if work.principal.is_system:
        return
    scopes = work.principal.scopes
    lacking = sorted(
        {
            row.action
            for row in rows
            if row.action is not None and (not row.held or (scopes is not None and row.action not in scopes))
        }
    )
    if lacking:
        raise ForbiddenError(
            "nobody gives, changes or takes away a role with actions that they lack",
            details={"role_ids": wanted, "lacking": lacking},
        )


async def require_other_holder(
    work: UnitOfWork, role_id: str, scope: ScopeKind, scope_id: UUID | None, *, except_user: UUID
) -> None:
    """Require that somebody else holds the role at the scope, so that it isn't left without.

    The scope's row (the role's, globally) is locked first: of two owners who leave at the same
    time, one stays.

    Raises:
        ConflictError: The user is the last holder that can sign in.
    """
    user = User.__table__
    if scope is ScopeKind.GLOBAL:
        member: Any = UserRole.__table__
        lock: Select[Any] = select(Role.id).where(Role.id == role_id)
        there = true()
    else:
        members, column, scope_model = _MEMBERSHIP[scope]
        member = members.__table__
        lock = select(scope_model.id).where(scope_model.id == scope_id)
        there = member.c[column] == scope_id
    await work.connection.execute(lock.with_for_update())
    others = await work.connection.scalar(
        select(func.count())
        .select_from(member.join(user, user.c.id == member.c.user_id))
        .where(there, member.c.role_id == role_id, member.c.user_id != except_user, live_user(user))
    )
    if not others:
        raise ConflictError(
            f"the last holder of {role_id} can't be removed or given a lesser role",
            hint="give it to somebody else first",
            details={"role_id": role_id, "scope": scope.value, "scope_id": str(scope_id or "")},
        )
