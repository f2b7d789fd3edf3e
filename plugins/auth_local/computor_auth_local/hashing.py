"""Argon2id in worker threads, a bounded number at a time."""

from __future__ import annotations

import functools

import anyio
from anyio import to_thread
from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError

from computor_auth_local.settings import AuthLocalSettings
from computor_core.plugin_api.errors import ProviderUnavailableError

__all__ = ["Hasher"]

_RETRY_SECONDS = 2.0


class Hasher:
    """Hashes and verifies passwords (Argon2id, RFC 9106) outside the event loop.

    Use :meth:`create`, which prepares the hash that stands in for names nobody has.
    """

    def __init__(self, settings: AuthLocalSettings) -> None:
        self._argon2 = PasswordHasher(
            time_cost=settings.time_cost,
            memory_cost=settings.memory_kib,
            parallelism=settings.parallelism,
            type=Type.ID,
        )
        self._limiter = anyio.CapacityLimiter(settings.concurrent_hashes)
        self._most_waiting = settings.waiting_hashes
        self._stand_in = ""

    @classmethod
    async def create(cls, settings: AuthLocalSettings) -> Hasher:
        """A hasher that is ready to verify."""
        hasher = cls(settings)
        hasher._stand_in = await hasher.hash(b"the password of nobody")
        return hasher

    async def hash(self, password: bytes) -> str:
        """The hash of a password, with a new random salt, in PHC string format.

        Raises:
            ProviderUnavailableError: More are waiting than the settings allow.
        """
        self._refuse_a_crowd()
        return await to_thread.run_sync(functools.partial(self._argon2.hash, password), limiter=self._limiter)

    async def verify(self, known_hash: str | None, password: bytes | None) -> bool:
        """Whether a password has this hash; the same work is done when there is nothing to compare.

        Args:
            known_hash: The stored hash, None for a name that nobody has.
            password: The password's bytes, None for a text that can't be a password.

        Raises:
            ProviderUnavailableError: More are waiting than the settings allow.
        """
        self._refuse_a_crowd()
        matches = await to_thread.run_sync(
            self._verify_now, known_hash or self._stand_in, password or b"", limiter=self._limiter
        )
        return matches and known_hash is not None and password is not None

    @property
    def waiting(self) -> int:
        """How many hashes wait for their turn."""
        return self._limiter.statistics().tasks_waiting

    def is_outdated(self, known_hash: str) -> bool:
        """Whether a hash was made with other parameters than the present ones."""
        return self._argon2.check_needs_rehash(known_hash)

    def _verify_now(self, known_hash: str, password: bytes) -> bool:
        try:
            return self._argon2.verify(known_hash, password)
        except (VerificationError, InvalidHashError):
            # A mismatch, or a stored hash that was damaged: neither lets anybody in.
            return False

    def _refuse_a_crowd(self) -> None:
        if self.waiting > self._most_waiting:
            raise ProviderUnavailableError(
                "too many sign-ins are being checked at once", retry_after=_RETRY_SECONDS
            )
