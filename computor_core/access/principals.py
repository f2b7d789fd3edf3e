"""Reading a principal's grants."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Select, Uuid, bindparam, literal_column, null, select, union_all
from sqlalchemy import cast as sql_cast

from computor_core.access.caller import live_user
from computor_core.db.types import PathType
from computor_core.errors import AuthenticationError
from computor_core.model import (
    CourseFamilyMember,
    CourseMember,
    Organization,
    OrganizationMember,
    RoleAction,
    User,
    UserRole,
)
from computor_core.plugin_api.principal import Grant, Principal, PrincipalKind, ScopeKind

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy.ext.asyncio import AsyncConnection

    from computor_core.access.vocabulary import Vocabulary


def _statement() -> Select[Any]:
    """The user's epoch and every grant, in one round trip; no grant gives one row of nulls."""
    user_id = bindparam("user_id", type_=Uuid())
    no_id, no_path = sql_cast(null(), Uuid()), sql_cast(null(), PathType)
    globally = UserRole.__table__
    organization_member, organization = OrganizationMember.__table__, Organization.__table__
    family_member, course_member = CourseFamilyMember.__table__, CourseMember.__table__
    grants = union_all(
        select(
            literal_column("'global'").label("scope"),
            no_id.label("scope_id"),
            globally.c.role_id,
            no_path.label("path"),
        ).where(globally.c.user_id == user_id),
        select(
            literal_column("'organization'"),
            organization_member.c.organization_id,
            organization_member.c.role_id,
            organization.c.path,
        )
        .join_from(
            organization_member, organization, organization.c.id == organization_member.c.organization_id
        )
        .where(organization_member.c.user_id == user_id),
        select(
            literal_column("'family'"), family_member.c.course_family_id, family_member.c.role_id, no_path
        ).where(family_member.c.user_id == user_id),
        select(literal_column("'course'"), course_member.c.course_id, course_member.c.role_id, no_path).where(
            course_member.c.user_id == user_id
        ),
    ).subquery()
    user = User.__table__
    return (
        select(
            user.c.grants_epoch,
            user.c.is_service,
            grants.c.scope,
            grants.c.scope_id,
            grants.c.role_id,
            grants.c.path,
        )
        .select_from(user.outerjoin(grants, literal_column("1") == literal_column("1")))
        .where(user.c.id == user_id, live_user(user))
    )


_STATEMENT = _statement()


async def load_principal(
    connection: AsyncConnection,
    vocabulary: Vocabulary,
    *,
    user_id: UUID,
    session_id: UUID | None = None,
    api_token_id: UUID | None = None,
    scopes: frozenset[str] | None = None,
) -> Principal:
    """Read who a user is and what it was granted, with the epoch at which that is true.

    One statement; a second one only for holders of custom roles.

    Args:
        connection: Where to read.
        vocabulary: Learns what custom roles contain.
        user_id: The user.
        session_id: The session that was presented, whose liveness the statements then prove.
        api_token_id: The token that was presented, likewise.
        scopes: The actions that the token is limited to; None for no limit.

    Raises:
        AuthenticationError: There is no such user, or it is archived or banned.
    """
    rows = (await connection.execute(_STATEMENT, {"user_id": user_id})).all()
    if not rows:
        raise AuthenticationError("the account can't sign in")
    grants = tuple(
        Grant(ScopeKind(row.scope), row.scope_id, row.role_id, row.path) for row in rows if row.role_id
    )
    custom = {grant.role_id for grant in grants} - vocabulary.registered.keys()
    if custom:
        vocabulary.learn(await _contents(connection, custom))
    return Principal(
        kind=PrincipalKind.SERVICE if rows[0].is_service else PrincipalKind.USER,
        user_id=user_id,
        session_id=session_id,
        api_token_id=api_token_id,
        epoch=rows[0].grants_epoch,
        scopes=scopes,
        grants=grants,
    )


async def _contents(connection: AsyncConnection, roles: set[str]) -> dict[str, frozenset[str]]:
    contents: dict[str, set[str]] = {role: set() for role in roles}
    found = select(RoleAction.role_id, RoleAction.action).where(RoleAction.role_id.in_(roles))
    for role_id, action in await connection.execute(found):
        contents[role_id].add(action)
    return {role: frozenset(actions) for role, actions in contents.items()}
