"""The demo's course of events, one function per act."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx

from computor_fastapi_host.demo import people, server
from computor_fastapi_host.demo.api import Api, DemoError, local_client
from computor_fastapi_host.demo.course import (
    Course,
    create_assignments,
    create_course,
    import_examples,
    release,
)
from computor_fastapi_host.demo.handing_in import Clone, newest_test, upload
from computor_fastapi_host.demo.people import ADMIN_EMAIL, Person
from computor_fastapi_host.demo.plan import REFERENCE, Solution
from computor_fastapi_host.demo.report import Row, Summary

GIT_EVERY = 3
"""Every third submission comes by ``git push``."""

GRADE = {"points": "9.5", "comment": "Clear and short; say in a comment why it is right."}
"""What the tutor gives."""


@dataclass(slots=True)
class Play:
    """State of a run.

    Attributes:
        base: Address of the host.
        library: Folder of the example library.
        work: Folder for clones.
        admin_password: Of the administrator.
        report: Called with a line whenever something happened.
    """

    base: str
    library: Path
    work: Path
    admin_password: str
    report: Callable[[str], None]
    http: httpx.Client = field(default_factory=local_client)
    cast: list[Person] = field(default_factory=list)
    course: Course | None = None
    rows: list[Row] = field(default_factory=list)
    summary: Summary = field(default_factory=Summary)

    @property
    def students(self) -> list[Person]:
        """The students."""
        return [person for person in self.cast if person.role == "course:_student"]

    def person(self, role: str) -> Person:
        """The first person with a role."""
        return next(person for person in self.cast if person.role == f"course:_{role}")


def prepare(environment: dict[str, str], admin_password: str) -> dict[str, Any]:
    """Migrate a fresh database, make the administrator, and ask what the machine can do."""
    server.run(environment, "db", "upgrade")
    server.run(
        environment,
        "admin",
        "create",
        "--email",
        ADMIN_EMAIL,
        "--password-stdin",
        standard_input=admin_password + "\n",
    )
    diagnosis: dict[str, Any] = json.loads(server.run(environment, "doctor", "--json"))
    return diagnosis


def set_up(play: Play) -> None:
    """Organization, course, people, assignments, release."""
    nobody = Api(play.base, play.http)
    admin = nobody.sign_in(ADMIN_EMAIL, play.admin_password)
    organization_id, course_id = create_course(admin)
    play.report("organization, course family and course created")
    imported = import_examples(admin, organization_id, play.library)
    play.report(f"{len(imported)} examples imported")
    play.cast = people.cast(nobody)
    for person in play.cast:
        people.register(admin, person)
        people.enrol(admin, course_id, person)
    play.report(f"{len(play.cast)} people enrolled with accounts of their own")
    lecturer = play.person("lecturer").api
    assignments = create_assignments(lecturer, course_id, imported)
    release(lecturer, course_id, len(play.students))
    play.report(f"{len(assignments)} assignments released, a repository for each student")
    play.course = Course(course_id, organization_id, assignments)


def submit_all(play: Play, planned: list[Solution]) -> Iterator[Row]:
    """Submit every solution, in turn by the students, by upload and by git; yields each row."""
    if play.course is None:
        raise DemoError("there is no course to submit to")
    clones: dict[str, Clone] = {}
    known: set[str] = set()
    for number, solution in enumerate(planned):
        student = play.students[number % len(play.students)]
        transport = "git" if number % GIT_EVERY == 0 else "upload"
        expected = (solution.verdict, *solution.limits)
        row = Row(student.name, solution.assignment.folder, solution.kind, transport, expected)
        if transport == "git":
            clone = clones.get(student.email)
            if clone is None:
                clone = clones[student.email] = Clone(
                    student, repository(play, student), play.work / student.email
                )
            clone.push(solution)
            row.test_run_id = newest_test(student, solution, known)
        else:
            row.test_run_id = upload(student, solution)
        known.add(row.test_run_id)
        play.rows.append(row)
        yield row


def repository(play: Play, student: Person) -> str:
    """Clone address of a student's repository, as the student is told it."""
    found = student.api.all("/member-repositories")
    if len(found) != 1:
        raise DemoError(f"{student.name} should see one repository and sees {len(found)}")
    url: str = found[0]["http_url"]
    return url


def watch(play: Play) -> Iterator[None]:
    """Wait until every test has its result; yields whenever some more have."""
    tutor = play.person("tutor").api
    if play.course is None:
        raise DemoError("there is no course to watch")
    end = time.monotonic() + 600
    while time.monotonic() < end:
        runs = {run["id"]: run for run in tutor.all("/test-runs", course_id=play.course.id)}
        for row in play.rows:
            run = runs.get(row.test_run_id)
            if run is not None and run["state"] == "finished":
                row.verdict, row.limit = run["verdict"], run["limit_exceeded"] or ""
                row.integrity, row.artifact_id = run["integrity"] or "", run["artifact_id"]
                row.points = f"{run['points']}/{run['max_points']}" if run["points"] is not None else ""
        yield
        if all(row.verdict for row in play.rows):
            return
        time.sleep(0.5)
    raise DemoError("some tests had no result within ten minutes")


