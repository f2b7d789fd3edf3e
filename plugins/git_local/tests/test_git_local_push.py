"""Pushing with the real git: what core sees and when, what is refused and how it reads."""

import os
from typing import Any

import pytest
from computor_git_local.host import LocalGitHost
from computor_git_local.settings import GitLocalSettings

from computor_core.plugin_api.errors import ConflictError, UnavailableError
from computor_core.plugin_api.providers.git import Push, ReadTree, RefUpdate, RepositoryRef
from computor_core.testing.git_client import GitUser
from computor_core.testing.git_pushes import FakeCore

_ZERO = "0" * 40


async def test_core_decides_before_the_ref_moves_and_completes_after(
    host: LocalGitHost, repository: RepositoryRef, student: GitUser, core: FakeCore
) -> None:
    seen: list[str | None] = []

    async def look(*_: object) -> None:
        seen.append(await host.resolve(repository.external_id, "refs/heads/main"))

    core.pushes.on_begin = core.pushes.on_finish = look
    await student.start(repository)
    commit = await student.must("rev-parse", "HEAD")
    before = host.context.clock.now()
    await student.must("push", "origin", "main")
    after = host.context.clock.now()

    assert seen == [None, commit]
    (push,) = core.pushes.begun.values()
    assert push.instance == "default"
    assert push.external_id == repository.external_id
    assert push.principal.user_id == core.tokens["owner-token"]
    assert push.updates == (RefUpdate("refs/heads/main", _ZERO, commit),)
    assert before <= push.received_at <= after
    assert core.pushes.finished == {"push-1": frozenset({"refs/heads/main"})}


async def test_a_pushed_tree_can_be_read(
    host: LocalGitHost, repository: RepositoryRef, student: GitUser
) -> None:
    await student.start(repository)
    commit = await student.commit("print('ü')\n", "submit/week1/lösung.py")
    await student.must("push", "origin", "HEAD:refs/heads/submit/week1")
    async with host.read_tree(ReadTree(repository.external_id, commit, "submit")) as entries:
        read = [(entry.path, entry.content.decode()) async for entry in entries]
    assert read == [("week1/lösung.py", "print('ü')\n")]


async def test_several_refs_move_in_one_push(
    repository: RepositoryRef, student: GitUser, core: FakeCore
) -> None:
    await student.start(repository)
    await student.must("tag", "-a", "v1", "-m", "annotated")
    await student.must("push", "origin", "main", "main:submit/week1", "v1")
    assert core.pushes.finished["push-1"] == {"refs/heads/main", "refs/heads/submit/week1", "refs/tags/v1"}


async def test_a_deleted_branch_has_moved(
    host: LocalGitHost, repository: RepositoryRef, student: GitUser, core: FakeCore
) -> None:
    await student.start(repository)
    commit = await student.must("rev-parse", "HEAD")
    await student.must("push", "origin", "main:old")
    await student.must("push", "origin", ":old")
    assert core.pushes.begun["push-2"].updates == (RefUpdate("refs/heads/old", commit, _ZERO),)
    assert core.pushes.finished["push-2"] == {"refs/heads/old"}
    assert await host.resolve(repository.external_id, "refs/heads/old") is None


async def test_nothing_new_is_no_push(repository: RepositoryRef, student: GitUser, core: FakeCore) -> None:
    await student.start(repository)
    await student.must("push", "origin", "main")
    await student.must("push", "origin", "main")
    assert list(core.pushes.finished) == ["push-1"]


async def test_cores_messages_reach_the_terminal(
    repository: RepositoryRef, student: GitUser, core: FakeCore
) -> None:
    core.pushes.messages = ("Submission 1 of 3 received.", "", "x" * 3000, "two\nlines")
    await student.start(repository)
    ran = await student.git("push", "origin", "main")
    lines = [line.removeprefix("remote: ").rstrip() for line in ran.messages.splitlines()]
    assert "Submission 1 of 3 received." in lines
    assert "two" in lines
    assert "lines" in lines
    assert "x" * 3000 in lines


async def test_no_message_can_steer_the_terminal(
    repository: RepositoryRef, student: GitUser, core: FakeCore
) -> None:
    core.pushes.messages = ("a\x1b[2Jb\x07c\u202ed\x9be",)
    core.pushes.refused = {"refs/heads/no": "f\x1b[2Jg\th\nremote: i\x9bj"}
    await student.start(repository)
    ran = await student.git("push", "origin", "main", "main:no")
    assert not any(char in ran.messages for char in "\x07\u202e\x9b")
    # git itself clears the rest of a line with ESC [ K on terminals alone
    assert "\x1b" not in ran.messages
    assert "a\N{REPLACEMENT CHARACTER}[2Jb" in ran.messages
    assert "f [2Jg h remote: i j" in ran.messages


