"""Implementations of the release workflow's steps; each may be repeated after a crash."""

from __future__ import annotations

from uuid import UUID

from computor_core.plugin_api.workflows import RunState, Settlement, StepContext
from computor_core.release_workflow.dtos import CourseRef, More, Publications, Published, Released
from computor_core.services.core import services_of
from computor_core.services.releases import Publication


async def publish_template(ctx: StepContext, course: CourseRef) -> Published:
    """Commit the template tree."""
    return await _publish(ctx, course, "template")


async def publish_reference(ctx: StepContext, course: CourseRef) -> Published:
    """Commit the reference tree."""
    return await _publish(ctx, course, "reference")


async def _publish(ctx: StepContext, course: CourseRef, purpose: str) -> Published:
    done = await services_of(ctx).releases.publish(course.course_id, purpose)
    return Published(commit=done.commit, assignments=done.assignments)


async def finish(ctx: StepContext, published: Publications) -> Released:
    """Mark the assignments as deployed."""
    template, reference = [
        Publication(item.commit, item.assignments) for item in (published.template, published.reference)
    ]
    released = await services_of(ctx).releases.finish(published.course_id, template, reference)
    return Released(released=released or 0, outdated=released is None)


async def provision(ctx: StepContext, course: CourseRef) -> More:
    """Create a batch of members' repositories."""
    return More(more=await services_of(ctx).releases.provision_members(course.course_id))


async def settle(ctx: StepContext, settlement: Settlement) -> None:
    """Say of assignments that were left deploying that their release failed.

    Repositories for those who joined later are none of the release's business: what their run
    couldn't make, the next one does.
    """
    if settlement.workflow == "course.release" and settlement.state is not RunState.COMPLETED:
        reason = settlement.failure.message if settlement.failure else settlement.state.value
        await services_of(ctx).releases.fail(UUID(settlement.input["course_id"]), reason)
