"""Random universities: plain rows for the oracle, written into a database for the system."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from computor_core.db.types import new_id
from computor_core.model import (
    Artifact,
    AssignmentSchedule,
    ContentDeployment,
    Course,
    CourseContent,
    CourseContentType,
    CourseFamily,
    CourseFamilyMember,
    CourseMember,
    Example,
    ExampleVersion,
    Grade,
    Organization,
    OrganizationMember,
    SubmissionGroup,
    SubmissionGroupMember,
    TestCaseResult,
    TestRun,
    User,
    UserRole,
)
from tests.security.oracle import Row, University
from tests.security.rights import roles
from tests.support.world import NOW

# Paths that a comparison by prefix, by LIKE or by collation would mix up.
SEGMENTS = ["a", "a-b", "a_b", "ab", "axb"]
TIMES = [None, NOW - timedelta(days=1), NOW, NOW + timedelta(days=1)]


def _roles(scope: str) -> list[str]:
    return sorted(role for role in roles() if (role.partition(":")[0] if ":" in role else "global") == scope)


@st.composite
def universities(draw: st.DrawFn) -> University:
    made = University(now=NOW)
    _people_and_places(draw, made)
    _grants(draw, made)
    _contents(draw, made)
    _work(draw, made)
    return made


def _some(draw: st.DrawFn, least: int, most: int) -> range:
    return range(draw(st.integers(least, most)))


def _people_and_places(draw: st.DrawFn, made: University) -> None:
    made.users = [
        {"id": new_id(), "archived": number > 3 and draw(st.booleans()), "banned": number > 4}
        for number in _some(draw, 3, 6)
    ]
    for number in _some(draw, 1, 3):
        parent = draw(st.sampled_from([None, *made.organizations])) if number else None
        segment = SEGMENTS[number]
        path = f"{parent['path']}.{segment}" if parent else segment
        made.organizations.append({"id": new_id(), "path": path, "parent_id": parent and parent["id"]})
    for _ in _some(draw, 1, 3):
        organization = draw(st.sampled_from(made.organizations))
        made.families.append({"id": new_id(), "organization_id": organization["id"]})
    for _ in _some(draw, 1, 4):
        family = draw(st.sampled_from(made.families))
        made.courses.append(
            {
                "id": new_id(),
                "course_family_id": family["id"],
                "organization_id": family["organization_id"],
            }
        )


def _grants(draw: st.DrawFn, made: University) -> None:
    places = {
        "global": [{"id": None}],
        "organization": made.organizations,
        "family": made.families,
        "course": made.courses,
    }
    taken: set[tuple[Any, ...]] = set()
    # Mostly courses: there the interesting differences are.
    scopes = st.sampled_from(["course"] * 6 + ["family", "organization", "organization", "global"])
    for _ in _some(draw, 2, 12):
        scope = draw(scopes)
        place = draw(st.sampled_from(places[scope]))["id"]
        user = draw(st.sampled_from(made.users))["id"]
        if (scope, place, user) in taken:
            continue
        taken.add((scope, place, user))
        made.grants.append(
            {
                "id": new_id(),
                "scope": scope,
                "scope_id": place,
                "user_id": user,
                "role_id": draw(st.sampled_from(_roles(scope))),
            }
        )


def _contents(draw: st.DrawFn, made: University) -> None:
    taken: set[tuple[Any, str]] = set()
    for _ in _some(draw, 1, 7):
        course = draw(st.sampled_from(made.courses))["id"]
        units = [row for row in made.contents if row["course_id"] == course and row["kind_id"] == "unit"]
        parent = draw(st.sampled_from([None, *units]))
        segment = draw(st.sampled_from(SEGMENTS))
        path = f"{parent['path']}.{segment}" if parent else segment
        if (course, path) in taken:
            continue
        taken.add((course, path))
        content = {
            "id": new_id(),
            "course_id": course,
            "kind_id": draw(st.sampled_from(["unit", "assignment", "assignment"])),
            "path": path,
            "archived": draw(st.integers(0, 4)) == 0,
        }
        made.contents.append(content)
        if content["kind_id"] == "assignment":
            _assignment(draw, made, content)


def _assignment(draw: st.DrawFn, made: University, content: Row) -> None:
    here = {"course_id": content["course_id"], "course_content_id": content["id"]}
    if draw(st.integers(0, 3)):
        deployed = draw(st.sampled_from([None, NOW - timedelta(days=2), NOW - timedelta(days=2)]))
        made.deployments.append({"id": new_id(), "deployed_at": deployed, **here})
    if draw(st.booleans()):
        releases = draw(st.sampled_from(TIMES))
        due = draw(
            st.sampled_from([time for time in TIMES if time is None or releases is None or time >= releases])
        )
        made.schedules.append({"id": new_id(), "releases_at": releases, "due_at": due, **here})


def _work(draw: st.DrawFn, made: University) -> None:
    assignments = [row for row in made.contents if row["kind_id"] == "assignment"]
    for content in assignments:
        members = [
            row for row in made.grants if row["scope"] == "course" and row["scope_id"] == content["course_id"]
        ]
        free = list(members)
        while free and draw(st.booleans()):
            size = draw(st.integers(1, min(2, len(free))))
            team, free = free[:size], free[size:]
            _group(draw, made, content, team)


def _group(draw: st.DrawFn, made: University, content: Row, team: list[Row]) -> None:
    group = {"id": new_id(), "course_id": content["course_id"], "course_content_id": content["id"]}
    made.groups.append(group)
    for member in team:
        made.group_members.append(
            {
                "id": new_id(),
                "course_id": content["course_id"],
                "course_content_id": content["id"],
                "submission_group_id": group["id"],
                "course_member_id": member["id"],
                "user_id": member["user_id"],
            }
        )
    for _ in _some(draw, 0, 2):
        here = {"course_id": content["course_id"], "submission_group_id": group["id"]}
        artifact = {"id": new_id(), "course_member_id": team[0]["id"], **here}
        made.artifacts.append(artifact)
        run = {"id": new_id(), "artifact_id": artifact["id"], **here}
        made.runs.append(run)
        for visibility in draw(st.sets(st.sampled_from(["always", "after_due", "never"]))):
            made.cases.append({"id": new_id(), "test_run_id": run["id"], "visibility": visibility, **here})
        if draw(st.booleans()):
            made.grades.append(
                {
                    "id": new_id(),
                    "artifact_id": artifact["id"],
                    "graded_by_id": draw(st.sampled_from(made.users))["id"],
                    "published_at": draw(st.sampled_from([None, NOW])),
                    **here,
                }
            )


# --- into a database --------------------------------------------------------------------------


async def store(connection: AsyncConnection, made: University) -> None:
    """Write a university's rows; the caller ends the transaction."""
    await _many(
        connection,
        User,
        [
            {
                "id": row["id"],
                "email": f"{row['id']}@x",
                "archived_at": NOW if row["archived"] else None,
                "banned_at": NOW if row["banned"] else None,
            }
            for row in made.users
        ],
    )
    for row in made.organizations:
        await _many(connection, Organization, [{**row, "title": "t"}])
    await _many(
        connection, CourseFamily, [{**row, "slug": row["id"].hex, "title": "t"} for row in made.families]
    )
    await _many(connection, Course, [{**row, "slug": row["id"].hex, "title": "t"} for row in made.courses])
    await _store_grants(connection, made)
    await _store_contents(connection, made)
    await _store_work(connection, made)


