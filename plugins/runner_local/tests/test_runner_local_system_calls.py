"""The filter on system calls: what it says for every call, on both architectures, and that it holds."""

import errno
import re
import struct
from pathlib import Path

import pytest
from computor_runner_local.launcher.seccomp import ALLOW, ARCHITECTURES, ERRNO, KILL_PROCESS, program
from computor_runner_local.launcher.system_calls import (
    AARCH64,
    CONDITIONS,
    NUMBERS,
    REFUSALS,
    UNCOUNTED,
    X86_64,
)

from computor_core.plugin_api.errors import ProviderInvalidError
from computor_core.plugin_api.providers.base import HealthState
from computor_core.plugin_api.providers.runner import Isolation
from computor_core.testing.runner_jobs import job, python, run_one, shell

HEADERS = {
    X86_64: Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
    AARCH64: Path("/usr/include/asm-generic/unistd.h"),
}
LEVELS = [Isolation.BUBBLEWRAP, Isolation.NAMESPACES, Isolation.NONE]
READ, CLONE_THREAD_OF_GLIBC, CLONE_NEWUSER = 0, 0x3D0F00, 0x1000_0000


def decide(
    machine: str, number: int, *arguments: int, counted: bool = True, architecture: int | None = None
) -> int:
    """What the kernel does with a call: the filter, interpreted (bpf(4), classic BPF)."""
    code = program(machine, counted=counted)
    values = (*arguments, *[0] * 6)[:6]
    name = ARCHITECTURES[machine] if architecture is None else architecture
    data = struct.pack("=IIQ6Q", number & 0xFFFF_FFFF, name, 0, *(value % 2**64 for value in values))
    at, register = 0, 0
    while True:
        operation, when, otherwise, value = struct.unpack_from("=HBBI", code, 8 * at)
        at += 1
        if operation == 0x06:
            return int(value)
        if operation == 0x20:
            (register,) = struct.unpack_from("=I", data, value)
        else:
            holds = {
                0x15: register == value,
                0x35: register >= value,
                0x45: register & value != 0,
            }[operation]
            at += when if holds else otherwise


def call(machine: str, name: str, *arguments: int, counted: bool = True) -> int:
    number = NUMBERS[name][(X86_64, AARCH64).index(machine)]
    assert number is not None
    return decide(machine, number, *arguments, counted=counted)


@pytest.mark.parametrize("machine", [X86_64, AARCH64])
def test_what_is_refused_is_refused_with_its_error_and_the_rest_allowed(machine: str) -> None:
    column = (X86_64, AARCH64).index(machine)
    expected = {
        NUMBERS[name][column]: ERRNO | refusal.answer for refusal in REFUSALS for name in refusal.calls
    }
    conditional = {NUMBERS[name][column] for condition in CONDITIONS for name in condition.calls}
    for number in set(range(600)) - conditional:
        assert decide(machine, number) == expected.get(number, ALLOW)


@pytest.mark.parametrize("machine", [X86_64, AARCH64])
@pytest.mark.parametrize("name", [name for refusal in UNCOUNTED for name in refusal.calls])
def test_uncounted_memory_is_refused_where_no_control_group_counts_it(machine: str, name: str) -> None:
    assert call(machine, name) == ALLOW
    assert call(machine, name, counted=False) == ERRNO | errno.ENOSYS


@pytest.mark.parametrize("machine", [X86_64, AARCH64])
@pytest.mark.parametrize("name", ["socket", "socketpair"])
def test_sockets_are_local_or_of_the_internet(machine: str, name: str) -> None:
    allowed = {family for family in range(64) if call(machine, name, family, 1) == ALLOW}
    assert allowed == {1, 2, 10}
    assert call(machine, name, 40, 1) == ERRNO | errno.EAFNOSUPPORT
    # The kernel takes an int: what stands in the upper half makes no difference.
    assert call(machine, name, 40 | 1 << 32, 1) == ERRNO | errno.EAFNOSUPPORT


@pytest.mark.parametrize("machine", [X86_64, AARCH64])
def test_processes_and_threads_are_made_but_no_namespaces(machine: str) -> None:
    assert call(machine, "clone", 17) == ALLOW
    assert call(machine, "clone", CLONE_THREAD_OF_GLIBC) == ALLOW
    assert call(machine, "clone3") == ERRNO | errno.ENOSYS
    assert call(machine, "unshare", 0x200) == ALLOW  # CLONE_FS
    for bit in (0x20000, 0x2000000, 0x4000000, 0x8000000, CLONE_NEWUSER, 0x20000000, 0x40000000):
        assert call(machine, "clone", 17 | bit) == ERRNO | errno.EPERM
        assert call(machine, "unshare", bit) == ERRNO | errno.EPERM
    assert call(machine, "unshare", 0x80) == ERRNO | errno.EPERM


@pytest.mark.parametrize("machine", [X86_64, AARCH64])
def test_personalities_are_the_usual_ones(machine: str) -> None:
    for allowed in (0, 0x40000, 0xFFFFFFFF):
        assert call(machine, "personality", allowed) == ALLOW
    for odd in (0x400000, 0x100000, 8, 0x40001):  # READ_IMPLIES_EXEC, MMAP_PAGE_ZERO, PER_LINUX32
        assert call(machine, "personality", odd) == ERRNO | errno.EPERM


