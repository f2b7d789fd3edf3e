"""Test runs, their cases, and grades."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field, StringConstraints

from computor_core.interfaces.base import (
    UNCHANGED,
    EntityFields,
    EntityInterface,
    Equals,
    ListQuery,
    ReadDto,
    Requires,
    UpdateDto,
)
from computor_core.interfaces.fields import Points

GradeStatus = Literal["not_reviewed", "corrected", "correction_necessary", "improvement_possible"]
Comment = Annotated[str, StringConstraints(max_length=16384)]
_DETAILS = Requires("result.read_details")
_ALL = "{}, once it is finished; null for students while a case is hidden from them."
_VISIBLE = "{}, over the cases that students always see; null until it is finished or if there are none."


class TestRunGet(ReadDto):
    """One test of one artifact: the result that students see.

    A submission can tell hidden inputs through anything that hidden cases change. So while a case is
    hidden from students (`never`, or `after_due` and the due time isn't over), they get the
    `visible_` fields; the others over all cases, and when it finished, are null for them until then.
    """

    __test__ = False

    id: UUID = Field(description="The run's id.")
    version: int = Field(description="Counts the changes; the value of `ETag` and `If-Match`.")
    created_at: datetime = Field(description="When it was requested, UTC.")
    updated_at: Annotated[datetime | None, _DETAILS] = Field(
        description="When the row was changed last, UTC; null for students while a case is hidden."
    )
    course_id: UUID = Field(description="The course.")
    submission_group_id: UUID = Field(description="The group whose artifact was tested.")
    artifact_id: UUID = Field(description="What was tested.")
    example_version_id: UUID = Field(description="The example version that it was tested against.")
    runner_instance: str = Field(description="Runner instance.")
    official: bool = Field(description="Whether it counts, or is a practice run.")
    state: str = Field(description="`queued`, `running` or `finished`.")
    verdict: Annotated[str | None, _DETAILS] = Field(description=_ALL.format("The verdict"))
    limit_exceeded: Annotated[str | None, _DETAILS] = Field(
        description=_ALL.format("The limit that stopped it")
    )
    integrity: str | None = Field(description="`isolated` or `in_process`.")
    points: Annotated[Decimal | None, _DETAILS] = Field(description=_ALL.format("Points reached"))
    max_points: Decimal | None = Field(description="Points that could be reached.")
    visible_verdict: str | None = Field(description=_VISIBLE.format("The verdict"))
    visible_points: Decimal | None = Field(description=_VISIBLE.format("Points reached"))
    visible_max_points: Decimal | None = Field(description=_VISIBLE.format("Points that could be reached"))
    message: str = Field(description="What went wrong, for the student.")
    output: str = Field(description="What phases that serve only visible cases wrote, cut and cleaned.")
    executions: int = Field(description="How often it was handed to a runner.")
    sections: Annotated[list[Any] | None, _DETAILS] = Field(
        description=_ALL.format("`{name, visibility, output}` of all phases that served several cases")
    )
    started_at: Annotated[datetime | None, _DETAILS] = Field(
        description="When it started, UTC; null for students until it is finished and no case is hidden."
    )
    finished_at: Annotated[datetime | None, _DETAILS] = Field(
        description=_ALL.format("When it finished, UTC")
    )
    replay: Annotated[dict[str, Any] | None, _DETAILS] = Field(
        description=_ALL.format("What running it again needs")
    )


class TestRunList(ReadDto):
    """A test run in a list."""

    __test__ = False

    id: UUID = Field(description="The run's id.")
    course_id: UUID = Field(description="The course.")
    submission_group_id: UUID = Field(description="The group whose artifact was tested.")
    artifact_id: UUID = Field(description="What was tested.")
    official: bool = Field(description="Whether it counts, or is a practice run.")
    state: str = Field(description="`queued`, `running` or `finished`.")
    verdict: Annotated[str | None, _DETAILS] = Field(description=_ALL.format("The verdict"))
    limit_exceeded: Annotated[str | None, _DETAILS] = Field(
        description=_ALL.format("The limit that stopped it")
    )
    integrity: str | None = Field(description="`isolated` or `in_process`.")
    points: Annotated[Decimal | None, _DETAILS] = Field(description=_ALL.format("Points reached"))
    max_points: Decimal | None = Field(description="Points that could be reached.")
    visible_verdict: str | None = Field(description=_VISIBLE.format("The verdict"))
    visible_points: Decimal | None = Field(description=_VISIBLE.format("Points reached"))
    visible_max_points: Decimal | None = Field(description=_VISIBLE.format("Points that could be reached"))
    created_at: datetime = Field(description="When it was requested, UTC.")
    finished_at: Annotated[datetime | None, _DETAILS] = Field(
        description=_ALL.format("When it finished, UTC")
    )


class TestRunQuery(ListQuery):
    """Filters of the list of test runs."""

    __test__ = False

    course_id: Annotated[UUID | None, Equals()] = Field(None, description="Only this course's.")
    submission_group_id: Annotated[UUID | None, Equals()] = Field(None, description="Only of this group.")
    artifact_id: Annotated[UUID | None, Equals()] = Field(None, description="Only of this artifact.")
    state: Annotated[str | None, Equals()] = Field(None, max_length=16, description="Only in this state.")
    verdict: Annotated[str | None, Equals()] = Field(
        None,
        max_length=32,
        description="Only with this verdict; leaves out those whose verdict one can't see.",
    )
    official: Annotated[bool | None, Equals()] = Field(
        None, description="Only official ones, or only practice."
    )


class TestRunInterface(EntityInterface):
    """Test runs."""

    __test__ = False

    endpoint = "test-runs"
    get, list, query = TestRunGet, TestRunList, TestRunQuery


class TestCaseResultGet(EntityFields):
    """One case of a test run.

    Students see a hidden case (`visibility` other than `always`) by name alone; everything else
    of it is null for them, until the due time is over where it says `after_due`.
    """

    __test__ = False

    course_id: UUID = Field(description="The course.")
    submission_group_id: UUID = Field(description="The group whose artifact was tested.")
    test_run_id: UUID = Field(description="The run.")
    ordinal: int = Field(description="Place in the run.")
    name: str = Field(description="Name of the case.")
    visibility: str = Field(description="`always`, `after_due` or `never`.")
    status: Annotated[str | None, _DETAILS] = Field(description="How it ended.")
    points: Annotated[Decimal | None, _DETAILS] = Field(description="Points reached.")
    max_points: Annotated[Decimal | None, _DETAILS] = Field(description="Points that could be reached.")
    message: Annotated[str | None, _DETAILS] = Field(description="What went wrong.")
    expected: Annotated[str | None, _DETAILS] = Field(description="What was expected.")
    actual: Annotated[str | None, _DETAILS] = Field(description="What came instead.")
    output: Annotated[str | None, _DETAILS] = Field(description="Output of the case.")
    duration_ms: Annotated[int | None, _DETAILS] = Field(description="Wall time, milliseconds.")
    memory_bytes: Annotated[int | None, _DETAILS] = Field(description="Peak memory, bytes.")


class TestCaseResultList(ReadDto):
    """A case of a test run in a list."""

    __test__ = False

    id: UUID = Field(description="The case result's id.")
    test_run_id: UUID = Field(description="The run.")
    ordinal: int = Field(description="Place in the run.")
    name: str = Field(description="Name of the case.")
    visibility: str = Field(description="`always`, `after_due` or `never`.")
    status: Annotated[str | None, _DETAILS] = Field(description="How it ended.")
    points: Annotated[Decimal | None, _DETAILS] = Field(description="Points reached.")
    max_points: Annotated[Decimal | None, _DETAILS] = Field(description="Points that could be reached.")
    message: Annotated[str | None, _DETAILS] = Field(description="What went wrong.")


class TestCaseResultQuery(ListQuery):
    """Filters of the list of case results."""

    __test__ = False

    course_id: Annotated[UUID | None, Equals()] = Field(None, description="Only this course's.")
    submission_group_id: Annotated[UUID | None, Equals()] = Field(None, description="Only of this group.")
    test_run_id: Annotated[UUID | None, Equals()] = Field(None, description="Only of this run.")
    status: Annotated[str | None, Equals()] = Field(
        None, max_length=16, description="Only those that ended so; leaves out hidden cases."
    )


class TestCaseResultInterface(EntityInterface):
    """Cases of test runs."""

    __test__ = False

    endpoint = "test-case-results"
    get, list, query = TestCaseResultGet, TestCaseResultList, TestCaseResultQuery


class GradeUpdate(UpdateDto):
    """Changes of a grade; giving one is the artifacts' command ``grade``."""

    points: Points = Field(UNCHANGED, description="Points given.")
    status: GradeStatus = Field(UNCHANGED, description="The judgement.")
    comment: Comment = Field(UNCHANGED, description="For the student.")


class GradeGet(EntityFields):
    """A person's judgement of an artifact, apart from the automatic result."""

    course_id: UUID = Field(description="The course.")
    submission_group_id: UUID = Field(description="The group whose artifact it is.")
    artifact_id: UUID = Field(description="What is graded.")
    graded_by_id: UUID | None = Field(description="Who graded; null once that user is gone.")
    points: Decimal = Field(description="Points given.")
    status: str = Field(description="The judgement.")
    comment: str = Field(description="For the student.")
    published_at: datetime | None = Field(
        description="When students could see it, UTC; null while they can't."
    )


class GradeList(ReadDto):
    """A grade in a list."""

    id: UUID = Field(description="The grade's id.")
    course_id: UUID = Field(description="The course.")
    submission_group_id: UUID = Field(description="The group whose artifact it is.")
    artifact_id: UUID = Field(description="What is graded.")
    graded_by_id: UUID | None = Field(description="Who graded; null once that user is gone.")
    points: Decimal = Field(description="Points given.")
    status: str = Field(description="The judgement.")
    published_at: datetime | None = Field(
        description="When students could see it, UTC; null while they can't."
    )


class GradeQuery(ListQuery):
    """Filters of the list of grades."""

    course_id: Annotated[UUID | None, Equals()] = Field(None, description="Only this course's.")
    submission_group_id: Annotated[UUID | None, Equals()] = Field(None, description="Only of this group.")
    artifact_id: Annotated[UUID | None, Equals()] = Field(None, description="Only of this artifact.")
    graded_by_id: Annotated[UUID | None, Equals()] = Field(None, description="Only by this user.")
    status: Annotated[GradeStatus | None, Equals()] = Field(None, description="Only with this judgement.")


class GradeInterface(EntityInterface):
    """Grades."""

    endpoint = "grades"
    get, list, update, query = GradeGet, GradeList, GradeUpdate, GradeQuery
