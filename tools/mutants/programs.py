"""Runs a program to its end, and its whole process group no longer than that."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from tools.mutants.errors import MutantsError

LINES_SHOWN = 30


def repeatable(copy: Path, **more: str) -> dict[str, str]:
    """The environment in which mutants are judged, the same on every machine.

    The time zone is unlike UTC, so that a mutant that falls back on local time is noticed.

    Args:
        copy: Root of a copy of the tree; temporary files go beside it, and with it.
        more: Further variables.
    """
    fixed = {"PYTHONHASHSEED": "0", "TZ": "Pacific/Chatham", "TERM": "dumb", "NO_COLOR": "1"}
    return {**os.environ, **fixed, "TMPDIR": str(copy.parent), **more}


def run(
    what: str, command: Sequence[str | Path], folder: Path, environment: Mapping[str, str], limit: float
) -> str:
    """Run a program and return what it wrote, standard error included.

    Args:
        what: Named in the error.
        command: Program and arguments.
        folder: Where it runs.
        environment: All its variables.
        limit: Seconds after which it and its children are killed.

    Raises:
        MutantsError: It can't be run, takes too long or exits non-zero.
    """
    argv = [str(part) for part in command]
    try:
        process = subprocess.Popen(
            argv,
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
    except OSError as error:
        raise MutantsError(f"{what}: `{shlex.join(argv)}`: {error}") from error
    try:
        output, _ = process.communicate(timeout=limit)
    except subprocess.TimeoutExpired as error:
        raise MutantsError(f"{what}: `{shlex.join(argv)}` did not end within {limit:g} s") from error
    finally:
        if process.poll() is None:  # too slow, or this process is being interrupted
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    if process.returncode != 0:
        last = "\n".join(f"  | {line}" for line in output.splitlines()[-LINES_SHOWN:])
        raise MutantsError(f"{what}: `{shlex.join(argv)}` exited with {process.returncode}\n{last}")
    return output
