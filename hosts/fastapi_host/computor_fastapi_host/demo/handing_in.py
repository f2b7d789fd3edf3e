"""Submitting for real: over HTTP, and by ``git push`` to the host."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from computor_fastapi_host.demo.api import Api, DemoError
from computor_fastapi_host.demo.course import archive
from computor_fastapi_host.demo.people import Person
from computor_fastapi_host.demo.plan import Solution


def upload(student: Person, solution: Solution) -> str:
    """Submit an archive; returns the test run's id."""
    accepted = student.api.want(
        201,
        "POST",
        f"/course-contents/{solution.assignment.content_id}/submissions",
        content=archive(solution.files),
        headers={"Content-Type": "application/zip"},
    )
    test_run_id: str = accepted["test_run_id"]
    return test_run_id


class Clone:
    """A student's working copy; the password of git is the student's token, handed over by a helper.

    Args:
        student: Whose repository.
        url: Its clone address.
        folder: Where to clone it.
    """

    def __init__(self, student: Person, url: str, folder: Path) -> None:
        self._student = student
        self._folder = folder
        folder.parent.mkdir(parents=True, exist_ok=True)
        self._git("clone", "--quiet", url, str(folder), cwd=folder.parent)
        self._git("config", "user.name", student.name)
        self._git("config", "user.email", student.email)

    def push(self, solution: Solution) -> str:
        """Commit a solution to its folder and push the submitting branch; returns what git said.

        Raises:
            DemoError: git failed.
        """
        folder = solution.assignment.folder
        place = self._folder / folder
        for name, (content, mode) in solution.files.items():
            target = place / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
            target.chmod(mode & 0o777)
        self._git("add", "--all", ".")
        self._git("commit", "--quiet", "--allow-empty", "-m", f"{solution.kind} solution of {folder}")
        return self._git("push", "origin", f"HEAD:refs/heads/submit/{folder}")

    def _git(self, *words: str, cwd: Path | None = None) -> str:
        # The helper prints the token from the environment: it stands in no argument and no file.
        helper = '!f() { echo username=token; echo "password=$COMPUTOR_GIT_TOKEN"; }; f'
        done = subprocess.run(
            ["git", "-c", "credential.helper=", "-c", f"credential.helper={helper}", *words],
            cwd=cwd or self._folder,
            env={
                "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
                "HOME": str(self._folder.parent),
                "GIT_CONFIG_NOSYSTEM": "1",
                "GIT_TERMINAL_PROMPT": "0",
                "COMPUTOR_GIT_TOKEN": self._student.api.token,
            },
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise DemoError(f"git {' '.join(words)} failed for {self._student.name}:\n{done.stderr}")
        return done.stderr


def newest_test(student: Person, solution: Solution, known: set[str]) -> str:
    """The test run that a push started: the student's newest that isn't known yet.

    Raises:
        DemoError: There is none.
    """
    api: Api = student.api
    groups = api.all("/submission-groups", course_content_id=solution.assignment.content_id)
    for group in groups:
        for run in api.all("/test-runs", submission_group_id=group["id"]):
            if run["id"] not in known:
                found: str = run["id"]
                return found
    raise DemoError(f"the push of {student.name} to {solution.assignment.folder} started no test")
