"""Settings of a Temporal engine."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, SecretStr

__all__ = ["TemporalSettings"]


class TemporalSettings(BaseModel):
    """Settings of one instance of the engine type ``temporal``."""

    model_config = ConfigDict(extra="forbid")

    address: str = Field(
        "127.0.0.1:7233", min_length=1, description="Host and port of the Temporal frontend."
    )
    namespace: str = Field("default", min_length=1, description="The Temporal namespace; it must exist.")
    task_queue: str = Field(
        "computor",
        min_length=1,
        max_length=200,
        description="Task queue of this deployment's workers; no other deployment may use it.",
    )
    api_key: SecretStr | None = Field(None, description="API key, where the server asks for one.")
    tls: bool = Field(False, description="Whether to connect over TLS.")
    concurrency: int = Field(100, ge=1, description="Steps that one host carries out at a time.")
    heartbeat_seconds: float = Field(
        30.0, gt=0, description="How long a host may be silent before its steps are given to another."
    )
    request_seconds: float = Field(10.0, gt=0, description="Longest time of one call to the server.")
