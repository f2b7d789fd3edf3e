"""What settings and machine allow, and what is refused with a reason."""

import logging
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest
from computor_runner_local.identity import sandbox_uid
from computor_runner_local.launcher.cgroups import own_groups
from computor_runner_local.launcher.usage import descendants
from computor_runner_local.plugin import Plugin
from computor_runner_local.provider import open_runner
from computor_runner_local.settings import LocalRunnerSettings
from pydantic import ValidationError

from computor_core.clock import SystemClock
from computor_core.plugin_api.errors import ProviderInvalidError, ProviderUnavailableError
from computor_core.plugin_api.providers.base import AppContext, HealthState
from computor_core.plugin_api.providers.runner import Isolation, Mount
from computor_core.plugin_api.services import CoreServices
from computor_core.testing.runner_jobs import LIMITS, MIB, job, phase, run_one, shell

CONTEXT = AppContext(
    instance="default",
    plugin="runner_local",
    data_dir=Path("/nonexistent"),
    public_url="",
    clock=SystemClock(),
    log=logging.getLogger("test.runner_local"),
    services=cast("CoreServices", None),  # the runner never calls into the core
)


async def test_the_factory_opens_a_runner() -> None:
    async with open_runner(LocalRunnerSettings(minimum_isolation="auto"), CONTEXT) as runner:
        assert (await run_one(runner, shell("echo hello"))).stdout == b"hello\n"


def test_the_plugin_registers_the_type() -> None:
    (registration,) = Plugin().computor_test_runners()
    assert (registration.seam, registration.type) == ("runner", "local")


async def test_less_than_the_minimum_isolation_is_refused(opened) -> None:
    async with opened(Isolation.NONE, minimum_isolation="namespaces") as runner:
        health = await runner.health()
        assert health.state is HealthState.DOWN
        assert "namespaces is demanded" in health.message
        with pytest.raises(ProviderInvalidError, match="namespaces is demanded"):
            await runner.run(job(phase("main", "true")))


async def test_every_level_that_fails_says_why(opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("computor_runner_local.system._bubblewrap", tuple)
    async with opened() as runner:
        found = await runner.probe()
        assert found.refusals[Isolation.BUBBLEWRAP] == "bubblewrap (bwrap) isn't installed"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("cpu_seconds", 121.0),
        ("wall_seconds", 301.0),
        ("memory_bytes", 5000 * MIB),
        ("processes", 513),
        ("output_bytes", 17 * MIB),
        ("disk_bytes", 1025 * MIB),
        ("network", True),
        ("processes", 0),
        ("wall_seconds", -1.0),
    ],
)
async def test_a_limit_beyond_its_ceiling_is_refused_not_lowered(opened, name: str, value: float) -> None:
    async with opened() as runner:
        asking = replace(phase("main", "true"), limits=replace(LIMITS, **{name: value}))
        with pytest.raises(ProviderInvalidError, match=name):
            await runner.run(job(asking))


async def test_inputs_too_big_to_copy_stop_the_phase(opened, tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(bytes(2 * MIB))
    async with opened(input_bytes=MIB) as runner:
        result = await run_one(
            runner,
            shell("true", mounts=(Mount("source", "/box", writable=True),)),
            inputs={"source": tmp_path},
        )
        assert (result.exit_code, result.limit_exceeded) == (None, "disk")


async def test_libraries_of_the_toolchain_are_mounted_on_demand(opened) -> None:
    mount = Mount("toolchain:python", "/libraries")
    script = "PYTHONPATH=../libraries python3 -c 'import pytest; print(pytest.__version__)'"
    async with opened() as runner:
        result = await run_one(runner, shell(script, mounts=(mount,)))
        assert result.stdout.decode().strip() == pytest.__version__
        assert pytest.__version__ in (await runner.probe()).toolchains["python"]


async def test_a_toolchain_that_does_not_work_is_left_out(opened) -> None:
    extra = [
        {"name": "shell", "version": ["sh", "-c", "echo shell 1"]},
        {"name": "broken", "version": ["no-such-compiler", "--version"]},
    ]
    async with opened(toolchains=extra) as runner:
        found = (await runner.probe()).toolchains
        assert found["shell"] == "shell 1"
        assert "broken" not in found


async def test_a_folder_that_cannot_be_written_is_said_at_the_start(opened, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ProviderUnavailableError, match="work folder"):
        async with opened(tmp_dir=tmp_path / "file"):
            pass


@pytest.mark.parametrize(
    "values",
    [
        {"unknown": 1},
        {"minimum_isolation": "container"},
        {"concurrency": 0},
        {"run_as_uid": 0},
        {"ceilings": {"memory_bytes": 0}},
        {"toolchains": [{"name": "Bad Name", "version": ["x"]}]},
    ],
    ids=str,
)
def test_wrong_settings_are_refused(values: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        LocalRunnerSettings.model_validate(values)


_ALL = "CapEff:\t000001ffffffffff\n"
_NONE = "CapEff:\t0000000000000000\n"
_WHOLE = "         0          0 4294967295\n"
_ONE = "         0       1000          1\n"


@pytest.mark.parametrize(
    ("euid", "status", "uid_map", "expected"),
    [(1000, _NONE, _WHOLE, 1000), (0, _ALL, _WHOLE, 64930), (0, _NONE, _WHOLE, 0), (0, _ALL, _ONE, 0)],
    ids=["ordinary user", "root", "root without capabilities", "root of a container with one user"],
)
def test_root_gives_way_to_another_user_where_it_can(
    euid: int, status: str, uid_map: str, expected: int
) -> None:
    assert sandbox_uid(64930, status, uid_map, euid) == expected


_MOUNTS_1 = """\
30 25 0:26 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
31 25 0:27 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids
32 25 0:28 /docker/abc /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
33 25 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
"""
_MEMBER_1 = "4:memory:/a/b\n3:pids:/\n2:cpu,cpuacct:/docker/abc/d\n0::/\n"


def test_control_groups_of_version_1_are_found_where_they_are_mounted() -> None:
    assert own_groups(_MOUNTS_1, _MEMBER_1) == (
        1,
        {
            "memory": Path("/sys/fs/cgroup/memory/a/b"),
            "pids": Path("/sys/fs/cgroup/pids"),
            "cpuacct": Path("/sys/fs/cgroup/cpu,cpuacct/d"),
        },
    )


def test_control_groups_of_version_2_need_their_controllers(tmp_path: Path) -> None:
    mounts = f"33 25 0:29 / {tmp_path} rw - cgroup2 cgroup2 rw\n"
    assert own_groups(mounts, "0::/user/service\n") == (0, {})
    (tmp_path / "user/service").mkdir(parents=True)
    (tmp_path / "user/service/cgroup.controllers").write_text("cpu memory pids\n")
    assert own_groups(mounts, "0::/user/service\n") == (2, {"unified": tmp_path / "user/service"})


def test_no_process_has_itself_for_a_descendant() -> None:
    assert descendants(2**22 + 1) == []
