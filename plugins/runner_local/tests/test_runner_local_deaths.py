"""Nothing is left over, whoever dies."""
# ruff: noqa: ASYNC110, ASYNC240 - other processes make the conditions true; nothing else runs here

import asyncio
import errno
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from computor_runner_local.folder import collect_orphans, is_orphan, own_name, start_time
from computor_runner_local.launcher.cgroups import PREFIX, own_groups
from computor_runner_local.launcher.usage import descendants

from computor_core.plugin_api.errors import ProviderUnavailableError
from computor_core.plugin_api.providers.runner import Isolation
from computor_core.testing.runner_jobs import job, processes_with, python, run_one, shell

HOST = Path(__file__).parent / "host_that_dies.py"


async def until(condition, seconds: float = 20) -> None:
    """Wait for something that another process makes true."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.02)


def launchers(runner) -> list[int]:
    return processes_with(runner._name)


def open_files(pid: int) -> list[Path]:
    """A process's descriptors; [] where it lets nobody look."""
    try:
        return list(Path(f"/proc/{pid}/fd").iterdir())
    except PermissionError:
        return []


def groups() -> set[Path]:
    return {group for base in set(own_groups()[1].values()) for group in base.glob(f"{PREFIX}*")}


@pytest.fixture
def work() -> Iterator[Path]:
    """A folder that the sandbox's user can enter, which pytest's own folders aren't."""
    with tempfile.TemporaryDirectory(prefix="runner-local-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


async def test_closing_leaves_nothing(opened, work: Path) -> None:
    before = groups()
    async with opened(tmp_dir=work) as runner:
        await runner.run(job(shell("touch file")))
        assert launchers(runner)
        name = runner._name
    assert list(work.iterdir()) == []
    assert processes_with(name) == []
    assert {group for group in groups() - before if name in group.name} == set()


async def test_a_job_leaves_nothing(opened, work: Path) -> None:
    async with opened(tmp_dir=work) as runner:
        await runner.probe()
        folder = work / runner._name
        before = {path.name for path in folder.iterdir()}
        for script in ("echo x > file; mkfifo pipe", "exit 1", "kill -9 $$"):
            await runner.run(job(shell(script, collect=("file",))))
        assert {path.name for path in folder.iterdir()} == before
        assert not [path for group in groups() if runner._name in group.name for path in group.glob("job-*")]


@pytest.mark.parametrize("level", [Isolation.BUBBLEWRAP, Isolation.NAMESPACES, Isolation.NONE])
@pytest.mark.parametrize("cgroups", [True, False])
async def test_many_jobs_leave_no_process_and_no_descriptor(opened, level: Isolation, cgroups: bool) -> None:
    async with opened(level, Isolation.NONE, cgroups=cgroups) as runner:
        if (await runner.probe()).isolation is not level:
            pytest.skip(f"{level.value} doesn't work here")
        for _ in range(40):
            await runner.run(job(shell("true & exit 0")))
        found = descendants(runner._launcher._process.pid)
        # One supervisor at a time is enough; a second one starts when a job comes in between.
        assert len(found) < 10
        assert not [process for process in found if process.zombie]
        assert all(len(open_files(process.pid)) < 15 for process in found)


async def test_a_killed_host_takes_its_jobs_along(work: Path) -> None:
    token = f"orphan-{secrets.token_hex(8)}"
    host = await asyncio.create_subprocess_exec(
        sys.executable, str(HOST), str(work), token, stdout=asyncio.subprocess.PIPE
    )
    assert host.stdout is not None
    folder = Path((await host.stdout.readline()).decode().strip())
    await until(lambda: len(processes_with(token)) > 1)
    host.kill()
    await host.wait()
    await until(lambda: processes_with(token) == [])
    await until(lambda: processes_with(folder.name) == [])
    assert is_orphan(folder.name)
    assert folder.exists()
    await asyncio.to_thread(collect_orphans, work)
    assert not folder.exists()
    assert not [group for group in groups() if folder.name == group.name]


async def test_what_belongs_to_the_living_is_left_alone(opened, work: Path) -> None:
    async with opened(tmp_dir=work) as runner:
        await runner.run(job(shell("true")))
        await asyncio.to_thread(collect_orphans, work)
        assert (await run_one(runner, shell("echo still here"))).stdout == b"still here\n"


async def test_what_only_looks_like_ours_is_left_alone(work: Path, tmp_path_factory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "precious").touch()
    (work / f"{PREFIX}1-1-0").symlink_to(elsewhere)
    (work / f"{PREFIX}notes").mkdir()
    (work / f"{PREFIX}1-1-0.bak").mkdir()
    await asyncio.to_thread(collect_orphans, work)
    assert (elsewhere / "precious").exists()
    assert len(list(work.iterdir())) == 3


async def test_two_hosts_may_collect_the_same_orphan(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    orphan = work / f"{PREFIX}1-1-0"
    (orphan / "etc").mkdir(parents=True)
    (orphan / "job").mkdir()
    rmtree = shutil.rmtree

    def somebody_else_is_faster(folder: Path) -> None:
        monkeypatch.setattr(shutil, "rmtree", rmtree)
        (orphan / "etc").rmdir()
        raise FileNotFoundError(errno.ENOENT, "No such file or directory", "etc")

    monkeypatch.setattr(shutil, "rmtree", somebody_else_is_faster)
    await asyncio.to_thread(collect_orphans, work)
    assert list(work.iterdir()) == []


def test_a_used_again_process_id_is_told_apart() -> None:
    assert not is_orphan(own_name(0))
    started = start_time(os.getpid())
    assert started is not None
    assert is_orphan(f"{PREFIX}{os.getpid()}-{started - 1}-0")


async def test_a_dead_launcher_is_started_again(opened) -> None:
    async with opened() as runner:
        await runner.run(job(shell("true")))
        process = runner._launcher._process
        assert process is not None
        process.kill()
        await process.wait()
        assert (await run_one(runner, shell("echo again"))).stdout == b"again\n"


async def test_a_killed_supervisor_is_the_machine_s_fault(opened) -> None:
    token = f"supervised-{secrets.token_hex(8)}"
    async with opened() as runner:
        await runner.probe()
        script = f"import time  # {token}\ntime.sleep(120)"
        running = asyncio.create_task(runner.run(job(python(script, wall_seconds=200.0))))
        await until(lambda: processes_with(token) != [])
        launcher = runner._launcher._process
        assert launcher is not None
        for process in launchers(runner):
            if process != launcher.pid:
                os.kill(process, signal.SIGKILL)
        with pytest.raises(ProviderUnavailableError):
            await running
        await until(lambda: processes_with(token) == [])


WITHOUT_ITS_LAUNCHER = """
import socket
from computor_runner_local.launcher.supervisor import wait_and_serve
ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
if {hands_over_a_job}:
    host, connection = socket.socketpair()
    socket.send_fds(ours, [b"job"], [connection.fileno()])
    host.close()
    connection.close()
else:
    theirs.send(b"idle")  # closing with something unread resets the connection
ours.close()
wait_and_serve(theirs, None, None, filtered=False)
"""


@pytest.mark.parametrize("hands_over_a_job", [True, False])
def test_a_supervisor_whose_launcher_has_gone_ends_without_a_word(hands_over_a_job: bool) -> None:
    script = WITHOUT_ITS_LAUNCHER.format(hands_over_a_job=hands_over_a_job)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("", "")
