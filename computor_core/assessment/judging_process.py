"""Judging in a process of its own, which its host can end.

Run as ``python -I -m computor_core.assessment.judging_process``: it says :data:`GREETING`, then
answers requests from standard input on standard output until standard input ends. What it is given
to read was written by student programs, so it limits its own memory, and its processor time for
each request; how long it may take altogether is its host's business.

A request is for one phase, so a phase that can't be judged spoils no other one and their outputs
don't add up: a header (JSON after its length in four bytes) and the phase's outputs, whose lengths
the header tells. An answer is JSON after its length in eight bytes: ``{"judged", "log"}``, where
``log`` has what went wrong with single answers, or ``{"error"}`` with a traceback.
"""

from __future__ import annotations

import json
import logging
import os
import resource
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

from pydantic import TypeAdapter

from computor_core.assessment.judge import judge_phase
from computor_core.assessment.model import TestGroup
from computor_core.plugin_api.providers.runner import (
    Limit,
    PhaseResult,
    RunJob,
)

GREETING = b"computor judge 2\n"
HEADER_LENGTH, ANSWER_LENGTH = 4, 8
MEMORY_BYTES = 2 * 1024 * 1024 * 1024
"""Address space of the process: the outputs of a phase, and what comparing them takes."""

_GROUP: TypeAdapter[TestGroup] = TypeAdapter(TestGroup)
_SAID = 4_000
_MOST_SAID = 5


def pack(group: TestGroup, job: RunJob, result: PhaseResult, *, cpu_seconds: int) -> list[bytes]:
    """A request, in pieces.

    Args:
        group: As :func:`~computor_core.assessment.judge.judge_phase` takes it.
        job: As well; what judging needs of it is packed.
        result: As well.
        cpu_seconds: Processor time that judging may take.
    """
    blobs: list[bytes] = []

    def put(content: bytes) -> int:
        blobs.append(content)
        return len(content)

    header = {
        "cpu_seconds": cpu_seconds,
        "group": group.model_dump(mode="json"),
        "job": {"job_id": job.job_id, "toolchain": job.toolchain, "seed": job.seed},
        "phase": {
            "name": result.name,
            "exit_code": result.exit_code,
            "signal": result.signal,
            "limit_exceeded": result.limit_exceeded,
            "wall_seconds": result.wall_seconds,
            "memory_bytes": result.memory_bytes,
            "stdout": put(result.stdout),
            "stderr": put(result.stderr),
            "collected": {path: put(content) for path, content in result.collected.items()},
        },
    }
    text = json.dumps(header).encode()
    return [len(text).to_bytes(HEADER_LENGTH, "big") + text, *blobs]


def _unpack(header: dict[str, Any], requests: BinaryIO) -> tuple[TestGroup, RunJob, PhaseResult]:
    """What :func:`pack` packed; of the job, what judging needs."""
    found = header["phase"]
    result = PhaseResult(
        name=found["name"],
        exit_code=found["exit_code"],
        signal=found["signal"],
        limit_exceeded=found["limit_exceeded"] and Limit(found["limit_exceeded"]),
        wall_seconds=found["wall_seconds"],
        memory_bytes=found["memory_bytes"],
        stdout=_read(requests, found["stdout"]),
        stderr=_read(requests, found["stderr"]),
        collected={path: _read(requests, size) for path, size in found["collected"].items()},
    )
    return _GROUP.validate_python(header["group"]), RunJob(**header["job"], phases=(), inputs={}), result


def _read(requests: BinaryIO, size: int) -> bytes:
    content = requests.read(size)
    if len(content) != size:
        raise EOFError("the host ended in the middle of a request")
    return content


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer requests until they end.

    Raises:
        EOFError: They ended in the middle of one.
        MemoryError: One is too big.
    """
    answers.write(GREETING)
    answers.flush()
    while length := requests.read(HEADER_LENGTH):
        header = json.loads(_read(requests, int.from_bytes(length, "big")))
        _allow(header["cpu_seconds"])
        body = json.dumps(_answer(*_unpack(header, requests))).encode()
        answers.write(len(body).to_bytes(ANSWER_LENGTH, "big") + body)
        answers.flush()


def _answer(group: TestGroup, job: RunJob, result: PhaseResult) -> dict[str, Any]:
    with _collected() as said:
        try:
            return {"judged": judge_phase(group, job, result).model_dump(mode="json"), "log": said}
        except MemoryError:
            raise  # what was to be judged is too big; the host tells that by this process's end
        except Exception:  # noqa: BLE001 - told to the host, which logs it and says what it means
            return {"error": traceback.format_exc()[-_SAID:]}


@contextmanager
def _collected() -> Iterator[list[str]]:
    """What is logged meanwhile, tracebacks included; the host puts it into its own log."""
    said: list[str] = []
    form = logging.Formatter()

    class Collecting(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if len(said) < _MOST_SAID:
                said.append(form.format(record)[-_SAID:])

    handler, log = Collecting(), logging.getLogger("computor_core.assessment")
    log.addHandler(handler)
    try:
        yield said
    finally:
        log.removeHandler(handler)


def _allow(cpu_seconds: int) -> None:
    """Let the process use so much processor time from now on; the kernel ends it after that."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    _, most = resource.getrlimit(resource.RLIMIT_CPU)
    limit = int(used.ru_utime + used.ru_stime) + 1 + cpu_seconds
    resource.setrlimit(
        resource.RLIMIT_CPU, (limit if most == resource.RLIM_INFINITY else min(limit, most), most)
    )


def main() -> None:
    """Serve the host that started this process."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    memory = MEMORY_BYTES if most == resource.RLIM_INFINITY else min(MEMORY_BYTES, most)
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    # What is printed by mistake must not end up between the answers.
    with os.fdopen(os.dup(1), "wb") as answers:
        os.dup2(2, 1)
        serve(sys.stdin.buffer, answers)


if __name__ == "__main__":
    main()
