"""Judging happens in processes that the host can end, and none of them outlives it."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from computor_core.assessment import judge as judge_module
from computor_core.assessment.build import JobInputs, build_job
from computor_core.assessment.judging_process import GREETING
from computor_core.assessment.model import TestSpec, Visibility
from computor_core.assessment.outcome import UNJUDGED
from computor_core.errors import UnavailableError
from computor_core.plugin_api.providers.runner import Isolation, PhaseResult, RunReport
from computor_core.services.judging import COMMAND, Judges, JudgingError
from tests.support.deployment import until

SPEC = TestSpec.model_validate(
    {
        "toolchain": "python",
        "submission_files": ["main.py"],
        "groups": [
            {
                "kind": "stdio",
                "id": "r",
                "name": "r",
                "file": "main.py",
                "cases": [
                    {"id": "a", "name": "a", "stdout": "yes"},
                    {"id": "b", "name": "b", "stdout": "no"},
                ],
            }
        ],
    }
)
JOB = build_job(SPEC, "job", JobInputs(Path("/submission")), seed=3)
MADE_BY = (Isolation.NAMESPACES, "local", "1")
REPORT = RunReport(
    "job",
    [PhaseResult("run-r-0", 0, stdout=b"yes"), PhaseResult("run-r-1", 0, stdout=b"yes" * 300_000)],
    *MADE_BY,
)
RIGHT = PhaseResult("run-r-1", 0, stdout=b"no")


def says(script: str) -> tuple[str, ...]:
    """Starts a process that greets and then does this instead of judging."""
    hello = f"import os, sys; os.write(1, {GREETING!r}); "
    return (sys.executable, "-I", "-c", hello + script)


NEVER_ANSWERS = says("sys.stdin.buffer.read(); import time; time.sleep(600)")
DIES = says("sys.stdin.buffer.read(4); os._exit(1)")
FAILS = says(
    'sys.stdin.buffer.read(4); m = b\'{"error": "Traceback: ours"}\'; '
    "os.write(1, len(m).to_bytes(8, 'big') + m); sys.stdin.buffer.read()"
)


@pytest.fixture
async def judges() -> AsyncIterator[Callable[..., Judges]]:
    made: list[Judges] = []

    def make(*arguments: Any, **values: Any) -> Judges:
        made.append(Judges(*arguments, **values))
        return made[-1]

    yield make
    for one in made:
        await one.aclose()


def statuses(report: dict[str, Any]) -> list[str]:
    return [case["status"] for case in report["cases"]]


async def test_the_host_itself_judges_nothing(
    judges: Callable[..., Judges], monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_arguments: object) -> None:
        raise AssertionError("judged inside the host")

    monkeypatch.setattr(judge_module, "_outcomes", never)
    report = await judges().judge(SPEC, JOB, REPORT)
    assert (report["verdict"], statuses(report)) == ("partial", ["passed", "failed"])


async def test_a_process_is_used_again_and_jobs_at_a_time_have_one_each(
    judges: Callable[..., Judges],
) -> None:
    pool = judges()
    for _ in range(3):
        await pool.judge(SPEC, JOB, REPORT)
    (first,) = pool._idle
    await asyncio.gather(*(pool.judge(SPEC, JOB, REPORT) for _ in range(2)))
    assert len(pool._idle) == 2
    assert first in pool._idle


async def test_answers_that_cannot_be_judged_in_time_have_failed(judges: Callable[..., Judges]) -> None:
    pool = judges(NEVER_ANSWERS, seconds=0.1, seconds_per_case=0)
    report = await pool.judge(SPEC, JOB, REPORT)
    assert (report["verdict"], report["points"], report["max_points"]) == ("failed", "0", "2")
    assert statuses(report) == ["failed", "failed"]
    assert {case["message"] for case in report["cases"]} == {UNJUDGED}
    assert report["messages"] == []
    assert pool._idle == []


async def test_answers_on_which_two_processes_died_have_failed(
    judges: Callable[..., Judges], caplog: pytest.LogCaptureFixture
) -> None:
    report = await judges(DIES).judge(SPEC, JOB, REPORT)
    assert statuses(report) == ["failed", "failed"]
    assert caplog.text.count("a judging process died") == 4


HIDDEN_LAST = SPEC.model_copy(
    update={
        "groups": (
            SPEC.groups[0].model_copy(
                update={
                    "cases": (
                        SPEC.groups[0].cases[0],
                        SPEC.groups[0].cases[1].model_copy(update={"visibility": Visibility.NEVER}),
                    )
                }
            ),
        )
    }
)
MISBEHAVES = """
from computor_core.assessment import judging_process
real = judging_process.judge_phase
def judge_phase(group, job, result):
    if result.name == "run-r-1":
        {what}
    return real(group, job, result)
