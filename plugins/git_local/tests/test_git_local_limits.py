"""Large, broken-off, slow and packed pushes: what the client gets and what core is told."""

import asyncio
import gzip
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from computor_git_local.host import LocalGitHost
from computor_git_local.http import create_app
from computor_git_local.settings import GitLocalSettings

from computor_core.plugin_api.errors import ConflictError
from computor_core.plugin_api.providers.git import Push, RepositoryRef
from computor_core.testing.git_client import GitUser
from computor_core.testing.git_pushes import FakeCore

_ZERO = "0" * 40
_CAPABILITIES = "report-status side-band-64k"


def _left_over(host: LocalGitHost) -> list[Path]:
    """What a push must not leave: quarantined objects, half packs, folders, locks."""
    root = host.repositories.root
    patterns = ("**/tmp_*", "**/incoming-*", "pushes/*/*/*", "**/*.lock")
    return [path for pattern in patterns for path in root.glob(pattern)]


@pytest.fixture
def began(core: FakeCore) -> asyncio.Event:
    event = asyncio.Event()

    async def note(push: Push) -> None:
        event.set()

    core.pushes.on_begin = note
    return event


@pytest.fixture
def ended(core: FakeCore) -> asyncio.Event:
    event = asyncio.Event()

    async def note(push_id: str, moved: frozenset[str]) -> None:
        event.set()

    core.pushes.on_finish = note
    return event


async def _push_body(student: GitUser, repository: RepositoryRef, raw: Any) -> tuple[str, bytes]:
    """A push of half a megabyte that doesn't compress: (commit, body)."""
    await student.start(repository)
    (student.folder / "large.bin").write_bytes(os.urandom(500_000))
    commit = await student.commit("large")
    head = raw.head([(_ZERO, commit, "refs/heads/main")], _CAPABILITIES)
    return commit, head + await raw.pack(student, commit)


async def test_a_gzipped_push_is_unpacked(
    host: LocalGitHost, repository: RepositoryRef, student: GitUser, core: FakeCore, raw: Any
) -> None:
    commit, body = await _push_body(student, repository, raw)
    answer = await raw.post(repository, gzip.compress(body), **{"content-encoding": "gzip"})
    assert answer.status_code == 200
    assert b"ok refs/heads/main" in answer.content
    assert await host.resolve(repository.external_id, "refs/heads/main") == commit


@pytest.mark.parametrize("size", [1, 7, 1000])
async def test_a_push_in_small_pieces_is_put_together(
    host: LocalGitHost, repository: RepositoryRef, student: GitUser, raw: Any, size: int
) -> None:
    await student.start(repository)
    commit = await student.must("rev-parse", "HEAD")
    body = raw.head([(_ZERO, commit, "refs/heads/main")], _CAPABILITIES) + await raw.pack(student, commit)

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(body), size):
            yield body[start : start + size]

    answer = await raw.post(repository, pieces())
    assert answer.status_code == 200
    assert await host.resolve(repository.external_id, "refs/heads/main") == commit


async def test_gits_probe_before_a_large_push_is_answered_and_is_no_push(
    repository: RepositoryRef, core: FakeCore, raw: Any
) -> None:
    answer = await raw.post(repository, b"0000")
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-type"] == "application/x-git-receive-pack-result"
    assert core.pushes.begun == {}


async def test_a_push_beyond_gits_post_buffer_arrives(
    host: LocalGitHost, repository: RepositoryRef, student: GitUser
) -> None:
    """Beyond a megabyte git sends chunks after a probe."""
    await student.start(repository)
    (student.folder / "large.bin").write_bytes(os.urandom(3_000_000))
    commit = await student.commit("large")
    await student.must("push", "origin", "main")
    assert await host.resolve(repository.external_id, "refs/heads/main") == commit


@pytest.mark.parametrize(
    "body",
    [
        b"no pkt-lines",
        b"00",
        b"0003",
        b"ffff",
        b"0010hello world!0000",
        b"0000" * 3,
    ],
)
async def test_what_is_no_push_changes_nothing(
    host: LocalGitHost, repository: RepositoryRef, core: FakeCore, raw: Any, body: bytes
) -> None:
    answer = await raw.post(repository, body)
    assert answer.status_code in {200, 400, 408}
    assert answer.status_code != 200 or answer.content == b""
    assert core.pushes.begun == {}