def check_verdicts(play: Play) -> None:
    """Every solution got the verdict that the library states for it.

    Raises:
        DemoError: One didn't.
    """
    wrong = [
        f"{row.assignment} {row.kind}: {row.verdict} ({row.limit}) instead of {row.expected[0]}"
        for row in play.rows
        if not row.as_expected
    ]
    if wrong:
        raise DemoError("unexpected verdicts:\n" + "\n".join(wrong))


def latest(rows: list[Row]) -> list[Row]:
    """Each student's last submission to each assignment, the one that counts in the gradebook."""
    return list({(row.student, row.assignment): row for row in rows}.values())


def grade(play: Play) -> Row:
    """The tutor grades and comments one submission, the lecturer publishes, the student reads it.

    Returns:
        The graded submission, a reference solution where one still counts.

    Raises:
        DemoError: The student sees the grade too early, or another one than the tutor's.
    """
    row = max(latest(play.rows), key=lambda row: row.kind == REFERENCE)
    tutor, lecturer = play.person("tutor").api, play.person("lecturer").api
    tutor.want(200, "POST", f"/artifacts/{row.artifact_id}/grade", json=GRADE)
    student = next(person for person in play.students if person.name == row.student)
    if student.api.all("/grades", artifact_id=row.artifact_id):
        raise DemoError("a student sees a grade that isn't published")
    (grade_row,) = lecturer.all("/grades", artifact_id=row.artifact_id)
    lecturer.want(200, "POST", f"/grades/{grade_row['id']}/publish")
    seen = student.api.want(200, "GET", f"/grades/{grade_row['id']}")
    if seen["comment"] != GRADE["comment"] or Decimal(seen["points"]) != Decimal(GRADE["points"]):
        raise DemoError(f"the tutor gave {GRADE}, but the student sees {seen}")
    play.summary.graded = 1
    return row


def refuse(play: Play) -> None:
    """What a student must not reach: another's work, tests and results, and what only staff may do.

    Raises:
        DemoError: Something was let through.
    """
    if play.course is None:
        raise DemoError("there is no course")
    row = next(row for row in play.rows if row.student == play.students[0].name)
    other = play.students[1].api
    owner = play.students[0].api
    run = owner.want(200, "GET", f"/test-runs/{row.test_run_id}")
    attempts: list[tuple[int, str, str, dict[str, Any]]] = [
        (404, "GET", f"/artifacts/{row.artifact_id}", {}),
        (404, "GET", f"/artifacts/{row.artifact_id}/download", {}),
        (404, "GET", f"/test-runs/{row.test_run_id}", {}),
        (404, "GET", f"/submission-groups/{run['submission_group_id']}", {}),
        (404, "POST", f"/artifacts/{row.artifact_id}/test", {}),
        (404, "POST", f"/artifacts/{row.artifact_id}/grade", {"json": {"points": "10"}}),
        (403, "GET", f"/courses/{play.course.id}/gradebook", {}),
        (403, "POST", f"/courses/{play.course.id}/release", {"json": {}}),
    ]
    for status, method, path, options in attempts:
        other.want(status, method, path, **options)
        play.summary.refused += 1
    visible = other.all("/test-case-results", test_run_id=row.test_run_id)
    if visible:
        raise DemoError("a student sees the cases of another student's test")
    play.summary.refused += 1
    Api(play.base, play.http).want(401, "GET", f"/artifacts/{row.artifact_id}")
    play.summary.refused += 1


def read_gradebook(play: Play, graded: Row) -> dict[str, Any]:
    """The lecturer reads the gradebook: every student with what counts, the tutor's grade among it.

    Raises:
        DemoError: A student, a standing or the grade is missing, or a test still counts in its place.
    """
    if play.course is None:
        raise DemoError("there is no course")
    book: dict[str, Any] = play.person("lecturer").api.want(
        200, "GET", f"/courses/{play.course.id}/gradebook"
    )
    cells = {cell["artifact_id"]: cell for row in book["rows"] for cell in row["cells"]}
    wanted = {row.artifact_id for row in latest(play.rows)}
    if len(book["rows"]) != len(play.students) or cells.keys() != wanted:
        raise DemoError(f"the gradebook has {len(cells)} standings instead of {len(wanted)}")
    cell = cells[graded.artifact_id]
    if not cell["grade_published"] or Decimal(cell["points"] or 0) != Decimal(GRADE["points"]):
        raise DemoError(f"the tutor gave {GRADE['points']} points, but the gradebook says {cell}")
    return book


def left_out(planned: list[Solution], isolation: str) -> tuple[list[Solution], list[str]]:
    """The solutions that this machine can run safely, and what had to be left out."""
    if isolation != "none":
        return planned, []
    kept = [solution for solution in planned if not solution.hostile]
    return kept, [f"{item.assignment.identifier}: {item.kind}" for item in planned if item.hostile]
