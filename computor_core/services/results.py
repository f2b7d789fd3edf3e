"""Recording what a test came to: exactly one terminal result per test run, whatever dies."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

from pydantic import ValidationError
from sqlalchemy import delete, select, update

from computor_core.assessment.model import Visibility
from computor_core.assessment.report import TestReport, Verdict
from computor_core.errors import NotFoundError
from computor_core.model import SubmissionGroup, TestCaseResult, TestQueue, TestRun
from computor_core.plugin_api.events import TestFinished
from computor_core.plugin_api.principal import Principal

if TYPE_CHECKING:
    from computor_core.app import Computor
    from computor_core.db.unit_of_work import UnitOfWork

_SYSTEM = Principal.system("core:results")

INFRASTRUCTURE = (Verdict.INFRASTRUCTURE_ERROR, Verdict.CANCELLED)
"""Verdicts that aren't the student's doing; an official attempt is given back."""


class ResultService:
    """Turns reports into results."""

    def __init__(self, app: Computor) -> None:
        self._app = app

    async def record(self, test_run_id: UUID) -> str:
        """Record the report that the queue holds; a run that is finished stays as it is.

        Args:
            test_run_id: The run.

        Returns:
            The verdict that stands.

        Raises:
            NotFoundError: The run was erased.
        """
        async with self._app.uow(_SYSTEM) as work:
            run = await self._run(work, test_run_id)
            if run.state == "finished":
                return run.verdict or ""
            row = await work.session.get(TestQueue, test_run_id)
            report = _load(row.report if row is not None else None)
            if isinstance(report, str):
                verdict = Verdict.INFRASTRUCTURE_ERROR
                await self._close(work, run, verdict, report, visible=verdict)
                return verdict.value
            self._take(work, run, report)
            message = "\n".join(report.messages)
            await self._close(work, run, report.verdict, message, visible=report.visible_verdict)
            return report.verdict.value

    async def close(self, test_run_id: UUID, verdict: Verdict, message: str) -> str:
        """End a run that no report will come for; a finished one stays as it is.

        Returns:
            The verdict that stands.
        """
        async with self._app.uow(_SYSTEM) as work:
            run = await self._run(work, test_run_id)
            if run.state == "finished":
                return run.verdict or ""
            await self._close(work, run, verdict, message, visible=verdict)
            return verdict.value

    async def _run(self, work: UnitOfWork, test_run_id: UUID) -> TestRun:
        run = await work.session.get(TestRun, test_run_id, with_for_update=not work.is_sqlite)
        if run is None:
            raise NotFoundError("no such test run")
        return run

    def _take(self, work: UnitOfWork, run: TestRun, report: TestReport) -> None:
        run.points, run.max_points = report.points, report.max_points
        if report.visible_cases:
            run.visible_points = sum((case.points for case in report.visible_cases), Decimal(0))
            run.visible_max_points = sum((case.max_points for case in report.visible_cases), Decimal(0))
        run.integrity = report.integrity.value
        run.limit_exceeded = report.limit_exceeded or None
        run.output = "\n".join(
            item.output for item in report.sections if item.visibility is Visibility.ALWAYS
        )
        run.sections = [item.model_dump(mode="json") for item in report.sections]
        run.replay = report.replay.model_dump(mode="json")
        for ordinal, case in enumerate(report.cases):
            work.session.add(
                TestCaseResult(
                    course_id=run.course_id,
                    submission_group_id=run.submission_group_id,
                    test_run_id=run.id,
                    ordinal=ordinal,
                    name=case.name,
                    status=case.status.value,
                    points=case.points,
                    max_points=case.max_points,
                    visibility=case.visibility.value,
                    message=case.message,
                    expected=case.expected,
                    actual=case.actual,
                    output=case.output,
                    duration_ms=case.duration_ms,
                    memory_bytes=case.memory_bytes,
                )
            )

    async def _close(
        self, work: UnitOfWork, run: TestRun, verdict: Verdict, message: str, *, visible: Verdict | None
    ) -> None:
        run.state, run.verdict = "finished", verdict.value
        run.visible_verdict = None if visible is None else visible.value
        run.finished_at, run.message = work.now, message[:4096]
        if run.official and verdict in INFRASTRUCTURE:
            await self._refund(work, run)
        await work.connection.execute(delete(TestQueue).where(TestQueue.id == run.id))
        work.emit(
            TestFinished(
                course_id=run.course_id,
                test_run_id=run.id,
                submission_group_id=run.submission_group_id,
                verdict=run.visible_verdict or "",  # students hear of it
            )
        )

    async def _refund(self, work: UnitOfWork, run: TestRun) -> None:
        """Give the attempt back that the submission used; testing it again has used none.

        A submission has one unfinished test at a time, so its first one is the one that no other
        has finished before.
        """
        earlier = await work.connection.scalar(
            select(TestRun.id)
            .where(TestRun.artifact_id == run.artifact_id, TestRun.id != run.id, TestRun.state == "finished")
            .limit(1)
        )
        if earlier is not None:
            return
        await work.connection.execute(
            update(SubmissionGroup)
            .where(SubmissionGroup.id == run.submission_group_id, SubmissionGroup.attempts_used > 0)
            .values(attempts_used=SubmissionGroup.attempts_used - 1)
        )


def _load(report: dict[str, Any] | None) -> TestReport | str:
    """The report, or why there is none that counts."""
    if report is None:
        return "no runner handed in a report"
    if "error" in report:
        return f"the test couldn't be run here: {report['error']}"
    try:
        return TestReport.model_validate(report)
    except ValidationError:
        return "the runner's report is malformed"
