"""Hosts that carry one sample run to its end; the kill tests start one after the other.

The script reads requests, one JSON object a line, and forks a host for each: a process of its own
that opens the database, takes up what earlier ones left, and ends or is killed. The run is started,
its events are emitted and its signal is sent once in all. The parent opens nothing, so that a host
knows of its predecessors what is on the disk; it only saves each host the imports.
"""

import asyncio
import importlib
import json
import os
import sys
import traceback
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from sqlalchemy import func, select

from computor_core import failpoints
from computor_core.db.engine import Database
from computor_core.events.dispatcher import DispatcherSettings, EventDispatcher, HandlerBinding
from computor_core.model import EventCursor, EventLog, Outbox, WorkflowSignal
from computor_core.plugin_api.events import ContentReleased
from computor_core.plugin_api.providers.base import AppContext
from computor_core.plugin_api.registrations import EventHandlerRegistration, HandlerTiming
from computor_core.testing.engine_host import TESTER, EngineHostApp, create_tables
from computor_core.workflows.in_process import InProcessEngine, InProcessSettings
from computor_core.workflows.samples.ledger import Ledger, Record

RUN_ID = UUID("01900000-0000-7000-8000-000000000001")
EVENTS = 3
CONSUMER = "killable"
KEY = "everything"


async def hear(event: ContentReleased, context: AppContext) -> None:
    """The observer: one record per event."""
    ledger: Ledger = context.services.ledger  # type: ignore[attr-defined]
    ledger.enter(Record("heard", CONSUMER, "", str(event.course_content_id), 1, ""))


async def main(url: str, ledger: Path, workflow: str) -> dict[str, object]:
    """Carry the run to its end and say how it ended."""
    database = Database(url)
    app = EngineHostApp(database, ledger.parent, Ledger(ledger))
    await create_tables(database)
    engine = InProcessEngine(app, "default", InProcessSettings(poll_seconds=0.1, lease_seconds=1.5))
    runtime = app.runtime(engine)
    observer = EventHandlerRegistration(
        ContentReleased.name, "killable_host:hear", HandlerTiming.AFTER_COMMIT, CONSUMER
    )
    quick = DispatcherSettings(
        poll=timedelta(seconds=0.1), lease=timedelta(seconds=2), timeout=timedelta(seconds=0.9)
    )
    events = EventDispatcher(
        units=app,
        bindings=[HandlerBinding("killable", observer, app.context())],
        wakeups=app.wakeups,
        owner=f"host-{os.getpid()}",
        settings=quick,
    )
    async with events.running(), app.running(runtime):
        await begin(app, workflow)
        await send(app, workflow)
        run = await runtime.wait(RUN_ID)
        await heard_all(app)
    await database.aclose()
    failure = run.failure.code if run.failure is not None else None
    return {"state": run.state.value, "output": run.output, "failure": failure}


async def begin(app: EngineHostApp, workflow: str) -> None:
    async with app.uow(TESTER) as work:
        if (await work.connection.execute(select(Outbox.id))).first() is not None:
            return
        plan = {"amount": 1, "key": KEY, "fail_first": 1, "milliseconds": 30}
        work.start_workflow(workflow, plan, run_id=RUN_ID)
        for number in range(EVENTS):
            work.emit(ContentReleased(course_content_id=UUID(int=number)))


async def send(app: EngineHostApp, workflow: str) -> None:
    """Send the signal once the run waits for it, as an agent would."""
    if workflow != "sample.everything":
        return
    async with app.read(TESTER) as reading:
        if (await reading.connection.execute(select(WorkflowSignal.id))).first() is not None:
            return
    while not await app.waits(RUN_ID):  # noqa: ASYNC110 - what is looked at is in the database
        await asyncio.sleep(0.01)
    await app.signal("sample.go", KEY, {"amount": 1000})


async def heard_all(app: EngineHostApp) -> None:
    """Until the observer's cursor has passed every event."""
    while True:
        async with app.read(TESTER) as reading:
            cursor = select(EventCursor.seq).where(EventCursor.consumer == CONSUMER)
            head = select(func.count()).select_from(EventLog)
            seq = (await reading.connection.execute(cursor)).scalar_one()
            if seq >= (await reading.connection.execute(head)).scalar_one():
                return
        await asyncio.sleep(0.01)


def host(request: dict[str, str]) -> None:
    """Be one host; never returns."""
    os.environ["COMPUTOR_FAILPOINT"] = request["failpoint"]
    importlib.reload(failpoints)
    status = 1
    try:
        with Path(request["log"]).open("w", encoding="utf-8") as log:
            os.dup2(log.fileno(), 2)
            outcome = asyncio.run(main(request["url"], Path(request["ledger"]), request["workflow"]))
            Path(request["outcome"]).write_text(json.dumps(outcome), encoding="utf-8")
        status = 0
    except BaseException:  # noqa: BLE001 - reported through the exit status
        traceback.print_exc()
    finally:
        os._exit(status)


def serve() -> None:
    """Fork a host for each request and answer with its exit status."""
    for line in sys.stdin:
        child = os.fork()
        if not child:
            host(json.loads(line))
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    # The observer is found by the name of this file, as a registration's target is.
    sys.modules["killable_host"] = sys.modules["__main__"]
    serve()