judging_process.judge_phase = judge_phase
judging_process.main()
"""


@pytest.mark.parametrize(
    "what",
    ["import time; time.sleep(600)", "raise MemoryError", "import os; os._exit(1)"],
    ids=["takes too long", "no memory", "dies"],
)
async def test_a_hidden_phase_that_cannot_be_judged_changes_nothing_that_students_see(
    judges: Callable[..., Judges], what: str
) -> None:
    pool = judges((sys.executable, "-I", "-c", MISBEHAVES.format(what=what)), seconds=3, seconds_per_case=0)
    shown, hidden = (await pool.judge(HIDDEN_LAST, JOB, REPORT))["cases"]
    assert (shown["status"], shown["message"]) == ("passed", "")
    assert (hidden["status"], hidden["message"], hidden["visibility"]) == ("failed", UNJUDGED, "never")


async def test_a_hidden_phase_can_be_judged_in_a_time_of_its_own(judges: Callable[..., Judges]) -> None:
    """Or what a visible phase takes would show in hidden cases, and the other way round."""
    slow = MISBEHAVES.replace('"run-r-1"', '"run-r-0"').format(what="import time; time.sleep(600)")
    pool = judges((sys.executable, "-I", "-c", slow), seconds=3, seconds_per_case=0)
    report = await pool.judge(HIDDEN_LAST, JOB, RunReport("job", [REPORT.phases[0], RIGHT], *MADE_BY))
    assert [case["status"] for case in report["cases"]] == ["failed", "passed"]


async def test_many_big_outputs_are_judged_one_after_the_other(judges: Callable[..., Judges]) -> None:
    """Of 280 runs two megabytes each, and one of them takes four as text."""
    cases = tuple(SPEC.groups[0].cases[0].model_copy(update={"id": f"c{n}"}) for n in range(280))
    many = SPEC.model_copy(update={"groups": (SPEC.groups[0].model_copy(update={"cases": cases}),)})
    job = build_job(many, "job", JobInputs(Path("/submission")), seed=3)
    big = "😀".encode() + b"x" * 1_000_000
    results = [PhaseResult(f"run-r-{n}", 0, stdout=big, stderr=big) for n in range(280)]
    report = await judges().judge(many, job, RunReport("job", results, *MADE_BY))
    assert {case["message"] for case in report["cases"]} == {"The standard output isn't what was expected."}


async def test_a_process_that_was_killed_meanwhile_costs_nobody_anything(
    judges: Callable[..., Judges],
) -> None:
    pool = judges()
    await pool.judge(SPEC, JOB, REPORT)
    (process,) = pool._idle
    process.kill()
    report = await pool.judge(SPEC, JOB, REPORT)
    assert statuses(report) == ["passed", "failed"]


async def test_a_mistake_of_ours_is_no_result_and_logged(
    judges: Callable[..., Judges], caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(JudgingError, match="isn't the submission's fault"):
        await judges(FAILS).judge(SPEC, JOB, REPORT)
    assert "Traceback: ours" in caplog.text


@pytest.mark.parametrize(
    "command",
    [
        ("/nowhere/python",),
        (sys.executable, "-c", "raise SystemExit(3)"),
        (sys.executable, "-c", "print('x' * 100, flush=True); input()"),
    ],
    ids=["missing", "ends", "something else"],
)
async def test_a_process_that_does_not_start_is_no_result(
    judges: Callable[..., Judges], command: tuple[str, ...]
) -> None:
    with pytest.raises(UnavailableError):
        await judges(command).judge(SPEC, JOB, REPORT)


async def test_cancelling_ends_the_process(judges: Callable[..., Judges], tmp_path: Path) -> None:
    told = tmp_path / "pid"
    script = f"open({str(told)!r}, 'w').write(f'{{os.getpid()}} '); sys.stdin.buffer.read()"
    asking = asyncio.create_task(judges(says(script)).judge(SPEC, JOB, REPORT))
    await until(lambda: holds(told.exists() and told.read_text().endswith(" ")))
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    with pytest.raises(ProcessLookupError):
        os.kill(int(told.read_text()), 0)


async def test_a_process_ends_with_its_input() -> None:
    process = await asyncio.create_subprocess_exec(*COMMAND, stdin=PIPE, stdout=PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    assert await process.stdout.readexactly(len(GREETING)) == GREETING
    process.stdin.close()
    async with asyncio.timeout(60):
        assert await process.wait() == 0


HOST = """
import asyncio, os
from tests.integration.test_judging import JOB, REPORT, SPEC
from computor_core.services.judging import Judges

async def main():
    pool = Judges()
    await pool.judge(SPEC, JOB, REPORT)
    print(pool._idle[0].pid, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


async def holds(condition: bool) -> bool:
    return condition


def gone(pid: int) -> bool:
    """Whether a process has ended, reaped or not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0]
    except FileNotFoundError:
        return True
    return state == "Z"


async def test_no_process_outlives_a_host_that_was_killed() -> None:
    root = Path(__file__).parents[2]
    host = await asyncio.create_subprocess_exec(sys.executable, "-c", HOST, stdout=PIPE, cwd=root)
    assert host.stdout is not None
    async with asyncio.timeout(60):
        pid = int(await host.stdout.readline())
        assert not gone(pid)
        host.send_signal(signal.SIGKILL)
        await host.wait()
    await until(lambda: holds(gone(pid)))