class TestSmallLimit:
    @pytest.fixture
    def settings(self) -> GitLocalSettings:
        return GitLocalSettings(max_push_bytes=300_000)

    async def test_an_announced_size_beyond_the_limit_is_refused_at_once(
        self, repository: RepositoryRef, student: GitUser, core: FakeCore, raw: Any
    ) -> None:
        _, body = await _push_body(student, repository, raw)
        answer = await raw.post(repository, body)
        assert answer.status_code == 413
        assert "larger than 300000 bytes" in answer.text
        assert core.pushes.begun == {}

    @pytest.mark.parametrize("packed", [False, True])
    async def test_a_stream_beyond_the_limit_is_cut_and_core_is_told(
        self,
        host: LocalGitHost,
        repository: RepositoryRef,
        student: GitUser,
        core: FakeCore,
        raw: Any,
        packed: bool,
    ) -> None:
        _, body = await _push_body(student, repository, raw)
        data = gzip.compress(body) if packed else body

        async def pieces() -> AsyncIterator[bytes]:
            for start in range(0, len(data), 50_000):
                yield data[start : start + 50_000]

        headers = {"content-encoding": "gzip"} if packed else {}
        answer = await raw.post(repository, pieces(), **headers)
        assert answer.status_code == 413
        assert core.pushes.finished == {"push-1": frozenset()}
        assert await host.resolve(repository.external_id, "refs/heads/main") is None
        assert _left_over(host) == []

    async def test_gits_own_push_beyond_the_limit_fails(
        self, host: LocalGitHost, repository: RepositoryRef, student: GitUser
    ) -> None:
        await _push_body(student, repository, type("Raw", (), {"head": lambda *_: b"", "pack": _no_pack})())
        ran = await student.git("-c", "http.postBuffer=1000", "push", "origin", "main")
        assert ran.status != 0
        assert "413" in ran.messages
        assert await host.resolve(repository.external_id, "refs/heads/main") is None


async def _no_pack(*_: object) -> bytes:
    return b""


# --- clients that leave -----------------------------------------------------------------------


async def test_a_client_that_leaves_in_the_pack_moves_nothing_and_core_is_told(
    host: LocalGitHost,
    repository: RepositoryRef,
    student: GitUser,
    core: FakeCore,
    raw: Any,
    began: asyncio.Event,
    ended: asyncio.Event,
) -> None:
    _, body = await _push_body(student, repository, raw)
    writer = await raw.begin(repository, len(body), body[:250_000])
    await asyncio.wait_for(began.wait(), 10)
    writer.transport.abort()
    await asyncio.wait_for(ended.wait(), 10)
    assert await host.resolve(repository.external_id, "refs/heads/main") is None
    assert core.pushes.finished == {"push-1": frozenset()}
    assert _left_over(host) == []


async def test_a_client_that_leaves_after_the_pack_has_pushed_and_core_is_told(
    host: LocalGitHost,
    repository: RepositoryRef,
    student: GitUser,
    core: FakeCore,
    raw: Any,
    began: asyncio.Event,
    ended: asyncio.Event,
) -> None:
    commit, body = await _push_body(student, repository, raw)
    writer = await raw.begin(repository, len(body), body)
    await asyncio.wait_for(began.wait(), 10)
    writer.transport.abort()
    await asyncio.wait_for(ended.wait(), 10)
    moved = await host.resolve(repository.external_id, "refs/heads/main") == commit
    assert core.pushes.finished == {"push-1": frozenset({"refs/heads/main"} if moved else ())}


