"""SIGKILL of the real host at every durable transition: nothing accepted is lost, nothing is doubled.

For each failpoint the real host process is killed while a student submits, then started again. The
promise checked afterwards: every accepted submission has its receipt, its bytes and exactly one
terminal result, and the number of times a runner was given the job is the one the place explains.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from computor_fastapi_host.demo.api import DemoError, wait_for
from computor_fastapi_host.demo.course import archive

from tests.e2e.killing import Playground, build, died_by_kill, git

EXAMPLES = Path(__file__).parents[2] / "examples"
EXAMPLE = EXAMPLES / "bash.count_words"

BEFORE_ACCEPTANCE = ("blobs.after_rows", "blobs.after_bytes", "submission.before_commit")
AROUND_THE_OUTBOX = (
    "submission.after_commit",
    "outbox.before_dispatch",
    "outbox.started",
    "outbox.after_dispatch",
)
AROUND_THE_STEPS = (
    "step.before.submission.prepare",
    "step.before.submission.record",
    "step.after.submission.record",
    "step.journaled.submission.record",
)
BESIDE_THE_AGENT = (
    # The job is in the queue by then, so the agent may or may not have it in hand at the kill.
    "step.after.submission.prepare",
    "step.journaled.submission.prepare",
    "run.before_suspend",
    "run.suspended",
)
INSIDE_THE_RUN = (
    "run.claimed",
    "signal.before_arrival",
    "signal.arrived",
    "run.before_end",
    "run.ended",
    "settle.before",
    "settle.recorded",
    "settle.after",
    "sequencer.before_stamp",
    "sequencer.stamped",
)
WITH_THE_JOB_IN_HAND = (
    "queue.leased",
    "agent.before_run",
    "agent.after_run",
    "agent.before_report",
    "queue.before_report",
)
AFTER_THE_REPORT = ("queue.reported",)
PUSHES = ("push.intended", "push.before_finish", "push.kept")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Playground:
    """A released course that every test copies."""
    return build(tmp_path_factory.mktemp("course"), EXAMPLE)


@pytest.fixture
def ground(prepared: Playground, tmp_path: Path) -> Iterator[Playground]:
    """A copy of the prepared course, with data of its own."""
    shutil.copytree(prepared.data.parent, tmp_path / "copy", symlinks=True)
    with httpx.Client(timeout=60) as http:
        yield Playground(
            data=tmp_path / "copy" / "data",
            port=prepared.port,
            admin_password=prepared.admin_password,
            http=http,
            assignment=prepared.assignment,
            course_id=prepared.course_id,
            repository=prepared.repository,
            token=prepared.token,
        )


def upload(ground: Playground) -> bool:
    """Submit the reference solution; whether an answer came that says it was accepted."""
    assert ground.assignment is not None
    try:
        answer = ground.api.call(
            "POST",
            f"/course-contents/{ground.assignment.content_id}/submissions",
            content=archive({"count.sh": ((EXAMPLE / "count.sh").read_bytes(), 0o100644)}),
            headers={"Content-Type": "application/zip"},
        )
    except httpx.TransportError:
        return False
    assert answer.status_code == 201, answer.text
    return True


def settle(ground: Playground) -> None:
    """Start the host again and wait until nothing is left to do."""

    with ground.serving() as running:
        try:
            wait_for("the end of all work", ground.idle, seconds=120)
        except DemoError as error:
            raise AssertionError(f"{error}\n{running.log.read_text()[-4000:]}") from error


def check(ground: Playground, *, accepted: int, executions: tuple[int, ...] = ()) -> None:
    """Every accepted submission has its receipt, its bytes and exactly one result."""
    artifacts = ground.rows("SELECT id, official FROM artifact")
    assert len(artifacts) == accepted
    for artifact_id, _official in artifacts:
        assert ground.rows("SELECT count(*) FROM receipt WHERE artifact_id = ?", artifact_id) == [(1,)]
        runs = ground.rows(
            "SELECT state, verdict, executions FROM test_run WHERE artifact_id = ?", artifact_id
        )
        assert [(state, verdict) for state, verdict, _ in runs] == [("finished", "passed")]
        assert runs[0][2] in executions
    ((used,),) = ground.rows("SELECT coalesce(sum(attempts_used), 0) FROM submission_group")
    assert used == len(artifacts)
    ((sequences,),) = ground.rows("SELECT count(DISTINCT sequence) FROM receipt")
    assert sequences == len(artifacts)
    for sha256, state in ground.rows('SELECT sha256, state FROM blob WHERE "references" > 0'):
        assert state == "kept"
        (stored,) = ground.data.rglob(sha256)
        assert stored.is_file()


@pytest.mark.parametrize("failpoint", BEFORE_ACCEPTANCE)
def test_killed_before_the_acceptance_nothing_is_there_and_a_repetition_works(
    ground: Playground, failpoint: str
) -> None:
    with ground.serving(failpoint) as running:
        assert not upload(ground)
        assert died_by_kill(running)
    settle(ground)
    check(ground, accepted=0)
    with ground.serving():
        assert upload(ground)
        wait_for("the result", lambda: ground.rows("SELECT state FROM test_run") == [("finished",)])
    check(ground, accepted=1, executions=(1,))


@pytest.mark.parametrize(
    ("failpoint", "executions"),
    [
        *(
            (name, (1,))
            for name in (*AROUND_THE_OUTBOX, *AROUND_THE_STEPS, *INSIDE_THE_RUN, *AFTER_THE_REPORT)
        ),
        *((name, (1, 2)) for name in BESIDE_THE_AGENT),
        *((name, (2,)) for name in WITH_THE_JOB_IN_HAND),
    ],
)
def test_killed_after_the_acceptance_the_result_comes_exactly_once(
    ground: Playground, failpoint: str, executions: tuple[int, ...]
) -> None:
    with ground.serving(failpoint) as running:
        upload(ground)
        assert died_by_kill(running)
    settle(ground)
    # An agent that was killed with the job in hand had executed it, or was about to: two hand-outs.
    check(ground, accepted=1, executions=executions)


@pytest.mark.parametrize("failpoint", PUSHES)
def test_killed_around_a_push_it_is_submitted_once_or_never_moved(
    ground: Playground, failpoint: str, tmp_path: Path
) -> None:
    assert ground.assignment is not None
    with ground.serving(failpoint) as running:
        token = ground.token
        helper = '!f() { echo username=token; echo "password=$COMPUTOR_GIT_TOKEN"; }; f'
        credentials = ["-c", "credential.helper=", "-c", f"credential.helper={helper}"]
        environment = {"COMPUTOR_GIT_TOKEN": token}
        clone = tmp_path / "clone"
        cloned = git(
            *credentials, "clone", "-q", ground.repository, str(clone), cwd=tmp_path, environment=environment
        )
        assert cloned.returncode == 0, cloned.stderr
        target = clone / ground.assignment.folder / "count.sh"
        target.write_bytes((EXAMPLE / "count.sh").read_bytes())
        identity = ["-c", "user.name=s", "-c", "user.email=s@example.org"]
        assert git(*identity, "commit", "-qam", "solution", cwd=clone, environment={}).returncode == 0
        refspec = f"HEAD:refs/heads/submit/{ground.assignment.folder}"
        git(*credentials, "push", "origin", refspec, cwd=clone, environment=environment)
        assert died_by_kill(running)
    settle(ground)
    moved = failpoint != "push.intended"
    check(ground, accepted=1 if moved else 0, executions=(1,))
    states = ground.rows("SELECT state FROM push_intent")
    assert states == [("submitted",) if moved else ("discarded",)]
