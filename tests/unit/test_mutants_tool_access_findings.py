"""Promises of the access rules that a mutant broke unnoticed until there was a test for them."""

from __future__ import annotations

from computor_core.model import ContentDeployment, CourseMember, Role
from tests.support.world import World


async def test_a_tutor_sees_the_solution_of_what_was_deployed_and_not_of_what_is_only_planned(
    world: World,
) -> None:
    course = await world.course()
    content, version = await world.content(course), await world.example_version(course)
    planned = await world.add(
        ContentDeployment(
            course_id=course.id,
            course_content_id=content.id,
            example_version_id=version.id,
            state="pending",
        )
    )
    tutor = await world.who("_tutor", course)
    async with world.read(tutor) as work:
        assert not await world.access.allowed(work, "solution.read", "content-deployments", planned.id)
        assert not await world.access.allowed(work, "example.read", "example-versions", version.id)
    async with world.session() as session:
        (await session.get_one(ContentDeployment, planned.id)).deployed_at = world.now
    async with world.read(tutor) as work:
        assert await world.access.allowed(work, "solution.read", "content-deployments", planned.id)
        assert await world.access.allowed(work, "example.read", "example-versions", version.id)


async def test_being_in_the_group_is_not_enough_to_have_its_submission_tested(world: World) -> None:
    """The role in the course must contain it, too: one that was taken down to a guest's doesn't."""
    await world.add(Role(id="course:x_guest", scope="course", name="x_guest", title="Guest"))
    course = await world.course()
    user = await world.user()
    member = await world.grant(user, "_student", course)
    group = await world.group(await world.content(course, released=True), member)
    artifact = await world.artifact(group, member)
    student = await world.principal(user)
    async with world.read(student) as work:
        assert await world.access.allowed(work, "test.start", "artifacts", artifact.id)
    async with world.session() as session:
        (await session.get_one(CourseMember, member.id)).role_id = "course:x_guest"
    guest = await world.principal(user)
    async with world.read(guest) as work:
        assert await world.access.allowed(work, "submission.read", "artifacts", artifact.id)
        assert not await world.access.allowed(work, "test.start", "artifacts", artifact.id)
