"""Definitions of the sample workflows, each about one promise of an engine."""

from __future__ import annotations

from datetime import timedelta

from computor_core.plugin_api.workflows import (
    ChildFailedError,
    Retry,
    Settlement,
    Step,
    StepFailedError,
    WorkflowCancelledError,
    WorkflowContext,
    minutes,
    seconds,
    workflow,
)
from computor_core.workflows.samples.dtos import Derived, Parcel, Plan

QUICK = Retry(5, initial=timedelta(milliseconds=20))
TOUGH = Retry(50, initial=timedelta(milliseconds=20), maximum=timedelta(milliseconds=100))

first = Step[int, int]("sample.first", timeout=minutes(1), retry=TOUGH)
second = Step[int, int]("sample.second", timeout=minutes(1), retry=TOUGH)
third = Step[int, int]("sample.third", timeout=minutes(1), retry=TOUGH)
once = Step[int, int]("sample.once", timeout=minutes(1), retry=Retry(1))
flaky = Step[Plan, int]("sample.flaky", timeout=minutes(1), retry=QUICK)
patient = Step[Plan, int]("sample.patient", timeout=minutes(1), retry=Retry(2, initial=seconds(1)))
fussy = Step[int, int]("sample.fussy", timeout=minutes(1), retry=QUICK)
slow = Step[Plan, int]("sample.slow", timeout=minutes(5), retry=QUICK)
hasty = Step[Plan, int]("sample.hasty", timeout=seconds(0.2), retry=Retry(2, initial=timedelta()))
silent = Step[Plan, int](
    "sample.silent", timeout=minutes(5), heartbeat=seconds(0.2), retry=Retry(2, initial=timedelta())
)
beating = Step[Plan, int]("sample.beating", timeout=minutes(5), heartbeat=seconds(1), retry=Retry(1))
meet = Step[int, int]("sample.meet", timeout=minutes(1), retry=QUICK)
deliver = Step[Parcel, Parcel]("sample.deliver", timeout=minutes(1), retry=QUICK)
inflate = Step[int, str]("sample.inflate", timeout=minutes(1), retry=QUICK)
swallow = Step[str, int]("sample.swallow", timeout=minutes(1), retry=QUICK)
clean_up = Step[str, None]("sample.clean_up", timeout=minutes(1), retry=TOUGH)
note = Step[Derived, None]("sample.note", timeout=minutes(1), retry=QUICK)
settle = Step[Settlement, None]("sample.settle", timeout=minutes(1), retry=TOUGH)


@workflow("sample.chain", version=1, finalizer=settle)
async def chain(ctx: WorkflowContext, plan: Plan) -> int:
    """Three steps, one after the other."""
    amount = await ctx.step(first, plan.amount)
    amount = await ctx.step(second, amount)
    return await ctx.step(third, amount)


@workflow("sample.versions", version=1, finalizer=settle)
async def versions_1(ctx: WorkflowContext, plan: Plan) -> str:
    """The older version."""
    await ctx.wait_event("sample.go", plan.key)
    return f"1:{await ctx.step(first, plan.amount)}"


@workflow("sample.versions", version=2, finalizer=settle)
async def versions_2(ctx: WorkflowContext, plan: Plan) -> str:
    """The newer version, with its steps in another order."""
    amount = await ctx.step(second, plan.amount)
    await ctx.wait_event("sample.go", plan.key)
    return f"2:{amount}"


@workflow("sample.flaky", version=1, finalizer=settle)
async def try_flaky(ctx: WorkflowContext, plan: Plan) -> int:
    """A step that fails a number of times, between two that don't."""
    await ctx.step(first, plan.amount)
    tried = await ctx.step(flaky, plan)
    await ctx.step(second, plan.amount)
    return tried


@workflow("sample.patient", version=1, finalizer=settle)
async def be_patient(ctx: WorkflowContext, plan: Plan) -> int:
    """A step that is tried again after a second."""
    return await ctx.step(patient, plan)


