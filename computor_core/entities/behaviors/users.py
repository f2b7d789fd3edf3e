"""Users: e-mail addresses and the last administrator."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sqlalchemy import exists, select

from computor_core.access.delegation import require_other_holder
from computor_core.access.vocabulary import ADMIN
from computor_core.entities.behaviors.plain import PlainBehavior
from computor_core.model import UserRole
from computor_core.plugin_api.emails import email_key
from computor_core.plugin_api.principal import ScopeKind

if TYPE_CHECKING:
    from computor_core.db.unit_of_work import UnitOfWork


class UserAccounts(PlainBehavior):
    """Keeps ``email_key`` in step with the address and an administrator in place."""

    async def before_create(self, work: UnitOfWork, values: dict[str, Any]) -> None:
        """Normalise the address."""
        if values.get("email") is not None:
            values["email_key"] = email_key(values["email"])

    async def before_update(self, work: UnitOfWork, row: Mapping[str, Any], values: dict[str, Any]) -> None:
        """Normalise a new address, which nobody has proved yet; keep the last administrator.

        Raises:
            ConflictError: The last administrator would be archived.
        """
        if "email" in values:
            key = None if values["email"] is None else email_key(values["email"])
            if key != row["email_key"]:
                values |= {"email_key": key, "email_verified_at": None}
        if values.get("archived_at") is not None:
            held = exists().where(UserRole.user_id == row["id"], UserRole.role_id == ADMIN)
            if await work.connection.scalar(select(held)):
                await require_other_holder(work, ADMIN, ScopeKind.GLOBAL, None, except_user=row["id"])
