"""What changing credentials takes."""

from __future__ import annotations

from pydantic import Field, SecretStr

from computor_core.interfaces.base import Dto


class SetPasswordInput(Dto):
    """A new password for a user."""

    password: SecretStr = Field(max_length=1024, description="The new password.")
    instance: str = Field(default="default", max_length=64, description="Sign-in instance that keeps it.")
