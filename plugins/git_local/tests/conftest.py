import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID

import httpx
import pytest
import uvicorn
from computor_git_local.host import LocalGitHost, open_host
from computor_git_local.http import create_app
from computor_git_local.settings import GitLocalSettings
from starlette.applications import Starlette
from starlette.routing import Mount

from computor_core.clock import SystemClock
from computor_core.plugin_api.providers.base import AppContext
from computor_core.plugin_api.providers.git import EnsureRepository, RepositoryAccess, RepositoryRef
from computor_core.testing.git_client import GitUser
from computor_core.testing.git_pushes import FakeCore, FakePushes

OWNER, READER, STRANGER = UUID(int=1), UUID(int=2), UUID(int=3)
REPOSITORY = "course/students/one"


@pytest.fixture
def core() -> FakeCore:
    """Three users: one may write to the repository, one may read it, one nothing."""
    rights = {(OWNER, REPOSITORY): RepositoryAccess.WRITE, (READER, REPOSITORY): RepositoryAccess.READ}
    tokens = {"owner-token": OWNER, "reader-token": READER, "stranger-token": STRANGER}
    return FakeCore(tokens=tokens, pushes=FakePushes(rights=rights))


@pytest.fixture
def listener() -> socket.socket:
    return socket.create_server(("127.0.0.1", 0))


@pytest.fixture
def context(tmp_path: Path, core: FakeCore, listener: socket.socket) -> AppContext:
    folder = tmp_path / "git"
    folder.mkdir()
    return AppContext(
        instance="default",
        plugin="git_local",
        data_dir=folder,
        public_url=f"http://127.0.0.1:{listener.getsockname()[1]}",
        clock=SystemClock(),
        log=logging.getLogger("test.git_local"),
        services=core,
    )


@pytest.fixture
def settings() -> GitLocalSettings:
    """Overridden where a test needs other limits."""
    return GitLocalSettings()


@pytest.fixture
async def host(context: AppContext, settings: GitLocalSettings) -> AsyncIterator[LocalGitHost]:
    async with open_host(settings, context) as opened:
        yield opened


@pytest.fixture
async def server(context: AppContext, listener: socket.socket, host: LocalGitHost) -> AsyncIterator[str]:
    """The service as a host application mounts it, on a real port; gives the address."""
    app = Starlette(routes=[Mount("/git", create_app(context))])
    config = uvicorn.Config(app, lifespan="off", log_level="warning")
    config.load()
    running = uvicorn.Server(config)
    running.lifespan = config.lifespan_class(config)
    await running.startup(sockets=[listener])  # what serve() does, without its signal handlers
    yield context.public_url
    await running.shutdown(sockets=[listener])


@pytest.fixture
async def repository(server: str, host: LocalGitHost) -> RepositoryRef:
    return await host.ensure_repository(EnsureRepository(REPOSITORY, "Student one"))


@pytest.fixture
def student(tmp_path: Path) -> GitUser:
    folder = tmp_path / "student"
    folder.mkdir()
    return GitUser(folder, "owner-token")


class RawPush:
    """Pushes byte by byte, for what the git command can't be made to send."""

    token = "owner-token"

    def head(self, updates: Sequence[tuple[str, str, str | bytes]], capabilities: str) -> bytes:
        """The list of refs: (old, new, name)."""
        lines = []
        for number, (old, new, ref) in enumerate(updates):
            line = f"{old} {new} ".encode() + (ref.encode() if isinstance(ref, str) else ref)
            lines.append(line + b"\0 " + capabilities.encode() if number == 0 else line)
        return b"".join(b"%04x" % (len(line) + 4) + line for line in lines) + b"0000"

    async def pack(self, student: GitUser, *commits: str) -> bytes:
        """A pack of everything that the commits reach."""
        process = await asyncio.create_subprocess_exec(
            *("git", "-C", str(student.folder), "pack-objects", "--revs", "--stdout", "--quiet"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        output, _ = await process.communicate("".join(f"{commit}\n" for commit in commits).encode())
        return output

    async def post(
        self, repository: RepositoryRef, body: bytes | AsyncIterator[bytes], **headers: str
    ) -> httpx.Response:
        """Send a push as the owner and wait for the answer."""
        fields = {
            "authorization": f"Bearer {self.token}",
            "content-type": "application/x-git-receive-pack-request",
        }
        async with httpx.AsyncClient(headers=fields | headers, timeout=30) as client:
            return await client.post(f"{repository.http_url}/git-receive-pack", content=body)

    async def begin(self, repository: RepositoryRef, announced: int, part: bytes) -> asyncio.StreamWriter:
        """Announce a body, send the beginning of it, and keep the connection."""
        address = urlsplit(repository.http_url)
        _, writer = await asyncio.open_connection(address.hostname, address.port)
        head = (
            f"POST {address.path}/git-receive-pack HTTP/1.1\r\nHost: {address.netloc}\r\n"
            f"Authorization: Bearer {self.token}\r\nContent-Type: application/x-git-receive-pack-request\r\n"
            f"Content-Length: {announced}\r\n\r\n"
        )
        writer.write(head.encode() + part)
        await writer.drain()
        return writer


@pytest.fixture
def raw() -> RawPush:
    return RawPush()
