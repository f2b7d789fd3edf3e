"""The part of the runner suite about isolation and hostile programs.

What an isolated runner must survive; more programs join as the suite grows. A runner that says
``none`` of itself promises nothing here, and these tests are skipped for it.
"""
# ruff: noqa: S101 - a suite asserts

from __future__ import annotations

import asyncio
import fcntl
import os
import secrets
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from computor_core.plugin_api.providers.runner import Enforcement, Isolation, Limit, TestRunner
from computor_core.testing.runner_jobs import MIB, processes_with, python, read_only, run_one, shell
from computor_core.testing.runner_limits import assert_stopped, needs

__all__ = ["RunnerHostileConformance"]

_CANARY = "this must not be read"
_CONNECT = """
import socket
def attempt(make):
    try:
        with make() as connection:
            connection.settimeout(1)
            connection.send(b"?")
            print("sent", connection.recv(10))
    except OSError as error:
        print("refused", type(error).__name__)
attempt(lambda: socket.create_connection(("127.0.0.1", {tcp}), timeout=1))
def udp():
    datagram = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    datagram.connect(("127.0.0.1", {udp}))
    return datagram
attempt(udp)
def abstract():
    stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    stream.connect(chr(0) + "{abstract}")
    return stream
attempt(abstract)
"""
_DAEMON = """
import os, sys, time
if os.fork():
    sys.exit(0)
os.setsid()
if os.fork():
    os._exit(0)
for number in range(3):
    os.close(number)
os.execvp("python3", ["python3", "-c", "import time; time.sleep(60)", "{token}"])
"""
_PRIVILEGES = """
import ctypes, os
libc = ctypes.CDLL(None)
held = [n for n in range(64) if libc.prctl(23, n, 0, 0, 0) == 1]
print(os.getuid() != 0, libc.prctl(39, 0, 0, 0, 0), held)
"""


_VSOCK = """
import socket
try:
    socket.socket(40, socket.SOCK_STREAM)
    print("made")
except OSError:
    print("refused")
"""
_IO_URING = """
import ctypes
made = ctypes.CDLL(None).syscall(ctypes.c_long(425), 1, bytes(120))
print("made" if made >= 0 else "refused")
"""
_KEYRING = """
import ctypes, platform
add_key, keyctl = {{"x86_64": (248, 250), "aarch64": (217, 219)}}[platform.machine()]
call, search = ctypes.CDLL(None).syscall, 10
for ring in (-3, -4, -5):
    if call(ctypes.c_long(keyctl), search, ring, b"user", b"{token}", 0) >= 0:
        print("found")
    call(ctypes.c_long(add_key), b"user", b"{token}", b"secret", ctypes.c_size_t(6), ring)
print("done")
"""
_UNSEEN_FILES = """
import os, time
held = []
try:
    for _ in range(8):
        held.append(os.memfd_create("held"))
        for _ in range(64):
            os.write(held[-1], bytes(1 << 20))
    print("held")
    time.sleep(1)
except OSError:
    print("refused")
"""
_UNSEEN_SEGMENTS = """
import ctypes, time
libc = ctypes.CDLL(None)
libc.shmat.restype = ctypes.c_void_p
for _ in range(8):
    segment = libc.shmget(0, ctypes.c_size_t(64 << 20), 0o600)
    if segment < 0:
        print("refused")
        break
    place = libc.shmat(segment, None, 0)
    ctypes.memset(place, 1, 64 << 20)
    libc.shmdt(ctypes.c_void_p(place))
else:
    print("held")
    time.sleep(1)
"""
_LOCK = """
import fcntl, sys, time
held = []
for path in ("../source/one.txt", "../source/two.txt", "/bin/sh", sys.executable):
    held.append(open(path))
    fcntl.flock(held[-1], fcntl.LOCK_EX | fcntl.LOCK_NB)
time.sleep(2)
print("held")
"""


async def needs_isolation(provider: TestRunner) -> None:
    """Skip for a runner that says it has none."""
    found = await provider.probe()
    if found.isolation is Isolation.NONE:
        pytest.skip(f"{type(provider).__name__} has no isolation here: {dict(found.refusals)}")


