"""The fixed scenario of ``tests/security/rights.yaml``: its rows and its personas."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import select

from computor_core.db.types import new_id
from computor_core.model import (
    ApiToken,
    AssignmentSchedule,
    AuditEvent,
    ContentDeployment,
    CourseContentKind,
    CourseContentType,
    CourseFamilyMember,
    CourseMember,
    CourseRepository,
    Example,
    ExampleVersion,
    Organization,
    OrganizationMember,
    ProviderBinding,
    Role,
    Session,
    SubmissionGroupMember,
    User,
    UserRole,
    WorkflowRun,
)
from computor_core.plugin_api.principal import Principal
from tests.support.world import World


@dataclass(frozen=True)
class Scenario:
    """The scenario.

    Attributes:
        rows: By their name in the matrix.
        personas: Their principals.
        roles: What each persona holds, and whether at the course of the rows or above it.
    """

    rows: dict[str, Any]
    personas: dict[str, Principal]
    roles: dict[str, tuple[str, bool]]


async def build(world: World) -> Scenario:
    rows: dict[str, Any] = {}
    uni = await world.organization("uni")
    family = await world.family(uni)
    course, neighbouring = await world.course(family, properties={"k": 1}), await world.course(family)
    elsewhere = await world.course()
    people, roles = await _people(world, uni, family, course, neighbouring, elsewhere)
    await _scopes(world, rows, people, uni, family, course)
    await _content(world, rows, course)
    await _work(world, rows, people, course)
    await _operation(world, rows)
    personas = {name: await world.principal(user) for name, user in people.items()}
    personas["anonymous"] = Principal.anonymous()
    personas["narrow_token"] = await world.principal(people["student"], scopes=["user.read"])
    rows["sessions"] = await world.add(_session(world, people["student"]))
    rows["api-tokens"] = await world.add(
        ApiToken(user_id=people["student"].id, name="t", prefix="ct_", token_hash="f" * 64)
    )
    async with world.session() as session:
        archived = await session.get_one(User, people["archived"].id)
        archived.archived_at = world.now
    return Scenario(rows, personas, roles)


async def _people(
    world: World, uni: Any, family: Any, course: Any, neighbouring: Any, elsewhere: Any
) -> tuple[dict[str, User], dict[str, tuple[str, bool]]]:
    places: dict[str, tuple[str, Any]] = {
        "student": ("_student", course),
        "teammate": ("_student", course),
        "classmate": ("_student", course),
        "tutor": ("_tutor", course),
        "lecturer": ("_lecturer", course),
        "maintainer": ("_maintainer", course),
        "owner": ("_owner", course),
        "archived": ("_owner", course),
        "neighbour": ("_owner", neighbouring),
        "foreigner": ("_owner", elsewhere),
        **{f"family_{role}": (f"_{role}", family) for role in ("developer", "manager", "owner")},
        **{f"organization_{role}": (f"_{role}", uni) for role in ("developer", "manager", "owner")},
        "user_manager": ("_user_manager", None),
        "organizations_manager": ("_organization_manager", None),
        "example_manager": ("_example_manager", None),
        "git_manager": ("_git_manager", None),
        "auditor": ("_auditor", None),
        "admin": ("_admin", None),
    }
    people, roles = {"stranger": await world.user("stranger")}, {}
    for name, (role, place) in places.items():
        people[name] = await world.user(name)
        grant = await world.grant(people[name], role, place)
        if name != "archived":
            roles[name] = (grant.role_id, place not in (neighbouring, elsewhere))
    # Somebody else owns what the matrix takes memberships away from.
    for role, place in (("_owner", uni), ("_owner", family), ("_owner", course)):
        await world.grant(await world.user(), role, place)
    people["second admin"] = await world.user()
    await world.grant(people["second admin"], "_admin")
    return people, roles


async def _scopes(
    world: World, rows: dict[str, Any], people: dict[str, User], uni: Organization, family: Any, course: Any
) -> None:

    async with world.session() as session:
        rows |= {
            "users": people["student"],
            "users (administrator)": people.pop("second admin"),
            "users (service)": await world.user(is_service=True),
            "users (strong service)": await world.user(is_service=True, role="_admin"),
            "users (archived)": people["archived"],
            "users (tutor)": people["tutor"],
            "users (family developer)": people["family_developer"],
            "users (organization owner)": people["organization_owner"],
            "roles": await session.get_one(Role, "course:_tutor"),
            "user-roles": (
                await session.scalars(select(UserRole).where(UserRole.user_id == people["auditor"].id))
            ).one(),
            "organization-members": (
                await session.scalars(
                    select(OrganizationMember).where(
                        OrganizationMember.user_id == people["organization_developer"].id
                    )
                )
            ).one(),
            "course-family-members": (
                await session.scalars(
                    select(CourseFamilyMember).where(
                        CourseFamilyMember.user_id == people["family_developer"].id
                    )
                )
            ).one(),
            "course-members": (
                await session.scalars(
                    select(CourseMember).where(CourseMember.user_id == people["student"].id)
                )
            ).one(),
            "organizations": uni,
            "course-families": family,
            "courses": course,
        }
        student = await session.get_one(User, people["student"].id)
        student.ban_reason = "reason"
        for place in (uni, family, course):
            (await session.get_one(type(place), place.id)).properties = {"k": 1}


async def _content(world: World, rows: dict[str, Any], course: Any) -> None:

    released = await world.content(course, released=True, properties={"k": 1})
    unreleased = await world.content(course)
    unused = await world.example_version(course)
    await world.content(course, "full.task", released=True)
    await world.content(course, "waiting.task")
    rows |= {
        "course-contents (unit)": await world.content(course, "full", kind="unit"),
        "course-contents (unreleased unit)": await world.content(course, "waiting", kind="unit"),
        "course-contents (later)": await world.content(
            course, released=True, releases_at=world.now + timedelta(seconds=1)
        ),
        "course-contents (archived)": await world.content(course, released=True, archived_at=world.now),
    }
    async with world.session() as session:
        deployment = (
            await session.scalars(
                select(ContentDeployment).where(ContentDeployment.course_content_id == released.id)
            )
        ).one()
        rows |= {
            "course-content-kinds": await session.get_one(CourseContentKind, "unit"),
            "course-content-types": await session.get_one(CourseContentType, released.content_type_id),
            "course-contents": released,
            "course-contents (unreleased)": unreleased,
            "assignment-schedules": (
                await session.scalars(
                    select(AssignmentSchedule).where(AssignmentSchedule.course_content_id == released.id)
                )
            ).one(),
            "content-deployments": deployment,
            "example-versions": unused,
            "example-versions (deployed)": await session.get_one(
                ExampleVersion, deployment.example_version_id
            ),
        }

    async with world.session() as session:
        rows["examples"] = await session.get_one(Example, unused.example_id)
    for purpose in ("template", "reference"):
        rows[f"course-repositories ({purpose})"] = await world.add(
            CourseRepository(
                course_id=course.id,
                purpose=purpose,
                git_instance="default",
                external_id=f"{course.slug}/{purpose}",
                http_url="http://localhost/r.git",
            )
        )


async def _work(world: World, rows: dict[str, Any], people: dict[str, User], course: Any) -> None:

    async with world.session() as session:
        members = {
            name: (
                await session.scalars(
                    select(CourseMember).where(
                        CourseMember.user_id == people[name].id, CourseMember.course_id == course.id
                    )
                )
            ).one()
            for name in ("student", "teammate", "classmate")
        }
    content = rows["course-contents"]
    group = await world.group(content, members["student"], members["teammate"])
    other = await world.group(content, members["classmate"])
    await world.artifact(other, members["classmate"])
    artifact = await world.artifact(group, members["student"])
    second = await world.artifact(group, members["student"])
    repository = await world.repository(members["student"])
    run = await world.test_run(artifact, rows["example-versions (deployed)"])
    async with world.session() as session:
        membership = (
            await session.scalars(
                select(SubmissionGroupMember).where(SubmissionGroupMember.user_id == people["student"].id)
            )
        ).one()
    rows |= {
        "submission-groups": group,
        "submission-group-members": membership,
        "artifacts": artifact,
        "receipts": await world.receipt(artifact),
        "member-repositories": repository,
        "push-intents": await world.push(repository, content, people["student"].id),
        "test-runs": run,
        "test-case-results": await world.case(run),
        "test-case-results (after due)": await world.case(run, "after_due"),
        "test-case-results (due over)": await _case_after_due(world, course, members, rows),
        "test-case-results (hidden)": await world.case(run, "never"),
        "grades": await world.grade(artifact, people["tutor"], published=True),
        "grades (unpublished)": await world.grade(second, people["tutor"]),
        "grades (lecturer's)": await world.grade(second, people["lecturer"], published=True),
    }


async def _case_after_due(world: World, course: Any, members: dict[str, Any], rows: dict[str, Any]) -> Any:
    content = await world.content(course, released=True, due_at=world.now)
    group = await world.group(content, members["student"], members["teammate"])
    artifact = await world.artifact(group, members["student"])
    run = await world.test_run(artifact, rows["example-versions (deployed)"])
    return await world.case(run, "after_due")


async def _operation(world: World, rows: dict[str, Any]) -> None:

    rows["provider-bindings"] = await world.add(
        ProviderBinding(scope="global", seam="git", instance="default")
    )
    rows["audit-events"] = await world.add(
        AuditEvent(
            occurred_at=world.now, actor_kind="system", action="course.read", entity="courses", row_id="x"
        )
    )
    rows["workflow-runs"] = await world.add(
        WorkflowRun(
            id=new_id(), workflow="submission.test", workflow_version=1, engine_instance="default", input={}
        )
    )


def _session(world: World, user: User) -> Session:
    return Session(
        user_id=user.id,
        token_hash="e" * 64,
        csrf_hash="0" * 64,
        auth_instance="default",
        expires_at=world.now + timedelta(days=1),
        last_seen_at=world.now,
    )
