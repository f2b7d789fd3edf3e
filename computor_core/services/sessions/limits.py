"""How often somebody may try to sign in, before any password is looked at.

The counts live in the cache, so that all hosts share them. While the cache is away each host
counts by itself, and the providers' own lockout stands in the database: limits get coarser then,
they never vanish.
"""

from __future__ import annotations

import hashlib
import logging
from collections import OrderedDict
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from computor_core.errors import ProviderUnavailableError, TooManyRequestsError
from computor_core.plugin_api.emails import email_key
from computor_core.plugin_api.providers.cache import Count, Increment

if TYPE_CHECKING:
    from computor_core.app import Computor
    from computor_core.services.sessions.policy import SessionPolicy

_LOCAL_COUNTERS = 10_000
_log = logging.getLogger(__name__)


class SignInLimiter:
    """Counts tries by login name and by network address, right or wrong.

    Args:
        app: The application whose cache counts.
        policy: The limits and their window.
    """

    def __init__(self, app: Computor, policy: SessionPolicy) -> None:
        self._app = app
        self._policy = policy
        self._local = LocalCounters()

    async def charge(self, login: str, address: str) -> None:
        """Count a try.

        Raises:
            TooManyRequestsError: A limit is reached; the try must not be carried out.
        """
        limits = [("login", email_key(login), self._policy.sign_ins_per_login)]
        if address:
            limits.append(("address", address, self._policy.sign_ins_per_address))
        for kind, subject, limit in limits:
            digest = hashlib.sha256(subject.encode("utf-8", "surrogatepass")).hexdigest()
            count = await self._count(Increment(f"sign-in:{kind}:{digest}", self._policy.sign_in_window))
            if count.value > limit:
                raise TooManyRequestsError(
                    "too many sign-ins; wait before trying again",
                    retry_after=max(count.resets_in.total_seconds(), 1.0),
                )

    async def _count(self, increment: Increment) -> Count:
        try:
            return await self._app.cache.increment(increment)
        except ProviderUnavailableError:
            _log.warning("the cache is away; sign-ins are counted by this host alone")
            return self._local.increment(increment, self._app.clock.now())


class LocalCounters:
    """Fixed-window counters of one process, for while the shared ones are away."""

    def __init__(self) -> None:
        self._counters: OrderedDict[str, tuple[int, datetime]] = OrderedDict()

    def increment(self, request: Increment, now: datetime) -> Count:
        """Count, as :meth:`Cache.increment` does; the oldest counters make room for new ones."""
        value, ends = self._counters.get(request.key, (0, now + request.window))
        if ends <= now:
            value, ends = 0, now + request.window
        value += request.amount
        self._counters[request.key] = (value, ends)
        while len(self._counters) > _LOCAL_COUNTERS:
            self._counters.popitem(last=False)
        return Count(value, max(ends - now, timedelta(0)))
