"""Definition of ``course.release``: imports nothing but DTOs and step declarations."""

from __future__ import annotations

from computor_core.plugin_api.workflows import (
    Retry,
    Settlement,
    Step,
    WorkflowContext,
    minutes,
    workflow,
)
from computor_core.release_workflow.dtos import CourseRef, More, Publications, Published, Released

publish_template = Step[CourseRef, Published]("release.template", timeout=minutes(10), retry=Retry(5))
publish_reference = Step[CourseRef, Published]("release.reference", timeout=minutes(10), retry=Retry(5))
finish = Step[Publications, Released]("release.finish", timeout=minutes(1), retry=Retry(5))
provision = Step[CourseRef, More]("release.provision", timeout=minutes(10), retry=Retry(5))
settle = Step[Settlement, None]("release.settle", timeout=minutes(1), retry=Retry(5))


@workflow("course.release", version=1, finalizer=settle)
async def release(ctx: WorkflowContext, course: CourseRef) -> Released:
    """Publish the course's repositories, mark its assignments as deployed, provide for students.

    Should another release of the course begin meanwhile, both publish all that both want.
    """
    while True:
        template = await ctx.step(publish_template, course)
        reference = await ctx.step(publish_reference, course)
        published = Publications(course_id=course.course_id, template=template, reference=reference)
        released = await ctx.step(finish, published)
        if not released.outdated:
            break
    while (await ctx.step(provision, course)).more:
        await ctx.progress({"stage": "repositories"})
    return released


@workflow("course.provision", version=1, finalizer=settle)
async def provision_members(ctx: WorkflowContext, course: CourseRef) -> More:
    """Create repositories for members who joined after the release."""
    while (await ctx.step(provision, course)).more:
        await ctx.progress({"stage": "repositories"})
    return More(more=False)
