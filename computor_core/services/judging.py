"""Judging what runs brought out, in processes apart from the host.

What a submission answers is written by strangers. Judging it inside the host would hold up every
request while it lasts, and a thread wouldn't help: Python runs one at a time. So it happens in
processes that live on from job to job, and that end when they take too long or too much memory.

Each phase is judged by itself, and phases of different visibility share no time: what students see of
a result is the same whatever a hidden phase brought out.

Whose fault it is when judging fails: an answer that can't be judged within the limits of time and
memory, or on which two processes died, is the submission's, and its cases have failed; else a
submission could have its tests declared void at will. Another exception outside any answer is ours: the
test says nothing about the submission then, and the attempt is given back. Neither is run again,
since it would end the same.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Any

import anyio

from computor_core.assessment.judge import report_of, to_judge, unjudged
from computor_core.assessment.judging_process import ANSWER_LENGTH, GREETING, pack
from computor_core.assessment.model import Visibility
from computor_core.assessment.report import JudgedPhase
from computor_core.errors import ComputorError, UnavailableError

if TYPE_CHECKING:
    from computor_core.assessment.model import TestGroup, TestSpec
    from computor_core.plugin_api.providers.runner import PhaseResult, RunJob, RunReport

log = logging.getLogger(__name__)

COMMAND = (sys.executable, "-I", "-m", "computor_core.assessment.judging_process")
SECONDS, SECONDS_PER_CASE = 10, 2
"""Wall and processor time for the phases of one visibility; a pattern alone may take one second a case."""

_START_SECONDS = 60.0
_TRIES = 2


class JudgingError(ComputorError):
    """A result couldn't be judged, for a reason that isn't in the submission."""

    code = "judging_failed"
    internal_code = 50070


class Judges:
    """Processes that judge, started when they are needed: as many as jobs are judged at a time.

    Args:
        command: Starts one.
        seconds, seconds_per_case: How long judging a job's phases of one visibility may take.
    """

    def __init__(
        self,
        command: Sequence[str] = COMMAND,
        *,
        seconds: float = SECONDS,
        seconds_per_case: float = SECONDS_PER_CASE,
    ) -> None:
        self._command = command
        self._seconds, self._per_case = seconds, seconds_per_case
        self._idle: list[Process] = []

    async def judge(self, spec: TestSpec, job: RunJob, report: RunReport) -> dict[str, Any]:
        """Judge what a runner reports.

        Args:
            spec: What was tested.
            job: The job that was built from it.
            report: What came of the job.

        Returns:
            A :class:`~computor_core.assessment.report.TestReport` as JSON.

        Raises:
            JudgingError: Judging failed outside of any answer.
            UnavailableError: No process can be started now.
        """
        phases = to_judge(spec, job, report)
        judged: dict[str, JudgedPhase] = {}
        for visibility in Visibility:
            mine = [(group, result) for group, result in phases if group.cases[0].visibility is visibility]
            judged |= await self._judge_phases(mine, job)
        in_order = {result.name: judged[result.name] for _, result in phases}
        return report_of(spec, job, report, in_order).model_dump(mode="json")

    async def _judge_phases(
        self, phases: Sequence[tuple[TestGroup, PhaseResult]], job: RunJob
    ) -> dict[str, JudgedPhase]:
        """Judge phases of one visibility, one after the other, in a time that they share."""
        now = asyncio.get_running_loop().time
        seconds = self._seconds + self._per_case * sum(len(group.cases) for group, _ in phases)
        end: float | None = None
        judged: dict[str, JudgedPhase] = {}
        for group, result in phases:
            said = {"job_id": job.job_id, "phase": result.name}
            judged[result.name] = unjudged(group)
            for number in range(_TRIES):
                if end is not None and now() >= end:
                    log.error("no time is left to judge a phase", extra=said)
                    break
                try:
                    async with self._process(fresh=number > 0) as process:
                        # Starting the first one takes nothing from the time; others are started
                        # because of what was to be judged.
                        end = now() + seconds if end is None else end
                        request = pack(group, job, result, cpu_seconds=int(end - now()) + 2)
                        async with asyncio.timeout_at(end):
                            answer = await _ask(process, request)
                except TimeoutError:
                    log.error("judging took longer than %s seconds", seconds, extra=said)
                    break
                except (ConnectionError, asyncio.IncompleteReadError):
                    log.exception("a judging process died", extra=said)
                    continue
                judged[result.name] = _judged_in(answer, job.job_id)
                break
        return judged

    @contextlib.asynccontextmanager
    async def _process(self, *, fresh: bool) -> AsyncIterator[Process]:
        """An idle process or a new one, which lives on only if the block ends well."""
        process = None if fresh or not self._idle else self._idle.pop()
        if process is None or process.returncode is not None:
            process = await self._start()
        try:
            yield process
        except BaseException:
            await _end(process)
            raise
        self._idle.append(process)

    async def _start(self) -> Process:
        try:
            # No variable of the host's environment is any business of what judges answers; a session
            # of its own keeps a terminal's Ctrl-C from ending it before the host has finished.
            process = await asyncio.create_subprocess_exec(
                *self._command, stdin=PIPE, stdout=PIPE, stderr=None, env={}, cwd="/", start_new_session=True
            )
        except OSError as error:
            raise UnavailableError(f"no process can be started to judge results: {error}") from error
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        try:
            async with asyncio.timeout(_START_SECONDS):
                greeting = await process.stdout.readexactly(len(GREETING))
        except (TimeoutError, asyncio.IncompleteReadError) as error:
            await _end(process)
            raise UnavailableError("the process that judges results doesn't start") from error
        except BaseException:
            await _end(process)
            raise
        if greeting != GREETING:
            await _end(process)
            raise UnavailableError("the process that judges results is of another version")
        return process

    async def aclose(self) -> None:
        """End all processes; nothing is being judged any more."""
        while self._idle:
            await _end(self._idle.pop())


async def _ask(process: Process, request: Sequence[bytes]) -> dict[str, Any]:
    assert process.stdin is not None and process.stdout is not None  # noqa: S101, PT018 - they are pipes
    for piece in request:
        process.stdin.write(piece)
        await process.stdin.drain()
    length = await process.stdout.readexactly(ANSWER_LENGTH)
    answer: dict[str, Any] = json.loads(await process.stdout.readexactly(int.from_bytes(length, "big")))
    return answer


def _judged_in(answer: dict[str, Any], job_id: str) -> JudgedPhase:
    if "error" in answer:
        log.error("judging failed: %s", answer["error"], extra={"job_id": job_id})
        raise JudgingError("the result couldn't be judged, which isn't the submission's fault")
    for said in answer["log"]:
        log.error("while judging: %s", said, extra={"job_id": job_id})
    return JudgedPhase.model_validate(answer["judged"])


async def _end(process: Process) -> None:
    """End a process and wait for it, whoever is being cancelled."""
    with anyio.CancelScope(shield=True):
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        assert process.stdin is not None  # noqa: S101 - it is a pipe
        process.stdin.close()
        # Reading on: as long as its output waits to be read, it doesn't count as ended.
        await process.communicate()