@pytest.mark.parametrize("machine", [X86_64, AARCH64])
def test_calls_of_another_architecture_kill(machine: str) -> None:
    for other in (0x40000003, 0x40000028, 0, *(set(ARCHITECTURES.values()) - {ARCHITECTURES[machine]})):
        assert decide(machine, READ, architecture=other) == KILL_PROCESS


def test_there_is_no_x32() -> None:
    for number in (0x40000000, 0x40000000 | 41, -1):
        assert decide(X86_64, number) == ERRNO | errno.ENOSYS


@pytest.mark.parametrize("machine", [X86_64, AARCH64])
def test_the_numbers_are_the_kernel_s(machine: str) -> None:
    if not HEADERS[machine].exists():
        pytest.skip(f"{HEADERS[machine]} isn't installed (linux-libc-dev)")
    text = HEADERS[machine].read_text()
    found = {name: int(number) for name, number in re.findall(r"__NR(?:3264)?_(\w+)\s+(\d+)\b", text)}
    column = (X86_64, AARCH64).index(machine)
    assert {name: numbers[column] for name, numbers in NUMBERS.items()} == {
        name: found.get(name) for name in NUMBERS
    }


def test_every_number_is_used_once_and_every_refusal_says_why() -> None:
    rules = [*REFUSALS, *UNCOUNTED, *CONDITIONS]
    assert sorted(name for rule in rules for name in rule.calls) == sorted(NUMBERS)
    assert all(rule.why for rule in rules)


_ATTEMPTS = """
import ctypes, errno, os, socket
for family in (16, 17, 38, 40):
    try:
        socket.socket(family, socket.SOCK_RAW)
        print("socket", family)
    except OSError as error:
        assert error.errno == errno.EAFNOSUPPORT, error
libc = ctypes.CDLL(None, use_errno=True)
if libc.unshare(0x10000000) == 0 or ctypes.get_errno() != errno.EPERM:
    print("user namespace", ctypes.get_errno())
if libc.ptrace(0, 0, 0, 0) == 0:
    print("ptrace")
if libc.mount(b"none", b"/tmp", b"tmpfs", 0, None) == 0:
    print("mount")
for line in open("/proc/self/status"):
    if line.startswith(("Seccomp:", "NoNewPrivs:")):
        print(*line.split())
"""
_ORDINARY = """
import asyncio, concurrent.futures, multiprocessing, os, socket, subprocess, tempfile, threading
assert socket.getaddrinfo("localhost", 80)
left, right = socket.socketpair()
server = socket.create_server(("127.0.0.1", 0))
socket.create_connection(server.getsockname()).close()
with concurrent.futures.ThreadPoolExecutor(2) as pool:
    assert sum(pool.map(abs, range(-5, 0))) == 15
child = multiprocessing.get_context("fork").Process(target=os.getpid)
child.start()
child.join()
assert child.exitcode == 0
assert subprocess.run(["sh", "-c", "exit 3"]).returncode == 3
assert asyncio.run(asyncio.sleep(0, "slept")) == "slept"
tempfile.TemporaryFile().write(b"x")
print("all well")
"""


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("cgroups", [True, False], ids=["groups", "no groups"])
async def test_the_filter_holds_at_every_level_and_hinders_nobody(
    opened, level: Isolation, cgroups: bool
) -> None:
    async with opened(level, Isolation.NONE, cgroups=cgroups) as runner:
        found = await runner.probe()
        if found.isolation is not level:
            pytest.skip(f"{level.value} doesn't work here: {found.refusals[level]}")
        assert (await runner.health()).facts["system_calls"] == "filtered"
        result = await run_one(runner, python(_ATTEMPTS))
        assert result.stdout.decode().splitlines() == ["NoNewPrivs: 1", "Seccomp: 2"], result.stderr
        ordinary = await run_one(runner, python(_ORDINARY))
        assert ordinary.stdout == b"all well\n", ordinary.stderr


async def test_without_a_filter_there_is_no_isolation_and_it_is_said(
    opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    boot = (
        "import sys; sys.path.insert(0, sys.argv.pop(1)); from computor_runner_local.launcher import main,"
        " seccomp; seccomp.why_not = lambda: 'PR_SET_SECCOMP: Invalid argument'; main.main()"
    )
    monkeypatch.setattr("computor_runner_local.client._BOOT", boot)
    why = "PR_SET_SECCOMP: Invalid argument"
    async with opened() as runner:
        found = await runner.probe()
        assert found.isolation is Isolation.NONE
        assert found.refusals[Isolation.NAMESPACES] == why
        assert (await runner.health()).facts["system_calls"] == f"not filtered: {why}"
        assert (await run_one(runner, shell("echo goes on"))).stdout == b"goes on\n"
    async with opened(minimum_isolation="namespaces") as runner:
        health = await runner.health()
        assert health.state is HealthState.DOWN
        assert why in health.message
        with pytest.raises(ProviderInvalidError, match="Invalid argument"):
            await runner.run(job(shell("true")))


async def test_a_filter_without_effect_is_noticed(opened, monkeypatch: pytest.MonkeyPatch) -> None:
    boot = (
        "import sys; sys.path.insert(0, sys.argv.pop(1)); from computor_runner_local.launcher import main,"
        " kernel; kernel.install_filter = lambda program: None; main.main()"
    )
    monkeypatch.setattr("computor_runner_local.client._BOOT", boot)
    async with opened(Isolation.NAMESPACES, Isolation.NONE) as runner:
        found = await runner.probe()
        assert "no effect" in found.refusals[Isolation.NAMESPACES]
