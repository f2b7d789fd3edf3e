"""The real server process is killed in the middle, and what a fresh one finds."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from computor_git_local.host import open_host
from computor_git_local.settings import GitLocalSettings

from computor_core.plugin_api.providers.base import AppContext
from computor_core.plugin_api.providers.git import CommitTree, EnsureRepository, RepositoryRef, TreeFile
from computor_core.testing.git_client import GitUser

_SERVER = Path(__file__).parent / "push_server.py"
_REPOSITORY = "course/students/one"
_ZERO = "0" * 40


@dataclass(slots=True)
class _Server:
    process: asyncio.subprocess.Process
    repository: RepositoryRef
    journal: Path

    def lines(self) -> list[dict[str, Any]]:
        text = self.journal.read_text() if self.journal.exists() else ""
        return [json.loads(line) for line in text.splitlines()]

    def peak_memory(self) -> int:
        """Bytes that the process itself ever had in memory (its children apart)."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        (line,) = [line for line in status.splitlines() if line.startswith("VmHWM")]
        return int(line.split()[1]) * 1024


async def _start(context: AppContext, tmp_path: Path, moment: str) -> _Server:
    journal = tmp_path / "journal"
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(_SERVER),
        str(context.data_dir),
        str(journal),
        moment,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    port = int(await process.stdout.readline())
    url = f"http://127.0.0.1:{port}/git/{_REPOSITORY}.git"
    return _Server(process, RepositoryRef(_REPOSITORY, url), journal)


async def _stop(server: _Server) -> None:
    if server.process.returncode is None:
        server.process.send_signal(signal.SIGKILL)
    await server.process.wait()


def _quarantined(context: AppContext) -> list[Path]:
    """Folders of packs that are being received."""
    return list(context.data_dir.glob("repositories/**/objects/*incoming-*"))


@pytest.fixture
async def dying(context: AppContext, tmp_path: Path) -> AsyncIterator[_Server]:
    server = await _start(context, tmp_path, "finish")
    yield server
    await _stop(server)


@pytest.fixture
async def serving(context: AppContext, tmp_path: Path) -> AsyncIterator[_Server]:
    server = await _start(context, tmp_path, "serve")
    yield server
    await _stop(server)


async def test_killed_between_begin_and_finish_leaves_intent_and_commit(
    dying: _Server, student: GitUser, context: AppContext
) -> None:
    student.token = "token"
    await student.start(dying.repository)
    commit = await student.must("rev-parse", "HEAD")
    ran = await student.git("push", "origin", "main:submit/week1")
    assert ran.status != 0  # the server died before it could answer
    assert await dying.process.wait() == -signal.SIGKILL

    ref = "refs/heads/submit/week1"
    assert dying.lines() == [{"begun": "push-1", "updates": [[ref, _ZERO, commit]]}]
    async with open_host(GitLocalSettings(), context) as host:
        # what core's sweeper asks: the intent's ref stands where the intent says
        assert await host.resolve(_REPOSITORY, ref) == commit
        await host.keep(_REPOSITORY, commit, "submission-1")


async def test_killed_in_the_middle_of_a_pack_leaves_intent_and_no_commit(
    serving: _Server, student: GitUser, context: AppContext, raw: Any
) -> None:
    student.token = "token"
    await student.start(serving.repository)
    (student.folder / "large.bin").write_bytes(os.urandom(500_000))
    commit = await student.commit("large")
    body = raw.head([(_ZERO, commit, "refs/heads/main")], "report-status") + await raw.pack(student, commit)
    raw.token = "token"
    writer = await raw.begin(serving.repository, len(body), body[:250_000])
    async with asyncio.timeout(10):
        while not _quarantined(context):  # noqa: ASYNC110 - another process receives the pack
            await asyncio.sleep(0.01)
    await _stop(serving)
    writer.close()

    assert [line.get("begun") for line in serving.lines()] == ["push-1"]
    async with open_host(GitLocalSettings(), context) as host:
        assert await host.resolve(_REPOSITORY, "refs/heads/main") is None
        folder = await host.find(_REPOSITORY)
        for path in _quarantined(context):  # git may have cleaned up by itself
            os.utime(path, (0, 0))
        await host.clear_leftovers(folder, [])
        assert _quarantined(context) == []


