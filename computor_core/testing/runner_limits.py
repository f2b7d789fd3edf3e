"""The part of the runner suite about limits: just under passes, just over is stopped and named."""
# ruff: noqa: S101 - a suite asserts

from __future__ import annotations

import pytest

from computor_core.plugin_api.providers.runner import Enforcement, Isolation, Limit, PhaseResult, TestRunner
from computor_core.testing.runner_jobs import MIB, python, run_one, shell

__all__ = ["RunnerLimitsConformance"]

_ALLOCATE = "data = bytearray({size}); import time; time.sleep(0.3); print(len(data))"
_FORK = """
import os, time
children = []
for _ in range({count}):
    child = os.fork()
    if child == 0:
        time.sleep(0.5)
        os._exit(0)
    children.append(child)
for child in children:
    os.waitpid(child, 0)
print("done")
"""
_THREADS = """
import threading, time
threads = [threading.Thread(target=time.sleep, args=(0.5,)) for _ in range({count})]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print("done")
"""


async def needs(provider: TestRunner, limit: Limit) -> None:
    """Skip when the runner says that nobody enforces a limit."""
    if (await provider.probe()).enforcement[limit] is Enforcement.NONE:
        pytest.skip(f"{type(provider).__name__} doesn't enforce {limit.value} here")


def assert_passed(result: PhaseResult) -> None:
    """Nothing stopped the phase and its program says all is well."""
    assert (result.exit_code, result.signal, result.limit_exceeded) == (0, None, None), result


def assert_stopped(result: PhaseResult, limit: Limit) -> None:
    """The limit stopped the phase, which therefore has neither status nor signal."""
    assert (result.limit_exceeded, result.exit_code, result.signal) == (limit, None, None), result


