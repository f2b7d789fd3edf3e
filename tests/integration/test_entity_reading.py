"""Reading entities: who sees which rows, in how many statements."""

from __future__ import annotations

import pytest

from computor_core.errors import NotFoundError
from tests.support.world import SYSTEM, World


async def test_a_student_lists_the_courses_of_the_own_memberships_only(world: World) -> None:
    mine, other = await world.course(), await world.course()
    student = await world.who("_student", mine)
    assert await world.ids(student, "courses") == {str(mine.id)}
    assert (await world.get(student, "courses", mine.id))["slug"] == mine.slug
    with pytest.raises(NotFoundError):
        await world.get(student, "courses", other.id)
    assert await world.ids(SYSTEM, "courses") == {str(mine.id), str(other.id)}