@workflow("sample.compensate", version=1, finalizer=settle)
async def compensate(ctx: WorkflowContext, plan: Plan) -> str:
    """Catches the failure of a step and goes on."""
    try:
        await ctx.step(fussy, plan.amount)
    except StepFailedError as error:
        await ctx.step(clean_up, error.failure.code)
        return f"{error.step}:{error.failure.code}"
    return "went well"


@workflow("sample.unlucky", version=1, finalizer=settle)
async def unlucky(ctx: WorkflowContext, plan: Plan) -> int:
    """A step fails for good and nobody catches it."""
    return await ctx.step(fussy, plan.amount)


@workflow("sample.broken", version=1, finalizer=settle)
async def broken(ctx: WorkflowContext, plan: Plan) -> int:
    """Raises something of its own."""
    await ctx.step(first, plan.amount)
    raise LookupError("a mistake in the definition")


@workflow("sample.limits", version=1, finalizer=settle)
async def limits(ctx: WorkflowContext, plan: Plan) -> list[str]:
    """Steps that take too long, or give no sign of life; and one that does."""
    codes: list[str] = []
    for step in (hasty, silent, beating):
        try:
            await ctx.step(step, plan)
            codes.append("done")
        except StepFailedError as error:
            codes.append(error.failure.code)
    return codes


@workflow("sample.wait", version=1, finalizer=settle)
async def wait(ctx: WorkflowContext, plan: Plan) -> int:
    """Waits for an event between two steps."""
    await ctx.step(first, plan.amount)
    came = await ctx.wait_event("sample.go", plan.key)
    return await ctx.step(second, (came.payload or {})["amount"])


@workflow("sample.wait_typed", version=1, finalizer=settle)
async def wait_typed(ctx: WorkflowContext, plan: Plan) -> Parcel:
    """Waits for an event with a typed payload."""
    came = await ctx.wait_event("sample.parcel", plan.key, Parcel)
    if came.payload is None:
        raise LookupError("a wait without an end came back with nothing")
    return await ctx.step(deliver, came.payload)


@workflow("sample.wait_limited", version=1, finalizer=settle)
async def wait_limited(ctx: WorkflowContext, plan: Plan) -> str:
    """Waits for an event, but not for ever; then once more for the same."""
    limit = timedelta(milliseconds=plan.milliseconds)
    came = await ctx.wait_event("sample.go", plan.key, timeout=limit)
    if not came.timed_out:
        return "came"
    await ctx.step(clean_up, "timed out")
    again = await ctx.wait_event("sample.go", plan.key)
    return f"timed out, then {again.payload}"


@workflow("sample.sleep", version=1, finalizer=settle)
async def sleep(ctx: WorkflowContext, plan: Plan) -> bool:
    """Sleeps between two steps; whether the run's time moved on by as much."""
    await ctx.step(first, plan.amount)
    before = ctx.now()
    await ctx.sleep(timedelta(milliseconds=plan.milliseconds))
    await ctx.step(second, plan.amount)
    return ctx.now() - before >= timedelta(milliseconds=plan.milliseconds)


@workflow("sample.branches", version=1, finalizer=settle)
async def branches(ctx: WorkflowContext, plan: Plan) -> list[int]:
    """Branches of two steps each, which must run side by side to get anywhere."""

    async def branch(amount: int) -> int:
        met = await ctx.step(meet, amount)
        return await ctx.step(second, met)

    return list(await ctx.gather(*(branch(plan.amount + index) for index in range(3))))


@workflow("sample.failing_branches", version=1, finalizer=settle)
async def failing_branches(ctx: WorkflowContext, plan: Plan) -> str:
    """One branch fails; the others end all the same."""
    try:
        await ctx.gather(ctx.step(first, 1), ctx.step(fussy, 2), ctx.step(second, 3))
    except StepFailedError as error:
        return error.step
    return "went well"


@workflow("sample.derive", version=1, finalizer=settle)
async def derive(ctx: WorkflowContext, plan: Plan) -> list[Derived]:
    """Ids, chance and time, before and after a wait."""

    async def derived() -> Derived:
        value = Derived(ctx.uuid(), ctx.random().random(), ctx.now())
        await ctx.step(note, value)
        return value

    before = await derived()
    await ctx.wait_event("sample.go", plan.key)
    return [before, await derived()]


