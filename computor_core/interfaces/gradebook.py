"""The gradebook as it goes over the wire."""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID

from pydantic import Field

from computor_core.interfaces.base import Dto


class GradebookColumn(Dto):
    """An assignment."""

    course_content_id: UUID = Field(description="The assignment.")
    path: str = Field(description="Its place in the course.")
    title: str = Field(description="Its title.")
    points: Decimal | None = Field(description="What it is worth.")


class GradebookCell(Dto):
    """A student's standing in an assignment: that of the latest official submission.

    Grades of earlier submissions stay with them and don't count.
    """

    course_content_id: UUID = Field(description="The assignment.")
    submission_group_id: UUID = Field(description="The student's submission group.")
    artifact_id: UUID | None = Field(description="The latest official submission.")
    verdict: str | None = Field(description="Its test's verdict, null while it runs.")
    test_points: Decimal | None = Field(description="Points of the test, scaled to the assignment's.")
    grade_points: Decimal | None = Field(description="Points given by a person on that submission.")
    grade_published: bool = Field(description="Whether the student sees that grade.")
    points: Decimal | None = Field(description="What counts: the person's grade, else the test's.")


class GradebookRow(Dto):
    """A student."""

    course_member_id: UUID = Field(description="The enrolment.")
    user_id: UUID = Field(description="The user.")
    given_name: str = Field(description="Given name.")
    family_name: str = Field(description="Family name.")
    cells: list[GradebookCell] = Field(description="One for each assignment that was worked on.")
    total: Decimal = Field(description="Sum of the points that count.")


class Gradebook(Dto):
    """Everything at once."""

    course_id: UUID = Field(description="The course.")
    columns: list[GradebookColumn] = Field(description="Assignments in the course's order.")
    rows: list[GradebookRow] = Field(description="Students by family name, given name and id.")
