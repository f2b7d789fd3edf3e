"""Core's business operations: which entity each belongs to and who carries it out."""

from __future__ import annotations

from computor_core.interfaces.credentials import SetPasswordInput
from computor_core.interfaces.grading import GradeGiven, GradeInput
from computor_core.interfaces.releasing import ReleaseInput, ReleaseStarted
from computor_core.interfaces.testing import TestStarted
from computor_core.plugin_api.entities import Command

SET_PASSWORD = Command(
    name="set-password",
    summary="Set a user's password and end the user's sessions and API tokens.",
    input=SetPasswordInput,
    output=None,
    action="user.credentials",
    handler="computor_core.services.accounts:set_password",
    status=204,
)

RELEASE = Command(
    name="release",
    summary="Release assignments to students.",
    input=ReleaseInput,
    output=ReleaseStarted,
    action="content.release",
    handler="computor_core.services.releases:release_course",
    status=202,
)

START_TEST = Command(
    name="test",
    summary="Have a submission tested.",
    input=None,
    output=TestStarted,
    action="test.start",
    handler="computor_core.services.retesting:start_test",
    status=202,
)

GRADE = Command(
    name="grade",
    summary="Give or change one's grade of a submission, at most the assignment's points.",
    input=GradeInput,
    output=GradeGiven,
    action="grade.write",
    handler="computor_core.services.grading:grade_artifact",
)

PUBLISH_GRADE = Command(
    name="publish",
    summary="Show a grade to its student.",
    input=None,
    output=GradeGiven,
    action="grade.publish",
    handler="computor_core.services.grading:publish_grade",
)