@workflow("sample.parent", version=1, finalizer=settle)
async def parent(ctx: WorkflowContext, plan: Plan) -> int:
    """Runs another workflow as a child, and works with its output."""
    return await ctx.step(third, await ctx.child(chain, plan))


@workflow("sample.parent_of_unlucky", version=1, finalizer=settle)
async def parent_of_unlucky(ctx: WorkflowContext, plan: Plan) -> str:
    """A child fails."""
    try:
        await ctx.child(unlucky, plan)
    except ChildFailedError as error:
        return f"{error.workflow}:{error.failure.code}"
    return "went well"


@workflow("sample.parent_of_waiting", version=1, finalizer=settle)
async def parent_of_waiting(ctx: WorkflowContext, plan: Plan) -> int:
    """A child waits; it is cancelled with its parent."""
    return await ctx.child(wait, plan)


@workflow("sample.cancellable", version=1, finalizer=settle)
async def cancellable(ctx: WorkflowContext, plan: Plan) -> str:
    """Waits, and cleans up when it is cancelled."""
    await ctx.step(first, plan.amount)
    try:
        await ctx.wait_event("sample.never", plan.key)
    except WorkflowCancelledError:
        await ctx.step(clean_up, "cancelled")
        raise
    return "came"


@workflow("sample.slow", version=1, finalizer=settle)
async def run_slow(ctx: WorkflowContext, plan: Plan) -> int:
    """A step that goes on until it is let, between two that don't."""
    await ctx.step(first, plan.amount)
    amount = await ctx.step(slow, plan)
    return await ctx.step(second, amount)


@workflow("sample.progress", version=1, finalizer=settle)
async def progress(ctx: WorkflowContext, plan: Plan) -> int:
    """Publishes how far it has come."""
    await ctx.progress({"done": 1, "of": 2})
    await ctx.wait_event("sample.go", plan.key)
    await ctx.progress({"done": 2, "of": 2})
    return await ctx.step(first, plan.amount)


@workflow("sample.typed", version=1, finalizer=settle)
async def typed(ctx: WorkflowContext, parcel: Parcel) -> Parcel:
    """Passes a nested model through a step."""
    return await ctx.step(deliver, parcel)


@workflow("sample.large", version=1, finalizer=settle)
async def large(ctx: WorkflowContext, plan: Plan) -> str:
    """A step's output, a step's input, or the run's own output is too large."""
    if plan.key == "output of a step":
        await ctx.step(inflate, plan.amount)
    if plan.key == "input of a step":
        await ctx.step(swallow, "x" * plan.amount)
    return "x" * plan.amount


@workflow("sample.limited", version=1, finalizer=settle, timeout=seconds(1))
async def limited(ctx: WorkflowContext, plan: Plan) -> str:
    """Waits for longer than it may last."""
    await ctx.step(first, plan.amount)
    await ctx.wait_event("sample.never", plan.key)
    return "came"


@workflow("sample.once", version=1, finalizer=settle)
async def run_once(ctx: WorkflowContext, plan: Plan) -> int:
    """A step that has a single attempt."""
    return await ctx.step(once, plan.amount)


@workflow("sample.everything", version=1, finalizer=settle)
async def everything(ctx: WorkflowContext, plan: Plan) -> int:
    """Something of everything: steps, branches, an event, a retry, a sleep and a child."""
    amount = await ctx.step(first, plan.amount)
    two, three = await ctx.gather(ctx.step(second, amount), ctx.step(third, amount))
    came = await ctx.wait_event("sample.go", plan.key)
    tried = await ctx.step(flaky, plan)
    await ctx.sleep(timedelta(milliseconds=plan.milliseconds))
    child = await ctx.child(chain, Plan(amount=amount))
    await ctx.step(clean_up, f"tried {min(tried, 1)}")
    return two + three + child + int((came.payload or {})["amount"])
