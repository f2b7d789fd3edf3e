"""A real course on a real host that tests kill and start again."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from computor_fastapi_host.demo import people, server
from computor_fastapi_host.demo.api import Api, wait_for
from computor_fastapi_host.demo.course import (
    Assignment,
    archive,
    create_assignments,
    create_course,
    folder_files,
    release,
)

from tools.services.process import free_port

ADMIN = "admin@example.org"
SETTINGS = """
[runner]
minimum_isolation = "auto"

[auth.instances.default]
type = "local"
time_cost = 1
memory_kib = 8192
parallelism = 1
"""
"""Cheap hashes: the tests sign in often, and sign-in isn't what they are about."""

UNFINISHED = (
    ("test_run", "state != 'finished'"),
    ("push_intent", "state IN ('pending', 'moved')"),
    ("outbox", "dispatched_at IS NULL"),
    ("workflow_run", "settled_at IS NULL"),
    ("event_log", "seq IS NULL"),
)
"""Rows that some background work still has to do with."""


@dataclass
class Playground:
    """A data folder with a released course, and what is needed to use it.

    Attributes:
        data: The host's data folder.
        port: The port that the host always gets.
        admin_password: Of the administrator.
        assignment: The assignment.
        course_id: The course.
        repository: Clone address of the student's repository.
        token: The student's bearer token; signed in long before, so that no test's kill meets the sign-in.
    """

    data: Path
    port: int
    admin_password: str
    http: httpx.Client
    assignment: Assignment | None = None
    course_id: str = ""
    repository: str = ""
    token: str = ""

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def environment(self, failpoint: str = "") -> dict[str, str]:
        return {
            "COMPUTOR_DATA_DIR": str(self.data),
            "COMPUTOR_CONFIG": str(self.data.parent / "computor.toml"),
            "COMPUTOR_FAILPOINT": failpoint,
        }

    @contextmanager
    def serving(self, failpoint: str = "") -> Iterator[server.Server]:
        with server.serving(self.environment(failpoint), self.port, self.data.parent / "host.log") as running:
            yield running

    @property
    def api(self) -> Api:
        """The API with the student's session."""
        return Api(self.base, self.http, self.token)

    def idle(self) -> bool:
        """Whether nothing is left to be done by any background work."""
        return not any(
            self.rows(f"SELECT 1 FROM {table} WHERE {condition} LIMIT 1") for table, condition in UNFINISHED
        )

    def rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """What the database says, read beside the host."""
        with sqlite3.connect(f"file:{self.data}/computor.db?mode=ro", uri=True) as connection:
            return connection.execute(statement, values).fetchall()


def build(folder: Path, example: Path) -> Playground:
    """A migrated data folder with one student and one released assignment."""
    (folder / "computor.toml").write_text(SETTINGS)
    ground = Playground(folder / "data", free_port(), people.password(), httpx.Client(timeout=60))
    environment = ground.environment()
    server.run(environment, "db", "upgrade")
    server.run(
        environment, "admin", "create", "--email", ADMIN, "--password-stdin",
        standard_input=f"{ground.admin_password}\n",
    )  # fmt: skip
    with ground.serving():
        admin = Api(ground.base, ground.http).sign_in(ADMIN, ground.admin_password)
        organization_id, ground.course_id = create_course(admin)
        imported = [
            admin.want(
                201, "POST", f"/organizations/{organization_id}/examples",
                content=archive(folder_files(example)), headers={"Content-Type": "application/zip"},
            )
        ]  # fmt: skip
        student = people.cast(Api(ground.base, ground.http))[2]
        people.register(admin, student)
        people.enrol(admin, ground.course_id, student)
        (ground.assignment,) = create_assignments(admin, ground.course_id, imported)
        release(admin, ground.course_id, 1)
        signed_in = Api(ground.base, ground.http).sign_in(student.email, student.password)
        ground.token = signed_in.token
        ground.repository = admin.all("/member-repositories", course_id=ground.course_id)[0]["http_url"]
        # Whatever is left over would meet the failpoint before the test's own work does.
        wait_for("the end of the preparations", ground.idle, seconds=60)
    return ground


def died_by_kill(running: server.Server) -> bool:
    """Wait for the host to be killed at its failpoint."""
    wait_for("the kill", lambda: running.process.poll() is not None, seconds=60)
    return running.process.returncode == -signal.SIGKILL


def git(*words: str, cwd: Path, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run the real git client, without any configuration of this machine."""
    return subprocess.run(
        ["git", *words],
        cwd=cwd,
        env={
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": str(cwd),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
