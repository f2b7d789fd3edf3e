"""The sections of the settings that core knows, as pydantic models."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
    field_validator,
    model_validator,
)

from computor_core.plugin_api.providers.runner import Isolation

InstanceName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,63}$")]
"""Name of a provider instance, as rows of the database record it."""


class Section(BaseModel):
    """Root of the sections: unknown keys are refused, values don't change after the start."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class DatabaseSettings(Section):
    """The database."""

    url: SecretStr | None = Field(
        None,
        description="Address: sqlite+aiosqlite:///FILE or postgresql+asyncpg://USER:PASSWORD@HOST/NAME. "
        "Default: the SQLite file computor.db in data_dir.",
    )
    pool_size: int = Field(8, ge=1, le=200, description="Most connections at a time.")
    statement_timeout: float = Field(
        30.0, gt=0, description="Seconds after which PostgreSQL ends a statement."
    )


class ServerSettings(Section):
    """How the host is reached."""

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8000, ge=0, le=65535, description="TCP port; 0 takes a free one.")
    public_url: str = Field(
        "", description="Address under which users reach the host. Default: http://HOST:PORT."
    )
    trusted_proxies: list[str] = Field(
        default_factory=list,
        description="Addresses or networks of reverse proxies whose X-Forwarded-For and X-Forwarded-Proto "
        "are believed. Default: none, so nobody can claim another address.",
    )

    @field_validator("public_url")
    @classmethod
    def _without_slash(cls, value: str) -> str:
        if value and not value.startswith(("http://", "https://")):
            raise ValueError("must begin with http:// or https://")
        return value.rstrip("/")


class SessionSettings(Section):
    """How long sessions and API tokens live, and how often somebody may try to sign in."""

    idle_hours: float = Field(
        168, gt=0, le=8784, description="A session ends after so long without a request."
    )
    longest_hours: float = Field(
        720, gt=0, le=8784, description="A session ends so long after sign-in, whatever happens."
    )
    api_token_days: int = Field(
        90, ge=1, le=3660, description="Life of an API token whose owner names no end."
    )
    api_token_longest_days: int = Field(
        366, ge=1, le=3660, description="Longest life of an API token that an owner may ask for."
    )
    sign_ins_per_login: int = Field(
        20, ge=1, le=100_000, description="Tries to sign in per name and minute, right or wrong."
    )
    sign_ins_per_address: int = Field(
        300,
        ge=1,
        le=1_000_000,
        description="Tries per address and minute; a lecture hall shares one.",
    )

    @model_validator(mode="after")
    def _coherent(self) -> SessionSettings:
        if self.api_token_days > self.api_token_longest_days:
            raise ValueError("api_token_days is longer than api_token_longest_days")
        return self


class SecuritySettings(Section):
    """Keys."""

    master_key_file: Path | None = Field(
        None,
        description="File with the keys that encrypt secrets at rest, the current one first. "
        "Default: keys/master.keys in data_dir, made at the first start.",
    )
    signing_key_file: Path | None = Field(
        None,
        description="PEM file with the Ed25519 key that signs receipts. "
        "Default: keys/signing.pem in data_dir, made at the first start.",
    )


class PluginsSettings(BaseModel):
    """Which plugins are loaded, and a section for each plugin's own settings."""

    model_config = ConfigDict(extra="allow", frozen=True)
    __pydantic_extra__: dict[str, dict[str, Any]]

    enabled: list[str] | None = Field(
        None,
        description="Names of the plugins, in the order that is law. "
        "Default: those of auth_local, storage_local, git_local and runner_local that are installed.",
    )
    on_error: Literal["fail", "degrade"] = Field(
        "fail", description="Refuse to start with a broken plugin, or go on without it (development)."
    )
    trace: bool = Field(False, description="Print every hook call to standard error.")

    @field_validator("enabled")
    @classmethod
    def _once(cls, value: list[str] | None) -> list[str] | None:
        twice = sorted({name for name in value or () if (value or []).count(name) > 1})
        if twice:
            raise ValueError(f"named twice: {', '.join(twice)}")
        return value

    @property
    def sections(self) -> dict[str, dict[str, Any]]:
        """The plugins' own settings as written, by plugin."""
        return dict(self.__pydantic_extra__ or {})

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """Leave the plugins' sections out: they may hold secrets."""
        yield from ((name, getattr(self, name)) for name in type(self).model_fields)


class InstanceSettings(BaseModel):
    """A provider instance: its type, and the settings that the type's own model checks."""

    model_config = ConfigDict(extra="allow", frozen=True)

    type: str = Field(description="A type that an enabled plugin registers.")

    @property
    def options(self) -> dict[str, Any]:
        """The type's own settings as written."""
        return dict(self.__pydantic_extra__ or {})

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """Leave the options out: they may hold secrets."""
        yield "type", self.type


class SeamSettings(Section):
    """The instances at a seam."""

    default: InstanceName | None = Field(
        None,
        description="Instance for new objects without a binding. "
        "Default: the one called default, or the only one.",
    )
    instances: dict[InstanceName, InstanceSettings] = Field(
        default_factory=dict, description="The instances, by name."
    )


class RunnerSettings(SeamSettings):
    """The test runners and what is demanded of them."""

    minimum_isolation: Isolation | Literal["auto"] = Field(
        Isolation.NAMESPACES,
        description="Weakest isolation under which a job runs; auto takes what the machine can, even none.",
    )