async def _many(connection: AsyncConnection, model: Any, rows: list[Row]) -> None:
    if rows:
        await connection.execute(insert(model), rows)


async def _store_grants(connection: AsyncConnection, made: University) -> None:
    tables: dict[str, tuple[Any, str | None]] = {
        "global": (UserRole, None),
        "organization": (OrganizationMember, "organization_id"),
        "family": (CourseFamilyMember, "course_family_id"),
        "course": (CourseMember, "course_id"),
    }
    for scope, (model, column) in tables.items():
        rows = [
            {key: grant[key] for key in ("id", "user_id", "role_id")}
            | ({column: grant["scope_id"]} if column else {})
            for grant in made.grants
            if grant["scope"] == scope
        ]
        await _many(connection, model, rows)


async def _store_contents(connection: AsyncConnection, made: University) -> None:
    types = {(course["id"], kind): new_id() for course in made.courses for kind in ("unit", "assignment")}
    await _many(
        connection,
        CourseContentType,
        [
            {"id": type_id, "course_id": course, "kind_id": kind, "slug": kind, "title": kind}
            for (course, kind), type_id in types.items()
        ],
    )
    await _many(
        connection,
        CourseContent,
        [
            {
                "id": row["id"],
                "course_id": row["course_id"],
                "content_type_id": types[row["course_id"], row["kind_id"]],
                "kind_id": row["kind_id"],
                "path": row["path"],
                "parent_key": row["path"].rpartition(".")[0],
                "position": f"a{number}z",
                "title": "t",
                "archived_at": NOW if row["archived"] else None,
            }
            for number, row in enumerate(made.contents)
        ],
    )
    example = {
        "id": new_id(),
        "organization_id": made.organizations[0]["id"],
        "identifier": "x",
        "title": "x",
    }
    await _many(connection, Example, [{**example, "format": "computor"}])
    version = {
        "id": new_id(),
        "example_id": example["id"],
        "organization_id": example["organization_id"],
        "version_tag": "1",
        "ordinal": 1,
        "title": "x",
        "integrity": "isolated",
        "tree_hash": "0",
        "storage_instance": "default",
        "files": [],
        "spec": {},
    }
    await _many(connection, ExampleVersion, [version])
    await _many(
        connection,
        ContentDeployment,
        [{**row, "example_version_id": version["id"], "state": "failed"} for row in made.deployments],
    )
    await _many(connection, AssignmentSchedule, [{**row, "points": Decimal(1)} for row in made.schedules])
    made.version = version["id"]


async def _store_work(connection: AsyncConnection, made: University) -> None:
    await _many(connection, SubmissionGroup, made.groups)
    await _many(connection, SubmissionGroupMember, made.group_members)
    artifact = {
        "transport": "upload",
        "official": True,
        "tree_hash": "0",
        "size": 1,
        "storage_instance": "default",
        "files": [],
        "received_at": NOW,
    }
    await _many(connection, Artifact, [{**row, **artifact} for row in made.artifacts])
    run = {
        "example_version_id": made.version,
        "runner_instance": "default",
        "official": True,
        "state": "finished",
        "verdict": "passed",
    }
    await _many(connection, TestRun, [{**row, **run} for row in made.runs])
    case = {"name": "c", "status": "failed", "points": Decimal(0), "max_points": Decimal(1), "output": "o"}
    await _many(
        connection,
        TestCaseResult,
        [{**row, **case, "ordinal": number} for number, row in enumerate(made.cases)],
    )
    await _many(connection, Grade, [{**row, "points": Decimal(1)} for row in made.grades])
