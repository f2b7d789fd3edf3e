"""Settings of one ``local`` git host instance."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ByteSize, ConfigDict, Field

from computor_git_local.names import is_branch_name

__all__ = ["GitLocalSettings"]

_MIB = 1024 * 1024


def _branch(name: str) -> str:
    if not is_branch_name(name):
        raise ValueError("git doesn't allow this branch name")
    return name


class GitLocalSettings(BaseModel):
    """What an operator may set for a git instance of type ``local``; sizes accept ``"100MiB"``.

    Attributes:
        git: The git program, a name on the server's path or a full path.
        default_branch: Branch that clones of a new repository check out.
        max_push_bytes: Largest push, unpacked from HTTP's gzip; beyond it 413.
        max_refs_per_push: Most branches and tags that one push may move.
        max_repository_bytes: Size of a repository on disk from which on pushes are refused.
        transfers: Clones and pushes under way at once; more wait half a minute, then get 503.
        commands: Short git commands under way at once.
        idle_timeout_seconds: A transfer in which no byte moved for this long is ended.
        transfer_timeout_seconds: Longest time for one clone or push.
        memory_limit: Address space of each git process that reads what clients sent.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    git: str = Field(default="git", min_length=1)
    default_branch: Annotated[str, AfterValidator(_branch)] = "main"
    max_push_bytes: ByteSize = Field(default=ByteSize(100 * _MIB), ge=64 * 1024)
    max_refs_per_push: int = Field(default=100, ge=1, le=5000)
    max_repository_bytes: ByteSize = Field(default=ByteSize(1024 * _MIB), ge=_MIB)
    transfers: int = Field(default=32, ge=1, le=1000)
    commands: int = Field(default=8, ge=1, le=1000)
    idle_timeout_seconds: float = Field(default=120, gt=0)
    transfer_timeout_seconds: float = Field(default=3600, gt=0)
    memory_limit: ByteSize = Field(default=ByteSize(1024 * _MIB), ge=256 * _MIB)
