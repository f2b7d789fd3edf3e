"""Accounts: the first administrator, and passwords set by somebody who may."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import select

from computor_core.db.types import new_id
from computor_core.errors import ConflictError
from computor_core.interfaces.credentials import SetPasswordInput
from computor_core.model import User, UserRole
from computor_core.plugin_api.emails import email_key
from computor_core.plugin_api.principal import Principal
from computor_core.plugin_api.providers.auth import SetPassword
from computor_core.services.sessions.presence import refuse_api_token

if TYPE_CHECKING:
    from computor_core.app import Computor

ADMIN_ROLE = "_admin"


async def set_password(
    app: Computor, principal: Principal, user_id: UUID, body: SetPasswordInput, *, request_id: str = ""
) -> None:
    """Set the password of a user and end the user's sessions and API tokens.

    Whoever has a password has everything that its owner may do, so no API token sets one: a token
    that leaked, limited or not, must not become a sign-in.

    Raises:
        NotFoundError: No such user, or none that the principal may see.
        ForbiddenError: The principal doesn't manage the user's credentials, or came with an API
            token.
        InvalidError: The password breaks the policy, or there is no such sign-in instance.
        CapabilityNotSupportedError: The instance keeps no passwords.
    """
    refuse_api_token(principal)
    async with app.read(principal, request_id=request_id) as unit:
        await app.access.require(unit, "user.credentials", "users", user_id)
    instance, provider = app.services.sessions.provider(body.provider)
    await provider.set_password(SetPassword(user_id, body.password.get_secret_value()))
    async with app.uow(principal, request_id=request_id) as work:
        await app.access.require(work, "user.credentials", "users", user_id)
        work.audit("user.credentials", "users", user_id, after={"password": "set", "instance": instance})
    await app.services.sessions.revoke_everything(
        user_id, reason="password set by an administrator", request_id=request_id
    )


async def create_first_admin(
    app: Computor, email: str, password: str, *, instance: str | None = None
) -> UUID:
    """Make the first administrator of a new deployment.

    The password is checked and stored before the role is given, so a refused password leaves a
    user without rights, and the call can be repeated.

    Raises:
        ConflictError: There is an administrator already.
        InvalidError: The password breaks the policy, or there is no such sign-in instance.
    """
    _, provider = app.services.sessions.provider(instance)
    system = Principal.system("core:bootstrap")
    key = email_key(email)
    async with app.uow(system) as work:
        if await work.connection.scalar(select(UserRole.id).where(UserRole.role_id == ADMIN_ROLE).limit(1)):
            raise ConflictError("there is an administrator already", hint="sign in as that one")
        known = await work.connection.scalar(
            select(User.id).where(User.email_key == key, User.archived_at.is_(None))
        )
        user_id = known or new_id()
        if known is None:
            user = User(id=user_id, given_name="Administrator", email=email, email_key=key)
            user.email_verified_at = work.now
            work.session.add(user)
            work.audit("user.create", "users", user_id, after={"email": email})
    await provider.set_password(SetPassword(user_id, password))
    async with app.uow(system) as work:
        work.session.add(UserRole(user_id=user_id, role_id=ADMIN_ROLE, source="bootstrap"))
        work.audit("role.grant", "user-roles", user_id, after={"role_id": ADMIN_ROLE})
    return user_id
