"""A real course on a real host that tests kill and start again."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
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


@dataclass
class Playground:
    """A data folder with a released course, and what is needed to use it.

    Attributes:
        data: The host's data folder.
        port: The port that the host always gets.
        admin_password: Of the administrator.
        student: The student who submits.
        assignment: The assignment.
        course_id: The course.
        repository: Clone address of the student's repository.
    """

    data: Path
    port: int
    admin_password: str
    http: httpx.Client
    student: people.Person | None = None
    assignment: Assignment | None = None
    course_id: str = ""
    repository: str = ""
    accepted: list[dict[str, Any]] = field(default_factory=list)

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

    def sign_in(self) -> Api:
        assert self.student is not None
        return Api(self.base, self.http).sign_in(self.student.email, self.student.password)

    def rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """What the database says, read beside the host."""
        with sqlite3.connect(f"file:{self.data}/computor.db?mode=ro", uri=True) as connection:
            return connection.execute(statement, values).fetchall()


def build(folder: Path, example: Path) -> Playground:
    """A migrated data folder with one student and one released assignment."""
    (folder / "computor.toml").write_text(SETTINGS)
    ground = Playground(folder / "data", server.free_port(), people.password(), httpx.Client(timeout=60))
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
        ground.student = student
        ground.repository = admin.all("/member-repositories", course_id=ground.course_id)[0]["http_url"]
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
