"""What starting a test answers."""

from __future__ import annotations

from uuid import UUID

from pydantic import Field

from computor_core.interfaces.base import Dto


class TestStarted(Dto):
    """A test was started."""

    __test__ = False

    test_run_id: UUID = Field(description="The test to watch.")
