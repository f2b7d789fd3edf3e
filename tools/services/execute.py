"""Runs one program of an installation or start-up step and reports its exact error."""

import os
import pwd
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.services.errors import ServiceError

LINES_SHOWN = 20


@dataclass(frozen=True)
class Account:
    """The system account a server runs as.

    Attributes:
        name: Its name.
        uid: Its user id.
        gid: Its primary group id.
    """

    name: str
    uid: int
    gid: int


def account(server: str, name: str) -> Account:
    """Look up a system account.

    Raises:
        ServiceError: There is none of that name.
    """
    try:
        entry = pwd.getpwnam(name)
    except KeyError as error:
        raise ServiceError(server, "look up its account", f"no user {name!r} on this machine") from error
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


def execute(
    server: str,
    step: str,
    command: Sequence[str | Path],
    *,
    timeout: float,
    run_as: Account | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> str:
    """Run a program to its end and return what it wrote, standard error included.

    Args:
        server: Named in the error.
        step: Named in the error.
        command: Program and arguments; no shell is involved.
        timeout: Seconds after which the program is killed.
        run_as: Account to become first; the caller's own when absent.
        env: The whole environment; the caller's own when absent.
        cwd: Folder to run in.

    Raises:
        ServiceError: The program can't be run, takes too long or exits non-zero.
    """
    argv = [str(part) for part in command]
    try:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
            env=None if env is None else dict(env),
            cwd=cwd,
            user=None if run_as is None else run_as.uid,
            group=None if run_as is None else run_as.gid,
            extra_groups=None if run_as is None else os.getgrouplist(run_as.name, run_as.gid),
        )
    except subprocess.TimeoutExpired as error:
        message = f"`{shlex.join(argv)}` did not end within {timeout:g} s"
        raise ServiceError(server, step, message) from error
    except OSError as error:
        raise ServiceError(server, step, f"`{shlex.join(argv)}`: {error}") from error
    if done.returncode != 0:
        message = f"`{shlex.join(argv)}` exited with {done.returncode}{last_lines(done.stdout)}"
        raise ServiceError(server, step, message)
    return done.stdout


def last_lines(text: str, count: int = LINES_SHOWN) -> str:
    """Return the last lines of a program's output, indented for a message, or an empty string."""
    lines = [line for line in text.splitlines() if line.strip()][-count:]
    return ":\n" + "\n".join(f"  | {line}" for line in lines) if lines else ""