async def test_a_client_that_leaves_in_the_head_was_never_a_push(
    host: LocalGitHost, repository: RepositoryRef, core: FakeCore, raw: Any
) -> None:
    head = raw.head([(_ZERO, "1" * 40, "refs/heads/main")], _CAPABILITIES)
    writer = await raw.begin(repository, 10_000, head[:30])
    writer.transport.abort()
    async with asyncio.timeout(10):
        while host.transfers.borrowed_tokens:  # noqa: ASYNC110 - the request has no event
            await asyncio.sleep(0.01)
    assert core.pushes.begun == {}


def _scope(repository: RepositoryRef) -> dict[str, Any]:
    return {
        "type": "http",
        "method": "POST",
        "path": f"/{repository.external_id}.git/git-receive-pack",
        "headers": [
            (b"authorization", b"Bearer owner-token"),
            (b"content-type", b"application/x-git-receive-pack-request"),
        ],
    }


async def test_a_cancelled_request_is_completed(
    host: LocalGitHost, repository: RepositoryRef, student: GitUser, core: FakeCore, raw: Any
) -> None:
    """A host application that shuts down cancels requests; core is told all the same."""
    _, body = await _push_body(student, repository, raw)
    fed = asyncio.Event()
    sent: list[Any] = [{"type": "http.request", "body": body[:100_000], "more_body": True}]

    async def receive() -> Any:
        if sent:
            return sent.pop()
        fed.set()
        return await asyncio.Event().wait()

    async def send(message: Any) -> None:
        pytest.fail("nothing can be answered")

    task = asyncio.create_task(create_app(host.context)(_scope(repository), receive, send))
    await asyncio.wait_for(fed.wait(), 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert core.pushes.finished == {"push-1": frozenset()}
    assert _left_over(host) == []


async def test_a_limit_of_the_host_application_is_raised_to_it_and_core_is_told(
    host: LocalGitHost, repository: RepositoryRef, student: GitUser, core: FakeCore, raw: Any
) -> None:
    class HostsLimitError(Exception):
        pass

    _, body = await _push_body(student, repository, raw)
    sent: list[Any] = [{"type": "http.request", "body": body[:100_000], "more_body": True}]

    async def receive() -> Any:
        if sent:
            return sent.pop()
        raise HostsLimitError

    async def send(message: Any) -> None:
        pytest.fail("the host application answers")

    with pytest.raises(HostsLimitError):
        await create_app(host.context)(_scope(repository), receive, send)
    assert core.pushes.finished == {"push-1": frozenset()}
    assert _left_over(host) == []


class TestShortPatience:
    @pytest.fixture
    def settings(self) -> GitLocalSettings:
        return GitLocalSettings(idle_timeout_seconds=0.5)

    async def test_a_client_that_stalls_is_let_go(
        self,
        host: LocalGitHost,
        repository: RepositoryRef,
        student: GitUser,
        core: FakeCore,
        raw: Any,
        ended: asyncio.Event,
    ) -> None:
        _, body = await _push_body(student, repository, raw)
        writer = await raw.begin(repository, len(body), body[:250_000])
        await asyncio.wait_for(ended.wait(), 20)
        assert core.pushes.finished == {"push-1": frozenset()}
        assert _left_over(host) == []
        writer.close()


# --- core that fails after the refs moved -----------------------------------------------------


@pytest.mark.parametrize("how", ["error", "silence"])
async def test_a_push_is_stored_though_completing_it_fails(
    host: LocalGitHost,
    repository: RepositoryRef,
    student: GitUser,
    core: FakeCore,
    monkeypatch: pytest.MonkeyPatch,
    how: str,
) -> None:
    async def fail(push_id: str, moved: frozenset[str]) -> None:
        if how == "error":
            raise ConflictError("no")
        await asyncio.Event().wait()

    monkeypatch.setattr("computor_git_local.pushes._FINISH_TIMEOUT", 0.1)
    core.pushes.on_finish = fail
    await student.start(repository)
    commit = await student.must("rev-parse", "HEAD")
    ran = await student.git("push", "origin", "main")
    assert ran.status == 0
    assert "remote: The push is stored. The server is still working" in ran.messages
    assert await host.resolve(repository.external_id, "refs/heads/main") == commit
    assert list(core.pushes.begun) == ["push-1"]
    assert core.pushes.finished == {}
