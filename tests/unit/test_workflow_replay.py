"""Replay passes through exactly the states of the first run, and notices when it can't."""

import asyncio
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from computor_core.plugin_api.workflows import (
    Failure,
    NonDeterminismError,
    PayloadLimitError,
    Settlement,
    Step,
    StepFailedError,
    WorkflowCancelledError,
    WorkflowContext,
    seconds,
    workflow,
)
from computor_core.workflows.replay import CANCEL_POSITION, Replay, Resolution

RUN_ID = UUID(int=1)
START = datetime(2026, 1, 1, tzinfo=UTC)

one = Step[int, int]("replay.one")
two = Step[int, int]("replay.two")
text = Step[str, str]("replay.text")
settle = Step[Settlement, None]("replay.settle")


def replay_of(
    function: Any, recorded: tuple[Resolution, ...] = (), unresolved: dict[str, str] | None = None
) -> Replay:
    definition = workflow("replay.flow", version=1, finalizer=settle)(function)
    return Replay(definition, RUN_ID, START, 0, recorded, unresolved)


def result(position: str, name: str, ordinal: int, output: Any = None) -> Resolution:
    return Resolution(position, name, ordinal, START + timedelta(minutes=ordinal), output)


async def pair(ctx: WorkflowContext, request: int) -> int:
    return await ctx.step(two, await ctx.step(one, 1))


def test_a_fresh_run_waits_at_its_first_step() -> None:
    replay = replay_of(pair)
    replay.begin()
    assert [(item.position, item.name, item.input) for item in replay.pending.values()] == [
        ("1", "replay.one", 1)
    ]
    replay.release()


def test_recorded_results_are_handed_out_again() -> None:
    replay = replay_of(pair, (result("1", "replay.one", 1, 5), result("2", "replay.two", 2, 6)))
    replay.begin()
    assert (replay.finished, replay.output, replay.pending) == (True, 6, {})


def test_reordered_steps_are_noticed() -> None:
    async def swapped(ctx: WorkflowContext, request: int) -> int:
        return await ctx.step(one, await ctx.step(two, 1))

    replay = replay_of(swapped, (result("1", "replay.one", 1, 5),))
    with pytest.raises(NonDeterminismError) as noticed:
        replay.begin()
    assert noticed.value.details == {"position": "1", "recorded": "replay.one", "asked": "replay.two"}
    replay.release()


def test_a_step_that_is_no_more_is_noticed() -> None:
    async def shorter(ctx: WorkflowContext, request: int) -> int:
        return await ctx.step(one, 1)

    replay = replay_of(shorter, (result("1", "replay.one", 1, 5), result("2", "replay.two", 2, 6)))
    with pytest.raises(NonDeterminismError, match=r"doesn't get there where its journal has replay\.two"):
        replay.begin()


def test_an_unfinished_step_that_is_no_more_is_noticed() -> None:
    async def shorter(ctx: WorkflowContext, request: int) -> int:
        return await ctx.step(one, 1)

    replay = replay_of(shorter, (result("1", "replay.one", 1, 5),), {"2": "replay.two"})
    with pytest.raises(NonDeterminismError, match="position 2"):
        replay.begin()


def test_a_gap_in_the_journal_is_noticed() -> None:
    replay = replay_of(pair, (result("1", "replay.one", 2, 5),))
    with pytest.raises(NonDeterminismError, match="result 2 of the journal follows result 0"):
        replay.begin()
    replay.release()


def test_branches_have_positions_of_their_own_whatever_ends_first() -> None:
    async def spread(ctx: WorkflowContext, request: int) -> list[int]:
        async def branch(amount: int) -> int:
            return await ctx.step(two, await ctx.step(one, amount))

        return list(await ctx.gather(branch(1), branch(2)))

    replay = replay_of(spread)
    replay.begin()
    assert list(replay.pending) == ["1.1.1", "1.2.1"]
    replay.apply(result("1.2.1", "replay.one", 1, 20))
    replay.apply(result("1.2.2", "replay.two", 2, 21))
    replay.apply(result("1.1.1", "replay.one", 3, 10))
    assert list(replay.pending) == ["1.1.2"]
    replay.apply(result("1.1.2", "replay.two", 4, 11))
    assert replay.output == [11, 21]


def test_branches_share_state_in_the_order_of_the_first_run() -> None:
    async def logging(ctx: WorkflowContext, request: int) -> list[int]:
        seen: list[int] = []

        async def branch(amount: int) -> None:
            seen.append(await ctx.step(one, amount))

        await ctx.gather(branch(1), branch(2), branch(3))
        return seen

    recorded = tuple(
        result(f"1.{branch}.1", "replay.one", ordinal, branch) for ordinal, branch in enumerate((3, 1, 2), 1)
    )
    replay = replay_of(logging, recorded)
    replay.begin()
    assert replay.output == [3, 1, 2]


