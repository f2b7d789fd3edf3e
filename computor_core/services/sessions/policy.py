"""How long sessions and tokens live, and how fast somebody may try to sign in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from computor_core.settings import SessionSettings


_TOUCH = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class SessionPolicy:
    """Limits of sessions, tokens and sign-in.

    Attributes:
        idle: A session ends after this long without a request; each request moves the end.
        absolute: A session ends this long after sign-in, whatever happens.
        touch: The end is moved at most this often, so that reading doesn't write each time.
        api_token_default: Life of an API token whose owner names no end.
        api_token_longest: Longest life that an owner may ask for.
        cached_principals: Most principals kept in memory.
        sign_ins_per_login: Tries per login name and ``sign_in_window``, right or wrong.
        sign_ins_per_address: Tries per network address and window; a lecture hall shares one.
        sign_in_window: The window of the two limits.
    """

    idle: timedelta = timedelta(days=7)
    absolute: timedelta = timedelta(days=30)
    touch: timedelta = _TOUCH
    api_token_default: timedelta = timedelta(days=90)
    api_token_longest: timedelta = timedelta(days=366)
    cached_principals: int = 10_000
    sign_ins_per_login: int = 20
    sign_ins_per_address: int = 300
    sign_in_window: timedelta = timedelta(minutes=1)

    @classmethod
    def of(cls, settings: SessionSettings) -> SessionPolicy:
        """The policy that the settings ask for."""
        idle = timedelta(hours=settings.idle_hours)
        return cls(
            idle=idle,
            touch=min(_TOUCH, idle / 4),
            absolute=timedelta(hours=settings.longest_hours),
            api_token_default=timedelta(days=settings.api_token_days),
            api_token_longest=timedelta(days=settings.api_token_longest_days),
            sign_ins_per_login=settings.sign_ins_per_login,
            sign_ins_per_address=settings.sign_ins_per_address,
        )