async def test_a_message_is_shown_without_side_bands_to_nobody(
    repository: RepositoryRef, student: GitUser, core: FakeCore, raw: Any
) -> None:
    """A client without side bands still gets a correct answer."""
    core.pushes.messages = ("for nobody",)
    await student.start(repository)
    commit = await student.must("rev-parse", "HEAD")
    pack = await raw.pack(student, commit)
    answer = await raw.post(
        repository, raw.head([(_ZERO, commit, "refs/heads/main")], "report-status") + pack
    )
    assert answer.status_code == 200
    assert answer.content == b"000eunpack ok\n0017ok refs/heads/main\n0000"
    assert core.pushes.finished == {"push-1": frozenset({"refs/heads/main"})}


# --- refusals ---------------------------------------------------------------------------------


async def test_a_refused_ref_stays_and_the_others_move(
    host: LocalGitHost, repository: RepositoryRef, student: GitUser, core: FakeCore
) -> None:
    core.pushes.refused = {"refs/heads/submit/week1": "The assignment week1 closed on Friday."}
    await student.start(repository)
    commit = await student.must("rev-parse", "HEAD")
    ran = await student.git("push", "origin", "main", "main:submit/week1")
    assert ran.status != 0
    assert "remote: The assignment week1 closed on Friday." in ran.messages
    assert await host.resolve(repository.external_id, "refs/heads/submit/week1") is None
    assert await host.resolve(repository.external_id, "refs/heads/main") == commit
    assert core.pushes.finished == {"push-1": frozenset({"refs/heads/main"})}


async def test_an_atomic_push_with_a_refused_ref_moves_nothing(
    host: LocalGitHost, repository: RepositoryRef, student: GitUser, core: FakeCore
) -> None:
    core.pushes.refused = {"refs/heads/submit/week1": "The assignment week1 closed on Friday."}
    await student.start(repository)
    ran = await student.git("push", "--atomic", "origin", "main", "main:submit/week1")
    assert ran.status != 0
    assert await host.resolve(repository.external_id, "refs/heads/main") is None
    assert core.pushes.finished == {"push-1": frozenset()}


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (
            ConflictError("The course is archived.", hint="Ask your lecturer."),
            "The course is archived. Ask your lecturer.",
        ),
        (UnavailableError("The database is away."), "The database is away."),
    ],
)
async def test_an_error_of_core_refuses_the_whole_push(
    host: LocalGitHost,
    repository: RepositoryRef,
    student: GitUser,
    core: FakeCore,
    error: Exception,
    sentence: str,
) -> None:
    async def refuse(push: Push) -> None:
        raise error

    core.pushes.on_begin = refuse
    await student.start(repository)
    ran = await student.git("push", "origin", "main", "main:other")
    assert ran.status != 0
    assert f"remote: {sentence}" in ran.messages
    assert await host.resolve(repository.external_id, "refs/heads/main") is None
    assert core.pushes.finished == {}


@pytest.mark.parametrize(
    ("ref", "sentence"),
    [
        ("refs/computor/keep/mine", "Refs below refs/computor belong to the server."),
        ("refs/notes/commits", "Only branches and tags can be pushed here."),
        ("refs/replace/" + "1" * 40, "Only branches and tags can be pushed here."),
        ("refs/pull/1/head", "Only branches and tags can be pushed here."),
    ],
)
async def test_refs_that_are_no_branch_or_tag_are_refused(
    host: LocalGitHost, repository: RepositoryRef, student: GitUser, core: FakeCore, ref: str, sentence: str
) -> None:
    await student.start(repository)
    ran = await student.git("push", "origin", f"main:{ref}", "main")
    assert ran.status != 0
    # refs/computor is hidden from receive-pack, which then speaks before the hook does
    assert sentence in ran.messages or "deny updating a hidden ref" in ran.messages
    assert await host.resolve(repository.external_id, ref) is None
    assert core.pushes.finished == {"push-1": frozenset({"refs/heads/main"})}
    assert [update.ref for update in core.pushes.begun["push-1"].updates] == ["refs/heads/main"]


async def test_a_server_ref_cannot_be_deleted(
    host: LocalGitHost, repository: RepositoryRef, student: GitUser, core: FakeCore, raw: Any
) -> None:
    await student.start(repository)
    commit = await student.must("rev-parse", "HEAD")
    await student.must("push", "origin", "main")
    await host.keep(repository.external_id, commit, "one")
    head = raw.head([(commit, _ZERO, "refs/computor/keep/one")], "report-status delete-refs")
    answer = await raw.post(repository, head)
    assert b"ng refs/computor/keep/one" in answer.content
    assert await host.resolve(repository.external_id, "refs/computor/keep/one") == commit


