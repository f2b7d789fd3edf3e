"""Settings of one ``local`` sign-in instance."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, model_validator

__all__ = ["AuthLocalSettings"]


class AuthLocalSettings(BaseModel):
    """What an operator may set for local accounts.

    The hash defaults are the second recommended option of RFC 9106, section 4. Hashing takes at
    most ``memory_kib * concurrent_hashes`` of memory, whatever arrives.

    Attributes:
        time_cost: Passes of Argon2id over its memory.
        memory_kib: Memory of one hash, in KiB.
        parallelism: Lanes (threads) of one hash.
        concurrent_hashes: Hashes computed at once.
        waiting_hashes: Sign-ins that may wait for their hash; more are told to come back.
        minimum_length: Fewest characters of a new password.
        lock_after: Failures in a row after which a login name is locked.
        lock_address_after: Failures after which a network address is locked; a lecture hall or
            a whole campus may share one, so it is much higher.
        first_lock_seconds: Length of the first lock; each further failure doubles it.
        longest_lock_seconds: Longest lock.
        forget_failures_seconds: Failures are forgotten this long after the last one.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    time_cost: int = Field(default=3, ge=1, le=100)
    memory_kib: int = Field(default=65536, ge=8, le=4 * 1024 * 1024)
    parallelism: int = Field(default=4, ge=1, le=64)
    concurrent_hashes: int = Field(default=2, ge=1, le=256)
    waiting_hashes: int = Field(default=64, ge=0, le=100_000)
    minimum_length: int = Field(default=10, ge=8, le=128)
    lock_after: int = Field(default=5, ge=1, le=1000)
    lock_address_after: int = Field(default=100, ge=1, le=1_000_000)
    first_lock_seconds: float = Field(default=5.0, gt=0, le=3600)
    longest_lock_seconds: float = Field(default=900.0, gt=0, le=86_400)
    forget_failures_seconds: float = Field(default=3600.0, gt=0, le=30 * 86_400)

    @model_validator(mode="after")
    def _coherent(self) -> AuthLocalSettings:
        if self.memory_kib < 8 * self.parallelism:
            raise ValueError("memory_kib must be at least 8 for each lane of parallelism (RFC 9106, 3.1)")
        if self.longest_lock_seconds < self.first_lock_seconds:
            raise ValueError("longest_lock_seconds is shorter than first_lock_seconds")
        if self.forget_failures_seconds < self.longest_lock_seconds:
            raise ValueError("forget_failures_seconds must not be shorter than longest_lock_seconds")
        return self
