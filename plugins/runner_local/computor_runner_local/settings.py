"""Settings of an instance of the local runner."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

MIB = 1024 * 1024


class Ceilings(BaseModel):
    """The most that a phase may ask for; a phase that asks for more is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    cpu_seconds: float = Field(default=120.0, gt=0, description="Processor seconds of a phase.")
    wall_seconds: float = Field(default=300.0, gt=0, description="Seconds from a phase's start to its end.")
    memory_bytes: int = Field(default=4096 * MIB, gt=0, description="Memory of a phase in bytes.")
    processes: int = Field(default=512, gt=0, description="Processes and threads of a phase.")
    output_bytes: int = Field(default=16 * MIB, gt=0, description="Bytes of stdout and of stderr, each.")
    disk_bytes: int = Field(default=1024 * MIB, gt=0, description="Bytes that a phase may write.")


class ExtraToolchain(BaseModel):
    """A toolchain of the institution's own; see ``computor_core.plugin_api.providers.toolchains``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[a-z][a-z0-9_-]*$", description="How test specifications name it.")
    version: tuple[str, ...] = Field(min_length=1, description="Command that prints its version.")


class LocalRunnerSettings(BaseModel):
    """Settings of an instance of the local runner."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    minimum_isolation: Literal["auto", "bubblewrap", "namespaces", "none"] = Field(
        default="auto",
        description="Weakest isolation of this instance, where it shall be stronger than the "
        "deployment's [runner] minimum_isolation.",
    )
    concurrency: int = Field(
        default_factory=lambda: os.cpu_count() or 1, ge=1, le=256, description="Jobs at the same time."
    )
    ceilings: Ceilings = Field(default_factory=Ceilings, description="The most that a phase may ask for.")
    tmp_dir: Path = Field(
        default_factory=lambda: Path(tempfile.gettempdir()),
        description="Where the runner makes its work folder; every user must be able to enter it.",
    )
    cgroups: bool = Field(default=True, description="Use control groups where they are delegated.")
    run_as_uid: int = Field(
        default=64930, ge=1, le=65533, description="User and group to run sandboxes as, when started as root."
    )
    input_bytes: int = Field(
        default=256 * MIB, gt=0, description="Bytes of inputs that may be copied for one phase."
    )
    system_paths: tuple[str, ...] = Field(
        default=("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"),
        description="Host directories that every sandbox sees, read-only.",
    )
    toolchains: tuple[ExtraToolchain, ...] = Field(
        default=(), description="Toolchains beside the ones that Computor knows."
    )
