"""Implementations of the sample steps; what they do, they write into a ledger."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol, cast

from computor_core.plugin_api.errors import ProviderUnavailableError
from computor_core.plugin_api.registrations import StepRegistration, WorkflowRegistration
from computor_core.plugin_api.workflows import NonRetryableError, Settlement, StepContext
from computor_core.workflows.samples.dtos import Derived, Parcel, Plan
from computor_core.workflows.samples.ledger import Ledger, Record

_HERE = __name__
_DEFINITIONS = f"{__name__.rpartition('.')[0]}.definitions"


class HasLedger(Protocol):
    """The application of the samples."""

    ledger: Ledger


def workflows() -> list[WorkflowRegistration]:
    """All sample workflows."""
    targets = {
        "sample.chain": "chain",
        "sample.flaky": "try_flaky",
        "sample.patient": "be_patient",
        "sample.compensate": "compensate",
        "sample.unlucky": "unlucky",
        "sample.broken": "broken",
        "sample.limits": "limits",
        "sample.wait": "wait",
        "sample.wait_typed": "wait_typed",
        "sample.wait_limited": "wait_limited",
        "sample.sleep": "sleep",
        "sample.branches": "branches",
        "sample.failing_branches": "failing_branches",
        "sample.derive": "derive",
        "sample.parent": "parent",
        "sample.parent_of_unlucky": "parent_of_unlucky",
        "sample.parent_of_waiting": "parent_of_waiting",
        "sample.cancellable": "cancellable",
        "sample.slow": "run_slow",
        "sample.progress": "progress",
        "sample.typed": "typed",
        "sample.large": "large",
        "sample.limited": "limited",
        "sample.once": "run_once",
        "sample.everything": "everything",
    }
    found = [WorkflowRegistration(name, 1, f"{_DEFINITIONS}:{target}") for name, target in targets.items()]
    return [*found, version(1), version(2)]


def version(number: int) -> WorkflowRegistration:
    """A version of ``sample.versions``."""
    return WorkflowRegistration("sample.versions", number, f"{_DEFINITIONS}:versions_{number}")


def steps() -> list[StepRegistration]:
    """All sample steps."""
    names = """first second third once flaky patient fussy slow hasty silent beating meet deliver inflate
    swallow clean_up note settle"""
    return [StepRegistration(f"sample.{name}", f"{_HERE}:{name}") for name in names.split()]


def _ledger(ctx: StepContext) -> Ledger:
    return cast("HasLedger", ctx.app).ledger


async def _enter(ctx: StepContext, what: str, value: object) -> None:
    ledger = _ledger(ctx)
    ledger.enter(Record(what, ctx.step, str(ctx.run_id), ctx.idempotency_key, ctx.attempt, str(value)))
    await ledger.announce()


async def first(ctx: StepContext, amount: int) -> int:
    """Add 1."""
    await _enter(ctx, "did", amount)
    return amount + 1


async def second(ctx: StepContext, amount: int) -> int:
    """Add 10."""
    await _enter(ctx, "did", amount)
    return amount + 10


async def third(ctx: StepContext, amount: int) -> int:
    """Add 100."""
    await _enter(ctx, "did", amount)
    return amount + 100


async def once(ctx: StepContext, amount: int) -> int:
    """Do what must not be done twice."""
    await _enter(ctx, "did", amount)
    return amount


async def flaky(ctx: StepContext, plan: Plan) -> int:
    """Fail a number of times, then return which attempt succeeded."""
    await _enter(ctx, "began", plan.amount)
    if ctx.attempt <= plan.fail_first:
        raise ProviderUnavailableError("not yet")
    await _enter(ctx, "did", plan.amount)
    return ctx.attempt


async def patient(ctx: StepContext, plan: Plan) -> int:
    """Note the seconds on the system's monotonic clock; fail once, then return which attempt it is."""
    await _enter(ctx, "began", time.monotonic())
    if ctx.attempt == 1:
        raise ProviderUnavailableError("not yet")
    return ctx.attempt


async def fussy(ctx: StepContext, amount: int) -> int:
    """Refuse whatever it gets."""
    await _enter(ctx, "began", amount)
    raise NonRetryableError("no such amount")


async def slow(ctx: StepContext, plan: Plan) -> int:
    """Go on until the ledger lets it."""
    await _enter(ctx, "began", plan.amount)
    try:
        await _ledger(ctx).until_let(plan.key)
    except asyncio.CancelledError:
        await _enter(ctx, "cancelled", plan.amount)
        raise
    await _enter(ctx, "did", plan.amount)
    return plan.amount


async def hasty(ctx: StepContext, plan: Plan) -> int:
    """Go on for ever; its timeout ends it."""
    await _enter(ctx, "began", plan.amount)
    await asyncio.Event().wait()
    return 0


silent = hasty


async def beating(ctx: StepContext, plan: Plan) -> int:
    """Last longer than a heartbeat, but give signs of life."""
    for _ in range(25):
        ctx.heartbeat()
        await asyncio.sleep(0.05)
    await _enter(ctx, "did", plan.amount)
    return 0


async def meet(ctx: StepContext, amount: int) -> int:
    """Wait until all three branches have come here."""
    await _enter(ctx, "began", amount)
    here = str(ctx.run_id)

    def all_are_here(records: list[Record]) -> bool:
        keys = {item.key for item in records if item.run_id == here and item.step == ctx.step}
        return len(keys) == 3

    await _ledger(ctx).until(all_are_here)
    await _enter(ctx, "did", amount)
    return amount


async def deliver(ctx: StepContext, parcel: Parcel) -> Parcel:
    """Wrap a parcel into another."""
    await _enter(ctx, "did", parcel.id)
    return Parcel(id=parcel.id, sent_at=parcel.sent_at, inner=parcel, weights={"half": 0.5})


async def inflate(ctx: StepContext, amount: int) -> str:
    """Return so many characters."""
    await _enter(ctx, "did", amount)
    return "x" * amount


async def swallow(ctx: StepContext, text: str) -> int:
    """Count characters."""
    await _enter(ctx, "did", len(text))
    return len(text)


async def clean_up(ctx: StepContext, reason: str) -> None:
    """Note why there was to be cleaned up."""
    await _enter(ctx, "did", reason)


async def note(ctx: StepContext, derived: Derived) -> None:
    """Note what was derived."""
    await _enter(ctx, "did", f"{derived.id} {derived.number} {derived.now.isoformat()}")


async def settle(ctx: StepContext, settlement: Settlement) -> None:
    """Note how the run ended."""
    await _enter(ctx, "settled", f"{settlement.state.value}:{settlement.reason}")