async def test_a_branch_name_that_is_not_utf8_is_refused(
    host: LocalGitHost, repository: RepositoryRef, student: GitUser, core: FakeCore, raw: Any
) -> None:
    await student.start(repository)
    commit = await student.must("rev-parse", "HEAD")
    body = raw.head([(_ZERO, commit, b"refs/heads/\xfcbung")], "report-status side-band-64k")
    answer = await raw.post(repository, body + await raw.pack(student, commit))
    assert b"The name of a branch or tag must be UTF-8." in answer.content
    assert b"ng refs/heads/\xfcbung" in answer.content
    assert core.pushes.begun == {}


class TestManyRefs:
    @pytest.fixture
    def settings(self) -> GitLocalSettings:
        return GitLocalSettings(max_refs_per_push=5)

    async def test_a_flood_of_refs_is_refused_as_a_whole(
        self, host: LocalGitHost, repository: RepositoryRef, student: GitUser, core: FakeCore
    ) -> None:
        await student.start(repository)
        many = [f"main:branch-{number}" for number in range(6)]
        ran = await student.git("push", "origin", *many)
        assert "remote: This push has 6 branches and tags; at most 5 are allowed." in ran.messages
        assert await host.resolve(repository.external_id, "refs/heads/branch-0") is None
        assert core.pushes.begun == {}
        await student.must("push", "origin", *many[:5])

    async def test_a_list_of_refs_without_end_is_cut_off(
        self, repository: RepositoryRef, student: GitUser, core: FakeCore, raw: Any
    ) -> None:
        refs = [(_ZERO, "1" * 40, f"refs/heads/{number:0100d}") for number in range(9000)]
        answer = await raw.post(repository, raw.head(refs, "report-status"))
        assert answer.status_code == 413
        assert core.pushes.begun == {}


class TestFullRepository:
    @pytest.fixture
    def settings(self) -> GitLocalSettings:
        return GitLocalSettings(max_repository_bytes=1024 * 1024)

    async def test_a_repository_at_its_limit_takes_no_more(
        self, host: LocalGitHost, repository: RepositoryRef, student: GitUser, core: FakeCore
    ) -> None:
        await student.start(repository)
        (student.folder / "large.bin").write_bytes(bytes(range(256)) * 100 + os.urandom(1_200_000))
        await student.commit("large")
        await student.must("push", "origin", "main")
        await student.commit("one more")
        ran = await student.git("push", "origin", "main")
        assert "remote: The repository has reached its size limit of 1048576 bytes." in ran.messages
        assert list(core.pushes.begun) == ["push-1"]


async def test_a_force_push_to_a_protected_branch_is_refused_with_a_sentence(
    host: LocalGitHost, repository: RepositoryRef, student: GitUser, core: FakeCore
) -> None:
    await student.start(repository)
    await student.must("push", "origin", "main")
    await host.protect_branch(repository.external_id, "main")
    good = await student.commit("second")
    await student.must("push", "origin", "main")
    await student.must("reset", "--hard", "HEAD~1")
    await student.commit("rewritten")
    ran = await student.git("push", "--force", "origin", "main")
    assert "remote: refs/heads/main is protected: a push must build on what is there." in ran.messages
    assert await host.resolve(repository.external_id, "refs/heads/main") == good
    await student.must("push", "--force", "origin", "main:free")
    await student.must("reset", "--hard", good)
    await student.must("push", "--force", "origin", "main:free")
    assert core.pushes.finished["push-3"] == frozenset()


async def test_a_protected_branch_cannot_be_deleted_with_a_sentence(
    host: LocalGitHost, repository: RepositoryRef, student: GitUser
) -> None:
    await student.start(repository)
    await student.must("push", "origin", "main:guarded")
    await host.protect_branch(repository.external_id, "guarded")
    ran = await student.git("push", "origin", ":guarded")
    assert "remote: refs/heads/guarded is protected: it can't be deleted." in ran.messages


async def test_a_ref_that_moved_meanwhile_is_not_overwritten(
    host: LocalGitHost, repository: RepositoryRef, student: GitUser, core: FakeCore, raw: Any
) -> None:
    await student.start(repository)
    await student.must("push", "origin", "main")
    first = await student.must("rev-parse", "HEAD")
    second = await student.commit("second")
    third = await student.commit("third")
    pack = await raw.pack(student, third)
    await student.must("push", "origin", "main")
    body = raw.head([(first, second, "refs/heads/main")], "report-status") + pack
    answer = await raw.post(repository, body)
    assert b"ng refs/heads/main" in answer.content
    assert await host.resolve(repository.external_id, "refs/heads/main") == third
    assert core.pushes.finished["push-3"] == frozenset()