class RunnerHostileConformance:
    """Programs that want more than their share."""

    # --- what is out of reach -------------------------------------------------------------

    @pytest.fixture
    def canary(self) -> Iterator[Path]:
        """A file on the host, with a secret in it, that every user of the machine may read."""
        with tempfile.TemporaryDirectory() as folder:
            Path(folder).chmod(0o755)
            path = Path(folder) / "canary"
            path.write_text(_CANARY)
            path.chmod(0o644)
            yield path

    async def test_files_of_the_host_are_out_of_reach(self, provider: TestRunner, canary: Path) -> None:
        """Neither by name nor by way of another process, and nowhere to be found."""
        await needs_isolation(provider)
        script = f"cat {canary}; cat /proc/1/root{canary}; find / -name canary"
        result = await run_one(provider, shell(script))
        assert _CANARY.encode() not in result.stdout
        assert b"canary" not in result.stdout

    async def test_accounts_and_keys_of_the_host_are_out_of_reach(self, provider: TestRunner) -> None:
        """Neither password hashes nor anybody's home."""
        await needs_isolation(provider)
        result = await run_one(
            provider, shell("cat /etc/shadow; ls /root /home /var/lib /run /sys; ls /etc/ssh")
        )
        assert result.stdout.strip() == b""

    async def test_processes_of_the_host_are_invisible(self, provider: TestRunner) -> None:
        """Neither in /proc nor by signal."""
        await needs_isolation(provider)
        script = f"""
import os
try:
    os.kill({os.getpid()}, 0)
    print("seen")
except ProcessLookupError:
    print("no such process")
print(len([name for name in os.listdir("/proc") if name.isdigit()]) < 10)
"""
        result = await run_one(provider, python(script))
        assert result.stdout == b"no such process\nTrue\n"

    async def test_the_network_is_out_of_reach(self, provider: TestRunner) -> None:
        """TCP, UDP and abstract sockets of the host."""
        if (await provider.probe()).enforcement[Limit.NETWORK] is Enforcement.NONE:
            pytest.skip(f"{type(provider).__name__} doesn't keep programs off the network here")
        name = f"computor-{secrets.token_hex(8)}"
        with (
            socket.create_server(("127.0.0.1", 0)) as tcp,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
            socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as abstract,
        ):
            udp.bind(("127.0.0.1", 0))
            abstract.bind(f"\0{name}")
            abstract.listen()
            script = _CONNECT.format(tcp=tcp.getsockname()[1], udp=udp.getsockname()[1], abstract=name)
            result = await run_one(provider, python(script))
            udp.setblocking(False)
            with pytest.raises(BlockingIOError):
                udp.recv(10)
        assert [line.split()[0] for line in result.stdout.splitlines()] == [b"refused"] * 3

    async def test_the_system_is_read_only(self, provider: TestRunner) -> None:
        """Only the working directory and /tmp can be written."""
        await needs_isolation(provider)
        script = (
            'for folder in / /usr /bin /etc /dev /proc; do touch "$folder/mine" && echo "$folder"; done; :'
        )
        result = await run_one(provider, shell(script))
        assert result.stdout == b""
        assert (await run_one(provider, shell("touch mine /tmp/mine"))).exit_code == 0

    async def test_there_is_no_privilege(self, provider: TestRunner) -> None:
        """Not root, no capability left to get, and no way to gain one by a set-user-id program."""
        await needs_isolation(provider)
        result = await run_one(provider, python(_PRIVILEGES))
        assert result.stdout == b"True 1 []\n"

    async def test_jobs_do_not_see_each_other(self, provider: TestRunner) -> None:
        """Neither files nor processes nor shared memory."""
        await needs_isolation(provider)
        token = secrets.token_hex(8)
        first = shell(f"touch /tmp/{token} /dev/shm/{token}; sleep 1")
        second = shell("sleep 0.5; ls /tmp /dev/shm; grep -la sleep /proc/[0-9]*/cmdline | wc -l")
        one, other = await asyncio.gather(run_one(provider, first), run_one(provider, second))
        assert one.exit_code == 0
        assert token.encode() not in other.stdout

    # --- what lies outside every namespace --------------------------------------------------

    async def test_the_host_of_a_virtual_machine_is_out_of_reach(self, provider: TestRunner) -> None:
        """No network namespace holds AF_VSOCK: a program must not even get a socket of it."""
        await needs_isolation(provider)
        assert (await run_one(provider, python(_VSOCK))).stdout == b"refused\n"

    async def test_there_is_no_io_uring(self, provider: TestRunner) -> None:
        """Setting one up is refused: its calls pass no filter."""
        await needs_isolation(provider)
        assert (await run_one(provider, python(_IO_URING))).stdout == b"refused\n"

    async def test_keyrings_are_not_shared(self, provider: TestRunner) -> None:
        """What a job leaves in a keyring, a later one doesn't find; having none at all will do."""
        await needs_isolation(provider)
        script = _KEYRING.format(token=secrets.token_hex(8))
        for _ in range(2):
            assert (await run_one(provider, python(script))).stdout == b"done\n"

    @pytest.mark.parametrize("script", [_UNSEEN_FILES, _UNSEEN_SEGMENTS], ids=["files", "segments"])
    async def test_memory_of_no_process_counts(self, provider: TestRunner, script: str) -> None:
        """Anonymous files and detached segments beyond the limit stop the program or are refused to it."""
        await needs_isolation(provider)
        await needs(provider, Limit.MEMORY)
        result = await run_one(provider, python(script, memory_bytes=128 * MIB))
        if result.stdout != b"refused\n":
            assert_stopped(result, Limit.MEMORY)

    async def test_locks_do_no_harm(self, provider: TestRunner, source: Path) -> None:
        """Others run while a program holds locks on all it can open, and nothing stays locked."""
        await needs_isolation(provider)
        mounts = (read_only("source"),)
        holder = asyncio.create_task(
            run_one(provider, python(_LOCK, mounts=mounts), inputs={"source": source})
        )
        reading = shell("cat ../source/one.txt; python3 -c 'print(2)'", mounts=mounts)
        while not holder.done():
            result = await run_one(provider, reading, inputs={"source": source})
            assert result.stdout == b"one\n2\n"
        assert (await holder).stdout == b"held\n"
        with (source / "one.txt").open() as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    # --- what is stopped ------------------------------------------------------------------

    async def test_a_fork_bomb_is_stopped(self, provider: TestRunner) -> None:
        """And the machine goes on."""
        await needs_isolation(provider)
        await needs(provider, Limit.PROCESSES)
        script = "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass"
        assert_stopped(await run_one(provider, python(script)), Limit.PROCESSES)
        assert (await run_one(provider, shell("true"))).exit_code == 0

    async def test_a_flood_of_output_is_stopped(self, provider: TestRunner) -> None:
        """Ten gigabytes without a newline cost the host no memory."""
        script = "import sys\nfor _ in range(10 * 1024): sys.stdout.write('x' * 1024 * 1024)"
        result = await run_one(provider, python(script))
        assert_stopped(result, Limit.OUTPUT)
        assert len(result.stdout) == 64 * 1024

    async def test_a_memory_hog_is_stopped(self, provider: TestRunner) -> None:
        """However fast it grows."""
        await needs(provider, Limit.MEMORY)
        script = f"hoard = []\nwhile True: hoard.append(bytearray({16 * MIB}))"
        assert_stopped(await run_one(provider, python(script)), Limit.MEMORY)

    async def test_a_program_that_stops_itself_is_stopped(self, provider: TestRunner) -> None:
        """SIGSTOP to itself and to its parent."""
        await needs(provider, Limit.WALL)
        await needs_isolation(provider)
        script = (
            "import os, signal\nos.kill(os.getppid(), signal.SIGSTOP)\nos.kill(os.getpid(), signal.SIGSTOP)"
        )
        assert_stopped(await run_one(provider, python(script, wall_seconds=0.5)), Limit.WALL)

    async def test_a_program_that_ignores_signals_is_stopped(self, provider: TestRunner) -> None:
        """Nobody can ignore SIGKILL."""
        await needs(provider, Limit.WALL)
        script = "trap '' TERM INT HUP QUIT; while :; do sleep 1; done"
        assert_stopped(await run_one(provider, shell(script, wall_seconds=0.5)), Limit.WALL)

    async def test_a_program_that_kills_all_it_can_hurts_only_itself(self, provider: TestRunner) -> None:
        """``kill(-1, SIGKILL)``."""
        await needs_isolation(provider)
        result = await run_one(provider, python("import os\nos.kill(-1, 9)\nprint('alone')"))
        assert result.limit_exceeded is None
        assert (await run_one(provider, shell("true"))).exit_code == 0

    async def test_no_process_survives(self, provider: TestRunner) -> None:
        """A daemon that forked twice, left its session and closed its streams."""
        token = f"daemon-{secrets.token_hex(8)}"
        result = await run_one(provider, python(_DAEMON.format(token=token)))
        assert result.exit_code == 0
        assert processes_with(token) == []

    async def test_a_program_that_closes_its_streams_can_still_end(self, provider: TestRunner) -> None:
        """The end of the output isn't the end of the program."""
        result = await run_one(provider, shell("exec >&- 2>&- <&-; sleep 0.2; exit 5"))
        assert result.exit_code == 5

    async def test_deep_directories_do_no_harm(self, provider: TestRunner) -> None:
        """A path longer than the kernel takes at once."""
        await needs_isolation(provider)
        script = """
import os
for _ in range(3000):
    os.mkdir("d")
    os.chdir("d")
open("file", "w").close()
"""
        assert (await run_one(provider, python(script, collect=("d/d/d",)))).exit_code == 0
        assert (await run_one(provider, shell("ls"))).stdout == b""
