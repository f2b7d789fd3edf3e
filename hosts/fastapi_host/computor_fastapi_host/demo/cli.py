"""``computor demo``: a whole course on this machine, with the embedded plugins alone."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any, NoReturn

import click
import httpx
from rich.console import Console
from rich.live import Live

from computor_core.errors import UsageError
from computor_fastapi_host.demo import people, play, server
from computor_fastapi_host.demo.api import DemoError
from computor_fastapi_host.demo.folder import SETTINGS, taken
from computor_fastapi_host.demo.invitation import invitation
from computor_fastapi_host.demo.plan import LIST, Solution, solutions
from computor_fastapi_host.demo.report import gradebook_table, progress, table

FILE_WIDTH = 160
"""Columns of what isn't printed on a terminal, so that a file says the same everywhere."""


@click.command()
@click.option("--once", is_flag=True, help="End after the run, with one JSON line, instead of serving on.")
@click.option(
    "--port",
    metavar="PORT",
    type=click.IntRange(0, 65535),
    default=0,
    help="TCP port to serve on; 0, the default, takes a free one.",
)
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("demo-data"),
    show_default=True,
    help="Data folder: new, empty, or an earlier demo's, which is emptied.",
)
@click.option(
    "--library",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=Path("examples"),
    show_default=True,
    help="Folder of the example library.",
)
def demo(folder: Path, library: Path, port: int, *, once: bool) -> None:
    """Play a whole course: set up, submit, test, grade, refuse, and serve it."""
    if not (library / LIST).is_file():
        raise UsageError(f"{library} is no example library: it holds no {LIST}")
    console = Console(width=None if sys.stdout.isatty() else FILE_WIDTH, highlight=False)
    try:
        with server.ended_by_signals(), taken(folder.absolute()):
            _run(console, folder.absolute(), library.absolute(), port, once=once)
    except DemoError as error:
        _fail(str(error))
    except httpx.HTTPError as error:
        _fail(f"no answer from the host ({error})")
    except OSError as error:
        _fail(str(error))


def _fail(reason: str) -> NoReturn:
    style = "bold red"
    Console(stderr=True).print(f"the demo failed: {reason}", style=style, markup=False, highlight=False)
    sys.exit(1)


def _run(console: Console, folder: Path, library: Path, port: int, *, once: bool) -> None:
    begun = time.monotonic()
    environment = {
        "COMPUTOR_CONFIG": str(folder / SETTINGS),
        "COMPUTOR_DATA_DIR": str(folder / "data"),
        "COMPUTOR_RUNNER__MINIMUM_ISOLATION": "auto",
    }
    admin_password = people.password()
    diagnosis = play.prepare(environment, admin_password)
    isolation, toolchains, refusals = _machine(diagnosis)
    console.print(f"database migrated; isolation on this machine: {isolation}")
    if isolation == "none":
        for level, error in refusals.items():
            console.print(f"  {level}: {error}", markup=False)
    with server.serving(environment, port, folder / "host.log") as host:
        console.print(f"serving on {host.base}")
        state = play.Play(host.base, library, folder / "clones", admin_password, console.print)
        state.summary.isolation = isolation
        play.set_up(state)
        planned = _planned(state, library, isolation, toolchains)
        _submit(console, state, planned)
        play.check_verdicts(state)
        graded = play.grade(state)
        console.print(
            f"the tutor gave {graded.student} {play.GRADE['points']} points for {graded.assignment},"
            " the lecturer published them and reads the gradebook:\n"
        )
        console.print(gradebook_table(play.read_gradebook(state, graded)))
        play.refuse(state)
        console.print(f"{state.summary.refused} attempts to reach what isn't one's own were refused")
        _compare(state, _read_back(state))
        console.print("a fresh process read everything back over HTTP")
        state.summary.seconds = time.monotonic() - begun
        if not once:
            _invite(console, state)
            _serve_on(host)
    if once:
        sys.stdout.write(state.summary.line() + "\n")


def _machine(diagnosis: dict[str, Any]) -> tuple[str, set[str], dict[str, str]]:
    """Isolation, usable toolchains and the refused levels' errors, from what the doctor says."""
    for check in diagnosis["checks"]:
        if check["name"] == "runner instance default":
            facts: dict[str, str] = check["facts"]
            refusals = {
                name.removeprefix("no "): error for name, error in facts.items() if name.startswith("no ")
            }
            return facts["isolation"], set(facts), refusals
    raise DemoError("the doctor says nothing of a runner")


def _planned(state: play.Play, library: Path, isolation: str, toolchains: set[str]) -> list[Solution]:
    if state.course is None:
        raise DemoError("there is no course")
    usable = [item for item in state.course.assignments if item.identifier.partition(".")[0] in toolchains]
    missing = [item.identifier for item in state.course.assignments if item not in usable]
    planned, hostile = play.left_out(solutions(library, usable), isolation)
    state.summary.left_out = [*(f"{name}: toolchain not installed" for name in missing), *hostile]
    return planned


def _submit(console: Console, state: play.Play, planned: list[Solution]) -> None:
    console.print(f"submitting {len(planned)} solutions by upload and git push, and testing each of them")
    with Live(console=console, refresh_per_second=4, transient=True) as live:
        for _row in play.submit_all(state, planned):
            live.update(progress(state.rows, len(planned)))
        for _ in play.watch(state):
            live.update(progress(state.rows, len(planned)))
        live.update("")  # what is taller than the screen couldn't be wiped away at the end
    console.print()
    console.print(table(state.rows))


def _read_back(state: play.Play) -> dict[str, Any]:
    tutor = state.person("tutor")
    request = {
        "base": state.base,
        "email": tutor.email,
        "password": tutor.password,
        "course_id": state.course.id if state.course else "",
    }
    done = subprocess.run(
        [sys.executable, "-m", "computor_fastapi_host.demo.readback"],
        input=json.dumps(request),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise DemoError(f"reading back failed:\n{done.stderr}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _compare(state: play.Play, found: dict[str, Any]) -> None:
    """The figures are what the fresh process read; they must be what was done."""
    summary = state.summary
    summary.submissions, summary.results = found["submissions"], found["results"]
    summary.by_transport = Counter(found["by_transport"])
    summary.by_verdict = Counter(found["by_verdict"])
    summary.by_integrity = Counter(found["by_integrity"])
    wanted = len(state.rows)
    if not found["submissions"] == found["results"] == found["receipts"] == found["tests"] == wanted:
        raise DemoError(f"read back {found}, but {wanted} solutions were submitted")
    if found["graded"] != summary.graded:
        raise DemoError(f"read back {found['graded']} grades instead of {summary.graded}")


def _invite(console: Console, state: play.Play) -> None:
    clones = {student.email: play.repository(state, student) for student in state.students}
    console.print()
    for line in invitation(state.base, state.admin_password, state.cast, clones):
        console.print(line, markup=False, soft_wrap=True)  # a line that is to be copied stays one line


def _serve_on(host: server.Server) -> None:
    try:
        status = host.process.wait()
    except KeyboardInterrupt:
        return
    raise DemoError(f"the host ended with status {status}; see {host.log}")
