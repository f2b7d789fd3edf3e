"""What changing credentials takes."""

from __future__ import annotations

from pydantic import Field, SecretStr

from computor_core.interfaces.base import InputDto


class SetPasswordInput(InputDto):
    """A new password for a user."""

    password: SecretStr = Field(max_length=1024, description="The new password.")
    provider: str | None = Field(
        default=None,
        max_length=64,
        description="Sign-in instance that keeps it; by default the default one.",
    )
