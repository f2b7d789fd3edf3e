"""Creating, changing, archiving and deleting rows, with what goes along in the same transaction."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import func, select

from computor_core.errors import (
    ConflictError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    PreconditionFailedError,
)
from computor_core.interfaces.assignment_schedules import AssignmentScheduleCreate, AssignmentScheduleUpdate
from computor_core.interfaces.course_contents import (
    CourseContentCreate,
    CourseContentTypeCreate,
    CourseContentUpdate,
)
from computor_core.interfaces.course_families import CourseFamilyCreate
from computor_core.interfaces.courses import CourseCreate, CourseMemberCreate, CourseUpdate
from computor_core.interfaces.examples import ContentDeploymentCreate, ContentDeploymentUpdate
from computor_core.interfaces.operation import ProviderBindingCreate
from computor_core.interfaces.organizations import OrganizationCreate
from computor_core.interfaces.results import GradeUpdate
from computor_core.interfaces.users import UserCreate, UserUpdate
from computor_core.model import AuditEvent, AuditValue, Course, EventLog, Session, User
from computor_core.plugin_api.principal import Principal
from tests.support.world import NOW, World


async def create(world: World, principal: Principal, endpoint: str, body: Any) -> dict[str, Any]:
    async with world.uow(principal) as work:
        return await world.entities[endpoint].create(work, body)


async def update(
    world: World, principal: Principal, endpoint: str, row: Any, body: Any, **options: Any
) -> dict[str, Any]:
    async with world.uow(principal) as work:
        return await world.entities[endpoint].update(work, row, body, **options)


async def delete(world: World, principal: Principal, endpoint: str, row: Any) -> None:
    async with world.uow(principal) as work:
        await world.entities[endpoint].delete(work, row)


# --- create -----------------------------------------------------------------------------------


async def test_creating_a_course_takes_the_organization_from_its_family(world: World) -> None:
    family = await world.family()
    manager = await world.who("_manager", family)
    row = await create(
        world, manager, "courses", CourseCreate(course_family_id=family.id, slug="a", title="A")
    )
    assert row["organization_id"] == str(family.organization_id)
    assert row["version"] == 1
    assert row["created_at"] == row["updated_at"] == "2026-03-02T12:00:00Z"
    # Managers are no owners: the private fields of what they made stay hidden.
    assert row["properties"] is None
    assert await world.get(manager, "courses", row["id"]) == row
    async with world.database.reader.connect() as connection:
        found = (await connection.execute(select(Course.created_by, Course.updated_by))).one()
    assert tuple(found) == (manager.user_id, manager.user_id)


async def test_the_parent_decides_who_creates(world: World) -> None:
    family = await world.family()
    body = CourseCreate(course_family_id=family.id, slug="a", title="A")
    course = await world.course(family)
    for principal, error in (
        (await world.who("_lecturer", course), ForbiddenError),
        (await world.who("_owner", await world.family()), NotFoundError),
        (await world.principal(await world.user()), NotFoundError),
        (Principal.anonymous(), NotFoundError),
    ):
        with pytest.raises(error):
            await create(world, principal, "courses", body)


async def test_an_absent_parent_and_a_hidden_one_look_the_same(world: World) -> None:
    owner = await world.who("_owner", await world.family())
    hidden = await world.family()
    answers = []
    for family_id in (hidden.id, uuid4()):
        with pytest.raises(NotFoundError) as caught:
            await create(
                world, owner, "courses", CourseCreate(course_family_id=family_id, slug="a", title="A")
            )
        answers.append((caught.value.message, caught.value.details, caught.value.fields))
    assert answers[0] == answers[1]


async def test_a_root_row_needs_the_global_action(world: World) -> None:
    body = OrganizationCreate(slug="new", title="New")
    owner = await world.who("_owner", await world.organization())
    with pytest.raises(ForbiddenError):
        await create(world, owner, "organizations", body)
    row = await create(world, await world.who("_organization_manager"), "organizations", body)
    assert row["path"] == "new"


async def test_a_sub_organization_lies_below_its_parent(world: World) -> None:
    parent = await world.organization("uni")
    owner = await world.who("_owner", parent)
    row = await create(
        world, owner, "organizations", OrganizationCreate(parent_id=parent.id, slug="cs", title="CS")
    )
    assert row["path"] == "uni.cs"
    # The grant reaches it at once.
    family = await create(
        world, owner, "course-families", CourseFamilyCreate(organization_id=row["id"], slug="f", title="F")
    )
    assert family["organization_id"] == row["id"]


async def test_a_reference_into_another_course_is_refused(world: World) -> None:
    here, there = await world.course(), await world.course()
    user = await world.user()
    for course in (here, there):
        await world.grant(user, "_lecturer", course)
    foreign = await world.content_type(there)
    with pytest.raises(InvalidError) as caught:
        await create(
            world,
            await world.principal(user),
            "course-contents",
            CourseContentCreate(course_id=here.id, content_type_id=foreign.id, slug="a", title="A"),
        )
    assert (caught.value.fields[0].path, caught.value.fields[0].code) == ("content_type_id", "elsewhere")


async def test_only_what_students_submit_to_has_a_schedule_or_a_version(world: World) -> None:
    course = await world.course()
    unit, version = await world.content(course, kind="unit"), await world.example_version(course)
    for endpoint, body in (
        ("assignment-schedules", AssignmentScheduleCreate(course_content_id=unit.id, points=Decimal(1))),
        (
            "content-deployments",
            ContentDeploymentCreate(course_content_id=unit.id, example_version_id=version.id),
        ),
    ):
        with pytest.raises(InvalidError) as caught:
            await create(world, await world.who("_lecturer", course), endpoint, body)
        assert caught.value.fields[0].code == "no_assignment"


# --- constraints ------------------------------------------------------------------------------


async def test_a_taken_name_is_a_conflict_that_names_the_field(world: World) -> None:
    course = await world.course()
    admin = await world.who("_admin")
    with pytest.raises(ConflictError) as caught:
        await create(
            world,
            admin,
            "courses",
            CourseCreate(course_family_id=course.course_family_id, slug=course.slug, title="x"),
        )
    assert [(field.path, field.code) for field in caught.value.fields] == [("slug", "not_unique")]
    assert_no_sql(caught.value.message)


def assert_no_sql(message: str) -> None:
    for word in ("UNIQUE", "constraint", "uq_", "INSERT", "sqlite", "asyncpg", "Key ("):
        assert word not in message


async def test_enrolling_twice_is_a_conflict(world: World) -> None:
    course, user = await world.course(), await world.user()
    await world.grant(user, "_student", course)
    with pytest.raises(ConflictError) as caught:
        await create(
            world,
            await world.who("_maintainer", course),
            "course-members",
            CourseMemberCreate(course_id=course.id, user_id=user.id),
        )
    assert [field.path for field in caught.value.fields] == ["user_id"]


async def test_a_broken_check_is_invalid_and_names_the_fields(world: World) -> None:
    course = await world.course()
    content = await world.content(course)
    lecturer = await world.who("_lecturer", course)
    with pytest.raises(InvalidError) as caught:
        await create(
            world,
            lecturer,
            "assignment-schedules",
            AssignmentScheduleCreate(
                course_content_id=content.id,
                points=Decimal(1),
                releases_at=NOW,
                due_at=NOW.replace(year=2020),
            ),
        )
    assert {field.path for field in caught.value.fields} == {"releases_at", "due_at"}
    assert {field.code for field in caught.value.fields} == {"release_due"}
    assert_no_sql(caught.value.message)


async def test_what_others_refer_to_cant_be_deleted(world: World) -> None:
    family = await world.family()
    await world.course(family)
    with pytest.raises(ConflictError) as caught:
        await delete(world, await world.who("_admin"), "course-families", family.id)
    assert_no_sql(caught.value.message)


async def test_an_address_is_taken_whatever_its_case_until_its_user_is_archived(world: World) -> None:
    manager = await world.who("_user_manager")
    first = await create(world, manager, "users", UserCreate(email="Ada@Example.org"))
    with pytest.raises(ConflictError):
        await create(world, manager, "users", UserCreate(email=" ada@example.ORG "))
    async with world.uow(manager) as work:
        await world.entities["users"].archive(work, first["id"])
    await create(world, manager, "users", UserCreate(email="ada@example.org"))
    with pytest.raises(ConflictError):
        async with world.uow(manager) as work:
            await world.entities["users"].unarchive(work, first["id"])


# --- update -----------------------------------------------------------------------------------


async def test_only_sent_fields_change_and_the_version_counts(world: World) -> None:
    course = await world.course(title="Old", description="Kept")
    owner = await world.who("_owner", course)
    row = await update(world, owner, "courses", course.id, CourseUpdate(title="New"))
    assert (row["title"], row["description"], row["version"]) == ("New", "Kept", 2)
    assert await world.get(owner, "courses", course.id) == row


async def test_the_same_values_change_nothing(world: World) -> None:
    course = await world.course(title="Same")
    owner = await world.who("_owner", course)
    world.events.clear()
    row = await update(world, owner, "courses", course.id, CourseUpdate(title="Same"))
    assert row["version"] == 1
    assert await update(world, owner, "courses", course.id, CourseUpdate()) == row
    assert world.events == []


async def test_an_old_version_is_refused(world: World) -> None:
    course = await world.course()
    owner = await world.who("_owner", course)
    await update(world, owner, "courses", course.id, CourseUpdate(title="1"), if_match=1)
    with pytest.raises(PreconditionFailedError) as caught:
        await update(world, owner, "courses", course.id, CourseUpdate(title="2"), if_match=1)
    assert caught.value.details == {"version": 2}
    for change in ("archive", "delete"):
        with pytest.raises(PreconditionFailedError):
            async with world.uow(owner) as work:
                await getattr(world.entities["courses"], change)(work, course.id, if_match=1)


async def test_of_two_changes_at_once_one_says_so(world: World) -> None:
    course = await world.course()
    owner = await world.who("_owner", course)

    async def change(title: str) -> str:
        try:
            await update(world, owner, "courses", course.id, CourseUpdate(title=title), if_match=1)
        except (ConflictError, PreconditionFailedError):
            return "refused"
        return "done"

    assert sorted(await asyncio.gather(change("a"), change("b"))) == ["done", "refused"]
    assert (await world.get(owner, "courses", course.id))["version"] == 2


async def test_visible_is_403_and_hidden_404_like_absent(world: World) -> None:
    course = await world.course()
    student = await world.who("_student", course)
    stranger = await world.principal(await world.user())
    body = CourseUpdate(title="x")
    with pytest.raises(ForbiddenError):
        await update(world, student, "courses", course.id, body)
    answers = []
    for row_id in (course.id, uuid4()):
        with pytest.raises(NotFoundError) as caught:
            await update(world, stranger, "courses", row_id, body)
        answers.append((caught.value.message, caught.value.details))
    assert answers[0] == answers[1]


@pytest.mark.parametrize("row_id", ["not-a-uuid", "", "\x00"])
async def test_what_is_no_id_is_simply_not_there(world: World, row_id: str) -> None:
    admin = await world.who("_admin")
    with pytest.raises(NotFoundError):
        await world.get(admin, "courses", row_id)
    with pytest.raises(NotFoundError):
        await world.get(admin, "roles", row_id)


async def test_everybody_renames_themselves_but_only_managers_set_addresses(world: World) -> None:
    user = await world.user("ada", email_verified_at=NOW)
    principal = await world.principal(user)
    row = await update(world, principal, "users", user.id, UserUpdate(given_name="Augusta"))
    assert row["given_name"] == "Augusta"
    with pytest.raises(ForbiddenError) as caught:
        await update(world, principal, "users", user.id, UserUpdate(email="new@example.org"))
    assert caught.value.fields[0].path == "email"
    manager = await world.who("_user_manager")
    row = await update(world, manager, "users", user.id, UserUpdate(email="ADA@example.org"))
    assert row["email_verified_at"] is not None
    row = await update(world, manager, "users", user.id, UserUpdate(email="new@example.org"))
    assert row["email_verified_at"] is None


async def test_an_update_checks_the_old_and_the_new_target(world: World) -> None:
    course, elsewhere = await world.course(), await world.course()
    lecturer = await world.who("_lecturer", course)
    mine, foreign = await world.example_version(course), await world.example_version(elsewhere)
    content = await world.content(course)
    row = await create(
        world,
        lecturer,
        "content-deployments",
        ContentDeploymentCreate(course_content_id=content.id, example_version_id=mine.id),
    )
    assert row["state"] == "pending"
    with pytest.raises(NotFoundError):
        await update(
            world,
            lecturer,
            "content-deployments",
            row["id"],
            ContentDeploymentUpdate(example_version_id=foreign.id),
        )


async def test_a_grade_never_exceeds_what_the_assignment_is_worth(world: World) -> None:
    course, tutor = await world.course(), await world.user()
    await world.grant(tutor, "_tutor", course)
    member = await world.grant(await world.user(), "_student", course)
    content = await world.content(course, released=True)
    artifact = await world.artifact(await world.group(content, member), member)
    grade = await world.grade(artifact, tutor)
    principal = await world.principal(tutor)
    row = await update(world, principal, "grades", grade.id, GradeUpdate(points=Decimal(10)))
    assert row["points"] == "10"
    with pytest.raises(InvalidError) as caught:
        await update(world, principal, "grades", grade.id, GradeUpdate(points=Decimal("10.0001")))
    assert caught.value.fields[0].path == "points"


async def test_null_is_taken_where_it_means_something(world: World) -> None:
    course = await world.course()
    content = await world.content(course, released=True, due_at=NOW)
    lecturer = await world.who("_lecturer", course)
    (schedule,) = await world.ids(lecturer, "assignment-schedules")
    row = await update(
        world, lecturer, "assignment-schedules", schedule, AssignmentScheduleUpdate(due_at=None)
    )
    assert row["due_at"] is None
    assert row["course_content_id"] == str(content.id)


async def test_null_is_refused_where_a_value_is_mandatory(world: World) -> None:
    course = await world.course()
    owner = await world.who("_owner", course)
    body = CourseUpdate.model_construct(_fields_set={"title"}, title=None)
    with pytest.raises(InvalidError) as caught:
        await update(world, owner, "courses", course.id, body)
    assert caught.value.fields[0].code == "not_null"


# --- archive and delete -----------------------------------------------------------------------


async def test_archiving_and_bringing_back_do_nothing_twice(world: World) -> None:
    course = await world.course()
    owner = await world.who("_owner", course)
    courses = world.entities["courses"]
    versions = []
    for change in (courses.archive, courses.archive, courses.unarchive, courses.unarchive):
        async with world.uow(owner) as work:
            row = await change(work, course.id)
        versions.append((row["version"], row["archived_at"] is not None))
    assert versions == [(2, True), (2, True), (3, False), (3, False)]
    assert [event.name for event in world.events] == ["entity.archived", "entity.archived"]


async def test_a_course_with_submissions_is_kept(world: World) -> None:
    course = await world.course()
    member = await world.grant(await world.user(), "_student", course)
    await world.artifact(await world.group(await world.content(course), member), member)
    owner = await world.who("_owner", course)
    with pytest.raises(ConflictError, match="has submissions"):
        await delete(world, owner, "courses", course.id)


async def test_deleting_a_course_ends_its_members_principals(world: World) -> None:
    course = await world.course()
    student, owner = await world.who("_student", course), await world.who("_owner", course)
    await delete(world, owner, "courses", course.id)
    async with world.read(student) as unit:
        assert not await world.access.still_valid(unit)


# --- what goes along --------------------------------------------------------------------------


async def test_every_change_has_its_event_and_audit_record(world: World) -> None:
    family = await world.family()
    owner = await world.who("_owner", family)
    row = await create(world, owner, "courses", CourseCreate(course_family_id=family.id, slug="a", title="A"))
    await update(world, owner, "courses", row["id"], CourseUpdate(title="B"))
    await delete(world, owner, "courses", row["id"])
    assert [event.name for event in world.events] == ["entity.created", "entity.updated", "entity.deleted"]
    assert all(str(event.course_id) == row["id"] for event in world.events)
    assert world.events[1].payload() == {"entity": "courses", "row_id": row["id"], "fields": ["title"]}
    async with world.database.reader.connect() as connection:
        joined = select(AuditEvent, AuditValue.before, AuditValue.after).join(
            AuditValue, AuditValue.audit_event_id == AuditEvent.id
        )
        audit = (await connection.execute(joined.order_by(AuditEvent.id))).all()
        logged = await connection.scalar(select(func.count()).select_from(EventLog))
    assert logged == 3
    assert [item.action for item in audit] == ["course.create", "course.update", "course.delete"]
    assert {item.actor_id for item in audit} == {owner.user_id}
    assert {item.request_id for item in audit} == {"test"}
    assert {item.row_id for item in audit} == {row["id"]}
    assert audit[0].before is None
    assert audit[0].after["title"] == "A"
    assert (audit[1].before, audit[1].after) == ({"title": "A"}, {"title": "B"})
    assert audit[2].before["title"] == "B"
    assert audit[2].after is None


async def test_nothing_is_left_when_a_handler_refuses(world: World) -> None:
    family = await world.family()
    owner = await world.who("_owner", family)

    async def create_and_veto() -> None:
        async with world.uow(owner) as work:
            await world.entities["courses"].create(
                work, CourseCreate(course_family_id=family.id, slug="a", title="A")
            )
            raise ConflictError("vetoed")

    with pytest.raises(ConflictError, match="vetoed"):
        await create_and_veto()
    async with world.database.reader.connect() as connection:
        for model in (Course, AuditEvent, EventLog):
            assert await connection.scalar(select(func.count()).select_from(model)) == 0


async def test_the_audit_trail_holds_no_secret(world: World) -> None:
    manager = await world.who("_user_manager")
    await create(world, manager, "users", UserCreate(email="ada@example.org"))
    async with world.database.reader.connect() as connection:
        after = (await connection.execute(select(AuditValue.after))).scalar_one()
    assert "email_key" not in after
    assert not {column.name for column in Session.__table__.c if column.name.endswith("_hash")} & after.keys()


async def test_rows_added_in_the_same_unit_count(world: World) -> None:
    course = await world.course()
    maintainer = await world.who("_maintainer", course)
    async with world.uow(maintainer) as work:
        user = User(given_name="New")
        work.session.add(user)
        await work.session.flush()
        row = await world.entities["course-members"].create(
            work, CourseMemberCreate(course_id=course.id, user_id=user.id)
        )
        assert (await world.entities["course-members"].get(work, row["id"]))["user_id"] == str(user.id)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (ProviderBindingCreate(scope="course", scope_key="", seam="git", instance="x"), "does_not_fit"),
        (
            ProviderBindingCreate(scope="global", scope_key=str(uuid4()), seam="git", instance="x"),
            "does_not_fit",
        ),
        (
            ProviderBindingCreate(scope="course", scope_key=str(uuid4()), seam="git", instance="x"),
            "not_found",
        ),
    ],
)
async def test_a_provider_binding_needs_its_scope(world: World, body: Any, code: str) -> None:
    with pytest.raises(InvalidError) as caught:
        await create(world, await world.who("_git_manager"), "provider-bindings", body)
    assert caught.value.fields[0].code == code


async def test_a_kind_decides_what_a_content_type_is(world: World) -> None:
    course = await world.course()
    lecturer = await world.who("_lecturer", course)
    for kind, error in (("assignment", None), ("exam", NotFoundError)):
        body = CourseContentTypeCreate(course_id=course.id, kind_id=kind, slug=kind, title=kind)
        if error is None:
            assert (await create(world, lecturer, "course-content-types", body))["kind_id"] == kind
        else:
            with pytest.raises(error):
                await create(world, lecturer, "course-content-types", body)


async def test_a_node_keeps_its_kind(world: World) -> None:
    course = await world.course()
    lecturer = await world.who("_lecturer", course)
    content = await world.content(course)
    unit_type, other = await world.content_type(course, "unit"), await world.content_type(course)
    row = await update(
        world, lecturer, "course-contents", content.id, CourseContentUpdate(content_type_id=other.id)
    )
    assert row["content_type_id"] == str(other.id)
    with pytest.raises(InvalidError) as caught:
        await update(
            world, lecturer, "course-contents", content.id, CourseContentUpdate(content_type_id=unit_type.id)
        )
    assert caught.value.fields[0].code == "other_kind"
