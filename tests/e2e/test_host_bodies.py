"""Sizes are limited while a body arrives, whatever its header says; shown on a real server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
from computor_fastapi_host import Limits

from computor_core.settings import Settings
from tests.e2e.host_harness import ADMIN, PASSWORD, Host, add_user, listening, serving

LIMIT = 20_000


@pytest.fixture
async def small_host(settings: Settings) -> AsyncIterator[Host]:
    async with serving(settings, limits=Limits(body_bytes=LIMIT)) as opened:
        await add_user(opened.computor, ADMIN, "_admin")
        yield opened


@pytest.fixture
async def client(small_host: Host) -> AsyncIterator[httpx.AsyncClient]:
    """A signed-in client over a real socket."""
    async with listening(small_host.app) as base, httpx.AsyncClient(base_url=base, timeout=60) as real:
        answer = await real.post("/api/v1/auth/sign-in", json={"login": ADMIN, "password": PASSWORD})
        real.headers["authorization"] = f"Bearer {answer.json()['token']}"
        yield real


def user_of(size: int) -> bytes:
    """A body of exactly this size that would be fine otherwise."""
    frame = json.dumps({"given_name": "Ada", "family_name": "x", "properties": {"p": ""}}).encode()
    return frame.replace(b'"p": ""', b'"p": "' + b"a" * (size - len(frame)) + b'"')


def chunked(body: bytes) -> Iterator[bytes]:
    for start in range(0, len(body), 1000):
        yield body[start : start + 1000]


async def achunked(body: bytes) -> AsyncIterator[bytes]:
    for chunk in chunked(body):
        yield chunk


async def refused(answer: httpx.Response) -> None:
    assert answer.status_code == 413
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "payload_too_large"


@pytest.mark.parametrize("path", ["/api/v1/users", "/api/v1/auth/tokens", "/api/v1/auth/sign-in"])
async def test_a_body_that_announces_too_much_is_refused(client: httpx.AsyncClient, path: str) -> None:
    headers = {"content-type": "application/json"}
    await refused(await client.post(path, content=user_of(LIMIT + 1), headers=headers))


@pytest.mark.parametrize("path", ["/api/v1/users", "/api/v1/auth/tokens", "/api/v1/auth/sign-in"])
async def test_a_chunked_body_is_counted_as_it_arrives(client: httpx.AsyncClient, path: str) -> None:
    headers = {"content-type": "application/json"}
    await refused(await client.post(path, content=achunked(user_of(LIMIT + 1)), headers=headers))


async def test_a_body_at_the_limit_is_read(client: httpx.AsyncClient) -> None:
    headers = {"content-type": "application/json"}
    for content in (user_of(LIMIT), achunked(user_of(LIMIT))):
        answer = await client.post("/api/v1/users", content=content, headers=headers)
        assert answer.status_code in {201, 422}, answer.text
        assert answer.json().get("code") != "payload_too_large"


async def test_an_endless_body_is_cut_off_after_the_limit(client: httpx.AsyncClient) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 500_000_000:
            sent += 10_000
            yield b" " * 10_000

    try:
        answer = await client.post(
            "/api/v1/users", content=endless(), headers={"content-type": "application/json"}
        )
        assert answer.status_code == 413
    except (httpx.WriteError, httpx.ReadError, httpx.RemoteProtocolError):
        pass  # the server closed while we were still sending, which is what this is about
    assert sent < 50_000_000


async def test_a_content_length_that_lies_gains_nothing(client: httpx.AsyncClient) -> None:
    """A body longer than announced is a broken message: nothing of it becomes a second request."""
    body = user_of(LIMIT * 2)
    reader, writer = await asyncio.open_connection("127.0.0.1", client.base_url.port)
    writer.write(
        b"POST /api/v1/users HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
        b"authorization: " + client.headers["authorization"].encode() + b"\r\n"
        b"content-length: 100\r\nconnection: close\r\n\r\n" + body
    )
    await writer.drain()
    answer = await asyncio.wait_for(reader.read(), 30)
    writer.close()
    assert answer.startswith((b"HTTP/1.1 400", b"HTTP/1.1 422"))
    assert answer.count(b"HTTP/1.1") <= 2
    assert b" 201 " not in answer


async def test_the_server_goes_on_after_refusals(client: httpx.AsyncClient) -> None:
    headers = {"content-type": "application/json"}
    tries = [client.post("/api/v1/users", content=user_of(LIMIT + 500), headers=headers) for _ in range(10)]
    for answer in await asyncio.gather(*tries):
        await refused(answer)
    assert (await client.get("/api/v1/users")).status_code == 200
