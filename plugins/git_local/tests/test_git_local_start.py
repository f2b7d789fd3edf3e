"""Starting: what is missing, wrong or left over, and what the plugin registers."""

import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from computor_git_local.host import MOUNT, LocalGitHost, open_host
from computor_git_local.http import create_app
from computor_git_local.open_hosts import find_host
from computor_git_local.plugin import Plugin
from computor_git_local.settings import GitLocalSettings
from pydantic import ValidationError

from computor_core.plugin_api.errors import (
    ConfigurationError,
    ProviderConflictError,
    ProviderUnavailableError,
)
from computor_core.plugin_api.providers.base import AppContext, HealthState
from computor_core.plugin_api.providers.git import CommitTree, EnsureRepository, RepositoryRef, TreeFile
from computor_core.testing.git_client import GitUser


async def _refused(settings: GitLocalSettings, context: AppContext, match: str) -> ConfigurationError:
    with pytest.raises(ConfigurationError, match=match) as caught:
        async with open_host(settings, context):
            pytest.fail("opened")
    assert caught.value.exit_status == 78
    assert caught.value.hint
    return caught.value


async def test_a_missing_git_is_one_clear_error(context: AppContext) -> None:
    await _refused(GitLocalSettings(git="no-such-git"), context, "git program 'no-such-git' isn't there")


@pytest.mark.parametrize("output", ["git version 2.20.1", "git version 1.9", "nonsense", ""])
async def test_a_git_that_is_too_old_or_none_is_one_clear_error(
    context: AppContext, tmp_path: Path, output: str
) -> None:
    program = tmp_path / "old-git"
    program.write_text(f"#!/bin/sh\necho '{output}'\n")
    program.chmod(0o755)
    await _refused(GitLocalSettings(git=str(program)), context, "at least git 2.34 is needed")


async def test_a_file_in_place_of_the_folder_is_one_clear_error(context: AppContext, tmp_path: Path) -> None:
    occupied = tmp_path / "occupied"
    occupied.write_text("a file")
    error = await _refused(GitLocalSettings(), replace(context, data_dir=occupied), "can't be used")
    assert str(occupied) in error.message


