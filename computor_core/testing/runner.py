"""Conformance suite for test runners.

An adopter's whole test module::

    import pytest
    import pytest_asyncio
    from computor_core.testing.runner import RunnerConformance

    @pytest_asyncio.fixture(scope="module", loop_scope="module")
    async def my_runner():
        async with open_my_runner(MySettings(), context()) as runner:
            yield runner

    class TestMyRunner(RunnerConformance):
        @pytest.fixture
        def provider(self, my_runner):
            return my_runner

The tests run on the event loop of their module, so that a runner, which may be slow to open, is opened
once.
What is demanded depends on what the runner's own ``probe()`` says: a level of isolation that it
claims must hold, a limit that it claims to enforce must strike. The suite's programs are shell scripts and
Python programs; a runner without a usable ``python`` toolchain can't be tested.

The hostile programs and the isolation tests are in :mod:`computor_core.testing.runner_hostile`, which
this suite includes.
"""
# ruff: noqa: S101 - a suite asserts

from __future__ import annotations

import asyncio
import hashlib
import secrets
from dataclasses import replace
from pathlib import Path

import pytest

from computor_core.plugin_api.errors import ProviderInvalidError
from computor_core.plugin_api.providers.base import HealthState
from computor_core.plugin_api.providers.runner import (
    Enforcement,
    Isolation,
    Limit,
    Mount,
    Phase,
    TestRunner,
)
from computor_core.testing.runner_hostile import RunnerHostileConformance
from computor_core.testing.runner_jobs import (
    MIB,
    job,
    phase,
    processes_with,
    python,
    read_only,
    run,
    run_one,
    shell,
)
from computor_core.testing.runner_limits import RunnerLimitsConformance

__all__ = ["RunnerConformance"]


