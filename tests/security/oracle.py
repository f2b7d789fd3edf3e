"""Who sees what, decided in plain Python over plain rows.

Written from the domain description, with ``rights.yaml`` for what each role contains; it imports
nothing of the system under test and knows no SQL, so that agreeing with it means something.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.security import rights

Row = dict[str, Any]


@dataclass
class University:
    """All rows of a random university, by table; ``now`` is the time of asking."""

    now: Any
    version: Any = None
    users: list[Row] = field(default_factory=list)
    organizations: list[Row] = field(default_factory=list)
    families: list[Row] = field(default_factory=list)
    courses: list[Row] = field(default_factory=list)
    grants: list[Row] = field(default_factory=list)
    contents: list[Row] = field(default_factory=list)
    deployments: list[Row] = field(default_factory=list)
    schedules: list[Row] = field(default_factory=list)
    groups: list[Row] = field(default_factory=list)
    group_members: list[Row] = field(default_factory=list)
    artifacts: list[Row] = field(default_factory=list)
    runs: list[Row] = field(default_factory=list)
    cases: list[Row] = field(default_factory=list)
    grades: list[Row] = field(default_factory=list)

    def rows(self, endpoint: str) -> list[Row]:
        return {
            "users": self.users,
            "organizations": self.organizations,
            "course-families": self.families,
            "courses": self.courses,
            "course-members": [grant for grant in self.grants if grant["scope"] == "course"],
            "course-contents": self.contents,
            "assignment-schedules": self.schedules,
            "content-deployments": self.deployments,
            "submission-groups": self.groups,
            "submission-group-members": self.group_members,
            "artifacts": self.artifacts,
            "test-runs": self.runs,
            "test-case-results": self.cases,
            "grades": self.grades,
        }[endpoint]


@dataclass(frozen=True)
class Asker:
    """Who asks: a user, with the actions that a token is limited to (None: no limit)."""

    user: Any
    scopes: frozenset[str] | None = None


class Oracle:
    """Answers for one university."""

    def __init__(self, university: University) -> None:
        self._all = university
        self._organizations = {row["id"]: row for row in university.organizations}
        self._families = {row["id"]: row for row in university.families}
        self._courses = {row["id"]: row for row in university.courses}
        self._contents = {row["id"]: row for row in university.contents}
        self._groups = {row["id"]: row for row in university.groups}

    # --- roles ----------------------------------------------------------------------------

    def _live(self, asker: Asker) -> bool:
        (user,) = [row for row in self._all.users if row["id"] == asker.user]
        return not user["archived"] and not user["banned"]

    def _may_use(self, asker: Asker, action: str) -> bool:
        return asker.scopes is None or action in asker.scopes

    def _above_organization(self, organization: Any) -> Iterator[tuple[str, Any]]:
        while organization is not None:
            yield "organization", organization
            organization = self._organizations[organization]["parent_id"]

    def _scopes_of(self, scope: str, scope_id: Any) -> Iterator[tuple[str, Any]]:
        """A scope and everything above it, up to the whole installation."""
        if scope == "course":
            yield "course", scope_id
            yield from self._scopes_of("family", self._courses[scope_id]["course_family_id"])
            return
        if scope == "family":
            yield "family", scope_id
            yield from self._above_organization(self._families[scope_id]["organization_id"])
        elif scope == "organization":
            yield from self._above_organization(scope_id)
        yield "global", None

    def holds(self, asker: Asker, action: str, scope: str, scope_id: Any) -> bool:
        if not self._may_use(asker, action):
            return False
        places = set(self._scopes_of(scope, scope_id))
        return any(
            grant["user_id"] == asker.user
            and (grant["scope"], grant["scope_id"]) in places
            and rights.holds(grant["role_id"], action)
            for grant in self._all.grants
        )

    def _at_course(self, asker: Asker, action: str, row: Row) -> bool:
        return self.holds(asker, action, "course", row["course_id"])

    # --- facts ----------------------------------------------------------------------------

    def _deployed_and_open(self, content: Row) -> bool:
        deployed = any(
            row["course_content_id"] == content["id"] and row["deployed_at"] is not None
            for row in self._all.deployments
        )
        waiting = any(
            row["course_content_id"] == content["id"]
            and row["releases_at"] is not None
            and row["releases_at"] > self._all.now
            for row in self._all.schedules
        )
        return deployed and not waiting and not content["archived"]

    def _released(self, content: Row) -> bool:
        if self._deployed_and_open(content):
            return True
        if content["kind_id"] != "unit" or content["archived"]:
            return False
        steps = content["path"].split(".")
        return any(
            other["course_id"] == content["course_id"]
            and other["path"].split(".")[: len(steps)] == steps
            and len(other["path"].split(".")) > len(steps)
            and self._deployed_and_open(other)
            for other in self._all.contents
        )

    def _in_group(self, asker: Asker, group: Any) -> bool:
        return any(
            row["submission_group_id"] == group and row["user_id"] == asker.user
            for row in self._all.group_members
        )

    def _teammates(self, asker: Asker) -> list[Row]:
        return [row for row in self._all.group_members if self._in_group(asker, row["submission_group_id"])]

    def _case_shown(self, case: Row) -> bool:
        if case["visibility"] == "always":
            return True
        content = self._groups[case["submission_group_id"]]["course_content_id"]
        over = any(
            row["course_content_id"] == content
            and row["due_at"] is not None
            and row["due_at"] <= self._all.now
            for row in self._all.schedules
        )
        return case["visibility"] == "after_due" and over

    # --- reading --------------------------------------------------------------------------

    READ = {
        "users": "user.read",
        "organizations": "organization.read",
        "course-families": "family.read",
        "courses": "course.read",
        "course-members": "member.read",
        "course-contents": "content.read",
        "assignment-schedules": "content.read",
        "content-deployments": "content.read_unreleased",
        "submission-groups": "submission.read",
        "submission-group-members": "submission.read",
        "artifacts": "submission.read",
        "test-runs": "result.read",
        "test-case-results": "result.read",
        "grades": "grade.read",
    }

    def reads(self, asker: Asker, endpoint: str, row: Row) -> bool:
        if not self._live(asker) or not self._may_use(asker, self.READ[endpoint]):
            return False
        return bool(getattr(self, f"_reads_{endpoint.replace('-', '_')}")(asker, row))

    def visible(self, asker: Asker, endpoint: str) -> set[Any]:
        return {row["id"] for row in self._all.rows(endpoint) if self.reads(asker, endpoint, row)}

    def _reads_users(self, asker: Asker, row: Row) -> bool:
        if row["id"] == asker.user or self.holds(asker, "user.read", "global", None):
            return True
        if any(mate["user_id"] == row["id"] for mate in self._teammates(asker)):
            return True
        read = {
            "course": "member.read",
            "family": "family_member.read",
            "organization": "organization_member.read",
        }
        return any(
            grant["user_id"] == row["id"]
            and grant["scope"] in read
            and self.holds(asker, read[grant["scope"]], grant["scope"], grant["scope_id"])
            for grant in self._all.grants
        )

    def _is_inside(self, asker: Asker, column: str, row: Row) -> bool:
        """Whether the asker is in a course, or holds a role at a family, directly in the place."""
        return any(
            grant["user_id"] == asker.user
            and rights.holds(grant["role_id"], "course.read")
            and self._may_use(asker, "course.read")
            and (
                (grant["scope"] == "course" and self._courses[grant["scope_id"]][column] == row["id"])
                or (
                    grant["scope"] == "family"
                    and column == "organization_id"
                    and self._families[grant["scope_id"]][column] == row["id"]
                )
            )
            for grant in self._all.grants
        )

    def _reads_organizations(self, asker: Asker, row: Row) -> bool:
        return self.holds(asker, "organization.read", "organization", row["id"]) or self._is_inside(
            asker, "organization_id", row
        )

    def _reads_course_families(self, asker: Asker, row: Row) -> bool:
        return self.holds(asker, "family.read", "family", row["id"]) or self._is_inside(
            asker, "course_family_id", row
        )

    def _reads_courses(self, asker: Asker, row: Row) -> bool:
        return self.holds(asker, "course.read", "course", row["id"])

    def _reads_course_members(self, asker: Asker, row: Row) -> bool:
        mine = row["user_id"] == asker.user
        mate = any(mate["course_member_id"] == row["id"] for mate in self._teammates(asker))
        return mine or mate or self.holds(asker, "member.read", "course", row["scope_id"])

    def _reads_course_contents(self, asker: Asker, row: Row) -> bool:
        if self._at_course(asker, "content.read_unreleased", row):
            return True
        return self._at_course(asker, "content.read", row) and self._released(row)

    def _reads_assignment_schedules(self, asker: Asker, row: Row) -> bool:
        return self._reads_course_contents(asker, self._contents[row["course_content_id"]])

    def _reads_content_deployments(self, asker: Asker, row: Row) -> bool:
        return self._at_course(asker, "content.read_unreleased", row)

    def _reads_submission_groups(self, asker: Asker, row: Row) -> bool:
        return self._in_group(asker, row["id"]) or self._at_course(asker, "submission.read", row)

    def _reads_submission_group_members(self, asker: Asker, row: Row) -> bool:
        return self._in_group(asker, row["submission_group_id"]) or self._at_course(
            asker, "submission.read", row
        )

    _reads_artifacts = _reads_submission_group_members

    def _reads_test_runs(self, asker: Asker, row: Row) -> bool:
        return self._in_group(asker, row["submission_group_id"]) or self._at_course(asker, "result.read", row)

    _reads_test_case_results = _reads_test_runs

    def _reads_grades(self, asker: Asker, row: Row) -> bool:
        mine = self._in_group(asker, row["submission_group_id"]) and row["published_at"] is not None
        return mine or self._at_course(asker, "grade.read", row)

    # --- fields and changes ---------------------------------------------------------------

    def case_details(self, asker: Asker, case: Row) -> bool:
        """Whether more than a case's name is shown."""
        if not self._may_use(asker, "result.read_details"):
            return False
        mine = self._in_group(asker, case["submission_group_id"]) and self._case_shown(case)
        return mine or self._at_course(asker, "result.read_details", case)

    def email(self, asker: Asker, user: Row) -> bool:
        """Whether a user's address is shown."""
        if not self._may_use(asker, "user.read_contact"):
            return False
        return (
            user["id"] == asker.user
            or self.holds(asker, "user.read_contact", "global", None)
            or any(
                grant["user_id"] == user["id"]
                and grant["scope"] == "course"
                and self.holds(asker, "member.read_contact", "course", grant["scope_id"])
                for grant in self._all.grants
            )
        )

    def changes_grade(self, asker: Asker, grade: Row) -> bool:
        """Whether a grade may be changed: one's own, or any by those who manage grades.

        Once it is published, only by those of them who publish grades.
        """
        if not self._live(asker) or not self._may_use(asker, "grade.write"):
            return False
        if grade["published_at"] is not None and not self._at_course(asker, "grade.publish", grade):
            return False
        mine = grade["graded_by_id"] == asker.user and self._at_course(asker, "grade.write", grade)
        return mine or self._at_course(asker, "grade.manage", grade)

    def submits(self, asker: Asker, content: Row) -> bool:
        """Whether the asker may submit to an assignment, its schedule's end aside."""
        return (
            self._live(asker)
            and self._at_course(asker, "submission.create", content)
            and self._released(content)
        )

    def tests(self, asker: Asker, artifact: Row) -> bool:
        """Whether the asker may have a submission tested."""
        if not self._live(asker) or not self._may_use(asker, "test.start"):
            return False
        mine = self._in_group(asker, artifact["submission_group_id"])
        return (mine and self._at_course(asker, "test.start", artifact)) or self._at_course(
            asker, "test.manage", artifact
        )