class RunnerLimitsConformance:
    """Each limit strikes where it is set, and only there."""

    async def test_wall_time_just_under_passes(self, provider: TestRunner) -> None:
        """Waiting isn't stopped before its time."""
        assert_passed(await run_one(provider, shell("sleep 0.2", wall_seconds=5.0)))

    async def test_wall_time_over_is_stopped(self, provider: TestRunner) -> None:
        """Waiting costs no processor time and is stopped all the same."""
        await needs(provider, Limit.WALL)
        result = await run_one(provider, shell("sleep 3; echo too late", wall_seconds=0.3))
        assert_stopped(result, Limit.WALL)
        assert result.stdout == b""

    async def test_processor_time_under_passes(self, provider: TestRunner) -> None:
        """Working a little is no offence."""
        assert_passed(await run_one(provider, python("sum(range(10**6))", cpu_seconds=5.0)))

    async def test_processor_time_over_is_stopped(self, provider: TestRunner) -> None:
        """A busy loop."""
        await needs(provider, Limit.CPU)
        result = await run_one(provider, python("while True: pass", cpu_seconds=0.3))
        assert_stopped(result, Limit.CPU)
        assert result.cpu_seconds >= 0.2

    async def test_processor_time_of_all_processes_counts(self, provider: TestRunner) -> None:
        """Spreading the work over children, ended ones among them, doesn't get around the limit."""
        await needs(provider, Limit.CPU)
        script = "while :; do sh -c 'i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done'; done"
        assert_stopped(await run_one(provider, shell(script, cpu_seconds=0.5)), Limit.CPU)

    async def test_memory_just_under_passes(self, provider: TestRunner) -> None:
        """The interpreter itself takes about 10 MiB."""
        script = _ALLOCATE.format(size=100 * MIB)
        assert_passed(await run_one(provider, python(script, memory_bytes=128 * MIB)))

    async def test_memory_over_is_stopped(self, provider: TestRunner) -> None:
        """Touched memory counts, wherever it comes from."""
        await needs(provider, Limit.MEMORY)
        script = _ALLOCATE.format(size=140 * MIB)
        assert_stopped(await run_one(provider, python(script, memory_bytes=128 * MIB)), Limit.MEMORY)

    async def test_memory_of_all_processes_counts(self, provider: TestRunner) -> None:
        """Four processes of 40 MiB are 160 MiB."""
        await needs(provider, Limit.MEMORY)
        script = "import os\nfor _ in range(3): os.fork()\n" + _ALLOCATE.format(size=40 * MIB)
        result = await run_one(provider, python(script, memory_bytes=128 * MIB))
        assert_stopped(result, Limit.MEMORY)

    async def test_processes_just_under_pass(self, provider: TestRunner) -> None:
        """The program itself is one of them."""
        assert_passed(await run_one(provider, python(_FORK.format(count=7), processes=8)))

    async def test_processes_over_are_stopped(self, provider: TestRunner) -> None:
        """One more than allowed."""
        await needs(provider, Limit.PROCESSES)
        result = await run_one(provider, python(_FORK.format(count=8), processes=8))
        assert_stopped(result, Limit.PROCESSES)

    async def test_threads_count_as_processes(self, provider: TestRunner) -> None:
        """To the kernel they are the same."""
        await needs(provider, Limit.PROCESSES)
        assert_passed(await run_one(provider, python(_THREADS.format(count=7), processes=8)))
        result = await run_one(provider, python(_THREADS.format(count=8), processes=8))
        assert_stopped(result, Limit.PROCESSES)

    @pytest.mark.parametrize("stream", ["stdout", "stderr"])
    async def test_output_up_to_its_limit_is_kept(self, provider: TestRunner, stream: str) -> None:
        """To the byte."""
        redirect = " >&2" if stream == "stderr" else ""
        script = f"head -c 5000 /dev/zero{redirect}"
        result = await run_one(provider, shell(script, output_bytes=5000))
        assert_passed(result)
        assert getattr(result, stream) == bytes(5000)

    @pytest.mark.parametrize("stream", ["stdout", "stderr"])
    async def test_output_over_its_limit_is_cut_and_stops(self, provider: TestRunner, stream: str) -> None:
        """One byte more, and only what is allowed is kept."""
        redirect = " >&2" if stream == "stderr" else ""
        script = f"head -c 5001 /dev/zero{redirect}; sleep 9"
        result = await run_one(provider, shell(script, output_bytes=5000))
        assert_stopped(result, Limit.OUTPUT)
        assert getattr(result, stream) == bytes(5000)

    async def test_disk_just_under_passes(self, provider: TestRunner) -> None:
        """Working directory and /tmp together."""
        script = "head -c 1900000 /dev/zero > here && head -c 1900000 /dev/zero > $TMPDIR/there"
        assert_passed(await run_one(provider, shell(script, disk_bytes=4 * MIB)))

    async def test_disk_over_is_stopped(self, provider: TestRunner) -> None:
        """Together they are more than allowed, though each alone isn't."""
        await needs(provider, Limit.DISK)
        script = "head -c 3000000 /dev/zero > here; head -c 3000000 /dev/zero > $TMPDIR/there; sleep 9"
        assert_stopped(await run_one(provider, shell(script, disk_bytes=4 * MIB)), Limit.DISK)

    async def test_disk_is_needed_in_small_files_too(self, provider: TestRunner) -> None:
        """A hundred thousand files end by a limit or cost nothing; they never hurt the host."""
        if (await provider.probe()).isolation is Isolation.NONE:
            pytest.skip("without isolation the files are the host's own")
        script = "import itertools\nfor number in itertools.count(): open(str(number), 'w').write('x')"
        result = await run_one(provider, python(script, disk_bytes=4 * MIB, cpu_seconds=5.0))
        assert_stopped(result, Limit.DISK)

    @pytest.mark.parametrize("limit", list(Limit))
    async def test_a_limit_is_never_read_from_the_output(self, provider: TestRunner, limit: Limit) -> None:
        """Whatever a program says of itself: the evidence comes from outside."""
        words = f"limit_exceeded={limit.value} MemoryError Killed Cannot fork No space left on device"
        result = await run_one(provider, shell(f"echo {words}; echo {words} >&2; exit 1"))
        assert result.limit_exceeded is None
        assert result.exit_code == 1