@pytest.mark.asyncio(loop_scope="module")
class RunnerConformance(RunnerLimitsConformance, RunnerHostileConformance):
    """Every promise of the runner contract."""

    @pytest.fixture
    def provider(self) -> TestRunner:
        """The runner under test; override it."""
        raise NotImplementedError

    @pytest.fixture
    def source(self, tmp_path: Path) -> Path:
        """An input directory with two files and one in a directory below."""
        folder = tmp_path / "source"
        (folder / "sub").mkdir(parents=True)
        (folder / "one.txt").write_text("one\n")
        (folder / "two.txt").write_text("two\n")
        (folder / "sub" / "three.txt").write_text("three\n")
        return folder

    # --- phases ---------------------------------------------------------------------------

    async def test_outputs_and_exit_status_come_back(self, provider: TestRunner) -> None:
        """Standard output, standard error and status are kept apart."""
        result = await run_one(provider, shell("echo out; echo err >&2"))
        assert (result.stdout, result.stderr) == (b"out\n", b"err\n")
        assert (result.exit_code, result.signal, result.limit_exceeded) == (0, None, None)
        assert result.wall_seconds > 0

    @pytest.mark.parametrize("status", [1, 3, 42, 100])
    async def test_an_exit_status_is_reported(self, provider: TestRunner, status: int) -> None:
        """The program's own status, unchanged."""
        result = await run_one(provider, shell(f"exit {status}"))
        assert (result.exit_code, result.signal) == (status, None)

    @pytest.mark.parametrize(("name", "number"), [("SEGV", 11), ("KILL", 9), ("TERM", 15), ("ABRT", 6)])
    async def test_a_signal_is_reported(self, provider: TestRunner, name: str, number: int) -> None:
        """A program that a signal ended has no exit status."""
        result = await run_one(provider, shell(f"kill -{name} $$"))
        assert (result.exit_code, result.signal, result.limit_exceeded) == (None, number, None)

    async def test_standard_input_arrives_byte_for_byte(self, provider: TestRunner) -> None:
        """Also NUL bytes, and more than a pipe holds."""
        content = bytes(range(256)) * 1000
        result = await run_one(provider, shell("sha256sum", stdin=content))
        assert result.stdout.split()[0].decode() == hashlib.sha256(content).hexdigest()

    async def test_standard_input_nobody_reads_does_no_harm(self, provider: TestRunner) -> None:
        """A program may end without reading."""
        result = await run_one(provider, shell("echo done", stdin=b"x" * MIB))
        assert (result.exit_code, result.stdout) == (0, b"done\n")

    async def test_no_shell_is_involved(self, provider: TestRunner) -> None:
        """Arguments arrive as they are."""
        arguments = ("$HOME", "a b", "*", "'", '"', ";", "", "ü")
        result = await run_one(provider, phase("main", "printf", "%s|", *arguments))
        assert result.stdout.decode() == "".join(f"{argument}|" for argument in arguments)

    async def test_a_program_that_is_not_there_fails(self, provider: TestRunner) -> None:
        """Not being there is the job's mistake, not the machine's."""
        result = await run_one(provider, phase("main", "no-such-program"))
        assert result.exit_code not in (0, None)

    async def test_phases_run_in_order_until_one_fails(self, provider: TestRunner) -> None:
        """What comes after a failure isn't run."""
        results = await run(
            provider,
            phase("first", "true"),
            phase("second", "false"),
            phase("third", "true"),
        )
        assert [(result.name, result.exit_code) for result in results] == [("first", 0), ("second", 1)]

    async def test_a_phase_may_be_allowed_to_fail(self, provider: TestRunner) -> None:
        """``continue_on_failure`` goes on after a status, a signal and a limit."""
        results = await run(
            provider,
            phase("status", "false", continue_on_failure=True),
            phase("signal", "sh", "-c", "kill -KILL $$", continue_on_failure=True),
            phase("limit", "sleep", "9", continue_on_failure=True, wall_seconds=0.1),
            phase("last", "true"),
        )
        assert [result.name for result in results] == ["status", "signal", "limit", "last"]

    # --- mounts ---------------------------------------------------------------------------

    async def test_inputs_are_seen_and_cannot_be_changed(self, provider: TestRunner, source: Path) -> None:
        """Reading works, and whatever a phase tries, the source stays as it is."""
        script = "cat ../source/sub/three.txt; echo spoilt > ../source/one.txt; rm -rf ../source/sub"
        result = await run_one(
            provider, shell(script, mounts=(read_only("source"),)), inputs={"source": source}
        )
        assert result.stdout == b"three\n"
        assert (source / "one.txt").read_text() == "one\n"
        assert (source / "sub" / "three.txt").exists()

    async def test_a_writable_mount_is_a_private_copy(self, provider: TestRunner, source: Path) -> None:
        """A phase may change its copy; nobody else sees that."""
        mounts = (Mount("source", "/source", writable=True),)
        script = "echo changed > ../source/one.txt && rm ../source/two.txt && cat ../source/one.txt"
        results = await run(
            provider,
            shell(script, mounts=mounts),
            phase("again", "cat", "../source/one.txt", "../source/two.txt", mounts=mounts),
            inputs={"source": source},
        )
        assert [result.stdout for result in results] == [b"changed\n", b"one\ntwo\n"]
        assert (source / "one.txt").read_text() == "one\n"

    async def test_only_the_listed_files_are_taken(self, provider: TestRunner, source: Path) -> None:
        """An allow-list; files that aren't there are left out."""
        only = ("two.txt", "sub/three.txt", "absent.txt")
        for mount in (Mount("source", "/box", writable=True, only=only), Mount("source", "/box2", only=only)):
            folder = "." if mount.writable else "../box2"
            result = await run_one(
                provider, shell(f"cd {folder}; find . -type f", mounts=(mount,)), inputs={"source": source}
            )
            assert sorted(result.stdout.split()) == [b"./sub/three.txt", b"./two.txt"]

    async def test_several_sources_may_fill_the_working_directory(
        self, provider: TestRunner, source: Path
    ) -> None:
        """Mounts on the working directory are laid over each other."""
        mounts = (
            Mount("source", "/box", writable=True, only=("one.txt",)),
            Mount("source", "/box", writable=True, only=("two.txt",)),
        )
        result = await run_one(
            provider, shell("cat one.txt two.txt", mounts=mounts), inputs={"source": source}
        )
        assert result.stdout == b"one\ntwo\n"

    async def test_an_earlier_working_directory_can_be_mounted(self, provider: TestRunner) -> None:
        """What a phase leaves behind is there for a later one, and only if it asks."""
        results = await run(
            provider,
            phase("make", "sh", "-c", "printf made > file; chmod +x file"),
            phase(
                "use",
                "sh",
                "-c",
                "cat file; test -x file",
                mounts=(Mount("phase:make", "/box", writable=True),),
            ),
            phase("see", "cat", "../made/file", mounts=(Mount("phase:make", "/made"),)),
            phase("without", "sh", "-c", "test ! -e file"),
        )
        assert [(result.exit_code, result.stdout) for result in results] == [
            (0, b""),
            (0, b"made"),
            (0, b"made"),
            (0, b""),
        ]

    # --- environment ----------------------------------------------------------------------

    async def test_the_environment_is_what_the_phase_says(
        self, provider: TestRunner, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Nothing of the host's own environment arrives."""
        monkeypatch.setenv("COMPUTOR_CONFORMANCE_SECRET", "hush")
        result = await run_one(provider, phase("main", "env", environment={"GIVEN": "a b=c"}))
        found = dict(line.split("=", 1) for line in result.stdout.decode().splitlines())
        assert found.pop("GIVEN") == "a b=c"
        assert set(found) <= {"PATH", "HOME", "LANG", "TMPDIR", "PWD"}

    async def test_no_file_descriptor_leaks(self, provider: TestRunner) -> None:
        """A program starts with its three standard streams and nothing else."""
        script = """
import os
open_ones = []
for number in range(4096):
    try:
        os.fstat(number)
    except OSError:
        continue
    open_ones.append(number)
print(open_ones)
"""
        result = await run_one(provider, python(script))
        assert result.stdout == b"[0, 1, 2]\n"

    # --- collecting -----------------------------------------------------------------------

    async def test_files_are_collected(self, provider: TestRunner) -> None:
        """Also from folders, also binary, also when the phase failed."""
        script = "mkdir sub; printf 'a\\000b' > sub/file; : > empty; exit 1"
        result = await run_one(provider, shell(script, collect=("sub/file", "empty", "absent")))
        assert result.collected == {"sub/file": b"a\0b", "empty": b""}
        assert result.uncollected == {"absent": "missing"}

    async def test_files_are_collected_after_a_limit(self, provider: TestRunner) -> None:
        """Partial results count."""
        result = await run_one(
            provider, shell("echo early > file; sleep 9", collect=("file",), wall_seconds=0.5)
        )
        assert result.limit_exceeded is Limit.WALL
        assert result.collected == {"file": b"early\n"}

    async def test_links_are_never_followed_when_collecting(self, provider: TestRunner, source: Path) -> None:
        """Neither at the end nor on the way, whatever they point to."""
        targets = {
            "link": "../source/one.txt",
            "sub": "../source/sub",
            "passwd": "/etc/passwd",
            "again": "link",
        }
        script = "; ".join(f"ln -s {target} {name}" for name, target in targets.items())
        paths = ("link", "sub/three.txt", "passwd", "again")
        result = await run_one(
            provider,
            shell(script, collect=paths, mounts=(read_only("source"),)),
            inputs={"source": source},
        )
        assert result.collected == {}
        assert set(result.uncollected.values()) == {"not_a_file"}

    async def test_only_regular_files_are_collected(self, provider: TestRunner) -> None:
        """A pipe would block the host, a directory has no content."""
        result = await run_one(provider, shell("mkfifo pipe; mkdir folder", collect=("pipe", "folder")))
        assert result.collected == {}
        assert result.uncollected == {"pipe": "not_a_file", "folder": "not_a_file"}

    async def test_collecting_has_a_limit(self, provider: TestRunner) -> None:
        """A file that doesn't fit is left out whole, also a sparse one of any size."""
        script = "head -c 1000 /dev/zero > small; head -c 1001 /dev/zero > large; truncate -s 100M sparse"
        result = await run_one(
            provider, shell(script, collect=("sparse", "large", "small"), collect_bytes=1000)
        )
        assert result.collected == {"small": bytes(1000)}
        assert result.uncollected == {"sparse": "too_large", "large": "too_large"}

    # --- jobs -----------------------------------------------------------------------------

    async def test_the_report_says_who_ran_it_and_how(self, provider: TestRunner) -> None:
        """What replay needs."""
        report = await provider.run(job(phase("main", "true")))
        found = await provider.probe()
        assert report.job_id == "conformance"
        assert report.isolation is found.isolation
        assert report.toolchain_version == found.toolchains["python"]
        assert report.runner
        assert report.runner_version

    async def test_health_is_ok(self, provider: TestRunner) -> None:
        """A runner that can run jobs says so."""
        assert (await provider.health()).state is HealthState.OK

    async def test_a_probe_names_every_limit(self, provider: TestRunner) -> None:
        """And says the same when asked again."""
        found = await provider.probe()
        assert set(found.enforcement) == set(Limit)
        assert await provider.probe() == found

    async def test_an_isolation_that_is_not_there_is_refused(self, provider: TestRunner) -> None:
        """A job that demands more than the machine has never starts."""
        found = await provider.probe()
        stronger = [level for level in Isolation if not found.isolation.at_least(level)]
        if not stronger:
            pytest.skip(f"nothing is stronger than {found.isolation.value}")
        token = secrets.token_hex(8)
        for level in stronger:
            with pytest.raises(ProviderInvalidError):
                await provider.run(job(shell(f"echo {token}"), minimum_isolation=level))

    async def test_an_enforcement_that_is_not_there_is_refused(self, provider: TestRunner) -> None:
        """A job that demands firmer limits than the machine has never starts."""
        found = await provider.probe()
        weak = [limit for limit, have in found.enforcement.items() if have is not Enforcement.KERNEL]
        if not weak:
            pytest.skip("the kernel enforces every limit")
        for limit in weak:
            with pytest.raises(ProviderInvalidError):
                await provider.run(
                    job(phase("main", "true"), minimum_enforcement={limit: Enforcement.KERNEL})
                )

    @pytest.mark.parametrize(
        "wrong",
        [
            {"name": "Not A Name"},
            {"command": ()},
            {"command": ("a\0b",)},
            {"mounts": (Mount("absent", "/absent"),)},
            {"mounts": (Mount("phase:later", "/later"),)},
            {"mounts": (Mount("source", "relative"),)},
            {"mounts": (Mount("source", "/a/../b"),)},
            {"mounts": (Mount("source", "/proc"),)},
            {"mounts": (Mount("source", "/usr/lib"),)},
            {"mounts": (Mount("source", "/box/inner"),)},
            {"mounts": (Mount("source", "/copy", only=("../escape",)),)},
            {"workdir": "box"},
            {"collect": ("../outside",)},
            {"collect": ("/etc/passwd",)},
            {"environment": {"A=B": "c"}},
        ],
        ids=str,
    )
    async def test_a_malformed_phase_is_refused(
        self, provider: TestRunner, source: Path, wrong: dict[str, object]
    ) -> None:
        """Before anything is run."""
        malformed: Phase = replace(phase("main", "true"), **wrong)  # type: ignore[arg-type]
        with pytest.raises(ProviderInvalidError):
            await provider.run(job(malformed, inputs={"source": source}))

    async def test_malformed_jobs_are_refused(self, provider: TestRunner, tmp_path: Path) -> None:
        """No phase, two of a name, an unknown toolchain, an input that isn't a directory."""
        one = phase("main", "true")
        mounted = replace(one, mounts=(read_only("gone"),))
        for malformed in (
            job(),
            job(one, one),
            job(one, toolchain="no-such-toolchain"),
            job(mounted, inputs={"gone": tmp_path / "gone"}),
        ):
            with pytest.raises(ProviderInvalidError):
                await provider.run(malformed)

    async def test_jobs_run_side_by_side_and_apart(self, provider: TestRunner) -> None:
        """Each has its own working directory, and its own answer."""
        scripts = [f"echo {number} > file; sleep 0.1; cat file; ls /tmp" for number in range(8)]
        results = await asyncio.gather(*(run_one(provider, shell(script)) for script in scripts))
        assert [result.stdout.split()[0] for result in results] == [b"%d" % n for n in range(8)]

    async def test_cancelling_ends_every_process(self, provider: TestRunner) -> None:
        """When the cancelled call has returned, nothing of the job is left."""
        token = f"cancelled-{secrets.token_hex(8)}"
        script = f"""
import subprocess, time
sleep = "import time; time.sleep(99)"
subprocess.Popen(["python3", "-c", sleep, "{token}"], start_new_session=True)
time.sleep(99)
"""
        running = asyncio.create_task(run_one(provider, python(script, wall_seconds=60.0)))
        async with asyncio.timeout(20):
            while len(processes_with(token)) < 2:  # noqa: ASYNC110 - another process makes it true
                await asyncio.sleep(0.02)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert processes_with(token) == []
