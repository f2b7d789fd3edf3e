"""The whole way of a push: the real git command, the host's smart HTTP, core, and back to the terminal."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from computor_fastapi_host import create_app, lifespan

from computor_core.plugin_api.providers.auth import AuthProvider, SetPassword
from computor_core.testing.git_client import GitUser
from tests.e2e.host_harness import PASSWORD, Host, client_for, listening
from tests.support.deployment import Classroom, Deployment, Person
from tests.support.pushing import clone_of

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def token_of(site: Deployment, host: Host, person: Person) -> str:
    await site.app.providers.get(AuthProvider, "default").set_password(SetPassword(person.user.id, PASSWORD))
    answer = await host.client.post(
        "/api/v1/auth/sign-in", json={"login": person.user.email, "password": PASSWORD}
    )
    assert answer.status_code == 200, answer.text
    token: str = answer.json()["token"]
    return token


async def test_git_push_answers_with_a_receipt_for_each_directory_and_the_reason_for_each_refusal(
    site: Deployment, room: Classroom, tmp_path: Path
) -> None:
    site.clock.catch_up()  # sessions end by the real time
    hello = await room.assignment("week.hello")
    await room.assignment("week.closed", closes_at=site.clock.now())
    clone = await clone_of(room, room.student, tmp_path / "scratch")
    app = create_app(site.app, run=False)
    async with lifespan(app), client_for(app) as client, listening(app) as address:
        host = Host(app, site.app, client)
        user = GitUser(tmp_path / "work", await token_of(site, host, room.student))
        user.folder.mkdir()
        url = f"{address}/git/{clone.repository.external_id}.git".replace("://", f"://x:{user.token}@")
        await user.must("init", "--quiet", "--initial-branch=main", ".")
        await user.commit("echo 42\n", "week/hello/answer.sh")
        refs = [f"HEAD:refs/heads/{name}" for name in ("main", "submit/week/hello", "submit/week/closed")]
        ran = await user.git("push", url, *refs)
        stranger = await user.git(
            "ls-remote", url.replace(user.token, await token_of(site, host, await room.join()))
        )
    assert ran.status == 1
    assert "week/hello: submitted, receipt 1" in ran.messages
    assert "the assignment is closed" in ran.messages
    assert "submit/week/closed" in ran.messages
    assert len(await site.artifacts(hello)) == 1
    assert await clone.states() == ["submitted"]
    assert stranger.status != 0
    assert set(await _branches(clone.bare)) == {"main", "submit/week/hello"}


async def test_a_forced_push_from_another_clone_submits_again_and_nothing_is_lost(
    site: Deployment, room: Classroom, tmp_path: Path
) -> None:
    site.clock.catch_up()
    again = await room.assignment("week.again")
    clone = await clone_of(room, room.student, tmp_path / "scratch")
    app = create_app(site.app, run=False)
    async with lifespan(app), client_for(app) as client, listening(app) as address:
        token = await token_of(site, Host(app, site.app, client), room.student)
        url = f"{address}/git/{clone.repository.external_id}.git".replace("://", f"://x:{token}@")
        for computer, content in (("home", "echo 1\n"), ("lab", "echo 2\n")):
            user = GitUser(tmp_path / computer, token)
            user.folder.mkdir()
            await user.must("init", "--quiet", "--initial-branch=main", ".")
            await user.commit(content, "week/again/answer.sh")
            ran = await user.git("push", "--force", url, "HEAD:submit/week/again")
            assert ran.status == 0, ran.messages
    assert len(await site.artifacts(again)) == 2
    assert await clone.states() == ["submitted", "submitted"]


async def _branches(bare: Path) -> list[str]:
    listed = await asyncio.create_subprocess_exec(
        *("git", "-C", str(bare), "for-each-ref", "--format=%(refname:lstrip=2)", "refs/heads"),
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await listed.communicate()
    return output.decode().split()
