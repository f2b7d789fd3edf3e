"""Request bodies that are files: streamed to a spool folder, never held in memory."""

from __future__ import annotations

from pathlib import Path

import anyio
from fastapi import Request

from computor_fastapi_host.context import host_request
from computor_fastapi_host.errors import UnsupportedMediaTypeError

ARCHIVE_TYPES = (
    "application/zip",
    "application/x-zip-compressed",
    "application/x-tar",
    "application/gzip",
    "application/x-gzip",
    "application/octet-stream",
)
ARCHIVE_BODY = {
    "requestBody": {
        "required": True,
        "description": "A ZIP or tar archive.",
        "content": {kind: {"schema": {"type": "string", "format": "binary"}} for kind in ARCHIVE_TYPES},
    }
}
"""What OpenAPI says of such a body."""

SUBMISSION_BYTES = 32 * 1024 * 1024
EXAMPLE_BYTES = 128 * 1024 * 1024


async def receive_archive(request: Request, folder: Path, *, limit: int) -> Path:
    """Write the request's body into a folder.

    Args:
        request: The request; nothing of its body was read yet.
        folder: A private folder.
        limit: Most bytes.

    Raises:
        UnsupportedMediaTypeError: The content type isn't an archive's.
        PayloadTooLargeError: More than ``limit`` bytes came.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in ARCHIVE_TYPES:
        raise UnsupportedMediaTypeError(
            "send the archive itself as the request's body",
            hint="Content-Type: application/zip, application/x-tar or application/gzip",
        )
    host_request(request).body_limit = limit
    target = folder / "body"
    async with await anyio.open_file(target, "xb") as out:
        async for chunk in request.stream():
            await out.write(chunk)
    return target
