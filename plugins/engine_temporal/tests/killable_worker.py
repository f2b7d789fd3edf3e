"""A host with a Temporal worker that carries one sample run to its end.

Called as ``killable_worker.py FOLDER ADDRESS TASK_QUEUE RUN_ID``; takes up what an earlier one left.
"""

import asyncio
import json
import sys
from pathlib import Path
from uuid import UUID

from computor_engine_temporal.provider import create
from computor_engine_temporal.settings import TemporalSettings
from sqlalchemy import select

from computor_core.db.engine import Database
from computor_core.model import Outbox, WorkflowSignal
from computor_core.testing.engine_host import TESTER, EngineHostApp, create_tables
from computor_core.workflows.samples.ledger import Ledger


async def main(folder: Path, address: str, task_queue: str, run_id: UUID) -> None:
    database = Database(f"sqlite+aiosqlite:///{folder}/worker.db")
    await create_tables(database)
    app = EngineHostApp(database, folder, Ledger(folder / "ledger.jsonl"))
    settings = TemporalSettings(address=address, task_queue=task_queue, heartbeat_seconds=2)
    async with create(settings, app.context()) as engine:
        runtime = app.runtime(engine)
        async with app.running(runtime):
            await begin(app, run_id)
            await send(app, run_id)
            run = await runtime.wait(run_id)
    await database.aclose()
    print(json.dumps({"state": run.state.value, "output": run.output}))


async def begin(app: EngineHostApp, run_id: UUID) -> None:
    async with app.uow(TESTER) as work:
        if (await work.connection.execute(select(Outbox.id))).first() is None:
            plan = {"amount": 1, "key": str(run_id), "fail_first": 1, "milliseconds": 30}
            work.start_workflow("sample.everything", plan, run_id=run_id)


async def send(app: EngineHostApp, run_id: UUID) -> None:
    async with app.read(TESTER) as reading:
        if (await reading.connection.execute(select(WorkflowSignal.id))).first() is not None:
            return
    while not await app.waits(run_id):  # noqa: ASYNC110 - what is looked at is in the database
        await asyncio.sleep(0.02)
    await app.signal("sample.go", str(run_id), {"amount": 1000})


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3], UUID(sys.argv[4])))
