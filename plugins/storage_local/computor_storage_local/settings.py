"""Settings of one ``local`` storage instance."""

from __future__ import annotations

from pydantic import BaseModel, ByteSize, ConfigDict, Field

__all__ = ["StorageLocalSettings"]


class StorageLocalSettings(BaseModel):
    """What an operator may set for a storage instance of type ``local``.

    The blobs live in the instance's own folder under the deployment's ``data_dir``; to put them
    on another disk, mount that disk there.

    Attributes:
        threads: File operations under way at once. Each waits for the disk in a thread of its
            own, so a few more than the disk serves in parallel is enough.
        reserve_bytes: Free space that a new blob must leave on the file system. Below it ``put``
            answers "unavailable" and health says so, so that the database on the same disk
            doesn't meet a full one first. Accepts ``"1GiB"``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    threads: int = Field(default=8, ge=1, le=256)
    reserve_bytes: ByteSize = Field(default=ByteSize(256 * 1024 * 1024), ge=0)