# Opens a host on a file system of its own, mounted in a private mount namespace.
_ON_A_MOUNT = """
import asyncio, logging, subprocess, sys
from pathlib import Path
root = Path(sys.argv[1])
mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "noexec", "none", str(root)], capture_output=True)
if mounted.returncode:
    print("NO MOUNT", mounted.stderr.decode())
    raise SystemExit(0)
from computor_core.clock import SystemClock
from computor_core.plugin_api.errors import ConfigurationError
from computor_core.plugin_api.providers.base import AppContext
from computor_git_local.host import open_host
from computor_git_local.settings import GitLocalSettings
if sys.argv[2] == "ro":
    subprocess.run(["mount", "-o", "remount,ro", str(root)], check=True)
context = AppContext("default", "git_local", root, "", SystemClock(), logging.getLogger(), None)

async def main():
    try:
        async with open_host(GitLocalSettings(), context):
            print("opened")
    except ConfigurationError as error:
        print(error.message.replace(str(root), "ROOT"))

asyncio.run(main())
"""


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        ("noexec", "can't be executed."),
        ("ro", "The folder ROOT of the git host can't be used: Read-only file system."),
    ],
)
def test_a_file_system_that_cannot_serve_is_one_clear_error(
    tmp_path: Path, option: str, sentence: str
) -> None:
    """On ``noexec`` git would skip the hooks without a word, and every push would pass."""
    unshare = ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-Urm"]
    try:
        run = subprocess.run(
            [*unshare, sys.executable, "-c", _ON_A_MOUNT, str(tmp_path), option],
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        pytest.skip("no unshare on this system")
    if run.stdout.startswith("NO MOUNT") or (run.returncode and run.stderr.startswith("unshare")):
        pytest.skip(f"no private mount here: {run.stdout or run.stderr}")
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip().endswith(sentence)


async def test_what_processes_left_that_died_goes_when_it_is_old(context: AppContext) -> None:
    async with open_host(GitLocalSettings(), context) as host:
        age = host.stale_age
    for parent in ("staging", "trash"):
        for name in ("young", "old"):
            (context.data_dir / parent / name / "below").mkdir(parents=True)
        past = time.time() - age - 60
        os.utime(context.data_dir / parent / "old", (past, past))
    async with open_host(GitLocalSettings(), context):
        left = {f"{path.parent.name}/{path.name}" for path in context.data_dir.glob("[st]*/*")}
    assert left == {"staging/young"}


async def test_the_pushes_of_a_living_process_stay_and_of_a_dead_one_go(context: AppContext) -> None:
    pushes = context.data_dir / "pushes"
    (pushes / "dead" / "push").mkdir(parents=True)
    (pushes / "dead" / "alive").touch()
    (pushes / ".being-made").mkdir()
    async with open_host(GitLocalSettings(), context) as first:
        async with open_host(GitLocalSettings(), context) as second:
            left = {path.name for path in pushes.iterdir()}
            assert left == {".being-made", first.gates.folder.name, second.gates.folder.name}
        assert first.gates.folder.is_dir()
    assert [path.name for path in pushes.iterdir()] == [".being-made"]


async def test_an_unfinished_push_goes_when_it_is_old(host: LocalGitHost, repository: RepositoryRef) -> None:
    folder = await host.find(repository.external_id)
    for name in ("tmp_objdir-incoming-young", "tmp_objdir-incoming-old", "incoming-old"):
        (folder / "objects" / name / "pack").mkdir(parents=True)
    past = time.time() - host.stale_age - 60
    for path in folder.glob("objects/*-old"):
        os.utime(path, (past, past))
    await host.clear_leftovers(folder, [])
    assert [path.name for path in folder.glob("objects/*incoming-*")] == ["tmp_objdir-incoming-young"]


async def test_a_stale_lock_is_removed_and_a_fresh_one_respected(
    host: LocalGitHost, repository: RepositoryRef, student: GitUser
) -> None:
    await student.start(repository)
    await student.must("push", "origin", "main")
    folder = await host.find(repository.external_id)
    lock = folder / "refs/heads/main.lock"
    lock.touch()
    await student.commit("second")
    assert (await student.git("push", "origin", "main")).status != 0
    assert lock.exists()
    commit = CommitTree(repository.external_id, "main", [TreeFile("a", b"a")], "m", "Kit", "kit@example.org")
    with pytest.raises(ProviderUnavailableError):
        await host.commit_tree(commit)
    past = time.time() - host.stale_age - 60
    os.utime(lock, (past, past))
    await student.must("push", "origin", "main")
    assert not lock.exists()


async def test_a_colliding_branch_is_a_conflict(host: LocalGitHost) -> None:
    ref = await host.ensure_repository(EnsureRepository("course/template", "Template"))
    commit = CommitTree(ref.external_id, "week1", [TreeFile("a", b"a")], "m", "Kit", "kit@example.org")
    await host.commit_tree(commit)
    with pytest.raises(ProviderConflictError, match="beginning of"):
        await host.commit_tree(replace(commit, branch="week1/solution"))


async def test_something_else_in_the_repositorys_place_is_a_conflict(
    host: LocalGitHost, context: AppContext
) -> None:
    (context.data_dir / "repositories/course/template.git").mkdir(parents=True)
    with pytest.raises(ProviderConflictError):
        await host.ensure_repository(EnsureRepository("course/template", "Template"))


async def test_an_embedded_core_has_no_addresses(context: AppContext) -> None:
    async with open_host(GitLocalSettings(), replace(context, public_url="")) as host:
        ref = await host.ensure_repository(EnsureRepository("course/template", "Template"))
    assert ref.http_url == ""


async def test_another_default_branch(context: AppContext) -> None:
    async with open_host(GitLocalSettings(default_branch="trunk"), context) as host:
        ref = await host.ensure_repository(EnsureRepository("course/template", "Template"))
    assert ref.default_branch == "trunk"
    async with open_host(GitLocalSettings(), context) as host:
        again = await host.ensure_repository(EnsureRepository("course/template", "Template"))
        fork = await host.ensure_repository(EnsureRepository("course/fork", "Fork", ref.external_id))
    assert again.default_branch == fork.default_branch == "trunk"


async def test_many_pushes_are_packed_together(host: LocalGitHost) -> None:
    ref = await host.ensure_repository(EnsureRepository("course/template", "Template"))
    commit = CommitTree(ref.external_id, "main", [], "m", "Kit", "kit@example.org")
    for number in range(35):
        await host.commit_tree(replace(commit, files=[TreeFile("a", b"%d" % number)]))
    packs = list((await host.find(ref.external_id)).glob("objects/pack/*.pack"))
    assert len(packs) < 30


async def test_health_names_what_is_there(host: LocalGitHost, context: AppContext) -> None:
    health = await host.health()
    assert health.state is HealthState.OK
    assert health.facts["memory_limit"] in {"kernel", "none"}
    (context.data_dir / "staging").rmdir()
    assert (await host.health()).state is HealthState.DOWN


async def test_a_closed_host_is_served_no_more(context: AppContext) -> None:
    async with open_host(GitLocalSettings(), context) as host:
        assert find_host(context.services, "default") is host
    assert find_host(context.services, "default") is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"path": "/tmp"},
        {"transfers": 0},
        {"max_push_bytes": 1},
        {"default_branch": "a..b"},
        {"memory_limit": "1MiB"},
    ],
)
def test_wrong_settings_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        GitLocalSettings.model_validate(wrong)


def test_the_registrations_name_what_there_is() -> None:
    (git,) = Plugin().computor_git_hosts()
    assert git.capabilities == {capability.value for capability in LocalGitHost.capabilities}
    assert git.factory == f"{open_host.__module__}:{open_host.__name__}"
    assert git.settings == f"{GitLocalSettings.__module__}:{GitLocalSettings.__name__}"
    (router,) = Plugin().computor_routers()
    assert router.target == f"{create_app.__module__}:{create_app.__name__}"
    assert (router.kind, router.mount, router.access) == ("asgi", MOUNT, "own")
