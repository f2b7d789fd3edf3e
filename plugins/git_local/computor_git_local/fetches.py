"""Serving clones and fetches, and the ref advertisement of both services."""

from __future__ import annotations

from pathlib import Path

import anyio
from anyio.abc import Process

from computor_git_local.host import LocalGitHost
from computor_git_local.request_body import BodyError, ClientLeftError, RequestBody
from computor_git_local.responses import Response
from computor_git_local.transfers import IdleWatch, drain_errors, feed

__all__ = ["LARGEST_REQUEST", "advertise", "upload_pack"]

LARGEST_REQUEST = 32 * 1024 * 1024
"""Most bytes of a fetch's request: what the client wants and has, some hundred thousand commits."""


async def advertise(
    host: LocalGitHost, repository: Path, service: str, protocol: str | None, response: Response
) -> None:
    """Answer ``info/refs?service=…`` (gitprotocol-http(5), "Smart Server Response")."""
    version_2 = protocol is not None and "version=2" in protocol.split(":")
    if service == "git-receive-pack" and version_2:
        protocol, version_2 = None, False  # there is no push in version 2
    command = [service.removeprefix("git-"), "--stateless-rpc", "--advertise-refs", str(repository)]
    extra = {} if protocol is None else {"GIT_PROTOCOL": protocol}
    preface = b"" if version_2 else _preface(service)
    await _relay(
        host, repository, command, extra, response, f"application/x-{service}-advertisement", preface
    )


def _preface(service: str) -> bytes:
    line = f"# service={service}\n".encode()
    return b"%04x" % (len(line) + 4) + line + b"0000"


async def upload_pack(
    host: LocalGitHost,
    repository: Path,
    protocol: str | None,
    body: RequestBody,
    response: Response,
) -> None:
    """Answer one request of a fetch (``POST …/git-upload-pack``)."""
    extra = {} if protocol is None else {"GIT_PROTOCOL": protocol}
    command = ["upload-pack", "--stateless-rpc", "--strict", str(repository)]
    kind = "application/x-git-upload-pack-result"
    await _relay(host, repository, command, extra, response, kind, b"", body)


async def _relay(
    host: LocalGitHost,
    repository: Path,
    command: list[str],
    extra: dict[str, str],
    response: Response,
    content_type: str,
    preface: bytes,
    body: RequestBody | None = None,
) -> None:
    """Run a git service that reads a request and writes an answer, streaming both."""
    errors = bytearray()
    failure = (
        BodyError(503, "The server's git failed.")
        if body is None
        else BodyError(400, "git didn't understand the request.")
    )
    watch = IdleWatch(host.settings.idle_timeout_seconds, host.settings.transfer_timeout_seconds)
    with watch.scope:
        async with (
            host.git.stream(repository, *command, extra=extra) as process,
            anyio.create_task_group() as group,
        ):

            async def take_request(body: RequestBody) -> None:
                nonlocal failure
                failure = await _take_request(process, body, watch)
                group.cancel_scope.cancel()  # nobody waits for the answer any more

            if body is not None:
                group.start_soon(take_request, body)
            group.start_soon(drain_errors, process, errors)
            assert process.stdout is not None  # noqa: S101 - opened with a pipe
            async for data in process.stdout:
                watch.touch()
                if not response.started:
                    await response.start(content_type)
                    await response.write(preface)
                await response.write(data)
            group.cancel_scope.cancel()
    if watch.scope.cancelled_caught:
        failure = BodyError(504, "The transfer took too long.")
    if response.started:
        await response.end()
        return
    host.context.log.warning("git %s: %s", command[0], errors.decode("utf-8", "replace"))
    await response.text(failure.status, failure.message)


async def _take_request(process: Process, body: RequestBody, watch: IdleWatch) -> BodyError:
    """Give git the request and wait for the client to leave; returns why the answer is off."""
    assert process.stdin is not None  # noqa: S101 - opened with a pipe
    try:
        async for chunk in body.chunks():
            watch.touch()
            await feed(process, chunk)
        await process.stdin.aclose()
        await body.left()
    except BodyError as error:
        return error
    except ClientLeftError:
        pass
    return BodyError(408, "The request broke off.")
