"""Failed sign-ins are counted in the database and answered with growing pauses.

A try is charged *before* its password is checked and refunded when it was right. So parallel
guesses can't slip past the limit, and when the database can't be written nobody signs in: the
lockout fails closed.
"""

from __future__ import annotations

import hashlib
import ipaddress
import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import delete, or_, select
from sqlalchemy.dialects import postgresql, sqlite

from computor_auth_local.settings import AuthLocalSettings
from computor_auth_local.tables import LoginAttempt
from computor_core.plugin_api.errors import TooManyRequestsError
from computor_core.plugin_api.principal import Principal

if TYPE_CHECKING:
    from computor_core.plugin_api.db import UnitOfWork
    from computor_core.plugin_api.services import CoreServices

__all__ = ["Lockout", "account_subject", "address_subject"]

_ACCOUNT = "account:"
_ADDRESS = "address:"
_SWEPT_AT_ONCE = 100
_IPV6_NETWORK_BITS = 64


def account_subject(login_key: str) -> str:
    """What the failures of a login name are counted under."""
    return _ACCOUNT + hashlib.sha256(login_key.encode("utf-8", "surrogatepass")).hexdigest()


def address_subject(address: str) -> str | None:
    """What the failures from a network address are counted under; None for no address.

    An IPv6 address counts as its /64, which is what one customer or one machine is given.
    """
    if not address:
        return None
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        text = address
    else:
        if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
            text = str(parsed.ipv4_mapped)
        elif isinstance(parsed, ipaddress.IPv6Address):
            text = str(ipaddress.ip_network((parsed, _IPV6_NETWORK_BITS), strict=False))
        else:
            text = str(parsed)
    return _ADDRESS + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


class Lockout:
    """Counts failures and locks.

    Args:
        services: Doors into the core, for units of work.
        principal: Whom the units act as.
        settings: Limits and pauses.
        log: Where locks are told, without names or addresses.
    """

    def __init__(
        self,
        services: CoreServices,
        principal: Principal,
        settings: AuthLocalSettings,
        log: logging.Logger,
    ) -> None:
        self._services = services
        self._principal = principal
        self._settings = settings
        self._log = log

    async def charge(self, subjects: Sequence[str]) -> None:
        """Count a try as a failure, until it is refunded.

        Raises:
            TooManyRequestsError: One of the subjects is locked; nothing is counted then.
        """
        async with self._services.uow(self._principal) as work:
            await self._sweep(work)
            rows = await self._locked_rows(work, subjects)
            until = max((row.locked_until for row in rows if row.locked_until), default=None)
            if until is not None and until > work.now:
                raise TooManyRequestsError(
                    "too many sign-ins failed; wait before trying again",
                    retry_after=(until - work.now).total_seconds(),
                )
            for row in rows:
                self._count(row, work.now)

    async def refund(self, subjects: Sequence[str], *, succeeded: bool) -> None:
        """Take a charged try back.

        Args:
            subjects: What was charged.
            succeeded: True when the password was right, and the login name starts over; False
                when nothing was checked after all.
        """
        async with self._services.uow(self._principal) as work:
            for row in await self._locked_rows(work, subjects):
                starts_over = succeeded and row.subject.startswith(_ACCOUNT)
                row.failures = 0 if starts_over else max(row.failures - 1, 0)
                if row.failures < self._limit(row):
                    row.locked_until = None

    def _count(self, row: LoginAttempt, now: datetime) -> None:
        if now - row.last_failure_at >= timedelta(seconds=self._settings.forget_failures_seconds):
            row.failures = 0
        row.failures += 1
        row.last_failure_at = now
        beyond = row.failures - self._limit(row)
        row.locked_until = None
        if beyond >= 0:
            # The exponent is bounded first: 2.0**1100 overflows.
            pause = min(
                self._settings.first_lock_seconds * 2.0 ** min(beyond, 64),
                self._settings.longest_lock_seconds,
            )
            row.locked_until = now + timedelta(seconds=pause)
            kind = row.subject.partition(":")[0]
            self._log.warning("sign-in locked", extra={"kind": kind, "seconds": pause})

    def _limit(self, row: LoginAttempt) -> int:
        if row.subject.startswith(_ACCOUNT):
            return self._settings.lock_after
        return self._settings.lock_address_after

    async def _locked_rows(self, work: UnitOfWork, subjects: Sequence[str]) -> list[LoginAttempt]:
        """The subjects' rows, created where missing, locked in one order against deadlocks."""
        values = [
            {"subject": subject, "failures": 0, "last_failure_at": work.now} for subject in sorted(subjects)
        ]
        insert = sqlite.insert if work.is_sqlite else postgresql.insert
        await work.session.execute(insert(LoginAttempt).values(values).on_conflict_do_nothing())
        rows = await work.session.scalars(
            select(LoginAttempt)
            .where(LoginAttempt.subject.in_(subjects))
            .order_by(LoginAttempt.subject)
            .with_for_update()
        )
        return list(rows)

    async def _sweep(self, work: UnitOfWork) -> None:
        """Remove some rows that no longer matter, so that invented names don't fill the table."""
        before = work.now - timedelta(seconds=self._settings.forget_failures_seconds)
        old = (
            select(LoginAttempt.subject)
            .where(
                LoginAttempt.last_failure_at < before,
                or_(LoginAttempt.locked_until.is_(None), LoginAttempt.locked_until < work.now),
            )
            .limit(_SWEPT_AT_ONCE)
            .with_for_update(skip_locked=True)
        )
        await work.session.execute(
            delete(LoginAttempt).where(LoginAttempt.subject.in_(old)),
            execution_options={"synchronize_session": False},
        )
