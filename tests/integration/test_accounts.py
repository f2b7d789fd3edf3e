"""Accounts: passwords that somebody sets for somebody else, and the first administrator."""

from __future__ import annotations

import pytest
from sqlalchemy import delete, select

from computor_core.db.types import new_id
from computor_core.errors import (
    AuthenticationError,
    ConflictError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
)
from computor_core.interfaces.credentials import SetPasswordInput
from computor_core.model import AuditEvent, AuditValue, User, UserRole
from computor_core.plugin_api.principal import Principal
from computor_core.services.accounts import create_first_admin, set_password
from tests.support.deployment import Deployment

pytestmark = pytest.mark.asyncio(loop_scope="module")

FIRST, SECOND = "nine elephants, no umbrella", "ten umbrellas, no elephant"


async def holder(site: Deployment, role: str) -> Principal:
    return await site.world.principal(await site.world.user(role=role), with_session=False)


def body(password: str, **values: str) -> SetPasswordInput:
    return SetPasswordInput.model_validate({"password": password, **values})


# --- passwords ------------------------------------------------------------------------------------


async def test_a_password_that_was_set_lets_its_user_in_and_ends_the_sessions_before(
    site: Deployment,
) -> None:
    manager, user = await holder(site, "_user_manager"), await site.world.user()
    sessions = site.app.services.sessions
    assert user.email
    await set_password(site.app, manager, user.id, body(FIRST))
    before = await sessions.sign_in(user.email, FIRST)
    assert (await sessions.authenticate(before.token)).user_id == user.id
    await set_password(site.app, manager, user.id, body(SECOND), request_id="r1")
    with pytest.raises(AuthenticationError):
        await sessions.authenticate(before.token)
    with pytest.raises(AuthenticationError):
        await sessions.sign_in(user.email, FIRST)
    assert (await sessions.sign_in(user.email, SECOND)).user_id == user.id
    rows = await site.rows(
        select(AuditEvent.actor_id, AuditEvent.request_id, AuditValue.after)
        .join(AuditValue, AuditValue.audit_event_id == AuditEvent.id)
        .where(AuditEvent.row_id == str(user.id), AuditEvent.action == "user.credentials")
        .order_by(AuditEvent.id)
    )
    assert {row.actor_id for row in rows} == {manager.user_id}
    assert [row.request_id for row in rows] == ["", "r1"]
    assert SECOND not in str(rows)


async def test_who_may_set_whose(site: Deployment) -> None:
    manager, admin = await holder(site, "_user_manager"), await holder(site, "_admin")
    user = await site.world.user()
    themselves = await site.world.principal(user, with_session=False)
    with pytest.raises(ForbiddenError):
        await set_password(site.app, themselves, user.id, body(FIRST))
    with pytest.raises(NotFoundError):
        await set_password(site.app, themselves, (await site.world.user()).id, body(FIRST))
    with pytest.raises(NotFoundError):
        await set_password(site.app, manager, new_id(), body(FIRST))
    assert admin.user_id is not None
    assert manager.user_id is not None
    with pytest.raises(ForbiddenError):
        await set_password(site.app, manager, admin.user_id, body(FIRST))
    await set_password(site.app, admin, manager.user_id, body(FIRST))


async def test_a_refused_password_leaves_everything_as_it_was(site: Deployment) -> None:
    manager, user = await holder(site, "_user_manager"), await site.world.user()
    assert user.email
    await set_password(site.app, manager, user.id, body(FIRST))
    session = await site.app.services.sessions.sign_in(user.email, FIRST)
    with pytest.raises(InvalidError):
        await set_password(site.app, manager, user.id, body("short"))
    with pytest.raises(InvalidError):
        await set_password(site.app, manager, user.id, body(SECOND, provider="nowhere"))
    assert (await site.app.services.sessions.authenticate(session.token)).user_id == user.id


# --- the first administrator ----------------------------------------------------------------------


async def without_admin(site: Deployment) -> None:
    await site.change(delete(UserRole).where(UserRole.role_id == "_admin"))


async def test_the_first_administrator_can_sign_in_and_there_is_only_one_first(site: Deployment) -> None:
    await without_admin(site)
    email = f"{new_id().hex}@Example.org"
    user_id = await create_first_admin(site.app, email, FIRST)
    issued = await site.app.services.sessions.sign_in(email.lower(), FIRST)
    principal = await site.app.services.sessions.authenticate(issued.token)
    assert principal.user_id == user_id
    assert "_admin" in principal.role_ids
    with pytest.raises(ConflictError, match="administrator already"):
        await create_first_admin(site.app, "another@example.org", FIRST)
    assert await site.scalars(select(User.id).where(User.email_key == "another@example.org")) == []


async def test_a_refused_password_gives_no_role_and_the_call_can_be_repeated(site: Deployment) -> None:
    await without_admin(site)
    email = f"{new_id().hex}@example.org"
    with pytest.raises(InvalidError):
        await create_first_admin(site.app, email, "short")
    (user_id,) = await site.scalars(select(User.id).where(User.email_key == email))
    assert await site.scalars(select(UserRole.id).where(UserRole.user_id == user_id)) == []
    assert await create_first_admin(site.app, email, FIRST) == user_id


async def test_somebody_who_is_there_already_becomes_the_first_administrator(site: Deployment) -> None:
    await without_admin(site)
    user = await site.world.user()
    assert user.email
    assert await create_first_admin(site.app, user.email, FIRST) == user.id
    assert await site.scalars(select(UserRole.role_id).where(UserRole.user_id == user.id)) == ["_admin"]
