"""Core's side of the engines: what :class:`EngineHost` promises them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import select, update

from computor_core.db.inserts import insert_unless_there
from computor_core.model.work import WorkflowRun
from computor_core.plugin_api.providers.engine import OpenWait, RunEnded, StartRun, StepCall
from computor_core.plugin_api.workflows import Json, RunState, WorkflowDefinition
from computor_core.workflows.codec import encode
from computor_core.workflows.units import SYSTEM, Units
from computor_core.workflows.waits import close_wait, open_wait

if TYPE_CHECKING:
    from sqlalchemy import Table

    from computor_core.workflows.registry import WorkflowRegistry
    from computor_core.workflows.settlement import Settler
    from computor_core.workflows.steps import StepRunner

__all__ = ["CoreSide"]

_run: Table = WorkflowRun.__table__  # type: ignore[assignment]


class CoreSide:
    """An :class:`~computor_core.plugin_api.providers.engine.EngineHost`.

    Args:
        units: The application's database.
        registry: Installed definitions.
        steps: Carries out steps.
        settler: Records ends and runs finalizers.
        changed: Called with a run that has news.
    """

    def __init__(
        self,
        units: Units,
        registry: WorkflowRegistry,
        steps: StepRunner,
        settler: Settler,
        changed: Callable[[UUID], None],
    ) -> None:
        self._units = units
        self._registry = registry
        self._steps = steps
        self._settler = settler
        self._changed = changed

    @property
    def definitions(self) -> Mapping[tuple[str, int], str]:
        """Import string of each installed definition."""
        return self._registry.targets

    def definition(self, workflow: str, version: int) -> WorkflowDefinition[Any, Any]:
        """The loaded definition."""
        return self._registry.definition(workflow, version)

    async def run_step(self, call: StepCall) -> Json:
        """Carry out one attempt of a step."""
        return await self._steps.run(call)

    async def open_run(self, start: StartRun) -> None:
        """Enter a child run on its parent's engine."""
        async with self._units.uow(SYSTEM) as work:
            parent = select(_run.c.engine_instance).where(_run.c.id == start.parent_id)
            values = {
                "id": start.run_id,
                "workflow": start.workflow,
                "workflow_version": start.version,
                "engine_instance": (await work.connection.execute(parent)).scalar_one(),
                "parent_id": start.parent_id,
                "state": RunState.PENDING.value,
                "input": start.input,
            }
            await work.connection.execute(insert_unless_there(_run, values, is_sqlite=work.is_sqlite))

    async def open_wait(self, wait: OpenWait) -> Mapping[str, Json] | None:
        """Enter a wait."""
        async with self._units.uow(SYSTEM) as work:
            return await open_wait(work, wait.run_id, wait.position, wait.name, wait.key)

    async def close_wait(self, run_id: UUID, position: str) -> Mapping[str, Json] | None:
        """End a wait."""
        async with self._units.uow(SYSTEM) as work:
            return await close_wait(work, run_id, position)

    async def report_progress(self, run_id: UUID, progress: Mapping[str, Json]) -> None:
        """Publish a run's progress."""
        values = {"progress": encode(dict[str, Any], dict(progress), "progress")}
        async with self._units.uow(SYSTEM) as work:
            await work.connection.execute(update(_run).where(_run.c.id == run_id).values(**values))
        self._changed(run_id)

    async def finish(self, ended: RunEnded) -> bool:
        """Record a run's end and settle it."""
        return await self._settler.finish(ended)

    async def settle(self, run_id: UUID) -> bool:
        """Settle a run whose end is recorded."""
        return await self._settler.settle(run_id)

    def changed(self, run_id: UUID) -> None:
        """Tell whoever waits for the run."""
        self._changed(run_id)
