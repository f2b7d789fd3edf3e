"""Git pushes: whatever dies or is away in between, a push that moved its ref is submitted once."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from sqlalchemy import update

from computor_core.errors import ComputorError, NotFoundError
from computor_core.model import CourseContent, User
from computor_core.plugin_api.providers.git import Push, RefUpdate, TreeEntry
from computor_core.plugin_api.providers.storage import StorageBackend
from computor_core.services.pushes import MOVED_AGE
from tests.support.deployment import Classroom, Deployment, failing
from tests.support.pushing import ZEROS, Clone, clone_of, submit

pytestmark = pytest.mark.asyncio(loop_scope="module")

HELLO = "week/hello"
REF = submit(HELLO)
FILES = {f"{HELLO}/answer.sh": b"echo 42\n", f"{HELLO}/deep/notes.txt": b"notes", "other.txt": b"elsewhere"}


@pytest_asyncio.fixture(loop_scope="module")
async def assignment(room: Classroom) -> CourseContent:
    return await room.assignment("week.hello")


@pytest_asyncio.fixture(loop_scope="module")
async def clone(room: Classroom, assignment: CourseContent, tmp_path: Path) -> Clone:
    return await clone_of(room, room.student, tmp_path / "clone")


async def moved(clone: Clone, **changes: object) -> tuple[str, str]:
    """A push whose ref has moved and whose end nobody has told core yet: its id and its commit."""
    commit = await clone.commit(FILES)
    decision = await clone.begin({HELLO: commit}, **changes)
    assert decision.refused == {}
    await clone.move(REF, commit)
    return decision.push_id, commit


async def finish(clone: Clone, push_id: str, *refs: str) -> tuple[str, ...]:
    outcome = await clone.site.app.services.pushes.finish(push_id, frozenset(refs))
    return outcome.messages


def wait_for_the_sweeper(clone: Clone) -> None:
    clone.site.clock.advance(seconds=clone.host.longest_push.total_seconds() + 1)


# --- the ordinary course --------------------------------------------------------------------------


async def test_a_push_submits_its_directory_and_says_so(
    site: Deployment, room: Classroom, clone: Clone, assignment: CourseContent
) -> None:
    push_id, commit = await moved(clone)
    (message,) = await finish(clone, push_id, REF)
    (artifact,) = await site.artifacts(assignment)
    (intent,) = await clone.intents()
    assert (intent.state, intent.artifact_id) == ("submitted", artifact.id)
    assert message.startswith(f"{HELLO}: submitted, receipt 1 ")
    assert (artifact.transport, artifact.git_commit, artifact.official) == ("git", commit, True)
    assert [item["path"] for item in artifact.files] == ["answer.sh", "deep/notes.txt"]
    uploaded = await site.submit(
        room.student, assignment, {"answer.sh": b"echo 42\n", "deep/notes.txt": b"notes"}
    )
    assert uploaded.tree_hash == artifact.tree_hash
    kept = await clone.host.resolve(clone.repository.external_id, f"refs/computor/keep/{intent.id.hex}")
    assert kept == commit


async def test_two_directories_in_one_push_are_two_submissions(
    site: Deployment, room: Classroom, clone: Clone, assignment: CourseContent
) -> None:
    second = await room.assignment("week.bye")
    commit = await clone.commit(FILES | {"week/bye/answer.sh": b"echo 41\n"})
    decision = await clone.begin({HELLO: commit, "week/bye": commit})
    for ref in (REF, submit("week/bye")):
        await clone.move(ref, commit)
    messages = await finish(clone, decision.push_id, REF, submit("week/bye"))
    assert [text.partition(":")[0] for text in messages] == [HELLO, "week/bye"]
    assert await clone.states() == ["submitted", "submitted"]
    assert len(await site.artifacts(assignment)) == len(await site.artifacts(second)) == 1


async def test_a_ref_that_didnt_move_is_discarded(
    site: Deployment, clone: Clone, assignment: CourseContent
) -> None:
    decision = await clone.begin({HELLO: await clone.commit(FILES)})
    assert await finish(clone, decision.push_id) == ()
    assert await clone.states() == ["discarded"]
    assert await site.artifacts(assignment) == []


async def test_other_branches_are_free_and_deleting_submits_nothing(site: Deployment, clone: Clone) -> None:
    commit = await clone.commit(FILES)
    push = Push(
        instance="default",
        external_id=clone.repository.external_id,
        principal=clone.owner.principal,
        updates=(RefUpdate("refs/heads/main", ZEROS, commit), RefUpdate(REF, commit, ZEROS)),
        received_at=site.clock.now(),
    )
    decision = await site.app.services.pushes.begin(push)
    assert decision.refused == {}
    assert await clone.intents() == []
    assert await finish(clone, decision.push_id, "refs/heads/main", REF) == ()


async def test_a_push_counts_from_when_its_request_began(
    site: Deployment, room: Classroom, clone: Clone
) -> None:
    due = site.clock.now() + timedelta(hours=1)
    closing = await room.assignment("week.closing", due_at=due, closes_at=due + timedelta(hours=1))
    commit = await clone.commit({"week/closing/answer.sh": b"echo 42\n"})
    decision = await clone.begin({"week/closing": commit}, received_at=due)
    await clone.move(submit("week/closing"), commit)
    site.clock.advance(hours=3)
    (message,) = await finish(clone, decision.push_id, submit("week/closing"))
    assert ": submitted" in message
    assert [row.received_at for row in await site.artifacts(closing)] == [due]


# --- what is refused before the ref moves ---------------------------------------------------------


async def test_what_cant_be_submitted_is_refused_by_name_and_the_rest_goes_on(
    site: Deployment, room: Classroom, clone: Clone, assignment: CourseContent
) -> None:
    hour = timedelta(hours=1)
    await room.assignment("week.closed", closes_at=site.clock.now())
    await room.assignment("week.later", releases_at=site.clock.now() + hour)
    await room.assignment("week.draft", released=False)
    spent = await room.assignment("week.spent", max_attempts=1)
    await site.submit(room.student, spent)
    commit = await clone.commit(FILES)
    wrong = ["week/closed", "week/later", "week/draft", "week/spent", "week", "week/nothing", "week.hello"]
    decision = await clone.begin(dict.fromkeys([*wrong, HELLO], commit))
    said = {ref.removeprefix(submit("")): text for ref, text in decision.refused.items()}
    unknown = {name: f"this course has no assignment {name}" for name in wrong if name != "week/closed"}
    assert said == unknown | {
        "week/closed": "the assignment is closed",
        "week/spent": "all 1 attempts are used",
    }
    await clone.move(REF, commit)
    await finish(clone, decision.push_id, REF)
    assert await clone.states() == ["submitted"]


async def test_another_courses_assignment_isnt_found(site: Deployment, room: Classroom, clone: Clone) -> None:
    course = await site.world.course(await site.world.family(room.organization))
    await site.world.content(course, "elsewhere")
    decision = await clone.begin({"elsewhere": await clone.commit(FILES)})
    assert decision.refused == {submit("elsewhere"): "this course has no assignment elsewhere"}


async def test_nobody_but_the_owner_pushes(room: Classroom, clone: Clone) -> None:
    commit = await clone.commit(FILES)
    for person in (room.tutor, room.lecturer, await room.join()):
        with pytest.raises(NotFoundError):
            await clone.begin({HELLO: commit}, person=person)
    assert await clone.intents() == []


# --- what is refused when the files are read ------------------------------------------------------


@pytest.mark.parametrize(
    ("entries", "says"),
    [
        pytest.param([TreeEntry("other.txt", 0o100644, b"")], f"no directory {HELLO}/", id="no directory"),
        pytest.param(
            [TreeEntry(f"{HELLO}/passwd", 0o120000, b"/etc/passwd")],
            "passwd is a link or a submodule",
            id="symbolic link",
        ),
        pytest.param(
            [TreeEntry(f"{HELLO}/module", 0o160000, b"1" * 40)],
            "module is a link or a submodule",
            id="submodule",
        ),
        pytest.param(
            [TreeEntry(f"{HELLO}/{name}", 0o100644, b"") for name in ("a.txt", "A.txt")],
            "stands twice",
            id="the same name twice",
        ),
        pytest.param([TreeEntry(f"{HELLO}/a\\b", 0o100644, b"")], "backslash", id="backslash"),
    ],
)
async def test_a_directory_that_cant_be_taken_is_refused_with_the_reason(
    site: Deployment, clone: Clone, assignment: CourseContent, entries: list[TreeEntry], says: str
) -> None:
    commit = await clone.commit(entries)
    decision = await clone.begin({HELLO: commit})
    await clone.move(REF, commit)
    (message,) = await finish(clone, decision.push_id, REF)
    assert message.startswith(f"{HELLO}: NOT submitted: ")
    assert says in message
    (intent,) = await clone.intents()
    assert (intent.state, intent.artifact_id) == ("refused", None)
    assert await site.artifacts(assignment) == []
    assert list((site.app.settings.data_dir / "spool").iterdir()) == []


async def test_an_executable_file_stays_one(
    site: Deployment, clone: Clone, assignment: CourseContent
) -> None:
    commit = await clone.commit([TreeEntry(f"{HELLO}/answer.sh", 0o100755, b"echo 42\n")])
    decision = await clone.begin({HELLO: commit})
    await clone.move(REF, commit)
    await finish(clone, decision.push_id, REF)
    (artifact,) = await site.artifacts(assignment)
    assert [item["mode"] for item in artifact.files] == [0o100755]


# --- what is away ---------------------------------------------------------------------------------


async def test_with_storage_away_a_push_is_stored_and_submitted_when_it_is_back(
    site: Deployment, clone: Clone, assignment: CourseContent
) -> None:
    push_id, _commit = await moved(clone)
    received = site.clock.now()
    pushes = site.app.services.pushes
    with failing(site.app.providers.get(StorageBackend, "default"), "put"):
        (message,) = await finish(clone, push_id, REF)
        assert "received; it is submitted as soon as possible" in message
        assert await clone.states() == ["moved"]
        site.clock.advance(seconds=MOVED_AGE.total_seconds() + 1)
        await pushes.sweep()
        assert await clone.states() == ["moved"]
    assert await site.artifacts(assignment) == []
    await pushes.sweep()
    assert await clone.states() == ["submitted"]
    assert [row.received_at for row in await site.artifacts(assignment)] == [received]


async def test_the_sweeper_leaves_a_push_alone_that_is_still_under_way(
    site: Deployment, clone: Clone
) -> None:
    push_id, _commit = await moved(clone)
    pushes = site.app.services.pushes
    site.clock.advance(seconds=clone.host.longest_push.total_seconds() - 1)
    await pushes.sweep()
    assert await clone.states() == ["pending"]
    with failing(site.app.providers.get(StorageBackend, "default"), "put"):
        await finish(clone, push_id, REF)
        await pushes.sweep()
    site.clock.advance(seconds=MOVED_AGE.total_seconds() - 1)
    await pushes.sweep()
    assert await clone.states() == ["moved"]


async def test_a_push_that_died_before_its_ref_moved_is_discarded(
    site: Deployment, clone: Clone, assignment: CourseContent
) -> None:
    await clone.begin({HELLO: await clone.commit(FILES)})
    wait_for_the_sweeper(clone)
    await site.app.services.pushes.sweep()
    assert await clone.states() == ["discarded"]
    assert await site.artifacts(assignment) == []


async def test_a_push_that_died_after_its_ref_moved_is_submitted(
    site: Deployment, clone: Clone, assignment: CourseContent
) -> None:
    _push_id, commit = await moved(clone)
    wait_for_the_sweeper(clone)
    await site.app.services.pushes.sweep()
    assert await clone.states() == ["submitted"]
    assert [row.git_commit for row in await site.artifacts(assignment)] == [commit]


async def test_right_after_a_start_nothing_is_too_young(site: Deployment, clone: Clone) -> None:
    await moved(clone)
    await site.app.services.pushes.sweep(everything=True)
    assert await clone.states() == ["submitted"]


async def test_a_push_that_died_and_was_overtaken_by_a_later_one_is_submitted_too(
    site: Deployment, clone: Clone, assignment: CourseContent
) -> None:
    _push_id, first = await moved(clone)
    second = await clone.commit(FILES | {f"{HELLO}/answer.sh": b"echo 43\n"}, parent=first)
    push = clone.push({HELLO: second})
    later = Push(
        push.instance, push.external_id, push.principal, (RefUpdate(REF, first, second),), push.received_at
    )
    decision = await site.app.services.pushes.begin(later)
    await clone.move(REF, second)
    await finish(clone, decision.push_id, REF)
    assert await clone.states() == ["pending", "submitted"]
    wait_for_the_sweeper(clone)
    await site.app.services.pushes.sweep()
    assert await clone.states() == ["submitted", "submitted"]
    assert {row.git_commit for row in await site.artifacts(assignment)} == {first, second}


async def test_a_ref_that_stands_elsewhere_without_a_later_push_was_never_moved(
    site: Deployment, clone: Clone
) -> None:
    await clone.begin({HELLO: await clone.commit(FILES)})
    await clone.move(REF, await clone.commit({f"{HELLO}/x": b"from somewhere else"}))
    wait_for_the_sweeper(clone)
    await site.app.services.pushes.sweep()
    assert await clone.states() == ["discarded"]


async def test_a_repository_that_is_gone_ends_its_pushes(
    site: Deployment, room: Classroom, clone: Clone
) -> None:
    await room.assignment("week.bye")
    commit = await clone.commit(FILES | {"week/bye/answer.sh": b"echo 42\n"})
    await clone.begin({HELLO: commit})
    decision = await clone.begin({"week/bye": commit})
    with failing(site.app.providers.get(StorageBackend, "default"), "put"):
        await finish(clone, decision.push_id, submit("week/bye"))
    assert await clone.states() == ["pending", "moved"]
    assert await clone.host.delete_repository(clone.repository.external_id)
    wait_for_the_sweeper(clone)
    await site.app.services.pushes.sweep()
    assert await clone.states() == ["discarded", "refused"]


async def test_a_user_who_was_archived_meanwhile_submits_nothing(
    site: Deployment, room: Classroom, clone: Clone, assignment: CourseContent
) -> None:
    push_id, _commit = await moved(clone)
    await site.change(
        update(User).where(User.id == room.student.user.id).values(archived_at=site.clock.now())
    )
    (message,) = await finish(clone, push_id, REF)
    assert "NOT submitted: the account can't sign in" in message
    assert await clone.states() == ["refused"]
    assert await site.artifacts(assignment) == []


@pytest.mark.parametrize("error", [None, RuntimeError("nobody thought of this")])
async def test_one_push_that_cant_be_dealt_with_keeps_no_other_one_waiting(
    site: Deployment,
    room: Classroom,
    clone: Clone,
    caplog: pytest.LogCaptureFixture,
    error: ComputorError | None,
) -> None:
    await room.assignment("week.bye")
    commit = await clone.commit(FILES | {"week/bye/answer.sh": b"echo 42\n"})
    await clone.begin({HELLO: commit})
    decision = await clone.begin({"week/bye": commit})
    with failing(site.app.providers.get(StorageBackend, "default"), "put"):
        await finish(clone, decision.push_id, submit("week/bye"))
    wait_for_the_sweeper(clone)
    with failing(clone.host, "resolve", error=error), caplog.at_level(logging.WARNING):
        await site.app.services.pushes.sweep()
    assert await clone.states() == ["pending", "submitted"]
    assert any(
        "waits" in record.message or "can't be completed" in record.message for record in caplog.records
    )


# --- more than one at it --------------------------------------------------------------------------


async def test_the_request_and_the_sweeper_at_once_submit_once_and_agree(
    site: Deployment, clone: Clone, assignment: CourseContent
) -> None:
    push_id, _commit = await moved(clone)
    texts = await asyncio.gather(*(finish(clone, push_id, REF) for _ in range(4)))
    assert all(message.startswith(f"{HELLO}: submitted") for messages in texts for message in messages)
    assert len(await site.artifacts(assignment)) == 1
    assert await clone.states() == ["submitted"]


async def test_finishing_what_is_over_says_nothing(site: Deployment, clone: Clone) -> None:
    push_id, _commit = await moved(clone)
    await site.app.services.pushes.sweep(everything=True)
    assert await finish(clone, push_id, REF) == ()
    assert await clone.states() == ["submitted"]
