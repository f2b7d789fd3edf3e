"""What a sandbox's ``/proc`` shows: its own processes, and nothing that counts those of others."""

import os
import sys
from pathlib import Path

import pytest
from computor_runner_local.launcher.proc_files import hidden_paths

from computor_core.plugin_api.providers.runner import Isolation
from computor_core.testing.runner_jobs import python, run_one

LEVELS = [Isolation.BUBBLEWRAP, Isolation.NAMESPACES]

_READ_ALL = """
import os
SHOWN = {"cmdline", "cpuinfo", "devices", "filesystems", "meminfo", "version"}
for folder, folders, files in os.walk("/proc"):
    if folder == "/proc":
        folders[:] = [name for name in folders if not name.isdecimal() and name != "sysvipc"]
        files = [name for name in files if name not in SHOWN and not os.path.islink("/proc/" + name)]
    if folder == "/proc/sys":
        folders[:] = ["fs"]
    if folder == "/proc/sys/kernel":
        folders[:] = ["pty"]
    for name in files:
        try:
            with open(f"{folder}/{name}", "rb", buffering=0) as file:
                if file.read(1):
                    print("shown:", f"{folder}/{name}")
        except PermissionError:
            pass
for name in ("stat", "loadavg", "sys/fs/new", "fs/new"):
    try:
        with open(f"/proc/{name}", "wb") as file:
            file.write(b"x")
        with open(f"/proc/{name}", "rb") as file:
            assert not file.read(1), name
    except OSError:
        pass
print("looked")
"""
_ORDINARY = """
import os, subprocess
assert os.cpu_count() >= 1 and os.sysconf("SC_NPROCESSORS_ONLN") >= 1
assert "MemTotal" in open("/proc/meminfo").read()
assert open("/proc/cpuinfo").read()
assert open("/proc/self/stat").read() and open("/proc/self/status").read() and os.listdir("/proc/self/fd")
assert open("/proc/mounts").read()
assert open("/proc/sys/kernel/osrelease").read().strip() == os.uname().release
assert subprocess.run(["sh", "-c", "exit 3"]).returncode == 3
print("all well")
"""


@pytest.mark.parametrize("level", LEVELS)
async def test_no_counter_of_the_machine_can_be_read(opened, level: Isolation) -> None:
    async with opened(level, Isolation.NONE) as runner:
        found = await runner.probe()
        if found.isolation is not level:
            pytest.skip(f"{level.value} doesn't work here: {found.refusals[level]}")
        result = await run_one(runner, python(_READ_ALL))
        assert result.stdout.decode().splitlines() == ["looked"], result.stderr


@pytest.mark.parametrize("level", LEVELS)
async def test_what_programs_ask_for_is_there(opened, level: Isolation) -> None:
    async with opened(level, Isolation.NONE) as runner:
        found = await runner.probe()
        if found.isolation is not level:
            pytest.skip(f"{level.value} doesn't work here: {found.refusals[level]}")
        result = await run_one(runner, python(_ORDINARY))
        if b"/proc/meminfo" in result.stderr and level is Isolation.NAMESPACES:
            pytest.skip("the kernel allows no /proc of a sandbox's own here")
        assert result.stdout == b"all well\n", result.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_what_is_hidden_is_there_and_no_process_of_anybody() -> None:
    hidden = hidden_paths("/proc")
    assert {"stat", "vmstat", "loadavg", "uptime"} <= set(hidden.files)
    assert "sys/fs" in hidden.folders
    assert all(Path("/proc", name).is_dir() for name in hidden.folders)
    assert not [name for name in (*hidden.files, *hidden.folders) if name.isdecimal() or name == "self"]
    assert str(os.getpid()) not in hidden.folders


def test_an_empty_directory_has_nothing_to_hide(tmp_path: Path) -> None:
    hidden = hidden_paths(str(tmp_path))
    assert (hidden.files, hidden.folders) == ((), ())