def test_the_first_failure_in_the_order_of_the_branches_is_raised() -> None:
    async def spread(ctx: WorkflowContext, request: int) -> str:
        try:
            await ctx.gather(ctx.step(one, 1), ctx.step(two, 2))
        except StepFailedError as error:
            return error.step
        return ""

    replay = replay_of(spread)
    replay.begin()
    for ordinal, (position, name) in enumerate((("1.2.1", "replay.two"), ("1.1.1", "replay.one")), 1):
        assert not replay.finished
        replay.apply(Resolution(position, name, ordinal, START, None, Failure("code", "why")))
    assert replay.output == "replay.one"


def test_gathering_nothing_is_nothing() -> None:
    async def empty(ctx: WorkflowContext, request: int) -> int:
        return len(await ctx.gather())

    replay = replay_of(empty)
    replay.begin()
    assert replay.output == 0


def test_the_time_of_a_run_is_that_of_its_latest_result() -> None:
    async def timed(ctx: WorkflowContext, request: int) -> list[datetime]:
        times = [ctx.now()]
        await ctx.step(one, 1)
        times.append(ctx.now())
        await ctx.sleep(seconds(5))
        return [*times, ctx.now()]

    replay = replay_of(timed, (result("1", "replay.one", 1, 5), result("2", "sleep", 2)))
    replay.begin()
    assert [datetime.fromisoformat(item) for item in replay.output] == [
        START,
        START + timedelta(minutes=1),
        START + timedelta(minutes=2),
    ]


def test_cancelling_is_raised_once_wherever_the_run_waits() -> None:
    async def careful(ctx: WorkflowContext, request: int) -> str:
        ended: list[str] = []

        async def branch(step: Step[int, int]) -> None:
            try:
                await ctx.step(step, 1)
            except WorkflowCancelledError:
                ended.append(step.name)
                raise

        try:
            await ctx.gather(branch(one), branch(two))
        except WorkflowCancelledError:
            return await ctx.step(text, " ".join(ended))
        return ""

    recorded = (
        Resolution(CANCEL_POSITION, CANCEL_POSITION, 1, START),
        result("2", "replay.text", 2, "cleaned up"),
    )
    replay = replay_of(careful, recorded)
    replay.begin()
    assert (replay.finished, replay.error, replay.output) == (True, None, "cleaned up")


def _asleep() -> Coroutine[Any, Any, None]:
    return asyncio.sleep(0)


async def _future() -> None:
    await asyncio.get_running_loop().create_future()


@pytest.mark.parametrize("other", [_asleep, _future], ids=["asyncio.sleep", "a future"])
async def test_a_definition_awaits_nothing_but_its_context(other: Any) -> None:
    async def impatient(ctx: WorkflowContext, request: int) -> int:
        await other()
        return 0

    replay = replay_of(impatient)
    with pytest.raises(NonDeterminismError, match="awaits something that isn't its context's"):
        replay.begin()
    replay.release()


def test_the_context_is_of_no_use_outside_its_definition() -> None:
    kept: list[WorkflowContext] = []

    async def leaking(ctx: WorkflowContext, request: int) -> int:
        kept.append(ctx)
        return await ctx.step(one, 1)

    replay = replay_of(leaking)
    replay.begin()
    with pytest.raises(NonDeterminismError, match="outside its definition"):
        kept[0].uuid()
    replay.release()


def test_a_large_request_is_refused_where_it_is_made() -> None:
    async def large(ctx: WorkflowContext, request: int) -> str:
        return await ctx.step(text, "x" * 70_000)

    replay = replay_of(large)
    replay.begin()
    assert replay.finished
    assert isinstance(replay.error, PayloadLimitError)


def test_what_a_definition_raises_is_its_outcome() -> None:
    async def broken(ctx: WorkflowContext, request: int) -> int:
        raise LookupError("a mistake")

    replay = replay_of(broken)
    replay.begin()
    assert replay.finished
    assert isinstance(replay.error, LookupError)


def test_a_run_that_is_laid_aside_runs_no_clean_up() -> None:
    asked: list[str] = []

    async def tidy(ctx: WorkflowContext, request: int) -> int:
        try:
            return await ctx.step(one, 1)
        finally:
            asked.append("local")
            await ctx.gather(ctx.step(two, 2))
            asked.append("never")

    replay = replay_of(tidy)
    replay.begin()
    replay.release()
    assert asked == ["local"]
    assert list(replay.pending) == ["1"]


def test_overlong_event_keys_are_refused() -> None:
    async def waiting(ctx: WorkflowContext, request: int) -> bool:
        return (await ctx.wait_event("job.done", "k" * 129)).timed_out

    replay = replay_of(waiting)
    replay.begin()
    assert isinstance(replay.error, ValueError)
