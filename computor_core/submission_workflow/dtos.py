"""What the submission workflow passes around: ids and short texts, never content."""

from __future__ import annotations

from uuid import UUID

from pydantic import BaseModel, ConfigDict


class _Payload(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TestRequest(_Payload):
    """Test an artifact; the test run's row says which."""

    __test__ = False
    test_run_id: UUID


class JobRef(_Payload):
    """A job in the test queue; ``terminal`` when the run needs none any more."""

    job_id: UUID
    terminal: bool = False


class JobAlive(_Payload):
    """Whether a job still waits or runs."""

    alive: bool


class TestOutcome(_Payload):
    """The verdict that a test run ended with."""

    __test__ = False
    test_run_id: UUID
    verdict: str
