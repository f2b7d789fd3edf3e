"""Which user an identity of a sign-in instance belongs to."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from sqlalchemy import select

from computor_core.errors import AuthenticationError
from computor_core.model import Account, User
from computor_core.plugin_api.emails import email_key
from computor_core.plugin_api.principal import Principal

if TYPE_CHECKING:
    from uuid import UUID

    from computor_core.app import Computor
    from computor_core.plugin_api.providers.auth import Identity

__all__ = ["user_of"]

_log = logging.getLogger("computor.sessions")
_LONGEST_SUBJECT = 255
"""As in OpenID Connect Core 1.0, 5.1."""
_SYSTEM = Principal.system("core:sessions")


async def user_of(app: Computor, instance: str, identity: Identity, *, request_id: str = "") -> UUID:
    """The user of an identity that its provider doesn't know the user of.

    An identity that was here before goes by its subject alone. A new one is linked to the user
    whose address the provider vouches for; addresses are set by who manages users, never by the
    users themselves. A user has one identity at an instance: another one with the same address is
    somebody who was given a former member's mailbox, and is refused.

    Args:
        app: The application.
        instance: The sign-in instance that proved the identity.
        identity: What it proved.
        request_id: For the audit trail.

    Raises:
        AuthenticationError: It belongs to nobody here.
    """
    refused = AuthenticationError("no account here belongs to this identity")
    if not 0 < len(identity.subject) <= _LONGEST_SUBJECT:
        raise refused
    linked = select(Account.user_id).where(
        Account.auth_instance == instance, Account.subject == identity.subject
    )
    async with app.read(_SYSTEM, request_id=request_id) as reading:
        known = await reading.connection.scalar(linked)
    if known is not None:
        return known
    if not identity.email or not identity.email_verified:
        raise refused
    async with app.uow(_SYSTEM, request_id=request_id) as work:
        user = await work.session.scalar(
            select(User)
            .where(
                User.email_key == email_key(identity.email),
                User.archived_at.is_(None),
                User.is_service.is_(False),
            )
            .with_for_update()
        )
        if user is None:
            raise refused
        # Two first sign-ins at once: the second finds what the first linked.
        present = await work.session.scalar(
            select(Account.subject).where(Account.auth_instance == instance, Account.user_id == user.id)
        )
        if present is None:
            account = Account(user_id=user.id, auth_instance=instance, subject=identity.subject)
            work.session.add(account)
            user.email_verified_at = user.email_verified_at or work.now
            await work.session.flush()
            work.audit("account.link", "users", user.id, after={"instance": instance})
        elif present != identity.subject:
            _log.warning("user %s has another identity at %s; the new one is refused", user.id, instance)
            raise refused
        return user.id