async def test_a_git_that_outlives_the_server_moves_nothing_after_the_next_start(
    serving: _Server, student: GitUser, context: AppContext, tmp_path: Path
) -> None:
    """What the sweeper finds right after a start is final, though the old git is still at work."""
    waits, go, gone = tmp_path / "waits", tmp_path / "go", tmp_path / "gone"
    (hook,) = context.data_dir.glob("hooks/*/update")
    hook.chmod(0o700)
    wait = f"touch {waits}; while [ ! -f {go} ]; do sleep 0.05; done; trap 'touch {gone}' EXIT"
    hook.write_text(hook.read_text().replace("ref=$1", f"{wait}\nref=$1"))
    student.token = "token"
    await student.start(serving.repository)
    push = asyncio.create_task(student.git("push", "origin", "main"))
    async with asyncio.timeout(20):
        while not waits.exists():  # noqa: ASYNC110 - the hook is another process
            await asyncio.sleep(0.01)
    await _stop(serving)
    assert (await push).status != 0
    async with open_host(GitLocalSettings(), context) as host:
        assert await host.resolve(_REPOSITORY, "refs/heads/main") is None
        go.touch()
        async with asyncio.timeout(20):
            while not gone.exists():  # noqa: ASYNC110 - the hook is another process
                await asyncio.sleep(0.01)
        folder = await host.find(_REPOSITORY)
        async with asyncio.timeout(20):  # the old git has ended when its lock on the ref is gone
            while _quarantined(context) or list(folder.rglob("*.lock")):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert await host.resolve(_REPOSITORY, "refs/heads/main") is None


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc on this system")
async def test_the_servers_memory_does_not_grow_with_the_pack(serving: _Server, student: GitUser) -> None:
    student.token = "token"
    await student.start(serving.repository)
    await student.must("push", "origin", "main")
    await student.must("clone", "--quiet", student.url(serving.repository), "small")
    before = serving.peak_memory()
    (student.folder / "large.bin").write_bytes(os.urandom(80 * 1024 * 1024))
    await student.commit("large")
    await student.must("push", "origin", "main")
    await student.must("clone", "--quiet", student.url(serving.repository), "large")
    assert serving.peak_memory() - before < 32 * 1024 * 1024
    assert len(serving.lines()) == 4


# Kills itself inside the making of a repository.
_KILLED_CREATION = """
import os, signal, sys
from pathlib import Path
from computor_git_local import repositories
from computor_git_local.repositories import Repositories
die = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
moment, root = sys.argv[1], Path(sys.argv[2])
store = Repositories(root, "main")
store.prepare()
real = Path.rename
if moment == "half_built":
    repositories.sync_folder = die
elif moment == "before_rename":
    Path.rename = die
elif moment == "after_rename":
    Path.rename = lambda self, target: (real(self, target), die())
store.create("course/template", "Template")
"""


@pytest.mark.parametrize("moment", ["half_built", "before_rename", "after_rename"])
async def test_a_repository_is_made_whole_or_not_at_all(
    context: AppContext, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = [sys.executable, "-c", _KILLED_CREATION, moment, str(context.data_dir)]
    process = await asyncio.create_subprocess_exec(*program)
    assert await process.wait() == -signal.SIGKILL
    monkeypatch.setattr("computor_git_local.host.LocalGitHost.stale_age", -1.0)
    async with open_host(GitLocalSettings(), context) as host:
        assert list((context.data_dir / "staging").iterdir()) == []
        made = (context.data_dir / "repositories/course/template.git").exists()
        assert made == (moment == "after_rename")
        ref = await host.ensure_repository(EnsureRepository("course/template", "Template"))
        files = [TreeFile("a", b"a")]
        commit = CommitTree(ref.external_id, "main", files, "m", "Kit", "kit@example.org")
        assert await host.commit_tree(commit) == await host.resolve(ref.external_id, "refs/heads/main")
